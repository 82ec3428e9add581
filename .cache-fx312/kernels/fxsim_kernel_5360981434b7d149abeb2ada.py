# operations: 6224dc954a7aa0a0
import math
import numpy as np
import numba as nb
from fxsim.engine.compiler import Inlined
from fxsim.engine.lanes import align_stack, held, like, loader, memory, put, repeating
from fxsim.engine.sharing import claim, tell, wait
from fxsim.engine.words import all_at_most, less, positive, signed, unsigned, zero, mulhi16, mullo16, mulround16, narrowmul32, dot32, pair16, dotpair32, cut16, add16, add32, add64, sub16, sub32, sub64, mul16, mul32, mul64, shl16, shl32, shl64, and16, and32, and64, neg16, neg32, neg64, shr16, shr32, shr64, min16, min32, min64, max16, max32, max64, abs16, abs32, abs64, ads16, ads32, ads64, addU32, subU32, mulU32, shlU32, andU32, negU32, orU32, xorU32, shrU32, addFLT, subFLT, mulFLT, divFLT, negFLT, absFLT, minFLT, maxFLT
inline = nb.njit(forceinline=True, error_model="numpy", pipeline_class=Inlined)
compiled = nb.njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
I16, I32, I64, U32 = nb.int16, nb.int32, nb.int64, nb.uint32

DT_V = np.int16
DT_A = np.uint16
DT_X = np.int16
DT_H = np.int16
DT_Z = np.int16
DT_Y = np.int16
DT_ERR = np.int16
DT_U = np.int16
DT_F = np.int16
DT_S = np.int32
DT_G = np.int32
DT_GOUT = np.int32
DT_D = np.int16
DT_FEEDBACK = np.int16
DT_L = np.int16
DT_NUM = np.int16
DT_CURRENT = np.int32
DT_DIRECT = np.int32
DT_NINE = np.int32
DT_GAIN = np.int16
DT_COEFFICIENT = np.int32
DT_WIDE = np.int64
DT_STATE = np.int32
NUM = I16
CURRENT = I32
DIRECT = I32
NINE = I32
COEFFICIENT = I32
WIDE = I64
STATE = I32
add_CURRENT = add32
mul_CURRENT = mul32
add_NINE = add32
mul_H = mul16
RATE_FRAC = 24
PARTIAL = 4
PARTIAL_LIF = 4
JOINT = True
QUICK = True
MOST = 65535
LANES = 16
SIDE = 1
TOGETHER = 4
CHUNK = 32
PART = 16
K = 4
ROW = 544
WIDTH = 16
SPAN = 32
M = 1099511627775
LANES_PER_WORD = 8
WATCHED = False
take, _, take_all, take_each, take_same, spread, none, none_all = memory(LANES, TOGETHER, CHUNK)
_, put_side, take_side, _, same_side, _, _, none_side = memory(LANES, SIDE, ROW)
take_held, put_held, take_held_side = held(LANES, SIDE)
element, take_chunk, take_signal = loader(1), loader(CHUNK), repeating(LANES, WIDTH // LANES)
take_pairs, take_low = (repeating(n, SPAN // WIDTH) for n in (2 * WIDTH, WIDTH))
take_span, _, _, _, _, _, none_span, _ = memory(SPAN, 1, 1)


PROBABILITY_FRAC = 30
LOG2E_FRAC = 28
LOG2E = 387270501
TABLE_BITS = 10
REST_BITS = 20

EXP2 = np.array([1073741824, 1073015252, 1072289173, 1071563584, 1070838486, 1070113879, 1069389763, 1068666136, 1067942999, 1067220351, 1066498193, 1065776523, 1065055341, 1064334647, 1063614442, 1062894723, 1062175491, 1061456746, 1060738488, 1060020715, 1059303428, 1058586627, 1057870310, 1057154479, 1056439131, 1055724268, 1055009888, 1054295992, 1053582579, 1052869649, 1052157201, 1051445235, 1050733751, 1050022748, 1049312227, 1048602186, 1047892626, 1047183546, 1046474945, 1045766824, 1045059183, 1044352020, 1043645336, 1042939130, 1042233401, 1041528151, 1040823377, 1040119081, 1039415261, 1038711917, 1038009049, 1037306657, 1036604740, 1035903298, 1035202331, 1034501838, 1033801819, 1033102274, 1032403202, 1031704603, 1031006477, 1030308823, 1029611642, 1028914932, 1028218693, 1027522926, 1026827629, 1026132803, 1025438448, 1024744562, 1024051145, 1023358198, 1022665720, 1021973710, 1021282168, 1020591095, 1019900489, 1019210350, 1018520679, 1017831474, 1017142735, 1016454463, 1015766656, 1015079314, 1014392438, 1013706027, 1013020080, 1012334597, 1011649578, 1010965022, 1010280930, 1009597301, 1008914134, 1008231430, 1007549187, 1006867406, 1006186087, 1005505229, 1004824831, 1004144893, 1003465416, 1002786399, 1002107841, 1001429742, 1000752102, 1000074921, 999398197, 998721932, 998046124, 997370774, 996695881, 996021444, 995347464, 994673939, 994000871, 993328258, 992656100, 991984397, 991313148, 990642354, 989972014, 989302127, 988632693, 987963713, 987295185, 986627109, 985959486, 985292314, 984625594, 983959325, 983293507, 982628139, 981963222, 981298754, 980634736, 979971168, 979308048, 978645377, 977983155, 977321381, 976660054, 975999175, 975338743, 974678758, 974019220, 973360128, 972701482, 972043282, 971385527, 970728217, 970071352, 969414931, 968758955, 968103422, 967448333, 966793688, 966139485, 965485725, 964832407, 964179532, 963527098, 962875106, 962223554, 961572444, 960921775, 960271545, 959621756, 958972406, 958323496, 957675025, 957026993, 956379399, 955732243, 955085525, 954439245, 953793402, 953147997, 952503028, 951858495, 951214399, 950570738, 949927513, 949284723, 948642368, 948000448, 947358962, 946717910, 946077292, 945437108, 944797357, 944158038, 943519153, 942880699, 942242678, 941605088, 940967930, 940331203, 939694906, 939059041, 938423605, 937788600, 937154024, 936519878, 935886160, 935252872, 934620012, 933987580, 933355577, 932724001, 932092852, 931462130, 930831836, 930201967, 929572525, 928943509, 928314918, 927686753, 927059013, 926431698, 925804807, 925178340, 924552298, 923926678, 923301483, 922676710, 922052360, 921428433, 920804927, 920181844, 919559182, 918936942, 918315122, 917693724, 917072746, 916452188, 915832050, 915212331, 914593032, 913974152, 913355691, 912737649, 912120024, 911502818, 910886029, 910269657, 909653703, 909038165, 908423044, 907808339, 907194050, 906580177, 905966719, 905353676, 904741048, 904128835, 903517036, 902905651, 902294679, 901684121, 901073976, 900464244, 899854925, 899246018, 898637523, 898029440, 897421768, 896814507, 896207657, 895601218, 894995190, 894389571, 893784362, 893179563, 892575173, 891971192, 891367619, 890764456, 890161700, 889559352, 888957411, 888355878, 887754752, 887154033, 886553720, 885953814, 885354313, 884755218, 884156529, 883558244, 882960365, 882362890, 881765819, 881169153, 880572890, 879977030, 879381574, 878786521, 878191870, 877597622, 877003775, 876410331, 875817288, 875224647, 874632406, 874040567, 873449128, 872858089, 872267449, 871677210, 871087370, 870497929, 869908887, 869320244, 868731999, 868144152, 867556702, 866969651, 866382996, 865796739, 865210878, 864625413, 864040345, 863455673, 862871396, 862287515, 861704028, 861120937, 860538240, 859955938, 859374029, 858792514, 858211393, 857630665, 857050330, 856470387, 855890838, 855311680, 854732914, 854154540, 853576557, 852998965, 852421764, 851844954, 851268534, 850692504, 850116863, 849541613, 848966751, 848392279, 847818195, 847244500, 846671193, 846098274, 845525742, 844953598, 844381841, 843810471, 843239488, 842668891, 842098680, 841528855, 840959416, 840390362, 839821693, 839253408, 838685509, 838117993, 837550862, 836984114, 836417750, 835851769, 835286171, 834720956, 834156123, 833591673, 833027604, 832463917, 831900612, 831337688, 830775144, 830212982, 829651199, 829089797, 828528775, 827968132, 827407869, 826847985, 826288480, 825729353, 825170605, 824612234, 824054242, 823496627, 822939390, 822382529, 821826045, 821269938, 820714208, 820158853, 819603874, 819049271, 818495042, 817941189, 817387711, 816834607, 816281878, 815729522, 815177541, 814625932, 814074697, 813523835, 812973346, 812423229, 811873485, 811324113, 810775112, 810226483, 809678225, 809130338, 808582821, 808035676, 807488900, 806942495, 806396459, 805850792, 805305495, 804760567, 804216008, 803671817, 803127995, 802584540, 802041453, 801498734, 800956381, 800414396, 799872778, 799331526, 798790640, 798250121, 797709967, 797170178, 796630755, 796091697, 795553004, 795014675, 794476710, 793939110, 793401873, 792865000, 792328490, 791792343, 791256559, 790721137, 790186078, 789651381, 789117046, 788583072, 788049459, 787516208, 786983317, 786450787, 785918618, 785386808, 784855359, 784324269, 783793538, 783263166, 782733154, 782203500, 781674204, 781145267, 780616687, 780088465, 779560601, 779033094, 778505943, 777979150, 777452713, 776926632, 776400907, 775875538, 775350524, 774825866, 774301562, 773777614, 773254020, 772730780, 772207894, 771685363, 771163184, 770641359, 770119888, 769598769, 769078002, 768557588, 768037527, 767517817, 766998459, 766479452, 765960796, 765442492, 764924538, 764406934, 763889681, 763372778, 762856225, 762340021, 761824166, 761308661, 760793504, 760278696, 759764237, 759250125, 758736361, 758222945, 757709877, 757197155, 756684781, 756172753, 755661072, 755149737, 754638748, 754128104, 753617807, 753107854, 752598247, 752088984, 751580066, 751071493, 750563263, 750055378, 749547836, 749040637, 748533782, 748027270, 747521101, 747015274, 746509789, 746004646, 745499845, 744995386, 744491268, 743987492, 743484056, 742980960, 742478206, 741975791, 741473716, 740971982, 740470586, 739969530, 739468813, 738968435, 738468395, 737968694, 737469331, 736970306, 736471618, 735973268, 735475255, 734977579, 734480240, 733983238, 733486571, 732990241, 732494247, 731998588, 731503265, 731008277, 730513624, 730019305, 729525321, 729031671, 728538356, 728045374, 727552725, 727060411, 726568429, 726076780, 725585464, 725094480, 724603828, 724113509, 723623521, 723133865, 722644540, 722155547, 721666884, 721178552, 720690550, 720202879, 719715537, 719228525, 718741843, 718255490, 717769467, 717283772, 716798406, 716313368, 715828658, 715344277, 714860223, 714376497, 713893098, 713410026, 712927281, 712444863, 711962771, 711481005, 710999566, 710518452, 710037663, 709557200, 709077063, 708597250, 708117761, 707638598, 707159758, 706681242, 706203051, 705725183, 705247638, 704770416, 704293517, 703816941, 703340688, 702864756, 702389147, 701913860, 701438894, 700964249, 700489926, 700015924, 699542242, 699068881, 698595841, 698123120, 697650719, 697178638, 696706877, 696235434, 695764311, 695293506, 694823020, 694352853, 693883003, 693413472, 692944258, 692475362, 692006783, 691538521, 691070576, 690602947, 690135635, 689668639, 689201960, 688735596, 688269547, 687803814, 687338396, 686873293, 686408505, 685944031, 685479872, 685016026, 684552495, 684089277, 683626372, 683163781, 682701503, 682239538, 681777885, 681316545, 680855517, 680394800, 679934396, 679474303, 679014521, 678555051, 678095891, 677637043, 677178504, 676720276, 676262358, 675804750, 675347452, 674890463, 674433783, 673977412, 673521350, 673065597, 672610152, 672155015, 671700186, 671245665, 670791451, 670337545, 669883946, 669430654, 668977669, 668524990, 668072618, 667620551, 667168791, 666717336, 666266187, 665815343, 665364804, 664914570, 664464640, 664015016, 663565695, 663116678, 662667965, 662219556, 661771450, 661323648, 660876148, 660428952, 659982058, 659535466, 659089176, 658643189, 658197503, 657752119, 657307036, 656862255, 656417774, 655973594, 655529715, 655086136, 654642857, 654199878, 653757199, 653314820, 652872739, 652430958, 651989476, 651548293, 651107408, 650666822, 650226533, 649786543, 649346850, 648907455, 648468357, 648029557, 647591053, 647152846, 646714935, 646277321, 645840003, 645402981, 644966254, 644529823, 644093688, 643657847, 643222302, 642787051, 642352095, 641917433, 641483065, 641048991, 640615211, 640181724, 639748530, 639315630, 638883023, 638450708, 638018686, 637586957, 637155519, 636724373, 636293520, 635862957, 635432686, 635002706, 634573018, 634143620, 633714512, 633285695, 632857168, 632428931, 632000983, 631573326, 631145957, 630718878, 630292088, 629865587, 629439374, 629013450, 628587814, 628162466, 627737405, 627312633, 626888148, 626463950, 626040039, 625616415, 625193077, 624770026, 624347262, 623924783, 623502590, 623080683, 622659062, 622237725, 621816674, 621395908, 620975426, 620555229, 620135317, 619715688, 619296344, 618877283, 618458506, 618040012, 617621801, 617203873, 616786229, 616368866, 615951786, 615534989, 615118473, 614702239, 614286287, 613870617, 613455227, 613040119, 612625292, 612210745, 611796479, 611382493, 610968787, 610555361, 610142215, 609729349, 609316762, 608904454, 608492425, 608080675, 607669204, 607258010, 606847096, 606436459, 606026100, 605616019, 605206215, 604796689, 604387439, 603978467, 603569772, 603161352, 602753210, 602345343, 601937753, 601530438, 601123399, 600716635, 600310147, 599903933, 599497995, 599092331, 598686942, 598281827, 597876986, 597472419, 597068126, 596664106, 596260360, 595856887, 595453687, 595050760, 594648106, 594245724, 593843614, 593441776, 593040210, 592638916, 592237894, 591837143, 591436663, 591036454, 590636516, 590236848, 589837451, 589438325, 589039468, 588640881, 588242564, 587844516, 587446738, 587049229, 586651989, 586255018, 585858315, 585461881, 585065715, 584669817, 584274187, 583878825, 583483730, 583088903, 582694343, 582300049, 581906023, 581512263, 581118770, 580725543, 580332582, 579939887, 579547457, 579155293, 578763395, 578371762, 577980393, 577589290, 577198451, 576807877, 576417567, 576027521, 575637739, 575248221, 574858966, 574469975, 574081247, 573692782, 573304580, 572916640, 572528963, 572141549, 571754396, 571367506, 570980877, 570594510, 570208404, 569822560, 569436977, 569051654, 568666593, 568281792, 567897251, 567512971, 567128950, 566745190, 566361689, 565978447, 565595465, 565212742, 564830279, 564448073, 564066127, 563684439, 563303009, 562921837, 562540924, 562160268, 561779869, 561399728, 561019845, 560640218, 560260848, 559881735, 559502878, 559124278, 558745934, 558367846, 557990014, 557612438, 557235117, 556858051, 556481240, 556104685, 555728384, 555352338, 554976546, 554601009, 554225726, 553850696, 553475921, 553101399, 552727130, 552353115, 551979353, 551605844, 551232587, 550859583, 550486832, 550114332, 549742085, 549370090, 548998346, 548626854, 548255613, 547884624, 547513886, 547143398, 546773161, 546403175, 546033439, 545663953, 545294717, 544925731, 544556995, 544188508, 543820271, 543452283, 543084543, 542717053, 542349811, 541982818, 541616073, 541249576, 540883328, 540517327, 540151574, 539786068, 539420810, 539055798, 538691034, 538326517, 537962246, 537598222, 537234444, 536870912], np.int64)

@inline
def exp_negative(d, frac, table):
    u = I64(d * LOG2E)
    whole = I64(u >> I64(frac + LOG2E_FRAC))
    part = I64(I64(u >> I64(I64(frac + LOG2E_FRAC) - PROBABILITY_FRAC)) & I64(I64(I64(1) << PROBABILITY_FRAC) - I64(1)))
    i = I64(part >> REST_BITS)
    value = I64(table[i] - I64(I64(I64(table[i] - table[I64(i + I64(1))]) * I64(part & I64(I64(I64(1) << REST_BITS) - I64(1)))) >> REST_BITS))
    return I64(value >> I64(I64((whole < I64(31)) * whole) + I64((whole >= I64(31)) * I64(31))))

@inline
def exponential(d):
    return exp_negative(d, I64(12), EXP2)

@inline
def quotient(p, total):
    return I64((p << PROBABILITY_FRAC) // total)


M32 = U32(4294967295)

@inline
def mix32(x):
    x = xorU32(x, shrU32(x, U32(16)))
    x = andU32(mulU32(x, U32(569420461)), M32)
    x = xorU32(x, shrU32(x, U32(15)))
    x = andU32(mulU32(x, U32(1935289751)), M32)
    return xorU32(x, shrU32(x, U32(15)))

@inline
def stream_key(seed, trial):
    return mix32(andU32(addU32(mix32(andU32(xorU32(seed, U32(1542469173)), M32)), trial), M32))

@inline
def step_key(quantity, step):
    return mix32(andU32(addU32(mulU32(quantity, U32(2654435769)), step), M32))

@inline
def element_key(step_key_, element):
    return mix32(andU32(addU32(step_key_, element), M32))

@inline
def trial_key(seed, trial):
    return orU32(stream_key(seed, trial), U32(1))

@inline
def random31(trial_key_, element):
    return shrU32(andU32(mulU32(trial_key_, element), M32), U32(1))


@inline
def refractory(r, z, R):
    return max16(mul16(z, R), sub16(r, I16(1)))

@inline
def adaptation(a, z, leak, rnd):
    kept = min32(add32(a, add32(narrowmul32(z, I16(256)), shr32(add32(mul32(neg16(leak), a), shr32(rnd, I16(12))), I16(19)))), I32(65535))
    return kept

@inline
def membrane(V, z, current_in, current_rec, leak, rnd):
    kept = cut16(shr32(add32(add32(current_in, current_rec), dot32(V, I16(4), sub16(shr16(add16(mulhi16(neg16(leak), V), I16(4)), I16(1)), shl16(z, I16(13))), I16(1))), I16(2)))
    return kept

@inline
def trace(X, s, leak, rnd):
    kept = ads16(X, add16(shl16(s, I16(11)), mulround16(mulhi16(neg16(leak), X), I16(4096))))
    return kept

@inline
def distance(V, a, gain):
    return sub32(dot32(V, I16(8192), I16(16384), I16(-1024)), mul32(gain, a))

@inline
def pseudo_derivative(distance, ready, rnd):
    kept = max16(cut16(shr32(add32(mul32(ready, sub32(I32(16777216), abs32(distance))), I16(256)), I16(9))), I16(0))
    return kept

@inline
def distance_lif(V):
    return sub16(max16(V, I16(-2048)), I16(2048))

@inline
def pseudo_derivative_lif(distance, rnd):
    kept = ads16(shl16(max16(I16(0), sub16(I16(2048), abs16(distance))), I16(3)), shl16(max16(I16(0), sub16(I16(2048), abs16(distance))), I16(3)))
    return kept

@inline
def readout_trace(Z, z, leak, rnd):
    kept = ads16(Z, add16(shl16(z, I16(11)), mulround16(mulhi16(neg16(leak), Z), I16(4096))))
    return kept

@inline
def readout(y, current, leak, rnd):
    kept = cut16(shr32(add32(current, add32(narrowmul32(y, I16(32)), shr32(dot32(neg16(leak), y, I16(16384), I16(16)), I16(14)))), I16(5)))
    return kept

@inline
def eligibility(H, X, U, rnd):
    kept = mulround16(mulhi16(H, sub16(X, U)), I16(8192))
    return kept

@inline
def filtered_eligibility(F, E, leak, rnd):
    kept = ads16(F, add16(E, mulround16(mulhi16(neg16(leak), F), I16(4096))))
    return kept

@inline
def adaptation_eligibility(U, E, drive, leak, rnd):
    kept = max16(ads16(U, shr32(add32(dot32(drive, shl16(E, I16(2)), neg16(leak), U), shr32(rnd, I16(12))), I16(19))), I16(0))
    return kept

@inline
def eligibility_sum(S, E, rnd):
    kept = add32(S, E)
    return kept

@inline
def error_classification(probability, label, rnd):
    kept = shr16(sub32(add32(sub32(probability, shl32(label, I16(30))), I32(65536)), sub16(I16(1), and16(shr16(sub32(probability, shl32(label, I16(30))), I16(17)), I16(1)))), I16(17))
    return kept

@inline
def error_regression(y, target, rnd):
    kept = cut16(shl32(sub32(y, target), I16(1)))
    return kept

@inline
def direct(sum, B, err):
    return add32(sum, narrowmul32(B, err))

@inline
def learning_signal(d, rnd):
    kept = cut16(shr32(sub32(add32(d, I16(1024)), sub16(I16(1), and16(shr32(d, I16(11)), I16(1)))), I16(11)))
    return kept

@inline
def modulator(neighbours, d, gain, rnd):
    kept = cut16(shr32(add32(d, shr32(add32(mul32(gain, neighbours), I32(32768)), I16(5))), I16(11)))
    return kept

@inline
def gradient(G, L, F, rnd):
    kept = min32(max32(add32(G, shr32(dot32(L, F, I16(2), I16(1)), I16(2))), I32(-1073741824)), I32(1073741823))
    return kept

@inline
def gradient_rate(G, D, S, rnd):
    kept = min32(max64(add64(G, shr64(add64(mul64(D, S), I16(32)), I16(6))), I64(-1073741824)), I64(1073741823))
    return kept

@inline
def gradient_out(G, err, Z, rnd):
    kept = min32(max32(add32(G, shr32(dot32(err, Z, I16(8), I16(1)), I16(4))), I32(-1073741824)), I32(1073741823))
    return kept

@inline
def rate_error(count, duration, target, gain, rnd):
    excess = sub64(shl64(count, RATE_FRAC), mul64(target, duration))
    kept = min16(max64(shr64(sub64(add64(I64(mul64(gain, excess) // narrowmul32(duration, duration)), I32(524288)), sub16(I16(1), and16(shr64(I64(mul64(gain, excess) // narrowmul32(duration, duration)), I16(20)), I16(1)))), I16(20)), I64(-32768)), I64(32767))
    return kept


@inline
def signal_pairs(L, next):
    return pair16(L, next)

@inline
def signal_low(L):
    return mullo16(L, I16(16384))

@inline
def add_products(sum, pairs, F, next):
    return add32(sum, dotpair32(pairs, F, next))

@inline
def add_left_over(sum, low, F):
    return add16(sum, shr16(mullo16(low, F), I16(14)))

@inline
def gradient_quick(G, products, left_over):
    return add32(G, shr32(sub32(products, left_over), I32(2)))

@inline
def room_left(total):
    return sub32(I32(1073741791), mul32(min32(total, I32(131072)), I32(8192)))


OF_E, OF_F, OF_U, OF_S, OF_G = (0, TOGETHER * CHUNK, 2 * TOGETHER * CHUNK, 3 * TOGETHER * CHUNK, 4 * TOGETHER * CHUNK)

@inline
def any_spike(words, o):
    """Whether a lane of the LANES bytes at o spiked."""
    o = o // LANES_PER_WORD & M
    found = words[o]
    for w in range(1, LANES // LANES_PER_WORD):
        found |= words[o + w]
    return found != 0

@inline
def deliver(current, spikes, first, last, post, weight):
    """Add the weights of the synapses first .. last-1 to their targets' currents in the lanes that spiked."""
    for e in range(first, last):
        o = post[e & M] * LANES
        put_held(current, o, add_CURRENT(take_held(current, o), mul_CURRENT(spikes, weight[e & M])))

@inline
def follow(X, o, spikes, leak, hist, p, stream, key):
    """X of one line, kept and written to the history."""
    X_1 = take(X, o)
    kept_1 = ads16(X_1, add16(shl16(spikes, I16(11)), mulround16(mulhi16(neg16(leak), X_1), I16(4096))))
    x = kept_1
    put(X, o, x)
    put(hist, p, x)

@inline
def error_step(t, y, target, q, err, n_out, classify, probability, stream):
    """err of all outputs; target[q + k * LANES + l] is the label (0 or 1) or the regression target."""
    if classify:
        for l in range(LANES):
            top = WIDE(y[l])
            for k in range(1, n_out):
                top = max(top, WIDE(y[k * LANES + l]))
            total = WIDE(0)
            for k in range(n_out):
                p = exponential(WIDE(top - WIDE(y[k * LANES + l])))
                probability[k * LANES + l] = p
                total = WIDE(total + p)
            for k in range(n_out):
                o = k * LANES + l
                key = 0
                probability_2 = quotient(probability[o], total)
                label_2 = target[q + o]
                kept_2 = shr16(sub32(add32(sub32(probability_2, shl32(label_2, I16(30))), I32(65536)), sub16(I16(1), and16(shr16(sub32(probability_2, shl32(label_2, I16(30))), I16(17)), I16(1)))), I16(17))
                err[o] = kept_2
    else:
        for k in range(n_out):
            key = 0
            y_3 = take(y, k * LANES)
            target_3 = take(target, q + k * LANES)
            kept_3 = cut16(shl32(sub32(y_3, target_3), I16(1)))
            put(err, k * LANES, kept_3)

@inline
def direct_lanes(d, j, err, feedback, n_out):
    """d = B err of neuron j."""
    sum = none(d)
    for k in range(n_out):
        B_4 = feedback[j, k]
        err_4 = take(err, k * LANES)
        sum = like(d, add32(sum, narrowmul32(B_4, err_4)))
    put_held(d, j * LANES, sum)

@inline
def neighbours(grid, nine, tables, per_step, row):
    """Sum of a 3x3 neighbourhood of the grid; tables[row:] tell where its cells are, in all lanes or lane by lane."""
    if per_step:
        for l in range(LANES):
            sum = NINE(0)
            for q in range(9):
                sum = NINE(sum + grid[tables[(row + q) * LANES + l & M] + l & M])
            nine[l] = sum
        return take(nine, 0)
    sum = like(nine, take(grid, element(tables, row)))
    for q in range(1, 9):
        sum = like(nine, add_NINE(sum, take(grid, element(tables, row + q))))
    return sum

@inline
def diffusion_step(t, s, neuron_at, tables, per_step, step, gain):
    """One step of the neuromodulator on the grid: from s.grid to s.new."""
    n_cells = neuron_at.size
    for c in range(n_cells):
        key = 0
        nine = neighbours(s.grid, s.nine, tables, per_step, (step * n_cells + c) * 9 if per_step else c * 9)
        injected = none(s.d)
        if neuron_at[c] >= 0:
            injected = take_held(s.d, neuron_at[c] * LANES)
        kept_5 = cut16(shr32(add32(injected, shr32(add32(mul32(gain, nine), I32(32768)), I16(5))), I16(11)))
        put(s.new, c * LANES, kept_5)
    for c in range(n_cells):
        put(s.grid, c * LANES, take(s.new, c * LANES))

@inline
def signal_step(t, k, step, rule, kd, net, s, h, io):
    """L of all neurons into the history, from the errors; rule: 0 e-prop, 1 diffusion, 2 diffusion on per-step tables."""
    n, n_out = (net.cell.size, s.y.size // LANES)
    for j in range(n):
        direct_lanes(s.d, j, s.err, net.feedback, n_out)
    if rule > 0:
        diffusion_step(t, s, net.neuron_at, io.tables, rule == 2, step, kd)
    for j in range(n):
        p = j * ROW + k * LANES
        if rule > 0:
            put(h.l, p, take(s.grid, net.cell[j] * LANES))
        else:
            key = 0
            d_6 = take_held(s.d, j * LANES)
            kept_6 = cut16(shr32(sub32(add32(d_6, I16(1024)), sub16(I16(1), and16(shr32(d_6, I16(11)), I16(1)))), I16(11)))
            put(h.l, p, kept_6)

@inline
def gradient_out_step(t, net, s):
    """One more step of the gradients of the readout weights."""
    for j in range(net.cell.size):
        for e in range(net.ptr_out[j], net.ptr_out[j + 1]):
            key = 0
            G_7 = take(s.gout, e * LANES)
            err_7 = take(s.err, net.post_out[e] * LANES)
            Z_7 = take(s.Z, j * LANES)
            kept_7 = min32(max32(add32(G_7, shr32(dot32(err_7, Z_7, I16(8), I16(1)), I16(4))), I32(-1073741824)), I32(1073741823))
            put(s.gout, e * LANES, kept_7)

@inline
def neuron_step(t, k, j, learn, leak_m, leak_a, leak_k, R, net, s, h):
    """One step of the neurons from j on, SIDE of them side by side: a, V, spike, and for learning H and Z."""
    o, who = (j * LANES, j)
    stream, z = (same_side(s.stream, 0), take_side(s.z, o))
    current_rec = none_side(s.current_rec)
    V_8 = take_side(s.V, o)
    current_in_8 = take_held_side(s.current_in, o)
    kept_8 = cut16(shr32(add32(add32(current_in_8, current_rec), dot32(V_8, I16(4), sub16(shr16(add16(mulhi16(neg16(leak_m), V_8), I16(4)), I16(1)), shl16(z, I16(13))), I16(1))), I16(2)))
    V = kept_8
    put(s.V, o, V)
    put_held(s.current_in, o, none_side(s.current_in))
    r_9 = take_side(s.r, o)
    wait = max16(mul16(z, R), sub16(r_9, I16(1)))
    put(s.r, o, wait)
    ready = zero(wait)
    if net.adapts[j // SIDE]:
        quantity_10 = U32(5)
        step_10 = U32(t)
        x_1_10 = andU32(addU32(mulU32(quantity_10, U32(2654435769)), step_10), M32)
        x_1_10 = xorU32(x_1_10, shrU32(x_1_10, U32(16)))
        x_1_10 = andU32(mulU32(x_1_10, U32(569420461)), M32)
        x_1_10 = xorU32(x_1_10, shrU32(x_1_10, U32(15)))
        x_1_10 = andU32(mulU32(x_1_10, U32(1935289751)), M32)
        step_key__11 = xorU32(x_1_10, shrU32(x_1_10, U32(15)))
        element_11 = unsigned(who)
        x_1_11 = andU32(addU32(step_key__11, element_11), M32)
        x_1_11 = xorU32(x_1_11, shrU32(x_1_11, U32(16)))
        x_1_11 = andU32(mulU32(x_1_11, U32(569420461)), M32)
        x_1_11 = xorU32(x_1_11, shrU32(x_1_11, U32(15)))
        x_1_11 = andU32(mulU32(x_1_11, U32(1935289751)), M32)
        element_12 = xorU32(x_1_11, shrU32(x_1_11, U32(15)))
        a_13 = take_side(s.a, o)
        rnd_13 = signed(shrU32(andU32(mulU32(stream, element_12), M32), U32(1)))
        kept_13 = min32(add32(a_13, add32(narrowmul32(z, I16(256)), shr32(add32(mul32(neg16(leak_a), a_13), shr32(rnd_13, I16(12))), I16(19)))), I32(65535))
        a = like(s.a, kept_13)
        put(s.a, o, a)
        gain_14 = net.gain[o]
        above = sub32(dot32(V, I16(8192), I16(16384), I16(-1024)), mul32(gain_14, a))
        spike = and16(ready, positive(above))
        if learn:
            bits = 0
            ready_15 = NUM(1)
            kept_15 = max16(cut16(shr32(add32(mul32(ready_15, sub32(I32(16777216), abs32(above))), I16(256)), I16(9))), I16(0))
            put_side(h.h, j * ROW + k * LANES, mul_H(kept_15, ready))
    else:
        over = sub16(max16(V, I16(-2048)), I16(2048))
        spike = and16(ready, positive(over))
        if learn:
            bits = 0
            kept_17 = ads16(shl16(max16(I16(0), sub16(I16(2048), abs16(over))), I16(3)), shl16(max16(I16(0), sub16(I16(2048), abs16(over))), I16(3)))
            put_side(h.h, j * ROW + k * LANES, mul_H(kept_17, ready))
    put(s.z, o, spike)
    if learn:
        Z_18 = take_side(s.Z, o)
        kept_18 = ads16(Z_18, add16(shl16(spike, I16(11)), mulround16(mulhi16(neg16(leak_k), Z_18), I16(4096))))
        put(s.Z, o, kept_18)

@inline
def recording(rec):
    """Whether there is room for records."""
    return rec.soma.size > 0

@inline
def record_step(t, k, step, learn, rule, net, s, h, rec):
    """Copies of all variables."""
    n, m, n_out = (net.cell.size, net.ptr_in.size - 1, s.y.size // LANES)
    for l in range(LANES):
        for j in range(n):
            o = j * LANES + l
            rec.soma[t, j, 0, l] = s.V[o]
            rec.soma[t, j, 1, l] = s.a[o]
            rec.soma[t, j, 2, l] = s.r[o]
            rec.soma[t, j, 3, l] = s.z[o]
            rec.soma[t, j, 4, l] = s.Z[o]
        for o in range(n_out):
            rec.y[t, o, l] = s.y[o * LANES + l]
        if learn:
            for i in range(n + m):
                rec.x[t, i, l] = s.X[i * LANES + l]
            for j in range(n):
                rec.h[t, j, l] = h.h[j * ROW + k * LANES + l]
            for e in range(s.gout.size // LANES):
                rec.gout[t, e, l] = s.gout[e * LANES + l]
            if step >= 0:
                for o in range(n_out):
                    rec.err[step, o, l] = s.err[o * LANES + l]
                for j in range(n):
                    rec.l[step, j, l] = h.l[j * ROW + k * LANES + l]
                if rule > 0:
                    for c in range(net.neuron_at.size):
                        rec.m[step, c, l] = s.grid[c * LANES + l]

@compiled
def forward_chunk(t0, T, S, learn, classify, rule, R, kd, net, s, h, io, rec, tel):
    """The chunk of steps from t0 on, of one block; rule: 0 e-prop, 1 diffusion, 2 diffusion on per-step tables."""
    align_stack()
    n, m, n_out, steps = (net.cell.size, net.ptr_in.size - 1, s.y.size // LANES, min(CHUNK, T - t0))
    leak_m, leak_a, leak_k = (COEFFICIENT(net.leaks[0]), COEFFICIENT(net.leaks[1]), COEFFICIENT(net.leaks[2]))
    for k in range(steps):
        t = t0 + k
        for i in range(n):
            q = i * LANES
            z = take(s.z, q)
            if learn:
                follow(s.X, q, z, leak_m, h.x, i * ROW + k * LANES, s.stream, 0)
            if any_spike(s.z_words, q):
                s.lively[0] += 1 - s.heard[i]
                s.heard[i] = 1
                deliver(s.current_in, z, net.ptr_rec[i], net.ptr_rec[i + 1], net.post_rec, net.w_rec)
        for i in range(m):
            q = (t * m + i) * LANES
            x = take(io.x, q)
            if learn:
                follow(s.X, (n + i) * LANES, x, leak_m, h.x, (n + i) * ROW + k * LANES, s.stream, 0)
            if any_spike(io.x_words, q):
                s.lively[0] += 1 - s.heard[n + i]
                s.heard[n + i] = 1
                deliver(s.current_in, x, net.ptr_in[i], net.ptr_in[i + 1], net.post_in, net.w_in)
        for j in range(0, n, SIDE):
            neuron_step(t, k, j, learn, leak_m, leak_a, leak_k, NUM(R), net, s, h)
        for j in range(n):
            if any_spike(s.z_words, j * LANES):
                z = take(s.z, j * LANES)
                put(s.spikes, j * LANES, add32(take(s.spikes, j * LANES), z))
                deliver(s.current_out, z, net.ptr_out[j], net.ptr_out[j + 1], net.post_out, net.w_out)
        for o in range(n_out):
            y_19 = take(s.y, o * LANES)
            current_19 = take_held(s.current_out, o * LANES)
            kept_19 = cut16(shr32(add32(current_19, add32(narrowmul32(y_19, I16(32)), shr32(dot32(neg16(leak_k), y_19, I16(16384), I16(16)), I16(14)))), I16(5)))
            y = kept_19
            put(s.y, o * LANES, y)
            put_held(s.current_out, o * LANES, none(s.current_out))
        step = t - (T - S)
        if step >= 0:
            for o in range(n_out):
                put(io.y, (step * n_out + o) * LANES, take(s.y, o * LANES))
            if learn:
                error_step(t, s.y, io.target, step * n_out * LANES, s.err, n_out, classify, s.probability, s.stream)
                signal_step(t, k, step, rule, COEFFICIENT(kd), net, s, h, io)
                gradient_out_step(t, net, s)
    h.lively[0] = s.lively[0]
    if learn:
        for k in range(steps, CHUNK):
            for j in range(n):
                put(h.h, j * ROW + k * LANES, none(h.h))
                put(h.l, j * ROW + k * LANES, none(h.l))

@inline
def admit(j, lively, net, s):
    """Give places to the synapses of neuron j whose lines have had a first spike; how many have places.

    ``lively``: lines that had been heard when this chunk ended; if no more than at the last visit, there is nothing to look for.
    Lines may be heard meanwhile, in steps that follow this chunk: X of this chunk is still zero there, so it does not matter when that is seen.
    """
    first, left = (net.ptr[j], s.left[j])
    placed, i = (net.ptr[j + 1] - first - left, first)
    if lively == s.seen[j]:
        return placed
    s.seen[j] = lively
    while i < first + left:
        e = s.waiting[i]
        if s.heard[net.line[e]]:
            place = net.place_ptr[j] + placed
            s.line[place] = net.line[e]
            s.element[place] = e
            placed += 1
            left -= 1
            s.waiting[i] = s.waiting[first + left]
        else:
            i += 1
    s.left[j] = left
    return placed

@inline
def prepare_signal(h, p, room):
    """L of one neuron at the steps of the chunk as :class:`fxsim.engine.plan.QuickGradient` takes it; whether it is small enough."""
    total = none(room.bound)
    most = total
    for part in range(0, CHUNK, PART):
        sum = none(room.bound)
        for k in range(part, part + PART, 2):
            here, there = (p + k * LANES, p + (k + 1) * LANES)
            L, next = (take_signal(h.l, here), take_signal(h.l, there))
            put(room.pairs, k * WIDTH, pair16(L, next))
            put(room.low, k * WIDTH, mullo16(L, I16(16384)))
            put(room.low, (k + 1) * WIDTH, mullo16(next, I16(16384)))
            sum = add32(sum, add32(abs32(take(h.l, here)), abs32(take(h.l, there))))
        total, most = (add32(total, sum), max32(most, sum))
    put(room.bound, 0, sub32(I32(1073741791), mul32(min32(total, I32(131072)), I32(8192))))
    return all_at_most(most, MOST)

@inline
def synapse_chunk(s, o, h, p, lines, drive, leak_a, leak_k, room, alif, learns, keeps):
    """All steps of the chunk for the synapses at o: E, then F, U and the sum S.

    ``learns``: also the gradient G, step by step; ``keeps``: F of each step is kept, for :func:`gradient_chunk`.
    """
    stream = take_same(s.stream, 0)
    F, S = (take_all(s.F, o), take_all(s.S, o))
    U = take_all(s.U, o) if alif else none_all(s.U)
    G = take_all(s.G, o) if learns else none_all(s.G)
    for k0 in range(0, CHUNK, K):
        at, c = ((k0 + 0) * LANES, k0 + 0)
        H, X = (take_same(h.h, p + at), take_each(h.x, lines, at))
        kept_24 = mulround16(mulhi16(H, sub16(X, U)), I16(8192))
        E = kept_24
        kept_25 = ads16(F, add16(E, mulround16(mulhi16(neg16(leak_k), F), I16(4096))))
        F = like(s.F, kept_25)
        some = E
        if alif:
            element_26 = spread(room.counters, OF_U + c)
            rnd_27 = signed(shrU32(andU32(mulU32(stream, element_26), M32), U32(1)))
            kept_27 = max16(ads16(U, shr32(add32(dot32(drive, shl16(E, I16(2)), neg16(leak_a), U), shr32(rnd_27, I16(12))), I16(19))), I16(0))
            U = like(s.U, kept_27)
        if learns:
            L_28 = take_same(h.l, p + at)
            kept_28 = min32(max32(add32(G, shr32(dot32(L_28, F, I16(2), I16(1)), I16(2))), I32(-1073741824)), I32(1073741823))
            G = like(s.G, kept_28)
        if keeps:
            put(room.filtered, c * TOGETHER * LANES, F)
        at, c = ((k0 + 1) * LANES, k0 + 1)
        H, X = (take_same(h.h, p + at), take_each(h.x, lines, at))
        kept_29 = mulround16(mulhi16(H, sub16(X, U)), I16(8192))
        E = kept_29
        kept_30 = ads16(F, add16(E, mulround16(mulhi16(neg16(leak_k), F), I16(4096))))
        F = like(s.F, kept_30)
        some = add16(some, E)
        if alif:
            element_31 = spread(room.counters, OF_U + c)
            rnd_32 = signed(shrU32(andU32(mulU32(stream, element_31), M32), U32(1)))
            kept_32 = max16(ads16(U, shr32(add32(dot32(drive, shl16(E, I16(2)), neg16(leak_a), U), shr32(rnd_32, I16(12))), I16(19))), I16(0))
            U = like(s.U, kept_32)
        if learns:
            L_33 = take_same(h.l, p + at)
            kept_33 = min32(max32(add32(G, shr32(dot32(L_33, F, I16(2), I16(1)), I16(2))), I32(-1073741824)), I32(1073741823))
            G = like(s.G, kept_33)
        if keeps:
            put(room.filtered, c * TOGETHER * LANES, F)
        at, c = ((k0 + 2) * LANES, k0 + 2)
        H, X = (take_same(h.h, p + at), take_each(h.x, lines, at))
        kept_34 = mulround16(mulhi16(H, sub16(X, U)), I16(8192))
        E = kept_34
        kept_35 = ads16(F, add16(E, mulround16(mulhi16(neg16(leak_k), F), I16(4096))))
        F = like(s.F, kept_35)
        some = add16(some, E)
        if alif:
            element_36 = spread(room.counters, OF_U + c)
            rnd_37 = signed(shrU32(andU32(mulU32(stream, element_36), M32), U32(1)))
            kept_37 = max16(ads16(U, shr32(add32(dot32(drive, shl16(E, I16(2)), neg16(leak_a), U), shr32(rnd_37, I16(12))), I16(19))), I16(0))
            U = like(s.U, kept_37)
        if learns:
            L_38 = take_same(h.l, p + at)
            kept_38 = min32(max32(add32(G, shr32(dot32(L_38, F, I16(2), I16(1)), I16(2))), I32(-1073741824)), I32(1073741823))
            G = like(s.G, kept_38)
        if keeps:
            put(room.filtered, c * TOGETHER * LANES, F)
        at, c = ((k0 + 3) * LANES, k0 + 3)
        H, X = (take_same(h.h, p + at), take_each(h.x, lines, at))
        kept_39 = mulround16(mulhi16(H, sub16(X, U)), I16(8192))
        E = kept_39
        kept_40 = ads16(F, add16(E, mulround16(mulhi16(neg16(leak_k), F), I16(4096))))
        F = like(s.F, kept_40)
        some = add16(some, E)
        kept_41 = add32(S, some)
        S = like(s.S, kept_41)
        if alif:
            element_42 = spread(room.counters, OF_U + c)
            rnd_43 = signed(shrU32(andU32(mulU32(stream, element_42), M32), U32(1)))
            kept_43 = max16(ads16(U, shr32(add32(dot32(drive, shl16(E, I16(2)), neg16(leak_a), U), shr32(rnd_43, I16(12))), I16(19))), I16(0))
            U = like(s.U, kept_43)
        if learns:
            L_44 = take_same(h.l, p + at)
            kept_44 = min32(max32(add32(G, shr32(dot32(L_44, F, I16(2), I16(1)), I16(2))), I32(-1073741824)), I32(1073741823))
            G = like(s.G, kept_44)
        if keeps:
            put(room.filtered, c * TOGETHER * LANES, F)
    put(s.F, o, F)
    put(s.S, o, S)
    if alif:
        put(s.U, o, U)
    if learns:
        put(s.G, o, G)

@inline
def gradient_chunk(s, o, room):
    """G of the synapses at o after all steps of the chunk, where it is known not to be clipped; SPAN lanes at a time, which fit the registers."""
    for q in range(0, TOGETHER * LANES, SPAN):
        G = take_span(s.G, o + q)
        for part in range(0, CHUNK, PART):
            products, left_over = (none_span(s.G), none_span(s.F))
            for k0 in range(part, part + PART, K):
                c = k0 + 0
                F = take_span(room.filtered, c * TOGETHER * LANES + q)
                low_45 = take_low(room.low, c * WIDTH)
                left_over = add16(left_over, shr16(mullo16(low_45, F), I16(14)))
                c = k0 + 1
                next = take_span(room.filtered, c * TOGETHER * LANES + q)
                low_46 = take_low(room.low, c * WIDTH)
                left_over = add16(left_over, shr16(mullo16(low_46, next), I16(14)))
                pairs_47 = take_pairs(room.pairs, (c - 1) * WIDTH)
                products = add32(products, dotpair32(pairs_47, F, next))
                c = k0 + 2
                F = take_span(room.filtered, c * TOGETHER * LANES + q)
                low_48 = take_low(room.low, c * WIDTH)
                left_over = add16(left_over, shr16(mullo16(low_48, F), I16(14)))
                c = k0 + 3
                next = take_span(room.filtered, c * TOGETHER * LANES + q)
                low_49 = take_low(room.low, c * WIDTH)
                left_over = add16(left_over, shr16(mullo16(low_49, next), I16(14)))
                pairs_50 = take_pairs(room.pairs, (c - 1) * WIDTH)
                products = add32(products, dotpair32(pairs_50, F, next))
            G = add32(G, shr32(sub32(products, left_over), I32(2)))
        put(s.G, o + q, G)

@inline
def count_steps(counters, row, keys, e, alif, window):
    """Counters of synapse e at the steps of the chunk, for the updates that round stochastically."""
    if alif:
        step_key__52 = take_chunk(keys, 2 * CHUNK)
        element_52 = unsigned(e)
        x_1_52 = andU32(addU32(step_key__52, element_52), M32)
        x_1_52 = xorU32(x_1_52, shrU32(x_1_52, U32(16)))
        x_1_52 = andU32(mulU32(x_1_52, U32(569420461)), M32)
        x_1_52 = xorU32(x_1_52, shrU32(x_1_52, U32(15)))
        x_1_52 = andU32(mulU32(x_1_52, U32(1935289751)), M32)
        put(counters, OF_U + row, xorU32(x_1_52, shrU32(x_1_52, U32(15))))

@compiled
def eligibility_chunk(t0, window, first, taken, borders, room, net, s, h, rec, tel):
    """The chunk that starts at step t0, for the synapses onto some neurons: shares of them, borders[i] to borders[i+1], until none is left.

    taken[i] tells that share i is taken, the last word how many are done. Whoever calls it at the same time with the same ``taken`` takes
    other shares; each begins with the share ``first`` of its own, whose synapses it had in its cache, and has ``room`` of its own.
    """
    align_stack()
    leak_a, leak_k, keys = (COEFFICIENT(net.leaks[1]), COEFFICIENT(net.leaks[2]), room.keys)
    for k in range(CHUNK):
        keys[k] = 0
        keys[CHUNK + k] = 0
        quantity_53 = U32(9)
        step_53 = U32(t0 + k)
        x_1_53 = andU32(addU32(mulU32(quantity_53, U32(2654435769)), step_53), M32)
        x_1_53 = xorU32(x_1_53, shrU32(x_1_53, U32(16)))
        x_1_53 = andU32(mulU32(x_1_53, U32(569420461)), M32)
        x_1_53 = xorU32(x_1_53, shrU32(x_1_53, U32(15)))
        x_1_53 = andU32(mulU32(x_1_53, U32(1935289751)), M32)
        keys[2 * CHUNK + k] = xorU32(x_1_53, shrU32(x_1_53, U32(15)))
        keys[3 * CHUNK + k] = 0
        keys[4 * CHUNK + k] = 0
    shares = taken.size - 1
    for i in range(shares):
        share = (first + i) % shares
        if claim(taken, share) > 0:
            continue
        for j in range(borders[share], borders[share + 1]):
            p, drive, learns = (j * ROW, COEFFICIENT(net.drive[j]), window and (net.hears[j] or WATCHED))
            placed = admit(j, h.lively[0], net, s)
            small = learns and prepare_signal(h, p, room)
            for place in range(net.place_ptr[j], net.place_ptr[j] + placed, TOGETHER):
                o = place * LANES
                for q in range(TOGETHER):
                    room.lines[q] = s.line[place + q & M] * ROW
                    count_steps(room.counters, q * CHUNK, keys, s.element[place + q & M], drive != 0, learns)
                if not learns:
                    if drive == 0:
                        synapse_chunk(s, o, h, p, room.lines, drive, leak_a, leak_k, room, False, False, False)
                    else:
                        synapse_chunk(s, o, h, p, room.lines, drive, leak_a, leak_k, room, True, False, False)
                elif small and all_at_most(abs32(take_all(s.G, o)), take_same(room.bound, 0)):
                    if drive == 0:
                        synapse_chunk(s, o, h, p, room.lines, drive, leak_a, leak_k, room, False, False, True)
                    else:
                        synapse_chunk(s, o, h, p, room.lines, drive, leak_a, leak_k, room, True, False, True)
                    gradient_chunk(s, o, room)
                else:
                    synapse_chunk(s, o, h, p, room.lines, drive, leak_a, leak_k, room, True, True, False)
        claim(taken, shares)

@compiled
def finish(T, lanes, rate_target, rate_gain, net, s, io, rec, tel):
    """End of the trials: the regularisation joins the gradients; sums over the first `lanes` lanes are added to io.gsum, io.gout_sum."""
    n = net.cell.size
    for j in range(n):
        for l in range(LANES):
            io.counts[l, j] = s.spikes[j * LANES + l]
    if io.gsum.size == 0:
        return
    for j in range(n):
        key = 0
        for l in range(lanes):
            count_54 = WIDE(s.spikes[j * LANES + l])
            duration_54 = WIDE(io.duration[l])
            target_54 = WIDE(rate_target)
            gain_54 = WIDE(rate_gain)
            excess_54 = sub64(shl64(count_54, RATE_FRAC), mul64(target_54, duration_54))
            kept_54 = min16(max64(shr64(sub64(add64(I64(mul64(gain_54, excess_54) // narrowmul32(duration_54, duration_54)), I32(524288)), sub16(I16(1), and16(shr64(I64(mul64(gain_54, excess_54) // narrowmul32(duration_54, duration_54)), I16(20)), I16(1)))), I16(20)), I64(-32768)), I64(32767))
            s.rate[l] = kept_54
        placed = net.ptr[j + 1] - net.ptr[j] - s.left[j]
        for place in range(net.place_ptr[j], net.place_ptr[j] + placed):
            o, e = (place * LANES, s.element[place & M])
            key = 0
            for l in range(lanes):
                G_55 = s.G[o + l]
                D_55 = s.rate[l]
                S_55 = s.S[o + l]
                kept_55 = min32(max64(add64(G_55, shr64(add64(mul64(D_55, S_55), I16(32)), I16(6))), I64(-1073741824)), I64(1073741823))
                g = kept_55
                io.gsum[e] += g
    for e in range(io.gout_sum.size):
        for l in range(lanes):
            io.gout_sum[e] += s.gout[e * LANES + l]

@compiled
def run_block(T, S, lanes, learn, classify, rule, R, kd, rate_target, rate_gain, progress, taken, borders, room, net, s, h, other, io, rec, tel):
    """All steps of a block's trials; taken: a row for each chunk.

    If there is a ``progress``, it tells others how many chunks they may go through (see eligibility_chunk) while the neurons run through the
    next one, into the ``other`` history; without, both histories are the same.
    """
    for chunk in range((T + CHUNK - 1) // CHUNK):
        t0, shared = (chunk * CHUNK, progress.size > 0)
        if chunk == 0 or not shared:
            forward_chunk(t0, T, S, learn, classify, rule, R, kd, net, s, h, io, rec, tel)
        if shared:
            tell(progress, 0, chunk + 1)
            if t0 + 32 < T:
                forward_chunk(t0 + CHUNK, T, S, learn, classify, rule, R, kd, net, s, other, io, rec, tel)
        if learn:
            eligibility_chunk(t0, t0 + CHUNK > T - S, I64(0), taken[chunk], borders, room, net, s, h, rec, tel)
        if shared:
            wait(taken[chunk], taken.shape[1] - 1, taken.shape[1] - 1)
        h, other = (other, h)
    finish(T, lanes, rate_target, rate_gain, net, s, io, rec, tel)

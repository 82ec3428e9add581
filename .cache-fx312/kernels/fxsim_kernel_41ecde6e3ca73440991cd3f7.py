import math
import numpy as np
import numba as nb
from numba import cuda
inline = cuda.jit(device=True, inline='always')
compiled = lambda function: function
I32, I64, U32, U64 = (nb.int32, nb.int64, nb.uint32, nb.uint64)
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
NUM = I32
CURRENT = I32
DIRECT = I32
NINE = I32
COEFFICIENT = I32
WIDE = I64
STATE = I32
RATE_FRAC = 24
PARTIAL = 4
PARTIAL_LIF = 4
JOINT = True
QUICK = False
MOST = 0
N = 13
N_IN = 6
N_OUT = 3
CELLS = 18
N_SYN = 35
N_SYN_OUT = 14
LINES = 19
LANES = 32
SLOTS = 4
TILE_BLOCKS = 2
TOGETHER = 16
SPIKES_SIZE = 832
OUT_SIZE = 96
ZT_SIZE = 448
GOUT_SIZE = 448
WAIT_SIZE = 416
M_SIZE = 1152
V_SIZE = 416
A_SIZE = 416
XT_SIZE = 608
ZT_SHARED = True
GOUT_SHARED = True
WAIT_SHARED = True
M_SHARED = True
V_SHARED = True
A_SHARED = True
XT_SHARED = True
ZT_APART = 0
GOUT_APART = 0
WAIT_APART = 0
M_APART = 0
V_APART = 0
A_APART = 0
XT_APART = 0
SHARED = STATE
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
    x = U32(x ^ U32(x >> U32(16)))
    x = U32(U32(x * U32(569420461)) & M32)
    x = U32(x ^ U32(x >> U32(15)))
    x = U32(U32(x * U32(1935289751)) & M32)
    return U32(x ^ U32(x >> U32(15)))

@inline
def stream_key(seed, trial):
    return mix32(U32(U32(mix32(U32(U32(seed ^ U32(1542469173)) & M32)) + trial) & M32))

@inline
def step_key(quantity, step):
    return mix32(U32(U32(U32(quantity * U32(2654435769)) + step) & M32))

@inline
def element_key(step_key_, element):
    return mix32(U32(U32(step_key_ + element) & M32))

@inline
def trial_key(seed, trial):
    return U32(stream_key(seed, trial) | U32(1))

@inline
def random31(trial_key_, element):
    return U32(U32(U32(trial_key_ * element) & M32) >> U32(1))

@inline
def refractory(r, z, R):
    return I32(max(I32(z * R), I32(r - I32(1))))

@inline
def adaptation(a, z, leak, rnd):
    kept = I32(min(I32(a + I32(I32(z << I32(8)) + I32(I32(I32(I32(-leak) * a) + I32(rnd >> I32(12))) >> I32(19)))), I32(65535)))
    return kept

@inline
def membrane(V, z, current_in, current_rec, leak, rnd):
    kept = I32(min(I32(max(I32(I32(I32(current_in + current_rec) + I32(I32(V << I32(2)) + I32(I32(I32(I32(I32(I32(-leak) * V) >> I32(16)) + I32(4)) >> I32(1)) - I32(z << I32(13))))) >> I32(2)), I32(-32768))), I32(32767)))
    return kept

@inline
def trace(X, s, leak, rnd):
    kept = I32(min(I32(X + I32(I32(s << I32(11)) + I32(I32(I32(I32(I32(-leak) * X) >> I32(16)) + I32(4)) >> I32(3)))), I32(32767)))
    return kept

@inline
def distance(V, a, gain):
    return I32(I32(I32(V << I32(13)) - I32(16777216)) - I32(gain * a))

@inline
def pseudo_derivative(distance, ready, rnd):
    kept = I32(min(I32(max(I32(0), I32(I32(I32(ready * I32(I32(16777216) - I32(abs(distance)))) + I32(256)) >> I32(9)))), I32(32767)))
    return kept

@inline
def distance_lif(V):
    return I32(I32(max(V, I32(-2048))) - I32(2048))

@inline
def pseudo_derivative_lif(distance, rnd):
    kept = I32(min(I32(I32(max(I32(0), I32(I32(2048) - I32(abs(distance))))) << I32(4)), I32(32767)))
    return kept

@inline
def readout_trace(Z, z, leak, rnd):
    kept = I32(min(I32(Z + I32(I32(z << I32(11)) + I32(I32(I32(I32(I32(-leak) * Z) >> I32(16)) + I32(4)) >> I32(3)))), I32(32767)))
    return kept

@inline
def readout(y, current, leak, rnd):
    kept = I32(min(I32(max(I32(I32(current + I32(I32(y << I32(5)) + I32(I32(I32(I32(-leak) * y) + I32(262144)) >> I32(14)))) >> I32(5)), I32(-32768))), I32(32767)))
    return kept

@inline
def eligibility(H, X, U, rnd):
    kept = I32(I32(I32(I32(H * I32(X - U)) >> I32(16)) + I32(2)) >> I32(2))
    return kept

@inline
def filtered_eligibility(F, E, leak, rnd):
    kept = I32(min(I32(max(I32(F + I32(E + I32(I32(I32(I32(I32(-leak) * F) >> I32(16)) + I32(4)) >> I32(3)))), I32(-32768))), I32(32767)))
    return kept

@inline
def adaptation_eligibility(U, E, drive, leak, rnd):
    kept = I32(min(I32(max(I32(U + I32(I32(I32(I32(I32(drive << I32(2)) * E) + I32(I32(-leak) * U)) + I32(rnd >> I32(12))) >> I32(19))), I32(0))), I32(32767)))
    return kept

@inline
def eligibility_sum(S, E, rnd):
    kept = I32(S + E)
    return kept

@inline
def error_classification(probability, label, rnd):
    kept = I32(I32(I32(I32(probability - I32(label << I32(30))) + I32(65536)) - I32(I32(1) - I32(I32(I32(probability - I32(label << I32(30))) >> I32(17)) & I32(1)))) >> I32(17))
    return kept

@inline
def error_regression(y, target, rnd):
    kept = I32(min(I32(max(I32(I32(y - target) << I32(1)), I32(-32768))), I32(32767)))
    return kept

@inline
def direct(sum, B, err):
    return I32(sum + I32(B * err))

@inline
def learning_signal(d, rnd):
    kept = I32(min(I32(max(I32(I32(I32(d + I32(1024)) - I32(I32(1) - I32(I32(d >> I32(11)) & I32(1)))) >> I32(11)), I32(-32768))), I32(32767)))
    return kept

@inline
def modulator(neighbours, d, gain, rnd):
    kept = I32(min(I32(max(I32(I32(d + I32(I32(I32(gain * neighbours) + I32(32768)) >> I32(5))) >> I32(11)), I32(-32768))), I32(32767)))
    return kept

@inline
def gradient(G, L, F, rnd):
    kept = I32(min(I32(max(I32(G + I32(I32(I32(L * F) + I32(2)) >> I32(2))), I32(-1073741824))), I32(1073741823)))
    return kept

@inline
def gradient_rate(G, D, S, rnd):
    kept = I32(min(I64(max(I64(G + I64(I64(I64(D * S) + I32(32)) >> I32(6))), I64(-1073741824))), I64(1073741823)))
    return kept

@inline
def gradient_out(G, err, Z, rnd):
    kept = I32(min(I32(max(I32(G + I32(I32(I32(err * Z) + I32(8)) >> I32(4))), I32(-1073741824))), I32(1073741823)))
    return kept

@inline
def rate_error(count, duration, target, gain, rnd):
    excess = I64(I64(count << RATE_FRAC) - I64(target * duration))
    kept = I32(min(I64(max(I64(I64(I64(I64(I64(gain * excess) // I32(duration * duration)) + I32(524288)) - I32(I32(1) - I32(I64(I64(I64(gain * excess) // I32(duration * duration)) >> I32(20)) & I32(1)))) >> I32(20)), I64(-32768))), I64(32767)))
    return kept

@inline
def direct_of(err, err0, apart, j, n_out, feedback):
    """d = B err of neuron j."""
    d = DIRECT(0)
    for k in range(n_out):
        d = direct(d, STATE(feedback[U32(j * n_out + k)]), STATE(err[U32(err0 + k * apart)]))
    return d

@inline
def error_softmax(y, p, err, y0, p0, err0, apart, t, row, n_out, target, lane):
    """err = softmax(y) - label of all outputs, ``apart`` elements from one to the next; target[row + k] is the label (0 or 1)."""
    top = WIDE(y[U32(y0)])
    for k in range(1, n_out):
        top = max(top, WIDE(y[U32(y0 + k * apart)]))
    total = WIDE(0)
    for k in range(n_out):
        share = exponential(WIDE(top - WIDE(y[U32(y0 + k * apart)])))
        p[U32(p0 + k * apart)] = share
        total = WIDE(total + share)
    for k in range(n_out):
        key = 0
        err[U32(err0 + k * apart)] = error_classification(quotient(WIDE(p[U32(p0 + k * apart)]), total), STATE(target[U64(row + k)]), 0)

@inline
def gathered(pointer, pre, weights, j, spikes, start, lane):
    """Sum of the weights of the synapses onto j whose line, LANES spikes each from ``start`` on, spiked in this lane."""
    current = CURRENT(0)
    for e in range(pointer[U32(j)], pointer[U32(j + 1)]):
        if spikes[U32(start + pre[U32(e)] * 32 + lane)] != 0:
            current = CURRENT(current + STATE(weights[U32(e)]))
    return current

@compiled
def forward(T, S, B, learn, classify, rule, x, target, stream, duration, ptr_in, pre_in, w_in, ptr_rec, pre_rec, w_rec, ptr_out, pre_out, w_out, post_out, gain, leaks, feedback, neuron_at, table, zt_all, gout_all, wait_all, m_all, v_all, a_all, xt_all, hist_h, hist_x, hist_l, rate, yout, counts, grad_out):
    """All steps of the trials of a block; arguments as of ``simulate``, but x (groups, T, m, LANES); *_all: state that shared memory does not hold.

    rate: D of each neuron at the end, (groups, n, LANES).
    """
    group, lane, warp, warps = (cuda.blockIdx.x, cuda.threadIdx.x % LANES, cuda.threadIdx.x // LANES, cuda.blockDim.x // LANES)
    b = min(group * LANES + lane, B - 1)
    real = group * LANES + lane < B
    key = U32(stream[U32(b)])
    leak_m, leak_a, leak_k, kd = (COEFFICIENT(leaks[0]), COEFFICIENT(leaks[1]), COEFFICIENT(leaks[2]), COEFFICIENT(leaks[3]))
    R = NUM(leaks[6])
    spikes = cuda.shared.array(SPIKES_SIZE, np.uint8)
    y = cuda.shared.array(OUT_SIZE, DT_Y)
    p = cuda.shared.array(OUT_SIZE, DT_WIDE)
    err = cuda.shared.array(OUT_SIZE, DT_ERR)
    zt = cuda.shared.array(ZT_SIZE, DT_Z)
    gout = cuda.shared.array(GOUT_SIZE, DT_GOUT)
    wait = cuda.shared.array(WAIT_SIZE, np.uint8)
    m = cuda.shared.array(M_SIZE, DT_L)
    v = cuda.shared.array(V_SIZE, DT_V)
    a = cuda.shared.array(A_SIZE, DT_A)
    xt = cuda.shared.array(XT_SIZE, DT_X)
    zt0, gout0, wait0, m0 = (group * ZT_APART + lane, group * GOUT_APART + lane, group * WAIT_APART + lane, group * M_APART + lane)
    v0, a0, xt0 = (group * V_APART + lane, group * A_APART + lane, group * XT_APART + lane)
    for j in range(warp, N, warps):
        o = j * LANES
        v[U32(v0 + o)] = 0
        a[U32(a0 + o)] = 0
        wait[U32(wait0 + o)] = 0
        spikes[U32(o + lane)] = 0
        if real:
            counts[U64(b * N + j)] = 0
    if learn:
        for i in range(warp, LINES, warps):
            xt[U32(xt0 + i * LANES)] = 0
        for c in range(warp, 2 * CELLS, warps):
            m[U32(m0 + c * LANES)] = 0
        for e in range(warp, N_SYN_OUT, warps):
            zt[U32(zt0 + e * LANES)] = 0
            gout[U32(gout0 + e * LANES)] = 0
    for k in range(warp, N_OUT, warps):
        y[U32(k * LANES + lane)] = 0
    cuda.syncthreads()
    for t in range(T):
        s = t - (T - S)
        old = (t & 1) * N * LANES
        new = (t + 1 & 1) * N * LANES
        channels = (group * T + t) * N_IN * LANES
        lines = (group * T + t) * LINES * LANES + lane
        if learn:
            for i in range(warp, LINES, warps):
                o = i * LANES
                spike = NUM(spikes[U32(old + o + lane)]) if i < 13 else NUM(x[U32(channels + (i - N) * LANES + lane)])
                X = trace(STATE(xt[U32(xt0 + o)]), spike, leak_m, 0)
                xt[U32(xt0 + o)] = X
                hist_x[U64(lines + o)] = X
        for j in range(warp, N, warps):
            o = j * LANES
            current_in = gathered(ptr_in, pre_in, w_in, j, x, channels, lane)
            current_rec = gathered(ptr_rec, pre_rec, w_rec, j, spikes, old, lane)
            z = NUM(spikes[U32(old + o + lane)])
            A = adaptation(STATE(a[U32(a0 + o)]), z, leak_a, I32(random31(key, element_key(step_key(U32(5), U32(t)), U32(j)))))
            V = membrane(STATE(v[U32(v0 + o)]), z, current_in, current_rec, leak_m, 0)
            waits = refractory(NUM(wait[U32(wait0 + o)]), z, R)
            above = distance(V, A, COEFFICIENT(gain[U32(j)]))
            z = NUM(1) if above > 0 and waits == 0 else NUM(0)
            a[U32(a0 + o)] = A
            v[U32(v0 + o)] = V
            wait[U32(wait0 + o)] = waits
            spikes[U32(new + o + lane)] = z
            if z != 0 and real:
                counts[U64(b * N + j)] += 1
            if learn:
                ready = NUM(1) if waits == 0 else NUM(0)
                hist_h[U64((group * T + t) * N * LANES + o + lane)] = pseudo_derivative(above, ready, 0)
        cuda.syncthreads()
        for k in range(warp, N_OUT, warps):
            current = gathered(ptr_out, pre_out, w_out, k, spikes, new, lane)
            Y = readout(STATE(y[U32(k * LANES + lane)]), current, leak_k, 0)
            y[U32(k * LANES + lane)] = Y
            if s >= 0 and real:
                yout[U64((b * S + s) * N_OUT + k)] = Y
        if learn:
            for e in range(warp, N_SYN_OUT, warps):
                j = pre_out[U32(e)]
                zt[U32(zt0 + e * LANES)] = readout_trace(STATE(zt[U32(zt0 + e * LANES)]), NUM(spikes[U32(new + j * LANES + lane)]), leak_k, 0)
        if learn and s >= 0:
            cuda.syncthreads()
            if classify:
                if warp == 0:
                    error_softmax(y, p, err, lane, lane, lane, LANES, t, (b * S + s) * N_OUT, N_OUT, target, key)
            else:
                for k in range(warp, N_OUT, warps):
                    counter = 0
                    err[U32(k * LANES + lane)] = error_regression(STATE(y[U32(k * LANES + lane)]), STATE(target[U64((b * S + s) * N_OUT + k)]), 0)
            cuda.syncthreads()
            signals = (group * S + s) * N * LANES + lane
            if rule == 0:
                for j in range(warp, N, warps):
                    counter = 0
                    hist_l[U64(signals + j * LANES)] = learning_signal(direct_of(err, lane, LANES, j, N_OUT, feedback), 0)
            else:
                grid_old = m0 + (t & 1) * CELLS * LANES
                grid_new = m0 + (t + 1 & 1) * CELLS * LANES
                row = (b * S + s) * CELLS * 9 if rule == 2 else 0
                for c in range(warp, CELLS, warps):
                    nine = NINE(0)
                    for q in range(9):
                        nine = NINE(nine + STATE(m[U32(grid_old + table[U64(row + c * 9 + q)] * LANES)]))
                    injected = DIRECT(0)
                    if neuron_at[U32(c)] >= 0:
                        injected = direct_of(err, lane, LANES, neuron_at[U32(c)], N_OUT, feedback)
                    M = modulator(nine, injected, kd, 0)
                    m[U32(grid_new + c * LANES)] = M
                    if neuron_at[U32(c)] >= 0:
                        hist_l[U64(signals + neuron_at[U32(c)] * LANES)] = M
            for e in range(warp, N_SYN_OUT, warps):
                gout[U32(gout0 + e * LANES)] = gradient_out(STATE(gout[U32(gout0 + e * LANES)]), STATE(err[U32(post_out[U32(e)] * LANES + lane)]), STATE(zt[U32(zt0 + e * LANES)]), 0)
    if learn:
        for j in range(warp, N, warps):
            rate[U32((group * N + j) * LANES + lane)] = rate_error(WIDE(counts[U64(b * N + j)]), WIDE(duration[U32(b)]), WIDE(leaks[4]), WIDE(leaks[5]), 0)
        if real:
            for e in range(warp, N_SYN_OUT, warps):
                grad_out[U64(b * N_SYN_OUT + e)] = gout[U32(gout0 + e * LANES)]

@compiled
def synapses(T, S, B, stream, tile_post, slot_line, slot_element, drive, leaks, hist_h, hist_x, hist_l, rate, grad):
    """Eligibility and gradients of all synapses, SLOTS of a neuron in each warp; slots without a synapse have the element -1."""
    lane, group = (cuda.threadIdx.x % LANES, cuda.blockIdx.x // TILE_BLOCKS)
    tile = cuda.blockIdx.x % TILE_BLOCKS * (cuda.blockDim.x // LANES) + cuda.threadIdx.x // LANES
    b = min(group * LANES + lane, B - 1)
    key = U32(stream[U32(b)])
    leak_a, leak_k = (COEFFICIENT(leaks[1]), COEFFICIENT(leaks[2]))
    j = tile_post[U32(tile)]
    driven = COEFFICIENT(drive[U32(j)])
    reg_e_0 = slot_element[U32(tile * SLOTS + 0)]
    reg_x_0 = U32(slot_line[U32(tile * SLOTS + 0)] * LANES + lane)
    reg_u_0 = STATE(0)
    reg_f_0 = STATE(0)
    reg_s_0 = STATE(0)
    reg_g_0 = STATE(0)
    reg_e_1 = slot_element[U32(tile * SLOTS + 1)]
    reg_x_1 = U32(slot_line[U32(tile * SLOTS + 1)] * LANES + lane)
    reg_u_1 = STATE(0)
    reg_f_1 = STATE(0)
    reg_s_1 = STATE(0)
    reg_g_1 = STATE(0)
    reg_e_2 = slot_element[U32(tile * SLOTS + 2)]
    reg_x_2 = U32(slot_line[U32(tile * SLOTS + 2)] * LANES + lane)
    reg_u_2 = STATE(0)
    reg_f_2 = STATE(0)
    reg_s_2 = STATE(0)
    reg_g_2 = STATE(0)
    reg_e_3 = slot_element[U32(tile * SLOTS + 3)]
    reg_x_3 = U32(slot_line[U32(tile * SLOTS + 3)] * LANES + lane)
    reg_u_3 = STATE(0)
    reg_f_3 = STATE(0)
    reg_s_3 = STATE(0)
    reg_g_3 = STATE(0)
    for t in range(T):
        if t % 16 == 0:
            cuda.syncthreads()
        lines = (group * T + t) * LINES * LANES
        H = STATE(hist_h[U64(((group * T + t) * N + j) * LANES + lane)])
        reg_d_0 = eligibility(H, STATE(hist_x[U64(lines + reg_x_0)]), reg_u_0, 0)
        reg_f_0 = filtered_eligibility(reg_f_0, reg_d_0, leak_k, 0)
        reg_s_0 = eligibility_sum(reg_s_0, reg_d_0, 0)
        reg_d_1 = eligibility(H, STATE(hist_x[U64(lines + reg_x_1)]), reg_u_1, 0)
        reg_f_1 = filtered_eligibility(reg_f_1, reg_d_1, leak_k, 0)
        reg_s_1 = eligibility_sum(reg_s_1, reg_d_1, 0)
        reg_d_2 = eligibility(H, STATE(hist_x[U64(lines + reg_x_2)]), reg_u_2, 0)
        reg_f_2 = filtered_eligibility(reg_f_2, reg_d_2, leak_k, 0)
        reg_s_2 = eligibility_sum(reg_s_2, reg_d_2, 0)
        reg_d_3 = eligibility(H, STATE(hist_x[U64(lines + reg_x_3)]), reg_u_3, 0)
        reg_f_3 = filtered_eligibility(reg_f_3, reg_d_3, leak_k, 0)
        reg_s_3 = eligibility_sum(reg_s_3, reg_d_3, 0)
        if driven != 0:
            reg_u_0 = adaptation_eligibility(reg_u_0, reg_d_0, driven, leak_a, I32(random31(key, element_key(step_key(U32(9), U32(t)), U32(reg_e_0)))))
            reg_u_1 = adaptation_eligibility(reg_u_1, reg_d_1, driven, leak_a, I32(random31(key, element_key(step_key(U32(9), U32(t)), U32(reg_e_1)))))
            reg_u_2 = adaptation_eligibility(reg_u_2, reg_d_2, driven, leak_a, I32(random31(key, element_key(step_key(U32(9), U32(t)), U32(reg_e_2)))))
            reg_u_3 = adaptation_eligibility(reg_u_3, reg_d_3, driven, leak_a, I32(random31(key, element_key(step_key(U32(9), U32(t)), U32(reg_e_3)))))
        if t >= T - S:
            L = STATE(hist_l[U64(((group * S + t - (T - S)) * N + j) * LANES + lane)])
            reg_g_0 = gradient(reg_g_0, L, reg_f_0, 0)
            reg_g_1 = gradient(reg_g_1, L, reg_f_1, 0)
            reg_g_2 = gradient(reg_g_2, L, reg_f_2, 0)
            reg_g_3 = gradient(reg_g_3, L, reg_f_3, 0)
    D = STATE(rate[U32((group * N + j) * LANES + lane)])
    if reg_e_0 >= 0 and group * 32 + lane < B:
        grad[U64(b * N_SYN + reg_e_0)] = gradient_rate(reg_g_0, D, reg_s_0, 0)
    if reg_e_1 >= 0 and group * 32 + lane < B:
        grad[U64(b * N_SYN + reg_e_1)] = gradient_rate(reg_g_1, D, reg_s_1, 0)
    if reg_e_2 >= 0 and group * 32 + lane < B:
        grad[U64(b * N_SYN + reg_e_2)] = gradient_rate(reg_g_2, D, reg_s_2, 0)
    if reg_e_3 >= 0 and group * 32 + lane < B:
        grad[U64(b * N_SYN + reg_e_3)] = gradient_rate(reg_g_3, D, reg_s_3, 0)

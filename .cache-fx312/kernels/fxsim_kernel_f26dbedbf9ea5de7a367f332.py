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

FLT = nb.float32
DT_V = np.float32
DT_A = np.float32
DT_X = np.float32
DT_H = np.float32
DT_Z = np.float32
DT_Y = np.float32
DT_ERR = np.float32
DT_U = np.float32
DT_F = np.float32
DT_S = np.float32
DT_G = np.float32
DT_GOUT = np.float32
DT_D = np.float32
DT_FEEDBACK = np.float32
DT_L = np.float32
DT_NUM = np.float32
DT_CURRENT = np.float32
DT_DIRECT = np.float32
DT_NINE = np.float32
DT_GAIN = np.float32
DT_COEFFICIENT = np.float32
DT_WIDE = np.float32
DT_STATE = np.float32
NUM = FLT
CURRENT = FLT
DIRECT = FLT
NINE = FLT
COEFFICIENT = FLT
WIDE = FLT
STATE = FLT
add_CURRENT = addFLT
mul_CURRENT = mulFLT
add_NINE = addFLT
mul_H = mulFLT
RATE_FRAC = 24
PARTIAL = 0
PARTIAL_LIF = 0
JOINT = False
QUICK = False
MOST = 0
LANES = 8
SIDE = 2
TOGETHER = 4
CHUNK = 32
PART = 16
K = 4
ROW = 288
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


@inline
def exponential(d):
    return FLT(math.exp(-d))

@inline
def quotient(p, total):
    return FLT(p / total)


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
    return maxFLT(mulFLT(z, R), subFLT(r, FLT(1)))

@inline
def adaptation(a, z, leak, rnd):
    kept = addFLT(addFLT(a, z), mulFLT(negFLT(leak), a))
    return kept

@inline
def membrane(V, z, current_in, current_rec, leak, rnd):
    y = mulFLT(negFLT(leak), V)
    base = subFLT(addFLT(addFLT(V, current_in), current_rec), z)
    kept = addFLT(base, y)
    return kept

@inline
def trace(X, s, leak, rnd):
    kept = addFLT(addFLT(X, s), mulFLT(negFLT(leak), X))
    return kept

@inline
def distance(V, a, gain):
    return subFLT(subFLT(V, FLT(1)), mulFLT(gain, a))

@inline
def pseudo_derivative(distance, ready, rnd):
    kept = maxFLT(FLT(0), mulFLT(ready, subFLT(FLT(1), absFLT(distance))))
    return kept

@inline
def distance_lif(V):
    return subFLT(maxFLT(V, FLT(-1)), FLT(1))

@inline
def pseudo_derivative_lif(distance, rnd):
    kept = maxFLT(FLT(0), subFLT(FLT(1), absFLT(distance)))
    return kept

@inline
def readout_trace(Z, z, leak, rnd):
    kept = addFLT(addFLT(Z, z), mulFLT(negFLT(leak), Z))
    return kept

@inline
def readout(y, current, leak, rnd):
    kept = addFLT(addFLT(y, current), mulFLT(negFLT(leak), y))
    return kept

@inline
def eligibility(H, X, U, rnd):
    kept = mulFLT(H, subFLT(X, U))
    return kept

@inline
def filtered_eligibility(F, E, leak, rnd):
    kept = addFLT(addFLT(F, E), mulFLT(negFLT(leak), F))
    return kept

@inline
def adaptation_eligibility(U, E, drive, leak, rnd):
    kept = addFLT(U, addFLT(mulFLT(drive, E), mulFLT(negFLT(leak), U)))
    return kept

@inline
def eligibility_sum(S, E, rnd):
    kept = addFLT(S, E)
    return kept

@inline
def error_classification(probability, label, rnd):
    kept = subFLT(probability, label)
    return kept

@inline
def error_regression(y, target, rnd):
    kept = subFLT(y, target)
    return kept

@inline
def direct(sum, B, err):
    return addFLT(sum, mulFLT(B, err))

@inline
def learning_signal(d, rnd):
    kept = d
    return kept

@inline
def modulator(neighbours, d, gain, rnd):
    kept = addFLT(mulFLT(gain, neighbours), d)
    return kept

@inline
def gradient(G, L, F, rnd):
    kept = addFLT(G, mulFLT(L, F))
    return kept

@inline
def gradient_rate(G, D, S, rnd):
    kept = addFLT(G, mulFLT(D, S))
    return kept

@inline
def gradient_out(G, err, Z, rnd):
    kept = addFLT(G, mulFLT(err, Z))
    return kept

@inline
def rate_error(count, duration, target, gain, rnd):
    excess = subFLT(count, mulFLT(target, duration))
    kept = divFLT(mulFLT(gain, excess), mulFLT(duration, duration))
    return kept





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
    kept_1 = addFLT(addFLT(X_1, spikes), mulFLT(negFLT(leak), X_1))
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
                kept_2 = subFLT(probability_2, label_2)
                err[o] = kept_2
    else:
        for k in range(n_out):
            key = 0
            y_3 = take(y, k * LANES)
            target_3 = take(target, q + k * LANES)
            kept_3 = subFLT(y_3, target_3)
            put(err, k * LANES, kept_3)

@inline
def direct_lanes(d, j, err, feedback, n_out):
    """d = B err of neuron j."""
    sum = none(d)
    for k in range(n_out):
        B_4 = feedback[j, k]
        err_4 = take(err, k * LANES)
        sum = like(d, addFLT(sum, mulFLT(B_4, err_4)))
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
        kept_5 = addFLT(mulFLT(gain, nine), injected)
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
            put(h.l, p, d_6)

@inline
def gradient_out_step(t, net, s):
    """One more step of the gradients of the readout weights."""
    for j in range(net.cell.size):
        for e in range(net.ptr_out[j], net.ptr_out[j + 1]):
            key = 0
            G_7 = take(s.gout, e * LANES)
            err_7 = take(s.err, net.post_out[e] * LANES)
            Z_7 = take(s.Z, j * LANES)
            kept_7 = addFLT(G_7, mulFLT(err_7, Z_7))
            put(s.gout, e * LANES, kept_7)

@inline
def neuron_step(t, k, j, learn, leak_m, leak_a, leak_k, R, net, s, h):
    """One step of the neurons from j on, SIDE of them side by side: a, V, spike, and for learning H and Z."""
    o, who = (j * LANES, j)
    who = take_side(net.number, o)
    stream, z = (same_side(s.stream, 0), take_side(s.z, o))
    current_rec = none_side(s.current_rec)
    current_rec = take_held_side(s.current_rec, o)
    put_held(s.current_rec, o, none_side(s.current_rec))
    V_8 = take_side(s.V, o)
    current_in_8 = take_held_side(s.current_in, o)
    y_8 = mulFLT(negFLT(leak_m), V_8)
    base_8 = subFLT(addFLT(addFLT(V_8, current_in_8), current_rec), z)
    kept_8 = addFLT(base_8, y_8)
    V = kept_8
    put(s.V, o, V)
    put_held(s.current_in, o, none_side(s.current_in))
    r_9 = take_side(s.r, o)
    wait = maxFLT(mulFLT(z, R), subFLT(r_9, FLT(1)))
    put(s.r, o, wait)
    ready = zero(wait)
    if net.adapts[j // SIDE]:
        a_10 = take_side(s.a, o)
        kept_10 = addFLT(addFLT(a_10, z), mulFLT(negFLT(leak_a), a_10))
        a = like(s.a, kept_10)
        put(s.a, o, a)
        gain_11 = take_side(net.gain, o)
        above = subFLT(subFLT(V, FLT(1)), mulFLT(gain_11, a))
        spike = and16(ready, positive(above))
        if learn:
            bits = 0
            ready_12 = NUM(1)
            kept_12 = maxFLT(FLT(0), mulFLT(ready_12, subFLT(FLT(1), absFLT(above))))
            put_side(h.h, j * ROW + k * LANES, mul_H(kept_12, ready))
    else:
        over = subFLT(maxFLT(V, FLT(-1)), FLT(1))
        spike = and16(ready, positive(over))
        if learn:
            bits = 0
            kept_14 = maxFLT(FLT(0), subFLT(FLT(1), absFLT(over)))
            put_side(h.h, j * ROW + k * LANES, mul_H(kept_14, ready))
    put(s.z, o, spike)
    if learn:
        Z_15 = take_side(s.Z, o)
        kept_15 = addFLT(addFLT(Z_15, spike), mulFLT(negFLT(leak_k), Z_15))
        put(s.Z, o, kept_15)

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
                deliver(s.current_rec, z, net.ptr_rec[i], net.ptr_rec[i + 1], net.post_rec, net.w_rec)
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
            y_16 = take(s.y, o * LANES)
            current_16 = take_held(s.current_out, o * LANES)
            kept_16 = addFLT(addFLT(y_16, current_16), mulFLT(negFLT(leak_k), y_16))
            y = kept_16
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
            put(room.pairs, k * WIDTH, signal_pairs(L, next))
            put(room.low, k * WIDTH, signal_low(L))
            put(room.low, (k + 1) * WIDTH, signal_low(next))
            sum = add32(sum, add32(abs32(take(h.l, here)), abs32(take(h.l, there))))
        total, most = (add32(total, sum), max32(most, sum))
    put(room.bound, 0, room_left(total))
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
        kept_17 = mulFLT(H, subFLT(X, U))
        E = kept_17
        kept_18 = addFLT(addFLT(F, E), mulFLT(negFLT(leak_k), F))
        F = like(s.F, kept_18)
        kept_19 = addFLT(S, E)
        S = like(s.S, kept_19)
        if alif:
            kept_20 = addFLT(U, addFLT(mulFLT(drive, E), mulFLT(negFLT(leak_a), U)))
            U = like(s.U, kept_20)
        if learns:
            L_21 = take_same(h.l, p + at)
            kept_21 = addFLT(G, mulFLT(L_21, F))
            G = like(s.G, kept_21)
        at, c = ((k0 + 1) * LANES, k0 + 1)
        H, X = (take_same(h.h, p + at), take_each(h.x, lines, at))
        kept_22 = mulFLT(H, subFLT(X, U))
        E = kept_22
        kept_23 = addFLT(addFLT(F, E), mulFLT(negFLT(leak_k), F))
        F = like(s.F, kept_23)
        kept_24 = addFLT(S, E)
        S = like(s.S, kept_24)
        if alif:
            kept_25 = addFLT(U, addFLT(mulFLT(drive, E), mulFLT(negFLT(leak_a), U)))
            U = like(s.U, kept_25)
        if learns:
            L_26 = take_same(h.l, p + at)
            kept_26 = addFLT(G, mulFLT(L_26, F))
            G = like(s.G, kept_26)
        at, c = ((k0 + 2) * LANES, k0 + 2)
        H, X = (take_same(h.h, p + at), take_each(h.x, lines, at))
        kept_27 = mulFLT(H, subFLT(X, U))
        E = kept_27
        kept_28 = addFLT(addFLT(F, E), mulFLT(negFLT(leak_k), F))
        F = like(s.F, kept_28)
        kept_29 = addFLT(S, E)
        S = like(s.S, kept_29)
        if alif:
            kept_30 = addFLT(U, addFLT(mulFLT(drive, E), mulFLT(negFLT(leak_a), U)))
            U = like(s.U, kept_30)
        if learns:
            L_31 = take_same(h.l, p + at)
            kept_31 = addFLT(G, mulFLT(L_31, F))
            G = like(s.G, kept_31)
        at, c = ((k0 + 3) * LANES, k0 + 3)
        H, X = (take_same(h.h, p + at), take_each(h.x, lines, at))
        kept_32 = mulFLT(H, subFLT(X, U))
        E = kept_32
        kept_33 = addFLT(addFLT(F, E), mulFLT(negFLT(leak_k), F))
        F = like(s.F, kept_33)
        kept_34 = addFLT(S, E)
        S = like(s.S, kept_34)
        if alif:
            kept_35 = addFLT(U, addFLT(mulFLT(drive, E), mulFLT(negFLT(leak_a), U)))
            U = like(s.U, kept_35)
        if learns:
            L_36 = take_same(h.l, p + at)
            kept_36 = addFLT(G, mulFLT(L_36, F))
            G = like(s.G, kept_36)
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
                left_over = add_left_over(left_over, take_low(room.low, c * WIDTH), F)
                c = k0 + 1
                next = take_span(room.filtered, c * TOGETHER * LANES + q)
                left_over = add_left_over(left_over, take_low(room.low, c * WIDTH), next)
                products = add_products(products, take_pairs(room.pairs, (c - 1) * WIDTH), F, next)
                c = k0 + 2
                F = take_span(room.filtered, c * TOGETHER * LANES + q)
                left_over = add_left_over(left_over, take_low(room.low, c * WIDTH), F)
                c = k0 + 3
                next = take_span(room.filtered, c * TOGETHER * LANES + q)
                left_over = add_left_over(left_over, take_low(room.low, c * WIDTH), next)
                products = add_products(products, take_pairs(room.pairs, (c - 1) * WIDTH), F, next)
            G = gradient_quick(G, products, left_over)
        put(s.G, o + q, G)

@inline
def count_steps(counters, row, keys, e, alif, window):
    """Counters of synapse e at the steps of the chunk, for the updates that round stochastically."""

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
        keys[2 * CHUNK + k] = 0
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
                elif drive == 0:
                    synapse_chunk(s, o, h, p, room.lines, drive, leak_a, leak_k, room, False, True, False)
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
            count_37 = WIDE(s.spikes[j * LANES + l])
            duration_37 = WIDE(io.duration[l])
            target_37 = WIDE(rate_target)
            gain_37 = WIDE(rate_gain)
            excess_37 = subFLT(count_37, mulFLT(target_37, duration_37))
            kept_37 = divFLT(mulFLT(gain_37, excess_37), mulFLT(duration_37, duration_37))
            s.rate[l] = kept_37
        placed = net.ptr[j + 1] - net.ptr[j] - s.left[j]
        for place in range(net.place_ptr[j], net.place_ptr[j] + placed):
            o, e = (place * LANES, s.element[place & M])
            key = 0
            for l in range(lanes):
                G_38 = s.G[o + l]
                D_38 = s.rate[l]
                S_38 = s.S[o + l]
                kept_38 = addFLT(G_38, mulFLT(D_38, S_38))
                g = kept_38
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

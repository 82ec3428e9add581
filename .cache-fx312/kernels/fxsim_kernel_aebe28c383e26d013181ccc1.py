import math
import numpy as np
import numba as nb
from numba import cuda
inline = cuda.jit(device=True, inline='always')
compiled = lambda function: function
I32, I64, U32, U64 = (nb.int32, nb.int64, nb.uint32, nb.uint64)
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
RATE_FRAC = 24
PARTIAL = 0
PARTIAL_LIF = 0
JOINT = False
QUICK = False
MOST = 0
N = 100
N_IN = 40
N_OUT = 2
CELLS = 100
N_SYN = 1396
N_SYN_OUT = 20
LINES = 140
LANES = 32
SLOTS = 4
TOGETHER = 16
SPIKES_SIZE = 6400
OUT_SIZE = 64
ZT_SIZE = 640
GOUT_SIZE = 640
WAIT_SIZE = 3200
M_SIZE = 6400
V_SIZE = 3200
A_SIZE = 3200
XT_SIZE = 4480
ZT_SHARED = True
GOUT_SHARED = True
WAIT_SHARED = True
M_SHARED = True
V_SHARED = False
A_SHARED = False
XT_SHARED = False
ZT_APART = 0
GOUT_APART = 0
WAIT_APART = 0
M_APART = 0
V_APART = 3200
A_APART = 3200
XT_APART = 4480
SHARED = STATE

@inline
def exponential(d):
    return FLT(math.exp(-d))

@inline
def quotient(p, total):
    return FLT(p / total)
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
    return FLT(max(FLT(z * R), FLT(r - FLT(1))))

@inline
def adaptation(a, z, leak, rnd):
    kept = FLT(FLT(a + z) + FLT(FLT(-leak) * a))
    return kept

@inline
def membrane(V, z, current_in, current_rec, leak, rnd):
    y = FLT(FLT(-leak) * V)
    base = FLT(FLT(FLT(V + current_in) + current_rec) - z)
    kept = FLT(base + y)
    return kept

@inline
def trace(X, s, leak, rnd):
    kept = FLT(FLT(X + s) + FLT(FLT(-leak) * X))
    return kept

@inline
def distance(V, a, gain):
    return FLT(FLT(V - FLT(1)) - FLT(gain * a))

@inline
def pseudo_derivative(distance, ready, rnd):
    kept = FLT(max(FLT(0), FLT(ready * FLT(FLT(1) - FLT(abs(distance))))))
    return kept

@inline
def distance_lif(V):
    return FLT(FLT(max(V, FLT(-1))) - FLT(1))

@inline
def pseudo_derivative_lif(distance, rnd):
    kept = FLT(max(FLT(0), FLT(FLT(1) - FLT(abs(distance)))))
    return kept

@inline
def readout_trace(Z, z, leak, rnd):
    kept = FLT(FLT(Z + z) + FLT(FLT(-leak) * Z))
    return kept

@inline
def readout(y, current, leak, rnd):
    kept = FLT(FLT(y + current) + FLT(FLT(-leak) * y))
    return kept

@inline
def eligibility(H, X, U, rnd):
    kept = FLT(H * FLT(X - U))
    return kept

@inline
def filtered_eligibility(F, E, leak, rnd):
    kept = FLT(FLT(F + E) + FLT(FLT(-leak) * F))
    return kept

@inline
def adaptation_eligibility(U, E, drive, leak, rnd):
    kept = FLT(U + FLT(FLT(drive * E) + FLT(FLT(-leak) * U)))
    return kept

@inline
def eligibility_sum(S, E, rnd):
    kept = FLT(S + E)
    return kept

@inline
def error_classification(probability, label, rnd):
    kept = FLT(probability - label)
    return kept

@inline
def error_regression(y, target, rnd):
    kept = FLT(y - target)
    return kept

@inline
def direct(sum, B, err):
    return FLT(sum + FLT(B * err))

@inline
def learning_signal(d, rnd):
    kept = d
    return kept

@inline
def modulator(neighbours, d, gain, rnd):
    kept = FLT(FLT(gain * neighbours) + d)
    return kept

@inline
def gradient(G, L, F, rnd):
    kept = FLT(G + FLT(L * F))
    return kept

@inline
def gradient_rate(G, D, S, rnd):
    kept = FLT(G + FLT(D * S))
    return kept

@inline
def gradient_out(G, err, Z, rnd):
    kept = FLT(G + FLT(err * Z))
    return kept

@inline
def rate_error(count, duration, target, gain, rnd):
    excess = FLT(count - FLT(target * duration))
    kept = FLT(FLT(gain * excess) / FLT(duration * duration))
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
    v = v_all
    a = a_all
    xt = xt_all
    zt0, gout0, wait0, m0 = (group * ZT_APART + lane, group * GOUT_APART + lane, group * WAIT_APART + lane, group * M_APART + lane)
    v0, a0, xt0 = (group * V_APART + lane, group * A_APART + lane, group * XT_APART + lane)
    for j in range(warp, N, warps):
        o = j * LANES
        v[U64(v0 + o)] = 0
        a[U64(a0 + o)] = 0
        wait[U32(wait0 + o)] = 0
        spikes[U32(o + lane)] = 0
        if real:
            counts[U64(b * N + j)] = 0
    if learn:
        for i in range(warp, LINES, warps):
            xt[U64(xt0 + i * LANES)] = 0
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
                spike = NUM(spikes[U32(old + o + lane)]) if i < 100 else NUM(x[U32(channels + (i - N) * LANES + lane)])
                X = trace(STATE(xt[U64(xt0 + o)]), spike, leak_m, 0)
                xt[U64(xt0 + o)] = X
                hist_x[U64(lines + o)] = X
        for j in range(warp, N, warps):
            o = j * LANES
            current_in = gathered(ptr_in, pre_in, w_in, j, x, channels, lane)
            current_rec = gathered(ptr_rec, pre_rec, w_rec, j, spikes, old, lane)
            z = NUM(spikes[U32(old + o + lane)])
            A = adaptation(STATE(a[U64(a0 + o)]), z, leak_a, 0)
            V = membrane(STATE(v[U64(v0 + o)]), z, current_in, current_rec, leak_m, 0)
            waits = refractory(NUM(wait[U32(wait0 + o)]), z, R)
            above = distance(V, A, COEFFICIENT(gain[U32(j)]))
            z = NUM(1) if above > 0 and waits == 0 else NUM(0)
            a[U64(a0 + o)] = A
            v[U64(v0 + o)] = V
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
def synapses(T, S, B, blocks, stream, tile_post, slot_line, slot_element, drive, leaks, hist_h, hist_x, hist_l, rate, grad):
    """Eligibility and gradients of all synapses, SLOTS of a neuron in each warp; slots without a synapse have the element -1.

    ``blocks``: that share the synapses of a group of trials; they follow each other, so that they find the same histories in the cache.
    """
    lane, group = (cuda.threadIdx.x % LANES, cuda.blockIdx.x // blocks)
    tile = cuda.blockIdx.x % blocks * (cuda.blockDim.x // LANES) + cuda.threadIdx.x // LANES
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
            reg_u_0 = adaptation_eligibility(reg_u_0, reg_d_0, driven, leak_a, 0)
            reg_u_1 = adaptation_eligibility(reg_u_1, reg_d_1, driven, leak_a, 0)
            reg_u_2 = adaptation_eligibility(reg_u_2, reg_d_2, driven, leak_a, 0)
            reg_u_3 = adaptation_eligibility(reg_u_3, reg_d_3, driven, leak_a, 0)
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

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
N = 18
N_IN = 11
N_OUT = 3
CELLS = 28
N_SYN = 225
N_SYN_OUT = 39
V_ = 0
A_ = 18
R_ = 36
COUNT_ = 54
H_ = 72
ZT_ = 90
L_ = 108
D_ = 126
X_ = 144
Y_ = 173
ERR_ = 176
P_ = 179
GOUT_ = 182
U_ = 221
F_ = 221
S_ = 221
G_ = 221
Z_ = 221
M_ = 257
MEMORY = 313
SCRATCH = 0
SPILLED = False
RECORD_WIDTH = 267
IN_REGISTERS = True
IN_SHARED = True
RECORD = False
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
def error_softmax(mem, base, t, s, b, S, n_out, target, lane):
    """err = softmax(y) - label of all outputs; target[(b S + s) n_out + k] is the label (0 or 1)."""
    top = WIDE(mem[U32(base + Y_)])
    for k in range(1, n_out):
        top = max(top, WIDE(mem[U32(base + Y_ + k)]))
    total = WIDE(0)
    for k in range(n_out):
        p = exponential(WIDE(top - WIDE(mem[U32(base + Y_ + k)])))
        mem[U32(base + P_ + k)] = p
        total = WIDE(total + p)
    for k in range(n_out):
        key = 0
        mem[U32(base + ERR_ + k)] = error_classification(quotient(WIDE(mem[U32(base + P_ + k)]), total), STATE(target[U64((b * S + s) * n_out + k)]), 0)

@inline
def direct_of(mem, base, j, n_out, feedback):
    """d = B err of neuron j."""
    d = DIRECT(0)
    for k in range(n_out):
        d = direct(d, STATE(feedback[U32(j * n_out + k)]), STATE(mem[U32(base + ERR_ + k)]))
    return d

@compiled
def simulate(T, S, learn, classify, rule, x, target, stream, duration, ptr_in, pre_in, w_in, ptr_rec, pre_rec, w_rec, ptr_out, pre_out, w_out, post_out, line, post, gain, drive, leaks, feedback, neuron_at, cell, table, scratch, yout, counts, grad, grad_out, rec, tel):
    """T steps of the trials of all blocks; rule: 0 e-prop, 1 diffusion on one `table`, 2 diffusion on a table for each trial and step.

    x (B,T,m), target and yout (B,S,K), counts (B,n), grad (B,n_syn), grad_out (B,n_syn_out), rec (T,B,RECORD_WIDTH), all flat.
    leaks: leaks of V, a and y, diffusion gain, target rate, rate gain, refractory steps.
    """
    b, first, threads, B = (cuda.blockIdx.x, cuda.threadIdx.x, cuda.blockDim.x, cuda.gridDim.x)
    lane = U32(stream[U32(b)])
    leak_m, leak_a, leak_k, kd = (COEFFICIENT(leaks[0]), COEFFICIENT(leaks[1]), COEFFICIENT(leaks[2]), COEFFICIENT(leaks[3]))
    R = NUM(leaks[6])
    mem = cuda.shared.array(0, SHARED)
    base = 0
    syn = mem
    at = base
    for o in range(first, MEMORY, threads):
        mem[U32(base + o)] = 0
    reg_u_0 = STATE(0)
    reg_f_0 = STATE(0)
    reg_s_0 = STATE(0)
    reg_g_0 = STATE(0)
    reg_u_1 = STATE(0)
    reg_f_1 = STATE(0)
    reg_s_1 = STATE(0)
    reg_g_1 = STATE(0)
    reg_u_2 = STATE(0)
    reg_f_2 = STATE(0)
    reg_s_2 = STATE(0)
    reg_g_2 = STATE(0)
    reg_u_3 = STATE(0)
    reg_f_3 = STATE(0)
    reg_s_3 = STATE(0)
    reg_g_3 = STATE(0)
    cuda.syncthreads()
    for t in range(T):
        s = t - (T - S)
        old = base + Z_ + (t & 1) * N
        new = base + Z_ + (t + 1 & 1) * N
        grid_old = base + M_ + (t & 1) * CELLS
        grid_new = base + M_ + (t + 1 & 1) * CELLS
        if learn:
            for i in range(first, N + N_IN, threads):
                spike = NUM(mem[U32(old + i)]) if i < N else NUM(x[U64((b * T + t) * N_IN + i - N)])
                mem[U32(base + X_ + i)] = trace(STATE(mem[U32(base + X_ + i)]), spike, leak_m, 0)
        for j in range(first, N, threads):
            current_in = CURRENT(0)
            for e in range(ptr_in[U32(j)], ptr_in[U32(j + 1)]):
                if x[U64((b * T + t) * 11 + pre_in[U32(e)])] != 0:
                    current_in = CURRENT(current_in + STATE(w_in[U32(e)]))
            current_rec = CURRENT(0)
            for e in range(ptr_rec[U32(j)], ptr_rec[U32(j + 1)]):
                if mem[U32(old + pre_rec[U32(e)])] != 0:
                    current_rec = CURRENT(current_rec + STATE(w_rec[U32(e)]))
            z = NUM(mem[U32(old + j)])
            a = adaptation(STATE(mem[U32(base + A_ + j)]), z, leak_a, 0)
            v = membrane(STATE(mem[U32(base + V_ + j)]), z, current_in, current_rec, leak_m, 0)
            wait = refractory(NUM(mem[U32(base + R_ + j)]), z, R)
            above = distance(v, a, COEFFICIENT(gain[U32(j)]))
            z = NUM(1) if above > 0 and wait == 0 else NUM(0)
            mem[U32(base + A_ + j)] = a
            mem[U32(base + V_ + j)] = v
            mem[U32(base + R_ + j)] = wait
            mem[U32(new + j)] = z
            mem[U32(base + COUNT_ + j)] += z
            if learn:
                ready = NUM(1) if wait == 0 else NUM(0)
                mem[U32(base + H_ + j)] = pseudo_derivative(above, ready, 0)
                mem[U32(base + ZT_ + j)] = readout_trace(STATE(mem[U32(base + ZT_ + j)]), z, leak_k, 0)
        cuda.syncthreads()
        for k in range(first, N_OUT, threads):
            current = CURRENT(0)
            for e in range(ptr_out[U32(k)], ptr_out[U32(k + 1)]):
                if mem[U32(new + pre_out[U32(e)])] != 0:
                    current = CURRENT(current + STATE(w_out[U32(e)]))
            y = readout(STATE(mem[U32(base + Y_ + k)]), current, leak_k, 0)
            mem[U32(base + Y_ + k)] = y
            if s >= 0:
                yout[U64((b * S + s) * N_OUT + k)] = y
        if learn and s >= 0:
            cuda.syncthreads()
            if classify:
                if first == 0:
                    error_softmax(mem, base, t, s, b, S, N_OUT, target, lane)
            else:
                for k in range(first, N_OUT, threads):
                    key = 0
                    mem[U32(base + ERR_ + k)] = error_regression(STATE(mem[U32(base + Y_ + k)]), STATE(target[U64((b * S + s) * N_OUT + k)]), 0)
            cuda.syncthreads()
            if rule == 0:
                for j in range(first, N, threads):
                    key = 0
                    mem[U32(base + L_ + j)] = learning_signal(direct_of(mem, base, j, N_OUT, feedback), 0)
            else:
                row = (b * S + s) * CELLS * 9 if rule == 2 else 0
                for c in range(first, CELLS, threads):
                    nine = NINE(0)
                    for q in range(9):
                        nine = NINE(nine + STATE(mem[U32(grid_old + table[U64(row + c * 9 + q)])]))
                    injected = DIRECT(0)
                    if neuron_at[U32(c)] >= 0:
                        injected = direct_of(mem, base, neuron_at[U32(c)], N_OUT, feedback)
                    mem[U32(grid_new + c)] = modulator(nine, injected, kd, 0)
                cuda.syncthreads()
                for j in range(first, N, threads):
                    mem[U32(base + L_ + j)] = mem[U32(grid_new + cell[U32(j)])]
            for e in range(first, N_SYN_OUT, threads):
                mem[U32(base + GOUT_ + e)] = gradient_out(STATE(mem[U32(base + GOUT_ + e)]), STATE(mem[U32(base + ERR_ + post_out[U32(e)])]), STATE(mem[U32(base + ZT_ + pre_out[U32(e)])]), 0)
            cuda.syncthreads()
        if learn:
            e = first + 0 * threads
            if e < 225:
                j = post[U32(e)]
                E = eligibility(STATE(mem[U32(base + H_ + j)]), STATE(mem[U32(base + X_ + line[U32(e)])]), reg_u_0, 0)
                reg_f_0 = filtered_eligibility(reg_f_0, E, leak_k, 0)
                reg_s_0 = eligibility_sum(reg_s_0, E, 0)
                if drive[U32(j)] != 0:
                    reg_u_0 = adaptation_eligibility(reg_u_0, E, COEFFICIENT(drive[U32(j)]), leak_a, 0)
                if s >= 0:
                    reg_g_0 = gradient(reg_g_0, STATE(mem[U32(base + L_ + j)]), reg_f_0, 0)
            e = first + 1 * threads
            if e < 225:
                j = post[U32(e)]
                E = eligibility(STATE(mem[U32(base + H_ + j)]), STATE(mem[U32(base + X_ + line[U32(e)])]), reg_u_1, 0)
                reg_f_1 = filtered_eligibility(reg_f_1, E, leak_k, 0)
                reg_s_1 = eligibility_sum(reg_s_1, E, 0)
                if drive[U32(j)] != 0:
                    reg_u_1 = adaptation_eligibility(reg_u_1, E, COEFFICIENT(drive[U32(j)]), leak_a, 0)
                if s >= 0:
                    reg_g_1 = gradient(reg_g_1, STATE(mem[U32(base + L_ + j)]), reg_f_1, 0)
            e = first + 2 * threads
            if e < 225:
                j = post[U32(e)]
                E = eligibility(STATE(mem[U32(base + H_ + j)]), STATE(mem[U32(base + X_ + line[U32(e)])]), reg_u_2, 0)
                reg_f_2 = filtered_eligibility(reg_f_2, E, leak_k, 0)
                reg_s_2 = eligibility_sum(reg_s_2, E, 0)
                if drive[U32(j)] != 0:
                    reg_u_2 = adaptation_eligibility(reg_u_2, E, COEFFICIENT(drive[U32(j)]), leak_a, 0)
                if s >= 0:
                    reg_g_2 = gradient(reg_g_2, STATE(mem[U32(base + L_ + j)]), reg_f_2, 0)
            e = first + 3 * threads
            if e < 225:
                j = post[U32(e)]
                E = eligibility(STATE(mem[U32(base + H_ + j)]), STATE(mem[U32(base + X_ + line[U32(e)])]), reg_u_3, 0)
                reg_f_3 = filtered_eligibility(reg_f_3, E, leak_k, 0)
                reg_s_3 = eligibility_sum(reg_s_3, E, 0)
                if drive[U32(j)] != 0:
                    reg_u_3 = adaptation_eligibility(reg_u_3, E, COEFFICIENT(drive[U32(j)]), leak_a, 0)
                if s >= 0:
                    reg_g_3 = gradient(reg_g_3, STATE(mem[U32(base + L_ + j)]), reg_f_3, 0)
            cuda.syncthreads()
    for j in range(first, N, threads):
        counts[U64(b * N + j)] = mem[U32(base + COUNT_ + j)]
    if learn:
        for j in range(first, N, threads):
            mem[U32(base + D_ + j)] = rate_error(WIDE(mem[U32(base + COUNT_ + j)]), WIDE(duration[U32(b)]), WIDE(leaks[4]), WIDE(leaks[5]), 0)
        cuda.syncthreads()
        e = first + 0 * threads
        if e < 225:
            grad[U64(b * N_SYN + e)] = gradient_rate(reg_g_0, STATE(mem[U32(base + D_ + post[U32(e)])]), reg_s_0, 0)
        e = first + 1 * threads
        if e < 225:
            grad[U64(b * N_SYN + e)] = gradient_rate(reg_g_1, STATE(mem[U32(base + D_ + post[U32(e)])]), reg_s_1, 0)
        e = first + 2 * threads
        if e < 225:
            grad[U64(b * N_SYN + e)] = gradient_rate(reg_g_2, STATE(mem[U32(base + D_ + post[U32(e)])]), reg_s_2, 0)
        e = first + 3 * threads
        if e < 225:
            grad[U64(b * N_SYN + e)] = gradient_rate(reg_g_3, STATE(mem[U32(base + D_ + post[U32(e)])]), reg_s_3, 0)
        for e in range(first, N_SYN_OUT, threads):
            grad_out[U64(b * N_SYN_OUT + e)] = mem[U32(base + GOUT_ + e)]

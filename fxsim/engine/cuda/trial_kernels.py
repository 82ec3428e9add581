"""The CUDA kernels whose lanes are trials: a warp carries LANES trials of one network, so weights, indices and coefficients are the same in all
its threads.

A template, see :mod:`fxsim.engine.cuda.kernels`. Two kernels, one after the other, each over all steps:

    forward     a block takes LANES trials through time, its warps share the neurons, lines, outputs and cells; H, X and L of every step
                go to global memory. One barrier a step, three in the window.
    synapses    a warp keeps SLOTS synapses of one neuron in registers, from the first step to the last, and reads those histories

An array of n variables has n x LANES elements, the lanes innermost: what a warp reads lies together. Histories: (groups of trials, steps,
variables, LANES), few enough for indices of 32 bits. Lanes without a trial of their own repeat the last one and write nothing that is read.

Each variable has one owner, whatever the number of warps; sums have a fixed order. Spikes, outputs' errors and the neuromodulator are read
by others, with a barrier in between: spikes and neuromodulator are kept for two steps, so that no thread overwrites what another reads.
"""
# ruff: noqa: F821   (names supplied by the builder)
from .kernels import direct_of, error_softmax


@inline
def gathered(pointer, row, weights, j, spikes, start):
    """Sum of the weights of the synapses onto j whose line spiked in this lane: synapse e finds its line at spikes[start + row[e]]."""
    current, e, end = CURRENT(0), pointer[j], pointer[j + 1]
    while e < end:
        weight = STATE(weights[e])
        current = CURRENT(current + weight) if spikes[start + row[e]] != 0 else current
        e = I32(e + 1)
    return current


@compiled
def forward(T, S, B, learn, classify, rule, x, target, stream, duration, ptr_in, row_in, w_in, ptr_rec, row_rec, w_rec, ptr_out, row_out, w_out,
            post_out, gain, leaks, feedback, neuron_at, table, zt_all, gout_all, wait_all, m_all, v_all, a_all, xt_all, hist_h,
            hist_x, hist_l, rate, yout, counts, grad_out):
    """All steps of the trials of a block; arguments as of ``simulate``, but x (groups, T, m, LANES); *_all: state that shared memory does not hold.

    rate: D of each neuron at the end, (groups, n, LANES).
    """
    group, lane, warp = cuda.blockIdx.x, cuda.threadIdx.x % LANES, cuda.threadIdx.x // LANES
    b = min(group * LANES + lane, B - 1)
    real = group * LANES + lane < B
    key = U32(stream[b])
    leak_m, leak_a, leak_k, kd = COEFFICIENT(leaks[0]), COEFFICIENT(leaks[1]), COEFFICIENT(leaks[2]), COEFFICIENT(leaks[3])
    R = NUM(leaks[6])
    spikes = cuda.shared.array(SPIKES_SIZE, np.uint8)
    y = cuda.shared.array(OUT_SIZE, DT_Y)
    p = cuda.shared.array(OUT_SIZE, DT_WIDE)
    err = cuda.shared.array(OUT_SIZE, DT_ERR)
    zt = cuda.shared.array(ZT_SIZE, DT_Z) if ZT_SHARED else zt_all
    gout = cuda.shared.array(GOUT_SIZE, DT_GOUT) if GOUT_SHARED else gout_all
    wait = cuda.shared.array(WAIT_SIZE, np.uint8) if WAIT_SHARED else wait_all
    m = cuda.shared.array(M_SIZE, DT_L) if M_SHARED else m_all
    v = cuda.shared.array(V_SIZE, DT_V) if V_SHARED else v_all
    a = cuda.shared.array(A_SIZE, DT_A) if A_SHARED else a_all
    xt = cuda.shared.array(XT_SIZE, DT_X) if XT_SHARED else xt_all
    zt0, gout0, wait0, m0 = group * ZT_APART + lane, group * GOUT_APART + lane, group * WAIT_APART + lane, group * M_APART + lane
    v0, a0, xt0 = group * V_APART + lane, group * A_APART + lane, group * XT_APART + lane
    for j in range(warp, N, WARPS):
        o = j * LANES
        v[v0 + o] = 0
        a[a0 + o] = 0
        wait[wait0 + o] = 0
        spikes[o + lane] = 0
        if real:
            counts[b * N + j] = 0
    if learn:
        for i in range(warp, LINES, WARPS):
            xt[xt0 + i * LANES] = 0
        for c in range(warp, 2 * CELLS, WARPS):
            m[m0 + c * LANES] = 0
        for e in range(warp, N_SYN_OUT, WARPS):
            zt[zt0 + e * LANES] = 0
            gout[gout0 + e * LANES] = 0
    for k in range(warp, N_OUT, WARPS):
        y[k * LANES + lane] = 0
    cuda.syncthreads()
    for t in range(T):
        s = t - (T - S)
        old = (t & 1) * N * LANES
        new = ((t + 1) & 1) * N * LANES
        channels = (group * T + t) * N_IN * LANES + lane
        lines = (group * T + t) * LINES * LANES + lane
        # ---- traces and neurons
        j = warp
        while j < N:
            o = j * LANES
            current_in = gathered(ptr_in, row_in, w_in, j, x, channels)
            current_rec = gathered(ptr_rec, row_rec, w_rec, j, spikes, old + lane)
            z = NUM(spikes[old + o + lane])
            A = adaptation(STATE(a[a0 + o]), z, leak_a, bits_adaptation(key, counter_adaptation(step_adaptation(t), j)))
            V = membrane(STATE(v[v0 + o]), z, current_in, current_rec, leak_m, bits_membrane(key, counter_membrane(step_membrane(t), j)))
            waits = refractory(NUM(wait[wait0 + o]), z, R)
            if learn:
                X = trace(STATE(xt[xt0 + o]), z, leak_m, bits_trace(key, counter_trace(step_trace(t), j)))
                xt[xt0 + o] = X
                hist_x[lines + o] = X
            above = distance(V, A, COEFFICIENT(gain[j]))
            z = NUM(1) if above > 0 and waits == 0 else NUM(0)
            a[a0 + o] = A
            v[v0 + o] = V
            wait[wait0 + o] = waits
            spikes[new + o + lane] = z
            if z != 0 and real:
                counts[b * N + j] += 1
            if learn:
                ready = NUM(1) if waits == 0 else NUM(0)
                hist_h[(group * T + t) * N * LANES + o + lane] = pseudo_derivative(above, ready, bits_pseudo_derivative(
                    key, counter_pseudo_derivative(step_pseudo_derivative(t), j)))
            j += WARPS
        if learn:
            i = N + warp
            while i < LINES:
                o = i * LANES
                X = trace(STATE(xt[xt0 + o]), NUM(x[channels + o - N * LANES]), leak_m, bits_trace(key, counter_trace(step_trace(t), i)))
                xt[xt0 + o] = X
                hist_x[lines + o] = X
                i += WARPS
        cuda.syncthreads()
        # ---- readout
        k = warp
        while k < N_OUT:
            current = gathered(ptr_out, row_out, w_out, k, spikes, new + lane)
            Y = readout(STATE(y[k * LANES + lane]), current, leak_k, bits_readout(key, counter_readout(step_readout(t), k)))
            y[k * LANES + lane] = Y
            if s >= 0 and real:
                yout[(b * S + s) * N_OUT + k] = Y
            k += WARPS
        if learn:
            e = warp
            while e < N_SYN_OUT:
                zt[zt0 + e * LANES] = readout_trace(STATE(zt[zt0 + e * LANES]), NUM(spikes[new + row_out[e] + lane]), leak_k, bits_readout_trace(
                    key, counter_readout_trace(step_readout_trace(t), row_out[e] // LANES)))
                e += WARPS
        # ---- error, learning signal, gradient of the readout weights
        if learn and s >= 0:
            cuda.syncthreads()
            if classify:
                if warp == 0:
                    error_softmax(y, p, err, lane, lane, lane, LANES, t, (b * S + s) * N_OUT, N_OUT, target, key)
            else:
                k = warp
                while k < N_OUT:
                    counter = counter_error_regression(step_error_regression(t), k)
                    err[k * LANES + lane] = error_regression(STATE(y[k * LANES + lane]), STATE(target[(b * S + s) * N_OUT + k]),
                                                             bits_error_regression(key, counter))
                    k += WARPS
            cuda.syncthreads()
            signals = (group * S + s) * N * LANES + lane
            if rule == 0:
                j = warp
                while j < N:
                    counter = counter_learning_signal(step_learning_signal(t), j)
                    hist_l[signals + j * LANES] = learning_signal(direct_of(err, lane, LANES, j, N_OUT, feedback),
                                                                  bits_learning_signal(key, counter))
                    j += WARPS
            else:
                grid_old = m0 + (t & 1) * CELLS * LANES
                grid_new = m0 + ((t + 1) & 1) * CELLS * LANES
                row = (b * S + s) * CELLS * 9 if rule == 2 else 0
                c = warp
                while c < CELLS:
                    nine = NINE(0)
                    for q in range(9):
                        nine = NINE(nine + STATE(m[grid_old + table[row + c * 9 + q] * LANES]))
                    injected = DIRECT(0)
                    if neuron_at[c] >= 0:
                        injected = direct_of(err, lane, LANES, neuron_at[c], N_OUT, feedback)
                    M = modulator(nine, injected, kd, bits_modulator(key, counter_modulator(step_modulator(t), c)))
                    m[grid_new + c * LANES] = M
                    if neuron_at[c] >= 0:
                        hist_l[signals + neuron_at[c] * LANES] = M
                    c += WARPS
            e = warp
            while e < N_SYN_OUT:
                gout[gout0 + e * LANES] = gradient_out(
                    STATE(gout[gout0 + e * LANES]), STATE(err[post_out[e] * LANES + lane]), STATE(zt[zt0 + e * LANES]),
                    bits_gradient_out(key, counter_gradient_out(step_gradient_out(t), e)))
                e += WARPS
    # ---- end of the trials
    if learn:
        for j in range(warp, N, WARPS):
            rate[(group * N + j) * LANES + lane] = rate_error(
                WIDE(counts[b * N + j]), WIDE(duration[b]), WIDE(leaks[4]), WIDE(leaks[5]),
                bits_rate_error(key, counter_rate_error(step_rate_error(T), j)))
        if real:
            for e in range(warp, N_SYN_OUT, WARPS):
                grad_out[b * N_SYN_OUT + e] = gout[gout0 + e * LANES]


@compiled
def synapses(T, S, B, blocks, stream, tile_post, slot_line, slot_element, drive, leaks, keys, hist_h, hist_x, hist_l, rate, grad):
    """Eligibility and gradients of all synapses, SLOTS of a neuron in each warp; slots without a synapse have the element -1.

    keys: (5, T) of the steps, for what rounds stochastically. ``blocks``: that share the synapses of a group of trials; they follow each
    other, so that they find the same histories in the cache.
    """
    lane, group = cuda.threadIdx.x % LANES, cuda.blockIdx.x // blocks
    tile = cuda.blockIdx.x % blocks * (cuda.blockDim.x // LANES) + cuda.threadIdx.x // LANES
    b = min(group * LANES + lane, B - 1)
    key = U32(stream[b])
    leak_a, leak_k = COEFFICIENT(leaks[1]), COEFFICIENT(leaks[2])
    j = tile_post[tile]
    driven = COEFFICIENT(drive[j])
    for k in UNROLL:
        reg_e[k] = slot_element[tile * SLOTS + k]
        reg_x[k] = U32(slot_line[tile * SLOTS + k] * LANES + lane)
        reg_u[k] = STATE(0)
        reg_f[k] = STATE(0)
        reg_s[k] = STATE(0)
        reg_g[k] = STATE(0)
    line_row, row, window_row = U32(group * T * LINES * LANES), U32((group * T * N + j) * LANES + lane), U32((group * S * N + j) * LANES + lane)
    for t in range(T):
        if t & (TOGETHER - 1) == 0:       # warps of a block stay close in time: what one has read the others find in the cache
            cuda.syncthreads()
        key_e = U32(keys[t]) if RANDOM_eligibility else U32(0)
        key_f = U32(keys[T + t]) if RANDOM_filtered_eligibility else U32(0)
        key_s = U32(keys[2 * T + t]) if RANDOM_eligibility_sum else U32(0)
        key_u = U32(keys[3 * T + t]) if RANDOM_adaptation_eligibility else U32(0)
        key_g = U32(keys[4 * T + t]) if RANDOM_gradient else U32(0)
        H = STATE(hist_h[row])
        for k in UNROLL:
            reg_d[k] = eligibility(H, STATE(hist_x[line_row + reg_x[k]]), reg_u[k],
                                   bits_eligibility(key, counter_eligibility(key_e, reg_e[k])))
            reg_f[k] = filtered_eligibility(reg_f[k], reg_d[k], leak_k, bits_filtered_eligibility(
                key, counter_filtered_eligibility(key_f, reg_e[k])))
            reg_s[k] = eligibility_sum(reg_s[k], reg_d[k], bits_eligibility_sum(
                key, counter_eligibility_sum(key_s, reg_e[k])))
        if driven != 0:
            for k in UNROLL:
                reg_u[k] = adaptation_eligibility(reg_u[k], reg_d[k], driven, leak_a, bits_adaptation_eligibility(
                    key, counter_adaptation_eligibility(key_u, reg_e[k])))
        if t >= T - S:
            L = STATE(hist_l[window_row])
            window_row = U32(window_row + N * LANES)
            for k in UNROLL:
                reg_g[k] = gradient(reg_g[k], L, reg_f[k], bits_gradient(key, counter_gradient(key_g, reg_e[k])))
        line_row, row = U32(line_row + LINES * LANES), U32(row + N * LANES)
    D = STATE(rate[(group * N + j) * LANES + lane])
    for k in UNROLL:
        if reg_e[k] >= 0 and group * LANES + lane < B:
            grad[b * N_SYN + reg_e[k]] = gradient_rate(reg_g[k], D, reg_s[k],
                                                       bits_gradient_rate(key, counter_gradient_rate(step_gradient_rate(T), reg_e[k])))

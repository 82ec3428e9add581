"""The CUDA kernel: a block simulates one trial, its threads share the lines, neurons, outputs, cells and synapses.

A template: :mod:`fxsim.engine.build.module` copies this text into a module of its own behind the update functions of one
arithmetic, with ``for k in UNROLL`` unrolled (subscripts of ``reg_*`` names become local variables, hence registers).

The time loop is inside the kernel. ``mem`` holds the trial's state: V_, A_, ... are offsets into it, and MEMORY its size.
It lies in shared memory, or, where a network is too large for that, in the block's row of ``scratch``. A synapse's U, F, S
and G stay in the registers of the thread that owns it (IN_REGISTERS), or lie in ``mem``, or in the row of ``scratch`` while the
rest is in shared memory (SPILLED): neighbouring threads then read neighbouring words.

Each thread gathers what it needs, in a fixed order, so results depend neither on the number of threads nor on their order.
Spikes are kept for two steps (z(t-1) and z(t)), as is the neuromodulator, so that no thread overwrites what another reads.
"""
# ruff: noqa: F821   (names supplied by the builder)


@inline
def error_softmax(y, p, err, y0, p0, err0, apart, t, row, n_out, target, lane):
    """err = softmax(y) - label of all outputs, ``apart`` elements from one to the next; target[row + k] is the label (0 or 1)."""
    top = WIDE(y[y0])
    for k in range(1, n_out):
        top = max(top, WIDE(y[y0 + k * apart]))
    total = WIDE(0)
    for k in range(n_out):
        share = exponential(WIDE(top - WIDE(y[y0 + k * apart])))
        p[p0 + k * apart] = share
        total = WIDE(total + share)
    for k in range(n_out):
        key = counter_error_classification(step_error_classification(t), k)
        err[err0 + k * apart] = error_classification(quotient(WIDE(p[p0 + k * apart]), total), STATE(target[row + k]),
                                                     bits_error_classification(lane, key))


@inline
def direct_of(err, err0, apart, j, n_out, feedback):
    """d = B err of neuron j."""
    d = DIRECT(0)
    for k in range(n_out):
        d = direct(d, STATE(feedback[j * n_out + k]), STATE(err[err0 + k * apart]))
    return d


@compiled
def simulate(T, S, learn, classify, rule, x, target, stream, duration, ptr_in, pre_in, w_in, ptr_rec, pre_rec, w_rec, ptr_out, pre_out, w_out,
             post_out, line, post, gain, drive, leaks, feedback, neuron_at, cell, table, scratch, yout, counts, grad, grad_out, rec, tel):
    """T steps of the trials of all blocks; rule: 0 e-prop, 1 diffusion on one `table`, 2 diffusion on a table for each trial and step.

    x (B,T,m), target and yout (B,S,K), counts (B,n), grad (B,n_syn), grad_out (B,n_syn_out), rec (T,B,RECORD_WIDTH), all flat.
    leaks: leaks of V, a and y, diffusion gain, target rate, rate gain, refractory steps.
    """
    b, first, threads, B = cuda.blockIdx.x, cuda.threadIdx.x, cuda.blockDim.x, cuda.gridDim.x
    lane = U32(stream[b])
    leak_m, leak_a, leak_k, kd = COEFFICIENT(leaks[0]), COEFFICIENT(leaks[1]), COEFFICIENT(leaks[2]), COEFFICIENT(leaks[3])
    R = NUM(leaks[6])
    if IN_SHARED:
        mem = cuda.shared.array(0, SHARED)
        base = 0
    else:
        mem = scratch
        base = b * SCRATCH
    if SPILLED:
        syn = scratch
        at = b * SCRATCH
    else:
        syn = mem
        at = base
    for o in range(first, MEMORY, threads):
        mem[base + o] = 0
    if SPILLED:
        for o in range(first, SCRATCH, threads):
            syn[at + o] = 0
    for k in UNROLL:
        reg_u[k] = STATE(0)
        reg_f[k] = STATE(0)
        reg_s[k] = STATE(0)
        reg_g[k] = STATE(0)
    cuda.syncthreads()
    for t in range(T):
        s = t - (T - S)
        old = base + Z_ + (t & 1) * N
        new = base + Z_ + ((t + 1) & 1) * N
        grid_old = base + M_ + (t & 1) * CELLS
        grid_new = base + M_ + ((t + 1) & 1) * CELLS
        # ---- traces and neurons
        if learn:
            for i in range(first, N + N_IN, threads):
                spike = NUM(mem[old + i]) if i < N else NUM(x[(b * T + t) * N_IN + i - N])
                mem[base + X_ + i] = trace(STATE(mem[base + X_ + i]), spike, leak_m, bits_trace(lane, counter_trace(step_trace(t), i)))
        for j in range(first, N, threads):
            current_in = CURRENT(0)
            for e in range(ptr_in[j], ptr_in[j + 1]):
                if x[(b * T + t) * N_IN + pre_in[e]] != 0:
                    current_in = CURRENT(current_in + STATE(w_in[e]))
            current_rec = CURRENT(0)
            for e in range(ptr_rec[j], ptr_rec[j + 1]):
                if mem[old + pre_rec[e]] != 0:
                    current_rec = CURRENT(current_rec + STATE(w_rec[e]))
            z = NUM(mem[old + j])
            a = adaptation(STATE(mem[base + A_ + j]), z, leak_a, bits_adaptation(lane, counter_adaptation(step_adaptation(t), j)))
            v = membrane(STATE(mem[base + V_ + j]), z, current_in, current_rec, leak_m,
                         bits_membrane(lane, counter_membrane(step_membrane(t), j)))
            wait = refractory(NUM(mem[base + R_ + j]), z, R)
            above = distance(v, a, COEFFICIENT(gain[j]))
            z = NUM(1) if above > 0 and wait == 0 else NUM(0)
            mem[base + A_ + j] = a
            mem[base + V_ + j] = v
            mem[base + R_ + j] = wait
            mem[new + j] = z
            mem[base + COUNT_ + j] += z
            if learn:
                ready = NUM(1) if wait == 0 else NUM(0)
                mem[base + H_ + j] = pseudo_derivative(above, ready, bits_pseudo_derivative(
                    lane, counter_pseudo_derivative(step_pseudo_derivative(t), j)))
                mem[base + ZT_ + j] = readout_trace(STATE(mem[base + ZT_ + j]), z, leak_k, bits_readout_trace(
                    lane, counter_readout_trace(step_readout_trace(t), j)))
        cuda.syncthreads()
        # ---- readout
        for k in range(first, N_OUT, threads):
            current = CURRENT(0)
            for e in range(ptr_out[k], ptr_out[k + 1]):
                if mem[new + pre_out[e]] != 0:
                    current = CURRENT(current + STATE(w_out[e]))
            y = readout(STATE(mem[base + Y_ + k]), current, leak_k, bits_readout(lane, counter_readout(step_readout(t), k)))
            mem[base + Y_ + k] = y
            if s >= 0:
                yout[(b * S + s) * N_OUT + k] = y
        # ---- error, learning signal, gradient of the readout weights
        if learn and s >= 0:
            cuda.syncthreads()
            if classify:
                if first == 0:
                    error_softmax(mem, mem, mem, base + Y_, base + P_, base + ERR_, 1, t, (b * S + s) * N_OUT, N_OUT, target, lane)
            else:
                for k in range(first, N_OUT, threads):
                    key = counter_error_regression(step_error_regression(t), k)
                    mem[base + ERR_ + k] = error_regression(STATE(mem[base + Y_ + k]), STATE(target[(b * S + s) * N_OUT + k]),
                                                            bits_error_regression(lane, key))
            cuda.syncthreads()
            if rule == 0:
                for j in range(first, N, threads):
                    key = counter_learning_signal(step_learning_signal(t), j)
                    mem[base + L_ + j] = learning_signal(direct_of(mem, base + ERR_, 1, j, N_OUT, feedback), bits_learning_signal(lane, key))
            else:
                row = (b * S + s) * CELLS * 9 if rule == 2 else 0
                for c in range(first, CELLS, threads):
                    nine = NINE(0)
                    for q in range(9):
                        nine = NINE(nine + STATE(mem[grid_old + table[row + c * 9 + q]]))
                    injected = DIRECT(0)
                    if neuron_at[c] >= 0:
                        injected = direct_of(mem, base + ERR_, 1, neuron_at[c], N_OUT, feedback)
                    mem[grid_new + c] = modulator(nine, injected, kd, bits_modulator(lane, counter_modulator(step_modulator(t), c)))
                cuda.syncthreads()
                for j in range(first, N, threads):
                    mem[base + L_ + j] = mem[grid_new + cell[j]]
            for e in range(first, N_SYN_OUT, threads):
                mem[base + GOUT_ + e] = gradient_out(
                    STATE(mem[base + GOUT_ + e]), STATE(mem[base + ERR_ + post_out[e]]), STATE(mem[base + ZT_ + pre_out[e]]),
                    bits_gradient_out(lane, counter_gradient_out(step_gradient_out(t), e)))
            cuda.syncthreads()
        # ---- eligibility and gradients
        if learn:
            if IN_REGISTERS:
                for k in UNROLL:
                    e = first + k * threads
                    if e < N_SYN:
                        j = post[e]
                        E = eligibility(STATE(mem[base + H_ + j]), STATE(mem[base + X_ + line[e]]), reg_u[k],
                                        bits_eligibility(lane, counter_eligibility(step_eligibility(t), e)))
                        reg_f[k] = filtered_eligibility(reg_f[k], E, leak_k, bits_filtered_eligibility(
                            lane, counter_filtered_eligibility(step_filtered_eligibility(t), e)))
                        reg_s[k] = eligibility_sum(reg_s[k], E, bits_eligibility_sum(lane, counter_eligibility_sum(step_eligibility_sum(t), e)))
                        if drive[j] != 0:
                            reg_u[k] = adaptation_eligibility(reg_u[k], E, COEFFICIENT(drive[j]), leak_a, bits_adaptation_eligibility(
                                lane, counter_adaptation_eligibility(step_adaptation_eligibility(t), e)))
                        if s >= 0:
                            reg_g[k] = gradient(reg_g[k], STATE(mem[base + L_ + j]), reg_f[k],
                                                bits_gradient(lane, counter_gradient(step_gradient(t), e)))
            else:
                for e in range(first, N_SYN, threads):
                    j = post[e]
                    U = STATE(syn[at + U_ + e])
                    E = eligibility(STATE(mem[base + H_ + j]), STATE(mem[base + X_ + line[e]]), U,
                                    bits_eligibility(lane, counter_eligibility(step_eligibility(t), e)))
                    F = filtered_eligibility(STATE(syn[at + F_ + e]), E, leak_k, bits_filtered_eligibility(
                        lane, counter_filtered_eligibility(step_filtered_eligibility(t), e)))
                    syn[at + F_ + e] = F
                    syn[at + S_ + e] = eligibility_sum(STATE(syn[at + S_ + e]), E, bits_eligibility_sum(
                        lane, counter_eligibility_sum(step_eligibility_sum(t), e)))
                    if drive[j] != 0:
                        syn[at + U_ + e] = adaptation_eligibility(U, E, COEFFICIENT(drive[j]), leak_a, bits_adaptation_eligibility(
                            lane, counter_adaptation_eligibility(step_adaptation_eligibility(t), e)))
                    if s >= 0:
                        syn[at + G_ + e] = gradient(STATE(syn[at + G_ + e]), STATE(mem[base + L_ + j]), F,
                                                      bits_gradient(lane, counter_gradient(step_gradient(t), e)))
            cuda.syncthreads()
        if RECORD:
            cuda.syncthreads()
            row = (t * B + b) * RECORD_WIDTH
            for o in range(first, Z_, threads):
                rec[row + o] = mem[base + o]
            for j in range(first, N, threads):
                rec[row + Z_ + j] = mem[new + j]
            for c in range(first, CELLS, threads):
                rec[row + Z_ + N + c] = mem[grid_new + c]
            cuda.syncthreads()
    # ---- end of the trial: the regularisation joins the gradients
    for j in range(first, N, threads):
        counts[b * N + j] = mem[base + COUNT_ + j]
    if learn:
        for j in range(first, N, threads):
            mem[base + D_ + j] = rate_error(WIDE(mem[base + COUNT_ + j]), WIDE(duration[b]), WIDE(leaks[4]), WIDE(leaks[5]),
                                            bits_rate_error(lane, counter_rate_error(step_rate_error(T), j)))
        cuda.syncthreads()
        if IN_REGISTERS:
            for k in UNROLL:
                e = first + k * threads
                if e < N_SYN:
                    grad[b * N_SYN + e] = gradient_rate(reg_g[k], STATE(mem[base + D_ + post[e]]), reg_s[k],
                                                        bits_gradient_rate(lane, counter_gradient_rate(step_gradient_rate(T), e)))
        else:
            for e in range(first, N_SYN, threads):
                grad[b * N_SYN + e] = gradient_rate(STATE(syn[at + G_ + e]), STATE(mem[base + D_ + post[e]]), STATE(syn[at + S_ + e]),
                                                    bits_gradient_rate(lane, counter_gradient_rate(step_gradient_rate(T), e)))
        for e in range(first, N_SYN_OUT, threads):
            grad_out[b * N_SYN_OUT + e] = mem[base + GOUT_ + e]
        if RECORD:
            for j in range(first, N, threads):
                rec[(T * B + b) * RECORD_WIDTH + D_ + j] = mem[base + D_ + j]
            for e in range(first, N_SYN, threads):
                rec[(T * B + b) * RECORD_WIDTH + G_ + e] = grad[b * N_SYN + e]

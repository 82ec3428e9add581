"""The CPU kernels: loops over steps, neurons, synapses and trial lanes around the update functions of fxsim.steps.

A template: :mod:`fxsim.engine.build` copies this text into a module of its own behind the update functions of one
arithmetic, with ``for k in UNROLL`` unrolled (subscripts of ``reg_*`` names become local variables, hence registers).

A *block* is LANES trials side by side in the innermost axis, the SIMD lanes. Time advances in chunks of CHUNK steps: the
neurons run through the chunk and leave H, X and L of every step in small history buffers; then each synapse is visited
once, K steps at a time. Nothing depends on the order, so results do not depend on LANES, CHUNK, K or threads.

Array indices are masked with M: it shows the compiler that they are not negative, or it would not use SIMD.
"""
# ruff: noqa: F821   (names supplied by the builder)

V_, A_, R_, Z_, COUNT_, TRACE_Z_, IN_, REC_ = range(8)      # variables of a neuron in `soma`
U_, F_, S_, G_ = range(4)                                   # variables of a synapse in `syn`
N_SOMA, N_SYN = 8, 4


# ---- one neuron, one line, one synapse: all lanes --------------------------------------------------------------------
@inline
def neuron_lanes(soma, j, gain, leak_m, leak_a, R, stream, key_v, key_a):
    """r, a, V and the spike of neuron j; returns how many lanes spiked."""
    o = (j * N_SOMA * LANES) & M
    spikes = 0
    for l in range(LANES):
        z = soma[o + Z_ * LANES + l]
        a = adaptation(soma[o + A_ * LANES + l], z, leak_a, bits_adaptation(stream[l], key_a))
        v = membrane(soma[o + V_ * LANES + l], z, soma[o + IN_ * LANES + l], soma[o + REC_ * LANES + l], leak_m,
                     bits_membrane(stream[l], key_v))
        r = refractory(soma[o + R_ * LANES + l], z, R)
        spike = SOMA(1) if distance(v, a, gain) > 0 and r == 0 else SOMA(0)
        soma[o + A_ * LANES + l] = a
        soma[o + V_ * LANES + l] = v
        soma[o + R_ * LANES + l] = r
        soma[o + Z_ * LANES + l] = spike
        soma[o + COUNT_ * LANES + l] = SOMA(soma[o + COUNT_ * LANES + l] + spike)
        soma[o + IN_ * LANES + l] = SOMA(0)
        soma[o + REC_ * LANES + l] = SOMA(0)
        spikes += spike != 0
    return spikes


@inline
def pseudo_lanes(soma, j, gain, hist, p, stream, key_h):
    """H of neuron j, after its spike was decided, into the history."""
    o, p = (j * N_SOMA * LANES) & M, p & M
    for l in range(LANES):
        ready = SOMA(1) if soma[o + R_ * LANES + l] == 0 else SOMA(0)
        d = distance(soma[o + V_ * LANES + l], soma[o + A_ * LANES + l], gain)
        hist[p + l] = pseudo_derivative(d, ready, bits_pseudo_derivative(stream[l], key_h))


@inline
def readout_trace_lanes(soma, j, leak_k, stream, key):
    """Z of neuron j."""
    o = (j * N_SOMA * LANES) & M
    for l in range(LANES):
        soma[o + TRACE_Z_ * LANES + l] = readout_trace(
            soma[o + TRACE_Z_ * LANES + l], soma[o + Z_ * LANES + l], leak_k, bits_readout_trace(stream[l], key))


@inline
def trace_lanes(X, i, s, q, leak_m, hist, p, stream, key):
    """X of line i from its spikes s[q:], kept in X and written to the history; returns how many lanes spiked."""
    o, q, p = (i * LANES) & M, q & M, p & M
    spikes = 0
    for l in range(LANES):
        x = trace(X[o + l], SOMA(s[q + l]), leak_m, bits_trace(stream[l], key))
        X[o + l] = x
        hist[p + l] = x
        spikes += s[q + l] != 0
    return spikes


@inline
def count_lanes(s, q):
    """How many lanes of s[q:] are not zero."""
    q = q & M
    spikes = 0
    for l in range(LANES):
        spikes += s[q + l] != 0
    return spikes


@inline
def deliver(soma, which, i, s, q, ptr, post, weight):
    """Add the weights of line i's synapses to its targets' currents in the lanes where s[q:] spiked."""
    q = q & M
    for l in range(LANES):
        if s[q + l] != 0:
            for e in range(ptr[i], ptr[i + 1]):
                o = (((post[e] & M) * N_SOMA + which) * LANES + l) & M
                soma[o] = SOMA(soma[o] + weight[e & M])


@inline
def synapse_lanes(syn, e, hist_h, p, hist_x, q, hist_l, drive, leak_a, leak_k, stream, keys, k0, alif, window):
    """K steps of synapse e, from step k0 of the chunk: E, then F, U and the sum S; in the window also the gradient G."""
    o, p, q = (e * N_SYN * LANES) & M, p & M, q & M
    for k in UNROLL:
        reg_e[k] = counter_eligibility(keys[0, k0 + k], e)
        reg_f[k] = counter_filtered_eligibility(keys[1, k0 + k], e)
        reg_u[k] = counter_adaptation_eligibility(keys[2, k0 + k], e)
        reg_s[k] = counter_eligibility_sum(keys[3, k0 + k], e)
        reg_g[k] = counter_gradient(keys[4, k0 + k], e)
    for l in range(LANES):
        U = syn[o + U_ * LANES + l]
        F = syn[o + F_ * LANES + l]
        S = syn[o + S_ * LANES + l]
        G = syn[o + G_ * LANES + l]
        lane = stream[l]
        for k in UNROLL:
            E = eligibility(SYN(hist_h[p + k * LANES + l]), SYN(hist_x[q + k * LANES + l]), U, bits_eligibility(lane, reg_e[k]))
            F = filtered_eligibility(F, E, leak_k, bits_filtered_eligibility(lane, reg_f[k]))
            S = eligibility_sum(S, E, bits_eligibility_sum(lane, reg_s[k]))
            if alif:
                U = adaptation_eligibility(U, E, drive, leak_a, bits_adaptation_eligibility(lane, reg_u[k]))
            if window:
                G = gradient(G, SYN(hist_l[p + k * LANES + l]), F, bits_gradient(lane, reg_g[k]))
        if alif:
            syn[o + U_ * LANES + l] = U
        syn[o + F_ * LANES + l] = F
        syn[o + S_ * LANES + l] = S
        if window:
            syn[o + G_ * LANES + l] = G


# ---- readout and learning signal -------------------------------------------------------------------------------------
@inline
def readout_step(t, y, current, n_out, leak_k, stream):
    """y of all outputs; clears the current."""
    for k in range(n_out):
        key = counter_readout(step_readout(t), k)
        for l in range(LANES):
            o = k * LANES + l
            y[o] = readout(y[o], current[o], leak_k, bits_readout(stream[l], key))
            current[o] = WIDE(0)


@inline
def error_step(t, y, target, err, n_out, classify, probability, stream):
    """err of all outputs; target[k * LANES + l] is the label (0 or 1) or the regression target."""
    if classify:
        for l in range(LANES):
            top = y[l]
            for k in range(1, n_out):
                top = max(top, y[k * LANES + l])
            total = WIDE(0)
            for k in range(n_out):
                p = exponential(WIDE(top - y[k * LANES + l]))
                probability[k * LANES + l] = p
                total = WIDE(total + p)
            for k in range(n_out):
                o = k * LANES + l
                key = counter_error_classification(step_error_classification(t), k)
                err[o] = error_classification(quotient(probability[o], total), target[o], bits_error_classification(stream[l], key))
    else:
        for k in range(n_out):
            key = counter_error_regression(step_error_regression(t), k)
            for l in range(LANES):
                o = k * LANES + l
                err[o] = error_regression(y[o], target[o], bits_error_regression(stream[l], key))


@inline
def signal_step(t, err, feedback, n, n_out, d, stream):
    """d = B err of every neuron."""
    for j in range(n):
        o = (j * LANES) & M
        for l in range(LANES):
            s = SIG(0)
            for k in range(n_out):
                s = direct(s, feedback[j, k], SIG(err[k * LANES + l]))
            d[o + l] = s


@inline
def diffusion_step(t, grid, new, d, neuron_at, table, tables, per_step, s, gain, n_cells, stream):
    """One step of the neuromodulator on the grid: from `grid` to `new`."""
    for c in range(n_cells):
        o, j = (c * LANES) & M, neuron_at[c]
        key = counter_modulator(step_modulator(t), c)
        for l in range(LANES):
            nine = SIG(0)
            if per_step:
                for q in range(9):
                    nine = SIG(nine + grid[((tables[s, c, q, l] & M) * LANES + l) & M])
            else:
                for q in range(9):
                    nine = SIG(nine + grid[((table[c, q] & M) * LANES + l) & M])
            injected = d[((j & M) * LANES + l) & M] if j >= 0 else SIG(0)
            new[o + l] = modulator(nine, injected, gain, bits_modulator(stream[l], key))


# ---- chunks of time --------------------------------------------------------------------------------------------------
@compiled
def forward_chunk(t0, steps, T, S, learn, classify, rule, x, target, stream, soma, X, y, current, err, probability, grid, new, d,
                  hist_h, hist_x, hist_l, gout, yout, ptr_in, post_in, w_in, ptr_rec, post_rec, w_rec, ptr_out, post_out, element_out, w_out,
                  feedback, neuron_at, cell, table, tables, gain, leaks, R, kd, rec_soma, rec_x, rec_h, rec_y, rec_err, rec_l, rec_m,
                  rec_gout, tel):
    """Steps t0 .. t0+steps-1 of one block; rule: 0 e-prop, 1 diffusion on `table`, 2 diffusion on per-step `tables`."""
    n, m, n_out, n_cells = cell.size, ptr_in.size - 1, y.size // LANES, neuron_at.size
    leak_m, leak_a, leak_k, leak_out = SOMA(leaks[0]), SOMA(leaks[1]), SOMA(leaks[2]), WIDE(leaks[2])
    refractory_steps = SOMA(R)
    for k in range(steps):
        t = t0 + k
        for i in range(n):
            q = (i * N_SOMA + Z_) * LANES
            if learn:
                spikes = trace_lanes(X, i, soma, q, leak_m, hist_x, (i * CHUNK + k) * LANES, stream, counter_trace(step_trace(t), i))
            else:
                spikes = count_lanes(soma, q)
            if spikes != 0:
                deliver(soma, REC_, i, soma, q, ptr_rec, post_rec, w_rec)
        for i in range(m):
            q = (t * m + i) * LANES
            if learn:
                spikes = trace_lanes(X, n + i, x, q, leak_m, hist_x, ((n + i) * CHUNK + k) * LANES, stream,
                                     counter_trace(step_trace(t), n + i))
            else:
                spikes = count_lanes(x, q)
            if spikes != 0:
                deliver(soma, IN_, i, x, q, ptr_in, post_in, w_in)
        for j in range(n):
            if RECORD:
                for l in range(LANES):
                    rec_soma[t, j, IN_, l] = soma[(j * N_SOMA + IN_) * LANES + l]
            spikes = neuron_lanes(soma, j, gain[j], leak_m, leak_a, refractory_steps, stream,
                                  counter_membrane(step_membrane(t), j), counter_adaptation(step_adaptation(t), j))
            if spikes != 0:
                for l in range(LANES):
                    if soma[(j * N_SOMA + Z_) * LANES + l] != 0:
                        for e in range(ptr_out[j], ptr_out[j + 1]):
                            current[post_out[e] * LANES + l] = WIDE(current[post_out[e] * LANES + l] + w_out[e])
            if learn:
                pseudo_lanes(soma, j, gain[j], hist_h, (j * CHUNK + k) * LANES, stream,
                             counter_pseudo_derivative(step_pseudo_derivative(t), j))
                readout_trace_lanes(soma, j, leak_k, stream, counter_readout_trace(step_readout_trace(t), j))
        readout_step(t, y, current, n_out, leak_out, stream)
        s = t - (T - S)
        if s >= 0:
            for o in range(n_out * LANES):
                yout[s * n_out * LANES + o] = y[o]
        if learn:
            if s >= 0:
                error_step(t, y, target[s * n_out * LANES:(s + 1) * n_out * LANES], err, n_out, classify, probability, stream)
                signal_step(t, err, feedback, n, n_out, d, stream)
                if rule > 0:
                    diffusion_step(t, grid, new, d, neuron_at, table, tables, rule == 2, s, SIG(kd), n_cells, stream)
                    for o in range(n_cells * LANES):
                        grid[o] = new[o]
                for j in range(n):
                    p = ((j * CHUNK + k) * LANES) & M
                    key = counter_learning_signal(step_learning_signal(t), j)
                    for l in range(LANES):
                        if rule > 0:
                            hist_l[p + l] = grid[((cell[j] & M) * LANES + l) & M]
                        else:
                            hist_l[p + l] = learning_signal(d[((j & M) * LANES + l) & M], bits_learning_signal(stream[l], key))
                for j in range(n):
                    for e in range(ptr_out[j], ptr_out[j + 1]):
                        key = counter_gradient_out(step_gradient_out(t), element_out[e])
                        for l in range(LANES):
                            gout[e * LANES + l] = gradient_out(
                                gout[e * LANES + l], err[post_out[e] * LANES + l],
                                WIDE(soma[(j * N_SOMA + TRACE_Z_) * LANES + l]), bits_gradient_out(stream[l], key))
            else:
                for j in range(n):
                    for l in range(LANES):
                        hist_l[(j * CHUNK + k) * LANES + l] = 0
        if RECORD:
            for l in range(LANES):
                for j in range(n):
                    for v in range(IN_):
                        rec_soma[t, j, v, l] = soma[(j * N_SOMA + v) * LANES + l]
                for o in range(n_out):
                    rec_y[t, o, l] = y[o * LANES + l]
                if learn:
                    for i in range(n + m):
                        rec_x[t, i, l] = X[i * LANES + l]
                    for j in range(n):
                        rec_h[t, j, l] = hist_h[(j * CHUNK + k) * LANES + l]
                    for e in range(gout.size // LANES):
                        rec_gout[t, e, l] = gout[e * LANES + l]
                    if s >= 0:
                        for o in range(n_out):
                            rec_err[s, o, l] = err[o * LANES + l]
                        for j in range(n):
                            rec_l[s, j, l] = hist_l[(j * CHUNK + k) * LANES + l]
                        if rule > 0:
                            for c in range(n_cells):
                                rec_m[s, c, l] = grid[c * LANES + l]
    if learn:       # a last, shorter chunk is filled up with steps that change no sum
        for k in range(steps, CHUNK):
            for j in range(n):
                for l in range(LANES):
                    hist_h[(j * CHUNK + k) * LANES + l] = 0
                    hist_l[(j * CHUNK + k) * LANES + l] = 0


@compiled
def eligibility_chunk(t0, first, last, window, stream, syn, hist_h, hist_x, hist_l, ptr, line, drive, leaks, rec_syn, tel):
    """The chunk that starts at step t0, for the synapses of the neurons first .. last-1.

    A synapse goes through the whole chunk before the next one, so its state stays in the nearest cache.
    """
    keys = np.empty((5, CHUNK), np.uint32)
    leak_a, leak_k = SYN(leaks[1]), SYN(leaks[2])
    for k in range(CHUNK):
        keys[0, k] = step_eligibility(t0 + k)
        keys[1, k] = step_filtered_eligibility(t0 + k)
        keys[2, k] = step_adaptation_eligibility(t0 + k)
        keys[3, k] = step_eligibility_sum(t0 + k)
        keys[4, k] = step_gradient(t0 + k)
    for j in range(first, last):
        p = j * CHUNK * LANES
        ce = SYN(drive[j])
        for e in range(ptr[j], ptr[j + 1]):
            q = (line[e] & M) * CHUNK * LANES
            for k in range(0, CHUNK, K):
                o = k * LANES
                if ce == 0:
                    if window:
                        synapse_lanes(syn, e, hist_h, p + o, hist_x, q + o, hist_l, ce, leak_a, leak_k, stream, keys, k, False, True)
                    else:
                        synapse_lanes(syn, e, hist_h, p + o, hist_x, q + o, hist_l, ce, leak_a, leak_k, stream, keys, k, False, False)
                elif window:
                    synapse_lanes(syn, e, hist_h, p + o, hist_x, q + o, hist_l, ce, leak_a, leak_k, stream, keys, k, True, True)
                else:
                    synapse_lanes(syn, e, hist_h, p + o, hist_x, q + o, hist_l, ce, leak_a, leak_k, stream, keys, k, True, False)
            if RECORD:
                for v in range(N_SYN):
                    for l in range(LANES):
                        rec_syn[t0, e, v, l] = syn[(e * N_SYN + v) * LANES + l]


@compiled
def finish(T, lanes, soma, syn, gout, duration, ptr, rate_target, rate_gain, stream, counts, gsum, gout_sum, rec_d, rec_g, tel):
    """End of the trials: the regularisation joins the gradients; sums over the first `lanes` lanes are added to gsum, gout_sum."""
    n = ptr.size - 1
    for j in range(n):
        for l in range(LANES):
            counts[l, j] = int(soma[(j * N_SOMA + COUNT_) * LANES + l])
    if gsum.size == 0:
        return
    d = np.zeros(LANES, DT_WIDE)
    for j in range(n):
        key = counter_rate_error(step_rate_error(T), j)
        for l in range(lanes):
            d[l] = rate_error(WIDE(soma[(j * N_SOMA + COUNT_) * LANES + l]), WIDE(duration[l]), WIDE(rate_target), WIDE(rate_gain),
                              bits_rate_error(stream[l], key))
            if RECORD:
                rec_d[j, l] = d[l]
        for e in range(ptr[j], ptr[j + 1]):
            key = counter_gradient_rate(step_gradient_rate(T), e)
            for l in range(lanes):
                g = gradient_rate(WIDE(syn[(e * N_SYN + G_) * LANES + l]), d[l], WIDE(syn[(e * N_SYN + S_) * LANES + l]),
                                  bits_gradient_rate(stream[l], key))
                gsum[e] += g
                if RECORD:
                    rec_g[e, l] = g
    for e in range(gout_sum.size):
        for l in range(lanes):
            gout_sum[e] += gout[e * LANES + l]

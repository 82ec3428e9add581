"""The CPU kernels: loops over steps, neurons, synapses and trial lanes around the update functions of fxsim.steps.

A template: :mod:`fxsim.engine.build` copies this text into a module of its own behind the update functions of one
arithmetic, with ``for k in UNROLL`` unrolled (subscripts of ``reg_*`` names become local variables, hence registers).

A *block* is LANES trials side by side in the innermost axis, the SIMD lanes. Time advances in chunks of CHUNK steps: the
neurons run through the chunk and leave H, X and L of every step in small history buffers; then each synapse is visited
once, K steps at a time. Nothing depends on the order, so results do not depend on LANES, CHUNK, K or threads.

Each variable has an array of its own, in the narrowest type that holds its format (DT_*), so that 16-bit formats use 16-bit
lanes. Functions on lanes are ``@inline``: their array arguments never overlap, and they tell the compiler so.

Histories have a row of CHUNK steps for each neuron or line, ROW elements apart: a little more than a power of two, or the
same step of all rows would share few cache lines.

Array indices are masked with M: it shows the compiler that they are not negative, or it would not use SIMD. Spikes are
bytes; ``words`` is the same memory, LANES_PER_WORD lanes at a time, to find the rare spikes quickly.
"""
# ruff: noqa: F821   (names supplied by the builder)


# ---- one neuron, one line, one synapse: all lanes --------------------------------------------------------------------
@inline
def membrane_lanes(V, current_in, current_rec, z, o, leak, stream, key):
    """V of one neuron; clears its currents."""
    o = o & M
    for l in range(LANES):
        V[o + l] = membrane(V[o + l], NUM(z[o + l]), current_in[o + l], current_rec[o + l], leak, bits_membrane(stream[l], key))
        current_in[o + l] = 0
        current_rec[o + l] = 0


@inline
def adaptation_lanes(a, z, o, leak, stream, key):
    """a of one neuron."""
    o = o & M
    for l in range(LANES):
        a[o + l] = adaptation(a[o + l], NUM(z[o + l]), leak, bits_adaptation(stream[l], key))


@inline
def spike_lanes(V, a, r, z, o, gain, R):
    """r and the spike of one neuron, from z(t-1) to z(t)."""
    o = o & M
    for l in range(LANES):
        wait = refractory(r[o + l], NUM(z[o + l]), R)
        r[o + l] = wait
        z[o + l] = 1 if distance(V[o + l], a[o + l], gain) > 0 and wait == 0 else 0


@inline
def pseudo_lanes(V, a, r, o, gain, hist, p, stream, key):
    """H of one neuron, after its spike was decided, into the history."""
    o, p = o & M, p & M
    for l in range(LANES):
        ready = NUM(1) if r[o + l] == 0 else NUM(0)
        hist[p + l] = pseudo_derivative(distance(V[o + l], a[o + l], gain), ready, bits_pseudo_derivative(stream[l], key))


@inline
def readout_trace_lanes(Z, z, o, leak, stream, key):
    """Z of one neuron."""
    o = o & M
    for l in range(LANES):
        Z[o + l] = readout_trace(Z[o + l], NUM(z[o + l]), leak, bits_readout_trace(stream[l], key))


@inline
def trace_lanes(X, o, s, q, leak, hist, p, stream, key):
    """X of one line from its spikes s[q:], kept in X and written to the history."""
    o, q, p = o & M, q & M, p & M
    for l in range(LANES):
        x = trace(X[o + l], NUM(s[q + l]), leak, bits_trace(stream[l], key))
        X[o + l] = x
        hist[p + l] = x


@inline
def any_spike(words, o):
    """Whether a lane of the LANES bytes at o spiked."""
    o = (o // LANES_PER_WORD) & M
    found = words[o]
    for w in range(1, LANES // LANES_PER_WORD):
        found |= words[o + w]
    return found != 0


@inline
def deliver(current, s, q, first, last, post, weight):
    """Add the weights of the synapses first .. last-1 to their targets' currents in the lanes where s[q:] spiked."""
    q = q & M
    for l in range(LANES):
        if s[q + l] != 0:
            for e in range(first, last):
                o = ((post[e & M] & M) * LANES + l) & M
                current[o] = CURRENT(current[o] + weight[e & M])


@inline
def synapse_lanes(U_, F_, S_, G_, o, hist_h, p, hist_x, q, hist_l, drive, leak_a, leak_k, stream, keys, k0, e, alif, window):
    """K steps of synapse e, from step k0 of the chunk: E, then F, U and the sum S; in the window also the gradient G."""
    o, p, q = o & M, p & M, q & M
    for k in UNROLL:
        reg_e[k] = counter_eligibility(keys[0, k0 + k], e)
        reg_f[k] = counter_filtered_eligibility(keys[1, k0 + k], e)
        reg_u[k] = counter_adaptation_eligibility(keys[2, k0 + k], e)
        reg_s[k] = counter_eligibility_sum(keys[3, k0 + k], e)
        reg_g[k] = counter_gradient(keys[4, k0 + k], e)
    for l in range(LANES):
        F, S, lane = F_[o + l], S_[o + l], stream[l]
        U, G = U_[o + l] if alif else NUM(0), G_[o + l] if window else NUM(0)
        for k in UNROLL:
            E = eligibility(hist_h[p + k * LANES + l], hist_x[q + k * LANES + l], U, bits_eligibility(lane, reg_e[k]))
            F = filtered_eligibility(F, E, leak_k, bits_filtered_eligibility(lane, reg_f[k]))
            S = eligibility_sum(S, E, bits_eligibility_sum(lane, reg_s[k]))
            if alif:
                U = adaptation_eligibility(U, E, drive, leak_a, bits_adaptation_eligibility(lane, reg_u[k]))
            if window:
                G = gradient(G, hist_l[p + k * LANES + l], F, bits_gradient(lane, reg_g[k]))
        if alif:
            U_[o + l] = U
        F_[o + l] = F
        S_[o + l] = S
        if window:
            G_[o + l] = G


@inline
def gradient_out_lanes(G, o, err, p, Z, q, stream, key):
    """One more step of the gradient of a readout weight."""
    o, p, q = o & M, p & M, q & M
    for l in range(LANES):
        G[o + l] = gradient_out(G[o + l], err[p + l], Z[q + l], bits_gradient_out(stream[l], key))


# ---- readout and learning signal -------------------------------------------------------------------------------------
@inline
def readout_lanes(y, current, o, leak, stream, key):
    """y of one output; clears its current."""
    o = o & M
    for l in range(LANES):
        y[o + l] = readout(y[o + l], current[o + l], leak, bits_readout(stream[l], key))
        current[o + l] = 0


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
                key = counter_error_classification(step_error_classification(t), k)
                err[o] = error_classification(quotient(probability[o], total), target[q + o], bits_error_classification(stream[l], key))
    else:
        for k in range(n_out):
            key = counter_error_regression(step_error_regression(t), k)
            for l in range(LANES):
                o = k * LANES + l
                err[o] = error_regression(y[o], target[q + o], bits_error_regression(stream[l], key))


@inline
def direct_lanes(d, j, err, feedback, n_out):
    """d = B err of neuron j."""
    o = (j * LANES) & M
    for l in range(LANES):
        s = DIRECT(0)
        for k in range(n_out):
            s = direct(s, feedback[j, k], err[(k * LANES + l) & M])
        d[o + l] = s


@inline
def diffusion_step(t, grid, new, d, neuron_at, table, tables, per_step, s, gain, n_cells, stream):
    """One step of the neuromodulator on the grid: from `grid` to `new`."""
    for c in range(n_cells):
        o, j = (c * LANES) & M, neuron_at[c]
        key = counter_modulator(step_modulator(t), c)
        for l in range(LANES):
            nine = NINE(0)
            if per_step:
                for q in range(9):
                    nine = NINE(nine + grid[((tables[s, c, q, l] & M) * LANES + l) & M])
            else:
                for q in range(9):
                    nine = NINE(nine + grid[((table[c, q] & M) * LANES + l) & M])
            injected = d[((j & M) * LANES + l) & M] if j >= 0 else DIRECT(0)
            new[o + l] = modulator(nine, injected, gain, bits_modulator(stream[l], key))


@inline
def signal_lanes(hist, p, d, o, stream, key):
    """L of one neuron without diffusion, into the history."""
    p, o = p & M, o & M
    for l in range(LANES):
        hist[p + l] = learning_signal(d[o + l], bits_learning_signal(stream[l], key))


@inline
def copy_lanes(to, p, source, o):
    """The lanes at source[o:] to to[p:]."""
    p, o = p & M, o & M
    for l in range(LANES):
        to[p + l] = source[o + l]


# ---- chunks of time --------------------------------------------------------------------------------------------------
@compiled
def forward_chunk(t0, steps, T, S, learn, classify, rule, x, x_words, target, stream, V, a, r, z, z_words, count, current_in, current_rec,
                  X, Z, y, current_out, err, probability, grid, new, d, hist_h, hist_x, hist_l, gout, yout,
                  ptr_in, post_in, w_in, ptr_rec, post_rec, w_rec, ptr_out, post_out, element_out, w_out,
                  feedback, neuron_at, cell, table, tables, gain, leaks, R, kd, rec_soma, rec_x, rec_h, rec_y, rec_err, rec_l, rec_m,
                  rec_gout, tel):
    """Steps t0 .. t0+steps-1 of one block; rule: 0 e-prop, 1 diffusion on `table`, 2 diffusion on per-step `tables`."""
    n, m, n_out, n_cells = cell.size, ptr_in.size - 1, y.size // LANES, neuron_at.size
    leak_m, leak_a, leak_k = COEFFICIENT(leaks[0]), COEFFICIENT(leaks[1]), COEFFICIENT(leaks[2])
    refractory_steps = NUM(R)
    for k in range(steps):
        t = t0 + k
        for i in range(n):
            q = i * LANES
            if learn:
                trace_lanes(X, q, z, q, leak_m, hist_x, i * ROW + k * LANES, stream, counter_trace(step_trace(t), i))
            if any_spike(z_words, q):
                deliver(current_rec, z, q, ptr_rec[i], ptr_rec[i + 1], post_rec, w_rec)
        for i in range(m):
            q = (t * m + i) * LANES
            if learn:
                trace_lanes(X, (n + i) * LANES, x, q, leak_m, hist_x, (n + i) * ROW + k * LANES, stream,
                            counter_trace(step_trace(t), n + i))
            if any_spike(x_words, q):
                deliver(current_in, x, q, ptr_in[i], ptr_in[i + 1], post_in, w_in)
        for j in range(n):
            o = j * LANES
            membrane_lanes(V, current_in, current_rec, z, o, leak_m, stream, counter_membrane(step_membrane(t), j))
            if gain[j] != 0 or WATCHED:     # a LIF neuron's adaptation has no effect
                adaptation_lanes(a, z, o, leak_a, stream, counter_adaptation(step_adaptation(t), j))
            spike_lanes(V, a, r, z, o, gain[j], refractory_steps)
            if any_spike(z_words, o):
                for l in range(LANES):
                    count[(o + l) & M] += z[(o + l) & M]
                deliver(current_out, z, o, ptr_out[j], ptr_out[j + 1], post_out, w_out)
            if learn:
                pseudo_lanes(V, a, r, o, gain[j], hist_h, j * ROW + k * LANES, stream,
                             counter_pseudo_derivative(step_pseudo_derivative(t), j))
                readout_trace_lanes(Z, z, o, leak_k, stream, counter_readout_trace(step_readout_trace(t), j))
        for o in range(n_out):
            readout_lanes(y, current_out, o * LANES, leak_k, stream, counter_readout(step_readout(t), o))
        s = t - (T - S)
        if s >= 0:
            for o in range(n_out * LANES):
                yout[s * n_out * LANES + o] = y[o]
        if learn:
            if s >= 0:
                error_step(t, y, target, s * n_out * LANES, err, n_out, classify, probability, stream)
                for j in range(n):
                    direct_lanes(d, j, err, feedback, n_out)
                if rule > 0:
                    diffusion_step(t, grid, new, d, neuron_at, table, tables, rule == 2, s, COEFFICIENT(kd), n_cells, stream)
                    for o in range(n_cells * LANES):
                        grid[o] = new[o]
                for j in range(n):
                    p = j * ROW + k * LANES
                    if rule > 0:
                        copy_lanes(hist_l, p, grid, cell[j] * LANES)
                    else:
                        signal_lanes(hist_l, p, d, j * LANES, stream, counter_learning_signal(step_learning_signal(t), j))
                for j in range(n):
                    for e in range(ptr_out[j], ptr_out[j + 1]):
                        gradient_out_lanes(gout, e * LANES, err, post_out[e] * LANES, Z, j * LANES, stream,
                                           counter_gradient_out(step_gradient_out(t), element_out[e]))
            else:
                for j in range(n):
                    for l in range(LANES):
                        hist_l[j * ROW + k * LANES + l] = 0
        if RECORD:
            for l in range(LANES):
                for j in range(n):
                    o = j * LANES + l
                    rec_soma[t, j, 0, l] = V[o]
                    rec_soma[t, j, 1, l] = a[o]
                    rec_soma[t, j, 2, l] = r[o]
                    rec_soma[t, j, 3, l] = z[o]
                    rec_soma[t, j, 4, l] = Z[o]
                for o in range(n_out):
                    rec_y[t, o, l] = y[o * LANES + l]
                if learn:
                    for i in range(n + m):
                        rec_x[t, i, l] = X[i * LANES + l]
                    for j in range(n):
                        rec_h[t, j, l] = hist_h[j * ROW + k * LANES + l]
                    for e in range(gout.size // LANES):
                        rec_gout[t, e, l] = gout[e * LANES + l]
                    if s >= 0:
                        for o in range(n_out):
                            rec_err[s, o, l] = err[o * LANES + l]
                        for j in range(n):
                            rec_l[s, j, l] = hist_l[j * ROW + k * LANES + l]
                        if rule > 0:
                            for c in range(n_cells):
                                rec_m[s, c, l] = grid[c * LANES + l]
    if learn:       # a last, shorter chunk is filled up with steps that change no sum
        for k in range(steps, CHUNK):
            for j in range(n):
                for l in range(LANES):
                    hist_h[j * ROW + k * LANES + l] = 0
                    hist_l[j * ROW + k * LANES + l] = 0


@compiled
def eligibility_chunk(t0, first, last, window, stream, U, F, S, G, hist_h, hist_x, hist_l, ptr, line, drive, leaks, rec_syn, tel):
    """The chunk that starts at step t0, for the synapses of the neurons first .. last-1.

    A synapse goes through the whole chunk before the next one, so its state stays in the nearest cache.
    """
    keys = np.empty((5, CHUNK), np.uint32)
    leak_a, leak_k = COEFFICIENT(leaks[1]), COEFFICIENT(leaks[2])
    for k in range(CHUNK):
        keys[0, k] = step_eligibility(t0 + k)
        keys[1, k] = step_filtered_eligibility(t0 + k)
        keys[2, k] = step_adaptation_eligibility(t0 + k)
        keys[3, k] = step_eligibility_sum(t0 + k)
        keys[4, k] = step_gradient(t0 + k)
    for j in range(first, last):
        h = j * ROW
        ce = drive[j]
        for e in range(ptr[j], ptr[j + 1]):
            o, i = e * LANES, (line[e] & M) * ROW
            for k in range(0, CHUNK, K):
                p, q = h + k * LANES, i + k * LANES
                if ce == 0 and window:
                    synapse_lanes(U, F, S, G, o, hist_h, p, hist_x, q, hist_l, ce, leak_a, leak_k, stream, keys, k, e, False, True)
                elif ce == 0:
                    synapse_lanes(U, F, S, G, o, hist_h, p, hist_x, q, hist_l, ce, leak_a, leak_k, stream, keys, k, e, False, False)
                elif window:
                    synapse_lanes(U, F, S, G, o, hist_h, p, hist_x, q, hist_l, ce, leak_a, leak_k, stream, keys, k, e, True, True)
                else:
                    synapse_lanes(U, F, S, G, o, hist_h, p, hist_x, q, hist_l, ce, leak_a, leak_k, stream, keys, k, e, True, False)
            if RECORD:
                for l in range(LANES):
                    rec_syn[t0, e, 0, l] = U[o + l]
                    rec_syn[t0, e, 1, l] = F[o + l]
                    rec_syn[t0, e, 2, l] = S[o + l]
                    rec_syn[t0, e, 3, l] = G[o + l]


@compiled
def finish(T, lanes, count, S, G, gout, duration, ptr, rate_target, rate_gain, stream, counts, gsum, gout_sum, rec_d, rec_g, tel):
    """End of the trials: the regularisation joins the gradients; sums over the first `lanes` lanes are added to gsum, gout_sum."""
    n = ptr.size - 1
    for j in range(n):
        for l in range(LANES):
            counts[l, j] = count[j * LANES + l]
    if gsum.size == 0:
        return
    d = np.zeros(LANES, DT_D)
    for j in range(n):
        key = counter_rate_error(step_rate_error(T), j)
        for l in range(lanes):
            d[l] = rate_error(WIDE(count[j * LANES + l]), WIDE(duration[l]), WIDE(rate_target), WIDE(rate_gain),
                              bits_rate_error(stream[l], key))
            if RECORD:
                rec_d[j, l] = d[l]
        for e in range(ptr[j], ptr[j + 1]):
            key = counter_gradient_rate(step_gradient_rate(T), e)
            for l in range(lanes):
                g = gradient_rate(G[e * LANES + l], d[l], S[e * LANES + l], bits_gradient_rate(stream[l], key))
                gsum[e] += g
                if RECORD:
                    rec_g[e, l] = g
    for e in range(gout_sum.size):
        for l in range(lanes):
            gout_sum[e] += gout[e * LANES + l]

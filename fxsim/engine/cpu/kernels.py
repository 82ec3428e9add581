"""The CPU kernels: loops over steps, neurons, synapses and trial lanes around the update functions of fxsim.model.steps.

A template: :mod:`fxsim.engine.build.module` copies this text into a module of its own behind the update functions of one
arithmetic, with ``for k in UNROLL`` unrolled.

A *block* is LANES trials side by side in the innermost axis, the SIMD lanes. Time advances in chunks of CHUNK steps: the
neurons run through the chunk and leave H, X and L of every step in small history buffers; then each synapse is visited
once and goes through the whole chunk, its state in registers, TOGETHER synapses of a neuron at a time. Nothing depends on
the order, so results do not depend on LANES, TOGETHER, CHUNK or threads. A synapse whose line has had no spike yet is not visited:
its X was always zero, so all of its state is.

``take`` and ``put`` move lanes between arrays and registers (see :mod:`fxsim.engine.cpu.lanes`), ``element`` one number; ``*_all`` and
``*_each`` the lanes of TOGETHER synapses, ``*_span`` SPAN of them, ``*_side`` those of SIDE neurons; ``*_held`` leave words in the order
of registers.
Each variable has an array of its own, in the narrowest type that holds its format (DT_*).

Histories have a row of CHUNK steps for each neuron or line, ROW elements apart: a little more than a power of two, or the
same step of all rows would share few cache lines.

Indices of single elements are masked with M: it shows the compiler that they are not negative. Spikes are bytes; ``words`` is
the same memory, LANES_PER_WORD lanes at a time, to find the rare spikes quickly.

Arguments: net Wires, s State, h History, room Room, io Trials, rec Records of :mod:`fxsim.engine.cpu.state`.
"""
# ruff: noqa: F821   (names supplied by the builder)

OF_E, OF_F, OF_U, OF_S, OF_G = 0, TOGETHER * CHUNK, 2 * TOGETHER * CHUNK, 3 * TOGETHER * CHUNK, 4 * TOGETHER * CHUNK
# where each update's counters begin


# ---- spikes ----------------------------------------------------------------------------------------------------------
@inline
def any_spike(words, o):
    """Whether a lane of the LANES bytes at o spiked."""
    o = (o // LANES_PER_WORD) & M
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
    x = trace(take(X, o), spikes, leak, bits_trace(take(stream, 0), key))
    put(X, o, x)
    put(hist, p, x)


# ---- readout and learning signal -------------------------------------------------------------------------------------
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
            put(err, k * LANES, error_regression(take(y, k * LANES), take(target, q + k * LANES), bits_error_regression(take(stream, 0), key)))


@inline
def direct_lanes(d, j, err, feedback, n_out):
    """d = B err of neuron j."""
    sum = none(d)
    for k in range(n_out):
        sum = like(d, direct(sum, feedback[j * n_out + k], take(err, k * LANES)))
    put_held(d, j * LANES, sum)


@inline
def neighbours(grid, nine, tables, per_step, row):
    """Sum of a 3x3 neighbourhood of the grid; tables[row:] tell where its cells are, in all lanes or lane by lane."""
    if per_step:
        for l in range(LANES):
            sum = NINE(0)
            for q in range(9):
                sum = NINE(sum + grid[(tables[((row + q) * LANES + l) & M] + l) & M])
            nine[l] = sum
        return take(nine, 0)
    sum = like(nine, take(grid, element(tables, row)))
    for q in range(1, 9):
        sum = like(nine, add_NINE(sum, take(grid, element(tables, row + q))))
    return sum


@inline
def diffusion_step(t, s, net, tables, per_step, step, gain):
    """One step of the neuromodulator on the grid: from s.grid to s.new."""
    n_cells = net.n_cells
    for c in range(n_cells):
        key = counter_modulator(step_modulator(t), c)
        nine = neighbours(s.grid, s.nine, tables, per_step, (step * n_cells + c) * 9 if per_step else c * 9)
        injected = none(s.d)
        if net.neuron_at[c] >= 0:
            injected = take_held(s.d, net.neuron_at[c] * LANES)
        put(s.new, c * LANES, modulator(nine, injected, gain, bits_modulator(take(s.stream, 0), key)))
    for c in range(n_cells):
        put(s.grid, c * LANES, take(s.new, c * LANES))


@inline
def signal_step(t, k, step, rule, kd, net, s, h, io):
    """L of all neurons into the history, from the errors; rule: 0 e-prop, 1 diffusion, 2 diffusion on per-step tables."""
    n, n_out = net.n, net.n_out
    for j in range(n):
        direct_lanes(s.d, j, s.err, net.feedback, n_out)
    if rule > 0:
        diffusion_step(t, s, net, io.tables, rule == 2, step, kd)
    for j in range(n):
        p = j * ROW + k * LANES
        if rule > 0:
            put(h.l, p, take(s.grid, net.cell[j] * LANES))
        else:
            key = counter_learning_signal(step_learning_signal(t), j)
            put(h.l, p, learning_signal(take_held(s.d, j * LANES), bits_learning_signal(take(s.stream, 0), key)))


@inline
def gradient_out_step(t, net, s):
    """One more step of the gradients of the readout weights."""
    for j in range(net.n):
        for e in range(net.ptr_out[j], net.ptr_out[j + 1]):
            key = counter_gradient_out(step_gradient_out(t), net.element_out[e])
            put(s.gout, e * LANES, gradient_out(take(s.gout, e * LANES), take(s.err, net.post_out[e] * LANES), take(s.Z, j * LANES),
                                                bits_gradient_out(take(s.stream, 0), key)))


# ---- neurons ---------------------------------------------------------------------------------------------------------
@inline
def neuron_step(t, j, p, learn, leak_m, leak_a, leak_k, R, net, s, h):
    """One step of the neurons from j on, SIDE of them side by side: a, V, spike, and for learning H, kept at p, and Z."""
    o, who = j * LANES, j
    if SIDE > 1:
        who = take_side(net.number, o)
    stream, z = same_side(s.stream, 0), take_side(s.z, o)
    current_rec = none_side(s.current_rec)
    if not JOINT:
        current_rec = take_held_side(s.current_rec, o)
        put_held(s.current_rec, o, none_side(s.current_rec))
    V = membrane(take_side(s.V, o), z, take_held_side(s.current_in, o), current_rec, leak_m,
                 bits_membrane(stream, counter_membrane(step_membrane(t), who)))
    put(s.V, o, V)
    put_held(s.current_in, o, none_side(s.current_in))
    wait = refractory(take_side(s.r, o), z, R)
    put(s.r, o, wait)
    ready = zero(wait)
    if net.adapts[j // SIDE] != 0 or WATCHED:
        a = like(s.a, adaptation(take_side(s.a, o), z, leak_a, bits_adaptation(stream, counter_adaptation(step_adaptation(t), who))))
        put(s.a, o, a)
        if SIDE == 1:
            above = distance(V, a, net.gain[o])
        else:
            above = distance(V, a, take_side(net.gain, o))
        spike = and16(ready, positive(above))
        if learn:
            bits = bits_pseudo_derivative(stream, counter_pseudo_derivative(step_pseudo_derivative(t), who))
            if WATCHED:     # what is clipped while a neuron is refractory is not counted
                put_side(h.h, p, pseudo_derivative(above, ready, bits))
            else:
                put_side(h.h, p, mul_H(pseudo_derivative(above, NUM(1), bits), ready))
    else:
        over = distance_lif(V)
        spike = and16(ready, positive(over))
        if learn:
            bits = bits_pseudo_derivative_lif(stream, counter_pseudo_derivative_lif(step_pseudo_derivative_lif(t), who))
            put_side(h.h, p, mul_H(pseudo_derivative_lif(over, bits), ready))
    if DRIVEN and s.told[0] != 0:
        spike = take_side(s.driven, t * ((net.n + SIDE - 1) // SIDE * SIDE * LANES) + o)
    put(s.z, o, spike)
    if TRACES and learn:
        put(s.Z, o, readout_trace(take_side(s.Z, o), spike, leak_k,
                                  bits_readout_trace(stream, counter_readout_trace(step_readout_trace(t), who))))


@inline
def recording(rec):
    """Whether there is room for records."""
    return rec.wanted > 0


@inline
def record_step(t, k, step, learn, rule, net, s, h, rec):
    """Copies of all variables."""
    n, m, n_out = net.n, net.n_in, net.n_out
    for l in range(LANES):
        for j in range(n):
            o = j * LANES + l
            at = ((t * n + j) * 5) * LANES + l
            rec.soma[at] = s.V[o]
            rec.soma[at + LANES] = s.a[o]
            rec.soma[at + 2 * LANES] = s.r[o]
            rec.soma[at + 3 * LANES] = s.z[o]
            rec.soma[at + 4 * LANES] = s.Z[o]
        for o in range(n_out):
            rec.y[(t * n_out + o) * LANES + l] = s.y[o * LANES + l]
        if learn:
            for i in range(n + m):
                rec.x[(t * (n + m) + i) * LANES + l] = s.X[i * LANES + l]
            for j in range(n):
                rec.h[(t * n + j) * LANES + l] = h.h[j * ROW + k * LANES + l]
            for e in range(net.n_syn_out):
                rec.gout[(t * net.n_syn_out + e) * LANES + l] = s.gout[e * LANES + l]
            if step >= 0:
                for o in range(n_out):
                    rec.err[(step * n_out + o) * LANES + l] = s.err[o * LANES + l]
                for j in range(n):
                    rec.l[(step * n + j) * LANES + l] = h.l[j * ROW + k * LANES + l]
                if rule > 0:
                    for c in range(net.n_cells):
                        rec.m[(step * net.n_cells + c) * LANES + l] = s.grid[c * LANES + l]


@inline
def lines_step(t, k, learn, leak_m, net, s, h, io):
    """Spikes, of neurons at the step before and of inputs, reach the currents of their targets; for TRACES also X of all lines."""
    n, m = net.n, net.n_in
    for i in range(n):
        q = i * LANES
        z = take(s.z, q)
        if TRACES and learn:
            follow(s.X, q, z, leak_m, h.x, i * ROW + k * LANES, s.stream, counter_trace(step_trace(t), i))
        if any_spike(s.z_words, q):
            if TRACES:
                s.lively[0] += 1 - s.heard[i]
                s.heard[i] = 1
            if JOINT:
                deliver(s.current_in, z, net.ptr_rec[i], net.ptr_rec[i + 1], net.post_rec, net.w_rec)
            else:
                deliver(s.current_rec, z, net.ptr_rec[i], net.ptr_rec[i + 1], net.post_rec, net.w_rec)
    for i in range(m):
        q = (t * m + i) * LANES
        x = take(io.x, q)
        if TRACES and learn:
            follow(s.X, (n + i) * LANES, x, leak_m, h.x, (n + i) * ROW + k * LANES, s.stream, counter_trace(step_trace(t), n + i))
        if any_spike(io.x_words, q):
            if TRACES:
                s.lively[0] += 1 - s.heard[n + i]
                s.heard[n + i] = 1
            deliver(s.current_in, x, net.ptr_in[i], net.ptr_in[i + 1], net.post_in, net.w_in)


@inline
def outputs_step(t, step, leak_k, net, s, io):
    """Spikes are counted and reach the readout; it is kept from the window's first step on, ``step`` 0."""
    n, n_out = net.n, net.n_out
    for j in range(n):
        if any_spike(s.z_words, j * LANES):
            z = take(s.z, j * LANES)
            put(s.spikes, j * LANES, add32(take(s.spikes, j * LANES), z))
            deliver(s.current_out, z, net.ptr_out[j], net.ptr_out[j + 1], net.post_out, net.w_out)
    for o in range(n_out):
        y = readout(take(s.y, o * LANES), take_held(s.current_out, o * LANES), leak_k,
                    bits_readout(take(s.stream, 0), counter_readout(step_readout(t), o)))
        put(s.y, o * LANES, y)
        put_held(s.current_out, o * LANES, none(s.current_out))
        if step >= 0:
            put(io.y, (step * n_out + o) * LANES, take(s.y, o * LANES))


@common
def forward_chunk(t0, T, S, learn, classify, rule, R, kd, net, s, h, io, rec, tel):
    """The chunk of steps from t0 on, of one block; rule: 0 e-prop, 1 diffusion, 2 diffusion on per-step tables."""
    n, n_out, steps = net.n, net.n_out, min(CHUNK, T - t0)
    leak_m, leak_a, leak_k = COEFFICIENT(net.leaks[0]), COEFFICIENT(net.leaks[1]), COEFFICIENT(net.leaks[2])
    for k in range(steps):
        t = t0 + k
        step = t - (T - S)
        lines_step(t, k, learn, leak_m, net, s, h, io)
        for j in range(0, n, SIDE):
            neuron_step(t, j, j * ROW + k * LANES, learn, leak_m, leak_a, leak_k, NUM(R), net, s, h)
        outputs_step(t, step, leak_k, net, s, io)
        if learn and step >= 0:
            error_step(t, s.y, io.target, step * n_out * LANES, s.err, n_out, classify, s.probability, s.stream)
            signal_step(t, k, step, rule, COEFFICIENT(kd), net, s, h, io)
            gradient_out_step(t, net, s)
        if WATCHED and recording(rec):
            record_step(t, k, step, learn, rule, net, s, h, rec)
    h.lively[0] = s.lively[0]
    if learn:       # a last, shorter chunk is filled up with steps that change no sum
        for k in range(steps, CHUNK):
            for j in range(n):
                put(h.h, j * ROW + k * LANES, none(h.h))
                put(h.l, j * ROW + k * LANES, none(h.l))


# ---- synapses --------------------------------------------------------------------------------------------------------
@inline
def admit(j, lively, net, s):
    """Give places to the synapses of neuron j whose lines have had a first spike; how many have places.

    ``lively``: lines that had been heard when this chunk ended; if no more than at the last visit, there is nothing to look for.
    Lines may be heard meanwhile, in steps that follow this chunk: X of this chunk is still zero there, so it does not matter when that is seen.
    """
    first, left = net.ptr[j], s.left[j]
    placed, i = net.ptr[j + 1] - first - left, first
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
    """L of one neuron at the steps of the chunk as :class:`fxsim.engine.build.plan.QuickGradient` takes it; whether it is small enough."""
    total = none(room.bound)
    most = total
    for part in range(0, CHUNK, PART):
        sum = none(room.bound)
        for k in range(part, part + PART, 2):
            here, there = p + k * LANES, p + (k + 1) * LANES
            L, next = take_signal(h.l, here), take_signal(h.l, there)
            put(room.pairs, k * WIDTH, signal_pairs(L, next))
            put(room.low, k * WIDTH, signal_low(L))
            put(room.low, (k + 1) * WIDTH, signal_low(next))
            sum = add32(sum, add32(abs32(take(h.l, here)), abs32(take(h.l, there))))
        total, most = add32(total, sum), max32(most, sum)
    put(room.bound, 0, room_left(total))
    return all_at_most(most, MOST)


@inline
def synapse_chunk(s, o, h, p, lines, drive, leak_a, leak_k, room, alif, learns, keeps):
    """All steps of the chunk for the synapses at o: E, then F, U and the sum S.

    ``learns``: also the gradient G, step by step; ``keeps``: F of each step is kept, for :func:`gradient_chunk`.
    """
    stream = take_same(s.stream, 0)
    F, S = take_all(s.F, o), take_all(s.S, o)
    U = take_all(s.U, o) if alif else none_all(s.U)
    G = take_all(s.G, o) if learns else none_all(s.G)
    for k0 in range(0, CHUNK, K):
        for k in UNROLL:
            at, c = (k0 + k) * LANES, k0 + k
            H, X = take_same(h.h, p + at), take_each(h.x, lines, at)
            E = eligibility(H, X, U, bits_eligibility(stream, spread(room.counters, OF_E + c)))
            F = like(s.F, filtered_eligibility(F, E, leak_k, bits_filtered_eligibility(stream, spread(room.counters, OF_F + c))))
            if not PARTIAL:
                S = like(s.S, eligibility_sum(S, E, bits_eligibility_sum(stream, spread(room.counters, OF_S + c))))
            else:
                if k % PARTIAL_LIF == 0 or alif and k % PARTIAL == 0:
                    some = E
                else:
                    some = add16(some, E)
                if (k + 1) % PARTIAL_LIF == 0 or alif and (k + 1) % PARTIAL == 0:
                    S = like(s.S, eligibility_sum(S, some, 0))
            if alif:
                U = like(s.U, adaptation_eligibility(U, E, drive, leak_a,
                                                     bits_adaptation_eligibility(stream, spread(room.counters, OF_U + c))))
            if learns:
                G = like(s.G, gradient(G, take_same(h.l, p + at), F, bits_gradient(stream, spread(room.counters, OF_G + c))))
            if QUICK and keeps:
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
            products, left_over = none_span(s.G), none_span(s.F)
            for k0 in range(part, part + PART, K):
                for k in UNROLL:
                    c = k0 + k
                    if k % 2 == 0:
                        F = take_span(room.filtered, c * TOGETHER * LANES + q)
                        left_over = add_left_over(left_over, take_low(room.low, c * WIDTH), F)
                    else:
                        next = take_span(room.filtered, c * TOGETHER * LANES + q)
                        left_over = add_left_over(left_over, take_low(room.low, c * WIDTH), next)
                        products = add_products(products, take_pairs(room.pairs, (c - 1) * WIDTH), F, next)
            G = gradient_quick(G, products, left_over)
        put(s.G, o + q, G)


@inline
def count_steps(counters, row, keys, e, alif, window):
    """Counters of synapse e at the steps of the chunk, for the updates that round stochastically."""
    if RANDOM_eligibility:
        put(counters, OF_E + row, counter_eligibility(take_chunk(keys, 0), e))
    if RANDOM_filtered_eligibility:
        put(counters, OF_F + row, counter_filtered_eligibility(take_chunk(keys, CHUNK), e))
    if RANDOM_adaptation_eligibility and alif:
        put(counters, OF_U + row, counter_adaptation_eligibility(take_chunk(keys, 2 * CHUNK), e))
    if RANDOM_eligibility_sum:
        put(counters, OF_S + row, counter_eligibility_sum(take_chunk(keys, 3 * CHUNK), e))
    if RANDOM_gradient and window:
        put(counters, OF_G + row, counter_gradient(take_chunk(keys, 4 * CHUNK), e))


@common
def eligibility_chunk(t0, window, first, taken, borders, room, net, s, h, rec, tel):
    """The chunk that starts at step t0, for the synapses onto some neurons: shares of them, borders[i] to borders[i+1], until none is left.

    taken[i] tells that share i is taken, the last word how many are done. Whoever calls it at the same time with the same ``taken`` takes
    other shares; each begins with the share ``first`` of its own, whose synapses it had in its cache, and has ``room`` of its own.
    """
    leak_a, leak_k, keys = COEFFICIENT(net.leaks[1]), COEFFICIENT(net.leaks[2]), room.keys
    for k in range(CHUNK):
        keys[k] = step_eligibility(t0 + k)
        keys[CHUNK + k] = step_filtered_eligibility(t0 + k)
        keys[2 * CHUNK + k] = step_adaptation_eligibility(t0 + k)
        keys[3 * CHUNK + k] = step_eligibility_sum(t0 + k)
        keys[4 * CHUNK + k] = step_gradient(t0 + k)
    shares = taken.size - 1
    for i in range(shares):
        share = (first + i) % shares
        if claim(taken, share) > 0:
            continue
        for j in range(borders[share], borders[share + 1]):
            p, drive, learns = j * ROW, COEFFICIENT(net.drive[j]), window and (net.hears[j] != 0 or WATCHED)     # else G stays zero
            placed = admit(j, h.lively[0], net, s)
            if QUICK:
                small = learns and prepare_signal(h, p, room)
            for place in range(net.place_ptr[j], net.place_ptr[j] + placed, TOGETHER):
                o = place * LANES
                for q in range(TOGETHER):
                    room.lines[q] = s.line[(place + q) & M] * ROW
                    count_steps(room.counters, q * CHUNK, keys, s.element[(place + q) & M], drive != 0, learns)
                if WATCHED:         # decided at run time: built once only
                    synapse_chunk(s, o, h, p, room.lines, drive, leak_a, leak_k, room, drive != 0, learns, False)
                elif not learns:
                    if drive == 0:
                        synapse_chunk(s, o, h, p, room.lines, drive, leak_a, leak_k, room, False, False, False)
                    else:
                        synapse_chunk(s, o, h, p, room.lines, drive, leak_a, leak_k, room, True, False, False)
                elif QUICK and small and all_at_most(abs32(take_all(s.G, o)), take_same(room.bound, 0)):
                    if drive == 0:
                        synapse_chunk(s, o, h, p, room.lines, drive, leak_a, leak_k, room, False, False, True)
                    else:
                        synapse_chunk(s, o, h, p, room.lines, drive, leak_a, leak_k, room, True, False, True)
                    gradient_chunk(s, o, room)
                elif drive == 0 and not QUICK:      # else rare; U of a LIF neuron stays zero there, too
                    synapse_chunk(s, o, h, p, room.lines, drive, leak_a, leak_k, room, False, True, False)
                else:
                    synapse_chunk(s, o, h, p, room.lines, drive, leak_a, leak_k, room, True, True, False)
                if WATCHED and recording(rec):
                    e = s.element[place]
                    for l in range(LANES):
                        at = ((t0 * net.n_syn + e) * 4) * LANES + l
                        rec.syn[at] = s.U[o + l]
                        rec.syn[at + LANES] = s.F[o + l]
                        rec.syn[at + 2 * LANES] = s.S[o + l]
                        rec.syn[at + 3 * LANES] = s.G[o + l]
        claim(taken, shares)


# ---- trials ----------------------------------------------------------------------------------------------------------
@common
def finish(T, lanes, learn, rate_target, rate_gain, net, s, io, rec, tel):
    """End of the trials: the regularisation joins the gradients, which are added to the sums of their group in the first `lanes` lanes."""
    n = net.n
    for j in range(n):
        for l in range(LANES):
            io.counts[l * n + j] = s.spikes[j * LANES + l]
    if not learn:
        return
    for j in range(n):
        key = counter_rate_error(step_rate_error(T), j)
        for l in range(lanes):
            s.rate[l] = rate_error(WIDE(s.spikes[j * LANES + l]), WIDE(io.duration[l]), WIDE(rate_target), WIDE(rate_gain),
                              bits_rate_error(s.stream[l], key))
            if WATCHED and recording(rec):
                rec.d[j * LANES + l] = s.rate[l]
        placed = net.ptr[j + 1] - net.ptr[j] - s.left[j]        # S and G of the others are zero
        for place in range(net.place_ptr[j], net.place_ptr[j] + placed):
            o, e = place * LANES, s.element[place & M]
            key = counter_gradient_rate(step_gradient_rate(T), e)
            for l in range(lanes):
                g = gradient_rate(s.G[o + l], s.rate[l], s.S[o + l], bits_gradient_rate(s.stream[l], key))
                io.gsum[io.group[l] * net.n_syn + e] += g
                if WATCHED and recording(rec):
                    rec.g[e * LANES + l] = g
    for e in range(net.n_syn_out):
        for l in range(lanes):
            io.gout_sum[io.group[l] * net.n_syn_out + e] += s.gout[e * LANES + l]


@compiled
def run_block(first, last, share, neurons, synapses, T, S, lanes, learn, classify, rule, R, kd, rate_target, rate_gain, progress, taken, borders,
              room, net, s, h, other, io, rec, tel):
    """The chunks first to last-1 of a block's trials, their neurons, their synapses or both; with both the trials are over then.

    The only function that is compiled by itself: what calls each other would be compiled again with each caller. taken: a row for each chunk.
    If there is a ``progress``, it tells others how many chunks they may go through (see eligibility_chunk) while the neurons run through the
    next one, into the ``other`` history; without, both histories are the same.
    """
    align_stack()
    ahead = progress.size
    for turn in range(first, last + ahead):
        chunk = turn - ahead
        if ahead > 0 and chunk >= first:
            tell(progress, 0, turn)
        if neurons and turn < last:
            forward_chunk(turn * CHUNK, T, S, learn, classify, rule, R, kd, net, s, h, io, rec, tel)
        if synapses and learn and chunk >= first:
            t0 = chunk * CHUNK
            eligibility_chunk(t0, t0 + CHUNK > T - S, share, taken[chunk], borders, room, net, s, other, rec, tel)
            if ahead > 0:
                wait(taken[chunk], taken.shape[1] - 1, taken.shape[1] - 1)
        h, other = other, h
    if neurons and synapses:
        finish(T, lanes, learn, rate_target, rate_gain, net, s, io, rec, tel)

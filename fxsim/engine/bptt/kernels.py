"""The kernels of backpropagation through time: a segment of a trial's steps forward, as everywhere, and back.

A template, see :mod:`fxsim.engine.cpu.kernels`, whose forward pass and blocks of trials it takes. Everything forward is in the words of
the arithmetic, everything back in floats, FLT. Spikes are rare: what goes over the steps of a spike visits only lines that spiked.

Arguments: net Wires, s State, io Trials of :mod:`fxsim.engine.cpu.state`; tape Tape, back Back of :mod:`fxsim.engine.bptt.state`.
"""
# ruff: noqa: F821   (names supplied by the builder)
from fxsim.engine.cpu.kernels import any_spike, lines_step, neuron_step, outputs_step


@inline
def within(values, o, ends):
    """1 where the stored value is between the ends of its format; at an end it counts as clipped."""
    value = take(values, o)
    return and16(less(take(ends, 0), value), less(value, take(ends, LANES)))


@compiled
def run_forward(first, last, T, S, R, net, s, tape, io):
    """The steps first to last-1 of a block's trials; spikes and pseudo-derivatives of each are left on the tape."""
    align_stack()
    n, rows, n_out = net.n, tape.rows, net.n_out
    leak_m, leak_a, leak_k = COEFFICIENT(net.leaks[0]), COEFFICIENT(net.leaks[1]), COEFFICIENT(net.leaks[2])
    for t in range(first, last):
        p = (t - first) * rows * LANES
        lines_step(t, 0, True, leak_m, net, s, tape, io)
        for j in range(0, n, SIDE):
            neuron_step(t, j, p + j * LANES, True, leak_m, leak_a, leak_k, NUM(R), net, s, tape)
        for j in range(n):
            put(tape.z, p + j * LANES, take(s.z, j * LANES))
            if FIXED:
                put(tape.open_v, p + j * LANES, within(s.V, j * LANES, tape.ends_v))
                put(tape.open_a, p + j * LANES, less(take(s.a, j * LANES), take(tape.end_a, 0)))
        outputs_step(t, t - (T - S), leak_k, net, s, io)
        if FIXED:
            for o in range(n_out):
                put(tape.open_y, ((t - first) * n_out + o) * LANES, within(s.y, o * LANES, tape.ends_y))


@inline
def weights_step(spikes, first, last, at, adjoint, from_, gradient):
    """One more step of the gradients of the synapses first .. last-1 of a line, in the lanes that spiked."""
    for e in range(first, last):
        put(gradient, e * LANES, counted(take(gradient, e * LANES), spikes, take(adjoint, from_ + at[e])))


@inline
def passed_step(sum, first, last, at, weight, adjoint, from_):
    """What the synapses first .. last-1 of a neuron pass back to its spike; four sums, as one would wait for itself."""
    second, third, fourth = none(adjoint), none(adjoint), none(adjoint)
    for e in range(first, last, 4):
        sum = passed_back(sum, weight[e], take(adjoint, from_ + at[e]))
        second = passed_back(second, weight[e + 1], take(adjoint, from_ + at[e + 1]))
        third = passed_back(third, weight[e + 2], take(adjoint, from_ + at[e + 2]))
        fourth = passed_back(fourth, weight[e + 3], take(adjoint, from_ + at[e + 3]))
    return addFLT(addFLT(sum, second), addFLT(third, fourth))


@compiled
def run_back(first, last, T, S, net, tape, back, io):
    """The steps last-1 to first, of which the tape tells.

    What is passed back to spikes of step t are V(t+1) and y(t), in one half of back.adjoint; V(t) goes to the other half, beside y(t+1).
    """
    align_stack()
    n, m, n_out, rows = net.n, net.n_in, net.n_out, tape.rows
    keep_m, keep_a, keep_k, slope = back.keeps[0], back.keeps[1], back.keeps[2], back.keeps[3]
    for t in range(last - 1, first - 1, -1):
        p, step = (t - first) * rows * LANES, t - (T - S)
        after, now = (t + 1) % 2 * (n + n_out) * LANES, t % 2 * (n + n_out) * LANES
        for k in range(n_out):
            o, err = (n + k) * LANES, none(back.err)
            if step >= 0:
                err = take(back.err, (step * n_out + k) * LANES)
            y = readout_adjoint(take(back.adjoint, now + o), err, keep_k)
            if FIXED:
                y = passed_through(y, take(tape.open_y, ((t - first) * n_out + k) * LANES))
            put(back.adjoint, after + o, y)
        for j in range(n):
            o, q = j * LANES, p + j * LANES
            if any_spike(tape.z_words, q):
                weights_step(take(tape.z, q), back.ptr[j], back.ptr[j + 1], back.at, back.adjoint, after, back.gradient)
            sum = passed_step(take(back.rate, o), back.ptr[j], back.ptr[j + 1], back.at, back.weight, back.adjoint, after)
            V, a = take(back.adjoint, after + o), take(back.a, o)
            through = threshold_adjoint(spike_adjoint(sum, V, a), take(tape.h, q), slope)
            V, a = membrane_adjoint(V, through, keep_m), adaptation_adjoint(a, through, back.gain[j], keep_a)
            if FIXED:
                V, a = passed_through(V, take(tape.open_v, q)), passed_through(a, take(tape.open_a, q))
            put(back.adjoint, now + o, V)
            put(back.a, o, a)
        for i in range(m):
            q = (t * m + i) * LANES
            if any_spike(io.x_words, q):
                weights_step(take(io.x, q), net.ptr_in[i], net.ptr_in[i + 1], back.at_in, back.adjoint, now, back.gradient_in)

"""The kernels of backpropagation through time: a segment of a trial's steps forward, as everywhere, and back.

A template, see :mod:`fxsim.engine.cpu.kernels`, whose forward pass and blocks of trials it takes. Everything forward is in the words of
the arithmetic, everything back in floats, FLT. Spikes are rare: what goes over the steps of a spike visits only lines that spiked.

Arguments: net Wires, s State, io Trials of :mod:`fxsim.engine.cpu.state`; tape Tape, back Back of :mod:`fxsim.engine.bptt.state`.
"""
# ruff: noqa: F821   (names supplied by the builder)
from fxsim.engine.cpu.kernels import any_spike, lines_step, neuron_step, outputs_step


@compiled
def run_forward(first, last, T, S, R, net, s, tape, io):
    """The steps first to last-1 of a block's trials; spikes and pseudo-derivatives of each are left on the tape."""
    align_stack()
    n, rows = net.cell.size, tape.rows
    leak_m, leak_a, leak_k = COEFFICIENT(net.leaks[0]), COEFFICIENT(net.leaks[1]), COEFFICIENT(net.leaks[2])
    for t in range(first, last):
        p = (t - first) * rows * LANES
        lines_step(t, 0, True, leak_m, net, s, tape, io)
        for j in range(0, n, SIDE):
            neuron_step(t, j, p + j * LANES, True, leak_m, leak_a, leak_k, NUM(R), net, s, tape)
        for j in range(n):
            put(tape.z, p + j * LANES, take(s.z, j * LANES))
        outputs_step(t, t - (T - S), leak_k, net, s, io)


@inline
def weights_step(spikes, first, last, post, adjoint, from_, gradient):
    """One more step of the gradients of the synapses first .. last-1 of a line, in the lanes that spiked."""
    for e in range(first, last):
        o = e * LANES
        put(gradient, o, counted(take(gradient, o), spikes, take(adjoint, from_ + post[e & M] * LANES)))


@inline
def passed_step(sum, first, last, post, weight, adjoint, from_):
    """What the synapses first .. last-1 of a neuron pass back to its spike; two sums, as one would wait for itself."""
    other = none(adjoint)
    for e in range(first, last - 1, 2):
        sum = passed_back(sum, weight[e & M], take(adjoint, from_ + post[e & M] * LANES))
        other = passed_back(other, weight[(e + 1) & M], take(adjoint, from_ + post[(e + 1) & M] * LANES))
    if (last - first) % 2:
        sum = passed_back(sum, weight[(last - 1) & M], take(adjoint, from_ + post[(last - 1) & M] * LANES))
    return addFLT(sum, other)


@compiled
def run_back(first, last, T, S, net, tape, back, io):
    """The steps last-1 to first, of which the tape tells; V(t+1) and V(t) change places from step to step."""
    align_stack()
    n, m, n_out, rows = net.cell.size, net.ptr_in.size - 1, back.y.size // LANES, tape.rows
    keep_m, keep_a, keep_k, slope = back.keeps[0], back.keeps[1], back.keeps[2], back.keeps[3]
    for t in range(last - 1, first - 1, -1):
        p, step = (t - first) * rows * LANES, t - (T - S)
        after, now = (t + 1) % 2 * n * LANES, t % 2 * n * LANES
        for o in range(n_out):
            err = none(back.err)
            if step >= 0:
                err = take(back.err, (step * n_out + o) * LANES)
            put(back.y, o * LANES, readout_adjoint(take(back.y, o * LANES), err, keep_k))
        for j in range(n):
            o, q = j * LANES, p + j * LANES
            if any_spike(tape.z_words, q):
                z = take(tape.z, q)
                weights_step(z, net.ptr_out[j], net.ptr_out[j + 1], net.post_out, back.y, 0, back.g_out)
                weights_step(z, net.ptr_rec[j], net.ptr_rec[j + 1], net.post_rec, back.V, after, back.g_rec)
            sum = passed_step(take(back.rate, o), net.ptr_out[j], net.ptr_out[j + 1], net.post_out, back.w_out, back.y, 0)
            sum = passed_step(sum, net.ptr_rec[j], net.ptr_rec[j + 1], net.post_rec, back.w_rec, back.V, after)
            V, a = take(back.V, after + o), take(back.a, o)
            through = threshold_adjoint(spike_adjoint(sum, V, a), take(tape.h, q), slope)
            put(back.V, now + o, membrane_adjoint(V, through, keep_m))
            put(back.a, o, adaptation_adjoint(a, through, back.gain[j], keep_a))
        for i in range(m):
            q = (t * m + i) * LANES
            if any_spike(io.x_words, q):
                weights_step(take(io.x, q), net.ptr_in[i], net.ptr_in[i + 1], net.post_in, back.V, now, back.g_in)

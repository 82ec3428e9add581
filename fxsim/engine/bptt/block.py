"""A block of trials forward and back."""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fxsim.engine.cpu.block import WORDS, Block, aligned
from fxsim.engine.cpu.interleave import interleave
from fxsim.engine.cpu.state import Handed, State
from fxsim.model.network import Learning, Trials

from .state import Back, Tape

CLIPPED = ("membrane", "adaptation", "readout")
KEPT = ("V", "a", "r", "z", "spikes", "y")      # of the state between two steps: all that the next one depends on


class Passed(NamedTuple):
    """What a block's trials gave. B trials."""

    readout: np.ndarray                 # (B, S, K) in model units
    counts: np.ndarray                  # (B, n) spikes
    gradient: np.ndarray                # (synapses,) float64, summed over the trials, of those of Onward
    gradient_in: np.ndarray             # (n_syn,) of input synapses, by presynaptic line


class PassedBlock:
    """A block with its tape and what its way back works on; run, and run again with other trials of the same size.

    segment     steps of the tape
    synapses    of Onward
    kind        of floats
    """

    def __init__(self, forward: Block, segment: int, synapses: int, kind: np.dtype):
        self.forward, self.segment = forward, segment
        topo, k, S = forward.subject.network.topology, forward.kernels, forward.subject.learning.window
        n, K, rows = topo.n, topo.n_out, tape_rows(topo.n, k.SIDE)

        def zeros(count: int) -> np.ndarray:
            return aligned(count * k.LANES, kind.type)

        def bytes_(count: int) -> np.ndarray:
            return aligned(segment * count * k.LANES, np.uint8)

        z, spec = bytes_(rows), forward.subject.arithmetic.spec
        v, a, y = (np.repeat(np.array([spec[name].min_raw, spec[name].max_raw]), k.LANES) if spec else np.zeros(0) for name in CLIPPED)
        masked, outputs = (rows, K) if spec else (0, 0)
        self.tape = Tape(rows, z, z.view(WORDS[k.LANES_PER_WORD]), aligned(segment * rows * k.LANES, k.DT_H), open_v=bytes_(masked),
                         open_a=bytes_(masked), open_y=bytes_(outputs), ends_v=v.astype(k.DT_V), end_a=a[k.LANES:].astype(k.DT_A),
                         ends_y=y.astype(k.DT_Y))
        self.own = {"adjoint": zeros(2 * (n + K)), "a": zeros(n), "err": zeros(S * K), "rate": zeros(n), "gradient": zeros(synapses),
                    "gradient_in": zeros(topo.syn_in.size)}
        self.handed_tape = Handed(self.tape)

    def run(self, wires: Handed, shared: dict[str, np.ndarray], trials: Trials) -> Passed:
        """``wires``: Wires; ``shared``: fields of Back that are the same in all blocks."""
        f, k, back = self.forward, self.forward.kernels, Back(**self.own, **shared)
        f.load(wires, trials)
        begin = range(0, f.length, self.segment)
        kept: list[dict[str, np.ndarray]] = []
        for first in begin:
            kept.append(kept_state(f.state) if first else {})
            self._forward(first)
        readout, counts = f.outcome().readout, f.state.spikes.reshape(-1, k.LANES)[:f.n, :f.size].T.astype(np.int64)
        for values in (back.adjoint, back.a, back.gradient, back.gradient_in):
            values.fill(0)
        learning, handed_back, (_, io, _, _, *numbers) = f.subject.learning, Handed(back), f.handed
        interleave(readout_error(readout, self._target(trials), learning), back.err, k.LANES)
        interleave(rate_adjoint(counts, trials.duration, learning), back.rate, k.LANES)
        for first in reversed(begin):
            if first != begin[-1]:
                for name in KEPT:
                    getattr(f.state, name)[:] = kept[first // self.segment].get(name, 0)
                self._forward(first)
            k.run_back(first, min(first + self.segment, f.length), *f.steps, f.wires, self.handed_tape, handed_back, io, *numbers)
        return Passed(readout, counts, *(g.reshape(-1, k.LANES).sum(1, dtype=np.float64) for g in (back.gradient, back.gradient_in)))

    def _target(self, trials: Trials) -> np.ndarray:
        """(B, S, K) as stored: one-hot labels, or the regression target in the readout's format."""
        subject = self.forward.subject
        raw = subject.arithmetic.target_to_raw(trials.target)
        return np.asarray(raw if subject.learning.classification else subject.arithmetic.to_scaled("readout", raw), np.float64)

    def _forward(self, first: int) -> None:
        f = self.forward
        refractory, (state, io, _, _, *numbers) = f.subject.network.constants.refractory, f.handed
        f.kernels.run_forward(first, min(first + self.segment, f.length), *f.steps, refractory, f.wires, state, self.handed_tape, io, *numbers)


def tape_rows(n: int, side: int) -> int:
    """Neurons of a step on the tape: whole SIDEs of them."""
    return n + -n % side


def kept_state(state: State) -> dict[str, np.ndarray]:
    """Copies of all that the next step depends on."""
    return {name: getattr(state, name).copy() for name in KEPT}


def readout_error(readout: np.ndarray, target: np.ndarray, learning: Learning) -> np.ndarray:
    """(B, S, K) derivative of the task loss, summed over window and trials, by the readout: softmax(y) - label, or y - target."""
    if not learning.classification:
        return readout - target
    p = np.exp(readout - readout.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True) - target


def rate_adjoint(counts: np.ndarray, duration: np.ndarray, learning: Learning) -> np.ndarray:
    """(B, n) derivative of the firing-rate regularisation by a spike, in the same units: times S, as the task loss is a mean over the window."""
    T = duration[:, None]
    return learning.c_reg * learning.window * (counts / T - learning.f_target) / T

"""One trial, a step at a time, by the parts of the oracle: its state is all that is kept."""
from __future__ import annotations

import numpy as np

from fxsim.engine.oracle.exact import Numbers
from fxsim.engine.oracle.oracle import Eligibility, Readout, Signal, Somata, neighbours_at
from fxsim.model.arithmetic import Arithmetic
from fxsim.model.network import Learning, Network
from fxsim.model.permutations import step_permutations
from fxsim.model.wiring import neighbour_tables, permuted_neighbours


class Stream:
    """A trial from rest. ``number``: its identity, which keys its random bits."""

    def __init__(self, network: Network, learning: Learning, arithmetic: Arithmetic, weights: dict[str, np.ndarray], seed: int, number: int):
        self.network, self.learning, self.arithmetic, self.seed = network, learning, arithmetic, seed
        self.ids, self.t, self.learned = np.array([number], np.uint32), 0, False
        self.numbers = Numbers(arithmetic, seed)
        self.numbers.begin(self.ids)
        self.somata, self.readout = Somata(self.numbers, network), Readout(self.numbers, network, learning)
        self.signal, self.synapses = Signal(self.numbers, network, learning), Eligibility(self.numbers, network)
        self.somata.program(weights)
        self.readout.program(weights)
        for part in (self.somata, self.readout, self.signal, self.synapses):
            part.rest()
        self._moore = network.topology.moore()
        self._fixed = None if learning.rule == "shuffled_per_step" else neighbour_tables(
            network.topology, learning, network.permutation, seed, self.ids, learning.window)

    def step(self, x: np.ndarray, target: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Input spikes (m,) and a target (1, K), one-hot or values, to spikes (n,) and the readout (K,). See ``Oracle.run``."""
        self.numbers.t = self.t
        z = self.somata.step(x[None].astype(np.int64))
        y = self.readout.step(z)
        self.synapses.step(np.concatenate([self.somata.before, self.somata.arrived], 1), self.somata.distance, self.somata.r == 0)
        self.readout.trace(z)
        if target is not None:
            error = self.readout.error(self.arithmetic.target_to_raw(target))
            self.synapses.learn(self.signal.step(error, self._neighbours()))
            self.readout.learn(error)
            self.learned = True
        self.t += 1
        return z[0].astype(np.uint8), self.arithmetic.to_scaled("readout", y.raw)[0]

    def _neighbours(self) -> np.ndarray:
        if self._fixed is not None:
            return neighbours_at(self._fixed, 0)
        permutation = step_permutations(self.seed, self.ids, np.array([self.t]), self.network.topology.n_cells)
        return permuted_neighbours(self._moore, permutation)[:, 0]

    def gradients(self) -> dict[str, np.ndarray]:
        """Ends the trial: layer -> (n_syn,) stored gradients, with the firing-rate regularisation."""
        self.numbers.t = self.t
        self.synapses.finish(self.somata.count, np.array([self.t]))
        return {**self.synapses.wiring.split(self.synapses.G.raw.sum(0)), "out": self.readout.G.raw.sum(0)}

"""Backpropagation through time behind the interface of an engine. It counts and records nothing."""
from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from fxsim.engine.interface import Result
from fxsim.model.network import LAYERS, Learning, Network, Trials
from fxsim.model.wiring import row_pointer

from .adjoint import run_trials


class BpttEngine:
    """Weights and gradients are in model units, gradients are means over the batch: see :class:`fxsim.training.backend.ModelUnits`.

    dtype       float32 or float64
    threads     0 uses all cores. Results do not depend on it: a trial's gradients are its own, and are added in the order of the trials
    """

    name = "bptt"

    def __init__(self, network: Network, learning: Learning, dtype: str, threads: int = 0):
        self.network, self.learning, self.dtype, self.threads = network, learning, np.dtype(dtype), threads or os.cpu_count() or 1
        c = network.constants
        self._constants = tuple(self.dtype.type(value) for value in (
            c.threshold, c.gamma / c.threshold, c.alpha, 1 - c.alpha, c.rho, 1 - c.rho, c.kappa, 1 - c.kappa, learning.c_reg, learning.f_target))
        self._order, self._wires = {}, {}
        for layer in LAYERS:        # by presynaptic line: what a spike reaches
            synapses = network.topology.synapses(layer)
            order = self._order[layer] = np.lexsort((synapses.post, synapses.pre))
            self._wires[layer] = row_pointer(synapses.pre, synapses.n_pre), synapses.post[order].astype(np.int64)

    def run(self, weights: dict[str, np.ndarray], trials: Trials, learn: bool = True, telemetry: bool = False, record: bool = False) -> Result:
        topo, B = self.network.topology, trials.size
        wires = [array for layer in LAYERS for array in (*self._wires[layer], weights[layer][self._order[layer]].astype(self.dtype))]
        readout = np.zeros(trials.target.shape, self.dtype)
        counts = np.zeros((B, topo.n), np.int64)
        gradients = [np.zeros((B if learn else 0, topo.synapses(layer).size), self.dtype) for layer in LAYERS]

        def part(begin: int, end: int) -> None:
            room = np.zeros((trials.steps, topo.n), self.dtype), np.zeros((trials.steps, topo.n), np.uint8)
            mine = slice(begin, end)
            run_trials(trials.x[mine], trials.target[mine].astype(self.dtype), trials.duration[mine].astype(self.dtype), *wires,
                       self.network.constants.beta.astype(self.dtype), self._constants, self.network.constants.refractory,
                       self.learning.classification, learn, self.dtype.type(1 / B), *room, readout[mine], counts[mine], *(g[mine] for g in gradients))
        ends = np.linspace(0, B, min(self.threads, B) + 1).astype(int)
        if len(ends) == 2:
            part(0, B)
        else:
            with ThreadPoolExecutor(len(ends) - 1, "fxsim") as pool:
                list(pool.map(part, ends[:-1], ends[1:]))
        return Result(readout.astype(np.float64), counts, self._sums(gradients) if learn else None, None, None)

    def _sums(self, gradients: list[np.ndarray]) -> dict[str, np.ndarray]:
        """layer -> (n_syn,) in the canonical order."""
        out = {}
        for layer, values in zip(LAYERS, gradients, strict=True):
            out[layer] = np.empty(values.shape[1])
            out[layer][self._order[layer]] = values.sum(0, dtype=np.float64)
        return out

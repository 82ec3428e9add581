"""Backpropagation through time behind the interface of an engine: trials side by side in SIMD lanes, blocks of trials on threads."""
from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import ModuleType

import numpy as np

from fxsim.engine.build.cache import load_module
from fxsim.engine.build.module import module_text
from fxsim.engine.cpu.block import Block
from fxsim.engine.cpu.engine import FULL, CpuEngine
from fxsim.engine.cpu.variant import Variant
from fxsim.engine.interface import Result, given, require_steps
from fxsim.errors import InputError
from fxsim.model.arithmetic import Arithmetic
from fxsim.model.network import LAYERS, Learning, Network, Trials

from .block import CLIPPED, KEPT, Passed, PassedBlock, tape_rows
from .segments import segment_steps
from .state import Onward

TEMPLATE = Path(__file__).with_name("kernels.py")     # read as text, never imported
MANY = Variant(lanes=FULL, traces=False)
FEW = Variant(lanes=8, side=2, traces=False)


class BpttEngine:
    """See :class:`fxsim.engine.interface.Engine`. Forward everything is as in the CPU engine, which also runs what does not learn.

    threads     0 uses all cores. Results do not depend on it
    kind        of the floats of the way back, where forward everything is in fixed point
    memory_mib  for what is kept of the trials that run at once; longer ones run in segments, forward twice, with the same results. None: all is kept
    """

    name = "cpu"

    def __init__(self, network: Network, learning: Learning, arithmetic: Arithmetic, seed: int = 0, threads: int = 0,
                 memory_mib: float | None = None, variant: Variant | None = None, kind: str = "float32"):
        require_clipping(arithmetic)
        self.network, self.learning, self.arithmetic, self.memory_mib = network, learning, arithmetic, memory_mib
        self.forward = CpuEngine(network, replace(learning, rule="eprop"), arithmetic, seed, threads)
        self.threads, self._variant = self.forward.threads, variant
        self.kind, self.onward = np.dtype(kind if arithmetic.spec else arithmetic.kind), Onward(network.topology)
        self._modules: dict[Variant, tuple[ModuleType, tuple[np.ndarray, ...]]] = {}
        self._blocks: dict[tuple, list[PassedBlock]] = {}

    def write_out(self) -> None:
        """See :meth:`fxsim.engine.cpu.engine.CpuEngine.write_out`."""
        self.forward.write_out()

    def variant(self, trials: int) -> Variant:
        """The build for so many trials."""
        chosen = self._variant or (FEW if trials <= FULL // 2 else MANY)
        return replace(chosen, unroll=1, general=True) if self.forward.general else chosen

    def module(self, variant: Variant) -> tuple[ModuleType, tuple[np.ndarray, ...]]:
        """The kernels, and the numbers that they are given."""
        if variant not in self._modules:
            source = module_text(self.arithmetic, self.network, variant, TEMPLATE, self.kind.name)
            self._modules[variant] = load_module(source.text), source.given
        return self._modules[variant]

    def kernels(self, *sizes: int) -> list[str]:
        """As :meth:`fxsim.engine.cpu.engine.CpuEngine.kernels`."""
        learning, *others = sizes
        return [self.module(self.variant(learning))[0].__name__, *self.forward.kernels(*others)]

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.threads, "fxsim")

    def run(self, weights: dict[str, np.ndarray], trials: Trials, learn: bool = True,
            telemetry: bool = False, record: bool = False) -> Result:
        if not learn:
            return self.forward.run(weights, trials, False, telemetry, record)
        require_steps(trials, self.arithmetic.steps)
        variant = self.variant(trials.size)
        kernels, numbers = self.module(variant)
        wires, shared = self.forward.wires(kernels, weights), self._shared(weights, variant.lanes)
        parts = [trials.take(slice(start, start + variant.lanes)) for start in range(0, trials.size, variant.lanes)]
        segment = self._segment(kernels, trials.steps, min(self.threads, len(parts)))

        def run(part: Trials) -> Passed:
            spare = self._blocks.setdefault((variant, part.size, part.steps, segment), [])
            try:
                block = spare.pop()
            except IndexError:
                forward = Block(self.forward.subject, kernels, numbers, part.size, part.steps, learn=False, record=False)
                block = PassedBlock(forward, segment, self.onward.size, self.kind)
            passed = block.run(wires, shared, part)
            spare.append(block)
            return passed

        passed = [run(part) for part in parts] if min(self.threads, len(parts)) == 1 else list(self._pool.map(run, parts))
        if telemetry or record:     # of what goes forward
            return replace(self.forward.run(weights, trials, False, telemetry, record), gradients=self._sums(passed))
        return Result(np.concatenate([p.readout for p in passed]), np.concatenate([p.counts for p in passed]), self._sums(passed), None, None)

    def _segment(self, kernels: ModuleType, steps: int, blocks: int) -> int:
        """Steps of tape that fit the memory."""
        n, types = self.network.topology.n, (kernels.DT_V, kernels.DT_A, kernels.DT_NUM, np.uint8, np.int32)
        rows, outputs, masks = tape_rows(n, kernels.SIDE), self.network.topology.n_out, int(self.arithmetic.spec is not None)
        step = rows * (1 + np.dtype(kernels.DT_H).itemsize) + masks * (2 * rows + outputs)
        state = n * sum(np.dtype(kind).itemsize for kind in types) + outputs * np.dtype(kernels.DT_Y).itemsize
        assert len(types) == len(KEPT) - 1      # the readout is of outputs
        return segment_steps(steps, step * kernels.LANES, state * kernels.LANES, self.memory_mib, blocks)

    def _shared(self, weights: dict[str, np.ndarray], lanes: int) -> dict[str, np.ndarray]:
        """What the way back needs of network and weights, in floats."""
        ar, co, onward = self.arithmetic, self.arithmetic.coefficients, self.onward
        weight = np.zeros(onward.size)
        for layer, places in onward.places.items():
            weight[places] = ar.to_scaled(f"weight_{layer}", weights[layer])
        keeps = [1 - float(ar.to_scaled("decay", leak)) for leak in (co.leak_membrane, co.leak_adaptation, co.leak_readout)]
        slope = self.network.constants.gamma * float(ar.to_scaled("pseudo_derivative", 1))
        floats = {"weight": weight, "gain": ar.to_scaled("adaptation_gain", co.adaptation_gain), "keeps": np.array([*keeps, slope])}
        return {"ptr": onward.pointer, "at": (onward.post * lanes).astype(np.int32),
                "at_in": (self.forward.tables.out["in"][1] * lanes).astype(np.int32), **{name: v.astype(self.kind) for name, v in floats.items()}}

    def _sums(self, passed: list[Passed]) -> dict[str, np.ndarray]:
        """layer -> (n_syn,) float64 in the canonical order. The order of blocks is fixed, so sums do not depend on threads."""
        total, by_line = np.sum([p.gradient for p in passed], axis=0), np.sum([p.gradient_in for p in passed], axis=0)
        onto_neurons = np.empty_like(by_line)
        onto_neurons[self.forward.tables.out["in"][2]] = by_line
        return {"in": onto_neurons, **{layer: total[places] for layer, places in self.onward.places.items()}}


def require_clipping(arithmetic: Arithmetic) -> None:
    """Raises InputError for formats that wrap where the way back takes values for clipped ones."""
    for quantity in (*CLIPPED, *(f"weight_{layer}" for layer in LAYERS)) if arithmetic.spec else ():
        if given(arithmetic.spec)[quantity].overflow != "saturate":
            raise InputError(arithmetic.name, f"{quantity}.overflow", f"{given(arithmetic.spec)[quantity].overflow} with rule bptt", "saturate")

"""The Numba CPU engine: trials side by side in SIMD lanes, blocks of trials on threads."""
from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import ModuleType

import numpy as np

from fxsim.engine.build.cache import load_module
from fxsim.engine.build.module import module_text, proof_of
from fxsim.engine.interface import Result, require_steps
from fxsim.errors import InputError
from fxsim.model.arithmetic import Arithmetic
from fxsim.model.network import Learning, Network, Trials
from fxsim.model.telemetry import Counters
from quant.spec import is_shipped

from .block import Block, Outcome
from .lane_order import group as register_lanes
from .state import Handed, Subject, Tables, Wires
from .variant import Variant

TEMPLATE = Path(__file__).with_name("kernels.py")     # read as text, never imported
FULL = register_lanes() or 16     # lanes that fill a register with words of 16 bits
# NARROW: registers hold twice as many words of 16 bits; FEW: for so few trials that their block would leave half of its lanes empty
PLAIN = Variant(lanes=FULL)
NARROW = Variant(lanes=FULL, together=2, chunk=16, unroll=8) if FULL == 32 else Variant(lanes=FULL, together=4)
FEW, FEW_NARROW = Variant(lanes=8, side=2, together=4), Variant(lanes=8, side=FULL // 8, together=8, unroll=8)
SYNAPSE = ("eligibility", "filtered_eligibility", "adaptation_eligibility")      # state of which there is most
WORTH_SHARING = 3000     # synapses: with fewer, another thread gains little
# one lane: an unused one must not be counted, and records stay small; one build for all formats
WATCHING = Variant(lanes=1, together=1, chunk=1, unroll=1, telemetry=True, general=True)


class CpuEngine:
    """See :class:`fxsim.engine.interface.Engine`. ``threads``: 0 uses all cores. Results do not depend on it."""

    name = "cpu"

    def __init__(self, network: Network, learning: Learning, arithmetic: Arithmetic, seed: int = 0, threads: int = 0,
                 variant: Variant | None = None):
        self.network, self.learning, self.arithmetic, self.seed = network, learning, arithmetic, seed
        self.threads, self._variant = threads or os.cpu_count() or 1, variant
        self.tables = Tables(network)
        self.subject = Subject(network, learning, arithmetic, seed, self.tables)
        self._modules: dict[Variant, ModuleType] = {}
        self._given: dict[Variant, tuple[np.ndarray, ...]] = {}         # the numbers of the formats, for kernels that are given them
        self._wires: dict[ModuleType, Wires] = {}           # kernels -> the network in their layout
        self._blocks: dict[tuple, list[Block]] = {}     # that have run: as many as threads, for each size of trials
        self.general = arithmetic.spec is not None and not is_shipped(arithmetic.spec)
        try:
            proof_of(arithmetic, network, self.variant(PLAIN.lanes))     # formats that cannot work are refused here, before anything runs
        except InputError:
            if not self.general:
                raise
            self.general = False       # written out, sums are narrower
            proof_of(arithmetic, network, self.variant(PLAIN.lanes))

    def write_out(self) -> None:
        """From now on kernels with these formats written into them, as shipped formats have: compiled for them alone, for some 10 seconds, they
        take 0.4 to 0.75 of the time of those that many formats share."""
        if self.general:
            self.general = False
            proof_of(self.arithmetic, self.network, self.variant(PLAIN.lanes))

    def variant(self, trials: int) -> Variant:
        """The build for so many trials. Shipped formats are written into it; others are given to one that many formats share,
        see :meth:`write_out`."""
        if self._variant:
            return self._variant
        spec = self.arithmetic.spec
        narrow = spec is not None and max(spec[quantity].word_bits for quantity in SYNAPSE) <= 16
        if trials <= FULL // 2:
            chosen = FEW_NARROW if narrow else FEW
        else:
            chosen = NARROW if narrow else PLAIN
        return replace(chosen, unroll=1, general=True) if self.general else chosen

    def module(self, variant: Variant) -> ModuleType:
        """The kernels built for this arithmetic."""
        if variant not in self._modules:
            source = module_text(self.arithmetic, self.network, variant, TEMPLATE)
            self._modules[variant] = load_module(source.text)
            self._given[variant] = source.given
        return self._modules[variant]

    def kernels(self, *sizes: int) -> list[str]:
        """What stands for the machine code of batches of so many trials (first those that learn) and of telemetry: equal names, equal code."""
        return [self.module(variant).__name__ for variant in (*map(self.variant, sizes), WATCHING)]

    def given(self, variant: Variant) -> tuple[np.ndarray, ...]:
        """The numbers that those kernels are given: an array of them, or nothing."""
        self.module(variant)
        return self._given[variant]

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.threads, "fxsim")

    def run(self, weights: dict[str, np.ndarray], trials: Trials, learn: bool = True,
            telemetry: bool = False, record: bool = False, driven: np.ndarray | None = None, group: np.ndarray | None = None) -> Result:
        """driven      (B, T, n) spikes that neurons have in place of their own, see :meth:`fxsim.engine.oracle.oracle.Oracle.run`
        group       (B,) of each trial, from 0 on: gradients are (groups, n_syn) then, summed over the trials of each
        """
        require_steps(trials, self.arithmetic.steps)
        variant, told = WATCHING if record or telemetry else self.variant(trials.size), driven is not None
        if not variant.general:
            variant = replace(variant, driven=told)
        kernels = self.module(variant)
        wires = self.wires(kernels, weights)
        places = [slice(start, start + variant.lanes) for start in range(0, trials.size, variant.lanes)]
        groups = 1 if group is None else int(group.max()) + 1

        def run(place: slice, threads: int = 1) -> Outcome:
            part = trials.take(place)
            spare = self._blocks.setdefault((variant, part.size, part.steps, learn, told, groups), [])
            try:
                block = spare.pop()
            except IndexError:
                block = Block(self.subject, kernels, self.given(variant), part.size, part.steps, learn, record, told, groups)
            block.load(wires, part, None if driven is None else driven[place], None if group is None else group[place])
            if threads > 1:
                block.run_shared(self._pool, threads)
            else:
                block.run()
            outcome = block.outcome()
            if not record:
                spare.append(block)
            return outcome

        few = len(places) < self.threads
        if few and learn and not telemetry and self.tables.wiring.size >= WORTH_SHARING:    # share out each block's synapses
            outcomes = [run(place, self.threads) for place in places]
        elif self.threads == 1 or len(places) == 1 or telemetry and few:     # a block has one table of counters
            outcomes = [run(place) for place in places]
        else:
            outcomes = list(self._pool.map(run, places))
        return self._collect(outcomes, learn, telemetry, group is None)

    def wires(self, kernels: ModuleType, weights: dict[str, np.ndarray]) -> Handed:
        """The network and its stored weights in the layout of these kernels, Wires."""
        if kernels not in self._wires:
            self._wires[kernels] = self._network(kernels)
        return Handed(self._wires[kernels]._replace(**{f"w_{layer}": weights[layer][order].astype(kernels.DT_CURRENT)
                                                       for layer, (_, _, order) in self.tables.out.items()}))

    def _network(self, kernels: ModuleType) -> Wires:
        """Wires without weights."""
        tables, co, none = self.tables, self.arithmetic.coefficients, np.zeros(0, kernels.DT_CURRENT)
        out: dict[str, np.ndarray] = {}
        for layer, (pointer, post, _) in tables.out.items():
            out |= {f"ptr_{layer}": pointer, f"post_{layer}": post, f"w_{layer}": none}
        topo, side = self.network.topology, kernels.SIDE
        n = topo.n
        gain = np.pad(np.asarray(co.adaptation_gain).astype(kernels.DT_GAIN), (0, -n % side))
        feedback = self.arithmetic.feedback_to_raw(self.network.feedback).astype(kernels.DT_FEEDBACK)
        return Wires(n=n, n_in=topo.n_in, n_out=topo.n_out, n_cells=topo.n_cells, n_syn=tables.wiring.size, n_syn_out=topo.syn_out.size,
                     **out, gain=np.repeat(gain, kernels.LANES), adapts=(gain.reshape(-1, side) != 0).any(1).astype(np.uint8),
                     number=np.repeat(np.arange(gain.size, dtype=np.uint32), kernels.LANES),
                     drive=np.asarray(co.adaptation_drive).astype(kernels.DT_COEFFICIENT),
                     element_out=tables.out["out"][2], cell=tables.cell, neuron_at=tables.neuron_at, ptr=tables.pointer,
                     feedback=feedback.ravel(), hears=((feedback != 0).any(1) | self.learning.diffuses).astype(np.uint8),
                     leaks=np.array([co.leak_membrane, co.leak_adaptation, co.leak_readout], kernels.DT_WIDE),
                     line=tables.wiring.line.astype(np.int64), place_ptr=tables.places(kernels.TOGETHER))

    def _collect(self, outcomes: list[Outcome], learn: bool, telemetry: bool, whole: bool) -> Result:
        readouts, counts, sums, sums_out, tables, records = zip(*outcomes)
        gradients = None
        if learn:       # block order is fixed, so float sums do not depend on threads either
            total, total_out = np.sum(sums, axis=0), np.sum(sums_out, axis=0)
            out = np.empty_like(total_out)
            out[:, self.tables.out["out"][2]] = total_out
            gradients = {layer: g[0] if whole else g for layer, g in {**self.tables.wiring.split(total), "out": out}.items()}
        counters = Counters.total(tables, self.arithmetic.spec).report() if telemetry else None
        recorded = {name: np.concatenate([part[name] for part in records], 1) for name in records[0]} if records[0] else None
        return Result(np.concatenate(readouts), np.concatenate(counts), gradients, counters, recorded)

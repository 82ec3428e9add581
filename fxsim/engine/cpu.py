"""The Numba CPU engine: trials side by side in SIMD lanes, blocks of trials on threads."""
from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np

from quant.quantities import INDEX
from quant.random import trial_key

from ..arithmetic import Arithmetic
from ..network import Learning, Network, Trials
from ..telemetry import Counters
from ..wiring import eligibility_wiring, neighbour_tables, neuron_at, row_pointer
from .build import Variant, load_module, module_text
from .cpu_state import History, Records, State, Wires
from .cpu_state import Trials as BlockTrials
from .interleave import interleaved
from .interface import RULE_NUMBER, Result, require_steps

TEMPLATE = Path(__file__).with_name("cpu_kernels.py")     # read as text, never imported
RECORDED_SOMA = ("V", "a", "r", "z", "Z")     # in the order of the kernels' records
RECORDED_SYNAPSE = ("U", "F", "Esum", "G")
WORDS = {1: np.uint8, 8: np.uint64}     # spikes looked at together -> type that holds their bytes
PLAIN, FEW = Variant(), Variant(lanes=8, together=4)       # FEW: for up to 8 trials, whose block would leave lanes of PLAIN empty
RECORDING = Variant(lanes=1, together=1, chunk=1, unroll=1, record=True)        # one lane: records of long trials stay small
COUNTING = Variant(lanes=1, together=1, chunk=1, unroll=1, telemetry=True)      # one lane: an unused lane must not be counted
SHARES = 16     # of a chunk's synapses, when threads share them: enough to finish together


def outgoing(line: np.ndarray, post: np.ndarray, n_lines: int):
    """Synapses by presynaptic line: (pointer, post, order), order = positions in the given list."""
    order = np.lexsort((post, line))
    return row_pointer(line, n_lines), post[order].astype(np.int64), order


class Tables:
    """Index arrays of a network in the layout of the kernels."""

    def __init__(self, network: Network):
        topo = network.topology
        self.wiring = eligibility_wiring(topo)
        self.pointer = row_pointer(self.wiring.post, topo.n)
        self.out = {"in": outgoing(topo.syn_in.pre, topo.syn_in.post, topo.n_in),
                    "rec": outgoing(topo.syn_rec.pre, topo.syn_rec.post, topo.n),
                    "out": outgoing(topo.syn_out.pre, topo.syn_out.post, topo.n)}
        self.cell = topo.cell.astype(np.int64)
        self.neuron_at = neuron_at(topo)

    def slots(self, together: int) -> tuple[np.ndarray, np.ndarray]:
        """Places of the eligibility synapses: (pointer, line), a multiple of ``together`` for each neuron; places left over follow line 0."""
        sizes = np.diff(self.pointer)
        pointer = np.concatenate([[0], np.cumsum(-(-sizes // together) * together)])
        line = np.zeros(pointer[-1], np.int64)
        line[np.arange(self.wiring.size) + np.repeat(pointer[:-1] - self.pointer[:-1], sizes)] = self.wiring.line
        return pointer, line


class CpuEngine:
    """See :class:`fxsim.engine.interface.Engine`. ``threads``: 0 uses all cores. Results do not depend on it."""

    name = "cpu"

    def __init__(self, network: Network, learning: Learning, arithmetic: Arithmetic, seed: int = 0, threads: int = 0,
                 variant: Variant = PLAIN):
        self.network, self.learning, self.arithmetic, self.seed = network, learning, arithmetic, seed
        self.threads, self.variant = threads or os.cpu_count() or 1, variant
        self.tables = Tables(network)
        self._modules: dict[Variant, object] = {}
        self.module(self.variant)   # formats that cannot work are refused here, before anything runs

    def module(self, variant: Variant):
        """The kernels built for this arithmetic."""
        if variant not in self._modules:
            self._modules[variant] = load_module(module_text(self.arithmetic, self.network, variant, TEMPLATE))
        return self._modules[variant]

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.threads, "fxsim")

    def run(self, weights: dict[str, np.ndarray], trials: Trials, learn: bool = True,
            telemetry: bool = False, record: bool = False) -> Result:
        require_steps(trials, self.arithmetic.steps)
        variant = self.variant
        if record:
            variant = RECORDING
        elif telemetry:
            variant = COUNTING
        elif variant is PLAIN and trials.size <= FEW.lanes:
            variant = FEW
        kernels = self.module(variant)
        L, wires = variant.lanes, self._wires(kernels, weights)
        starts = range(0, trials.size, L)

        def run(start: int) -> Block:
            block = Block(self, kernels, wires, trials.take(slice(start, start + L)), learn, record)
            block.run()
            return block

        few = len(starts) < self.threads
        if self.threads == 1 or telemetry and few:     # a block has one table of counters
            blocks = [run(start) for start in starts]
        elif few:                           # too few trials to share out: share out each block's synapses
            blocks = [Block(self, kernels, wires, trials.take(slice(start, start + L)), learn, record) for start in starts]
            for block in blocks:
                block.run_shared(self._pool, self.threads)
        else:
            blocks = list(self._pool.map(run, starts))
        return self._collect(blocks, learn, telemetry, record)

    def _wires(self, kernels, weights: dict[str, np.ndarray]) -> Wires:
        tables, co = self.tables, self.arithmetic.coefficients
        out: dict[str, np.ndarray] = {}
        for layer, (pointer, post, order) in tables.out.items():
            out |= {f"ptr_{layer}": pointer, f"post_{layer}": post, f"w_{layer}": weights[layer][order].astype(kernels.DT_CURRENT)}
        coefficients = {name: np.asarray(value).astype(kernels.DT_COEFFICIENT)
                        for name, value in (("gain", co.adaptation_gain), ("drive", co.adaptation_drive))}
        slot_pointer, line = tables.slots(kernels.TOGETHER)
        return Wires(**out, **coefficients, element_out=tables.out["out"][2], cell=tables.cell, neuron_at=tables.neuron_at, ptr=tables.pointer,
                     feedback=self.arithmetic.feedback_to_raw(self.network.feedback).astype(kernels.DT_FEEDBACK),
                     leaks=np.array([co.leak_membrane, co.leak_adaptation, co.leak_readout], kernels.DT_WIDE), slot_ptr=slot_pointer, line=line)

    def _collect(self, blocks: list[Block], learn: bool, telemetry: bool, record: bool) -> Result:
        readout = np.concatenate([b.readout() for b in blocks])
        gradients = None
        if learn:       # block order is fixed, so float sums do not depend on threads either
            total = np.sum([b.io.gsum for b in blocks], axis=0)
            out = np.empty_like(blocks[0].io.gout_sum)
            out[self.tables.out["out"][2]] = np.sum([b.io.gout_sum for b in blocks], axis=0)
            gradients = {**self.tables.wiring.split(total), "out": out}
        counters = Counters.total([b.tel for b in blocks], self.arithmetic.spec).report() if telemetry else None
        records = None
        if record:
            parts = [b.record() for b in blocks]
            records = {name: np.concatenate([p[name] for p in parts], 1) for name in parts[0]}
        return Result(readout, np.concatenate([b.io.counts[:b.trials.size] for b in blocks]).astype(np.int64), gradients, counters, records)


class Block:
    """LANES trials with all their state, ready to run."""

    def __init__(self, engine: CpuEngine, kernels, wires: Wires, trials: Trials, learn: bool, record: bool):
        self.engine, self.kernels, self.wires, self.trials, self.learn, self.recording = engine, kernels, wires, trials, learn, record
        topo, k = engine.network.topology, kernels
        total = np.float64 if engine.arithmetic.spec is None else np.int64
        self.state, self.io, self.records = self._state(), self._trials(total), self._records(total)
        self.tel = np.zeros((len(INDEX), Counters.WIDTH), total)
        self.n = topo.n
        rows = (topo.n, topo.n + topo.n_in, topo.n) if learn else (0, 0, 0)
        self._history = lambda: History(*(np.zeros(count * k.ROW, dtype) for count, dtype in zip(rows, (k.DT_H, k.DT_X, k.DT_L))))

    def _lanes(self, values: np.ndarray, dtype) -> np.ndarray:
        """(B, ...) values as (... L,), unused lanes zero."""
        return interleaved(values, dtype, self.kernels.LANES)

    def _state(self) -> State:
        topo, k, trials = self.engine.network.topology, self.kernels, self.trials
        n, lines, K = topo.n, topo.n + topo.n_in, topo.n_out
        slots, out = (self.wires.line.size, topo.syn_out.size) if self.learn else (0, 0)

        def zeros(count, dtype):
            return np.zeros(count * k.LANES, dtype)

        z = zeros(n, np.uint8)
        return State(
            stream=self._lanes(trial_key(self.engine.seed, trials.ids.astype(np.uint64)), np.uint32), V=zeros(n, k.DT_V), a=zeros(n, k.DT_A),
            r=zeros(n, k.DT_NUM), z=z, z_words=z.view(WORDS[k.LANES_PER_WORD]), spikes=zeros(n, np.int32), current_in=zeros(n, k.DT_CURRENT),
            current_rec=zeros(n, k.DT_CURRENT), X=zeros(lines, k.DT_X), Z=zeros(n, k.DT_Z), y=zeros(K, k.DT_Y),
            current_out=zeros(K, k.DT_CURRENT), err=zeros(K, k.DT_ERR), probability=zeros(K, k.DT_WIDE), d=zeros(n, k.DT_DIRECT),
            grid=zeros(topo.n_cells, k.DT_L), new=zeros(topo.n_cells, k.DT_L), nine=zeros(1, k.DT_NINE), U=zeros(slots, k.DT_U),
            F=zeros(slots, k.DT_F), S=zeros(slots, k.DT_S), G=zeros(slots, k.DT_G), gout=zeros(out, k.DT_GOUT), rate=zeros(1, k.DT_D))

    def _trials(self, total) -> BlockTrials:
        engine, k, trials, size = self.engine, self.kernels, self.trials, self.engine.tables.wiring.size
        topo, rule = engine.network.topology, engine.learning
        x = self._lanes(trials.x, np.uint8)
        tables = topo.moore()
        if self.learn and rule.diffuses:
            tables = neighbour_tables(topo, rule, engine.network.permutation, engine.seed, trials.ids, trials.steps)
        per_step = self.learn and rule.rule == "shuffled_per_step"
        return BlockTrials(
            x=x, x_words=x.view(WORDS[k.LANES_PER_WORD]), target=self._lanes(engine.arithmetic.target_to_raw(trials.target), k.DT_Y),
            duration=self._lanes(trials.duration, k.DT_WIDE), tables=self._lanes(tables, np.int64) if per_step else tables.astype(np.int64).ravel(),
            y=np.zeros(rule.window * topo.n_out * k.LANES, k.DT_Y), counts=np.zeros((k.LANES, topo.n), np.int64),
            gsum=np.zeros(size if self.learn else 0, total), gout_sum=np.zeros(topo.syn_out.size if self.learn else 0, total))

    def _records(self, total) -> Records:
        topo, L, T, S = self.engine.network.topology, self.kernels.LANES, self.trials.steps, self.engine.learning.window
        n, lines, K, size = topo.n, topo.n + topo.n_in, topo.n_out, self.engine.tables.wiring.size

        def zeros(*shape):
            return np.zeros(shape if self.recording else (0,) * len(shape), total)

        return Records(soma=zeros(T, n, len(RECORDED_SOMA), L), x=zeros(T, lines, L), h=zeros(T, n, L), y=zeros(T, K, L), err=zeros(S, K, L),
                       l=zeros(S, n, L), m=zeros(S, topo.n_cells, L), gout=zeros(T, topo.syn_out.size, L),
                       syn=zeros(T, size, len(RECORDED_SYNAPSE), L), d=zeros(n, L), g=zeros(size, L))

    def _rule(self) -> tuple:
        """What kernels need to know of the run: T, S, and further the arguments from ``learn`` to ``kd``."""
        engine = self.engine
        kd = self.wires.leaks.dtype.type(engine.arithmetic.coefficients.diffusion_gain)
        return (self.trials.steps, engine.learning.window), (self.learn, engine.learning.classification, RULE_NUMBER[engine.learning.rule],
                                                             engine.network.constants.refractory, kd)

    def _rates(self) -> tuple:
        co, wide = self.engine.arithmetic.coefficients, self.wires.leaks.dtype.type
        return wide(co.rate_target), wide(co.rate_gain)

    def _room(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What eligibility_chunk works in."""
        k = self.kernels
        return np.empty(5 * k.CHUNK, np.uint32), np.empty(5 * k.TOGETHER * k.CHUNK, np.uint32), np.empty(k.TOGETHER, np.int64)

    def run(self) -> None:
        """All steps of the block's trials."""
        times, rule = self._rule()
        self.kernels.run_block(*times, self.trials.size, *rule, *self._rates(), np.zeros(1, np.int64), np.array([0, self.n]),
                               *self._room(), self.wires, self.state, self._history(), self.io, self.records, self.tel)

    def run_shared(self, pool: ThreadPoolExecutor, threads: int) -> None:
        """The same on several threads: while one goes through the neurons of the next chunk, the others begin with the synapses of this one."""
        (T, S), rule = self._rule()
        histories, taken = (self._history(), self._history()), np.zeros(SHARES, np.int64)
        synapses = self.engine.tables.pointer
        borders = np.searchsorted(synapses, np.linspace(0, synapses[-1], SHARES + 1))
        borders[0], borders[-1] = 0, self.n

        def forward(chunk: int) -> None:
            self.kernels.forward_chunk(chunk * self.kernels.CHUNK, T, S, *rule, self.wires, self.state, histories[chunk % 2], self.io,
                                       self.records, self.tel)

        def eligibility(chunk: int, thread: int) -> None:
            start = chunk * self.kernels.CHUNK
            self.kernels.eligibility_chunk(start, start + self.kernels.CHUNK > T - S, thread * SHARES // threads, taken,
                                           borders, *self._room(), self.wires, self.state, histories[chunk % 2], self.records, self.tel)

        chunks = -(-T // self.kernels.CHUNK)
        forward(0)
        for chunk in range(chunks):
            taken[:] = 0
            others = [pool.submit(eligibility, chunk, thread) for thread in range(1, threads)] if self.learn else []
            if chunk + 1 < chunks:
                forward(chunk + 1)
            if self.learn:
                eligibility(chunk, 0)
            for future in others:
                future.result()
        self.kernels.finish(T, self.trials.size, *self._rates(), self.wires, self.state, self.io, self.records, self.tel)

    def readout(self) -> np.ndarray:
        """(B, S, K) in model units."""
        K = self.engine.network.topology.n_out
        y = self.io.y.reshape(-1, K, self.kernels.LANES)[..., :self.trials.size]
        return self.engine.arithmetic.to_scaled("readout", np.moveaxis(y, -1, 0))

    def record(self) -> dict[str, np.ndarray]:
        """name -> (steps, B, ...) stored values, as the oracle records them."""
        B, rule = self.trials.size, self.engine.learning
        first = lambda a: np.moveaxis(a[..., :B], -1, 1)        # noqa: E731
        rec = self.records
        soma = {name: first(rec.soma[:, :, v]) for v, name in enumerate(RECORDED_SOMA)}
        out = {**soma, "y": first(rec.y)}
        if not self.learn:
            del out["Z"]
            return out
        order = np.argsort(self.engine.tables.out["out"][2])
        syn = {name: first(rec.syn[:, :, v]) for v, name in enumerate(RECORDED_SYNAPSE)}
        syn["G"] = np.concatenate([syn["G"], np.moveaxis(rec.g[:, :B], -1, 0)[None]])
        out |= {"X": first(rec.x), "H": first(rec.h), **syn, "err": first(rec.err), "L": first(rec.l),
                "D": np.moveaxis(rec.d[:, :B], -1, 0)[None], "Gout": first(rec.gout)[:, :, order]}
        if rule.diffuses:
            out["M"] = first(rec.m)
        return out

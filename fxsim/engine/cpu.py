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
from .interface import RULE_NUMBER, Result, require_steps

TEMPLATE = Path(__file__).with_name("cpu_kernels.py")     # read as text, never imported
RECORDED_SOMA = ("V", "a", "r", "z", "Z")     # in the order of the kernels' records
RECORDED_SYNAPSE = ("U", "F", "Esum", "G")
WORDS = {1: np.uint8, 8: np.uint64}     # spikes looked at together -> type that holds their bytes
PLAIN, FEW = Variant(), Variant(lanes=8)       # FEW: for up to 8 trials, whose block would leave lanes of PLAIN empty
RECORDING = Variant(lanes=1, chunk=1, unroll=1, record=True)        # one lane: records of long trials stay small
COUNTING = Variant(lanes=1, chunk=1, unroll=1, telemetry=True)      # one lane: an unused lane must not be counted


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
        self.line = self.wiring.line.astype(np.int64)
        self.out = {"in": outgoing(topo.syn_in.pre, topo.syn_in.post, topo.n_in),
                    "rec": outgoing(topo.syn_rec.pre, topo.syn_rec.post, topo.n),
                    "out": outgoing(topo.syn_out.pre, topo.syn_out.post, topo.n)}
        self.cell = topo.cell.astype(np.int64)
        self.neuron_at = neuron_at(topo)


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
        L = variant.lanes
        blocks = [Block(self, kernels, weights, trials.take(slice(b, b + L)), learn, record) for b in range(0, trials.size, L)]
        few = len(blocks) < self.threads
        if self.threads == 1 or telemetry and few:     # a block has one table of counters
            for block in blocks:
                block.run()
        elif few:                           # too few trials to share out: share out each block's synapses
            for block in blocks:
                block.run(self._pool, self.threads)
        else:
            for future in [self._pool.submit(block.run) for block in blocks]:
                future.result()
        return self._collect(blocks, learn, telemetry, record)

    def _collect(self, blocks: list[Block], learn: bool, telemetry: bool, record: bool) -> Result:
        readout = np.concatenate([b.readout() for b in blocks])
        gradients = None
        if learn:       # block order is fixed, so float sums do not depend on threads either
            total = np.sum([b.gsum for b in blocks], axis=0)
            out = np.empty_like(blocks[0].gout_sum)
            out[self.tables.out["out"][2]] = np.sum([b.gout_sum for b in blocks], axis=0)
            gradients = {**self.tables.wiring.split(total), "out": out}
        counters = Counters.total([b.tel for b in blocks], self.arithmetic.spec).report() if telemetry else None
        records = None
        if record:
            parts = [b.record() for b in blocks]
            records = {name: np.concatenate([p[name] for p in parts], 1) for name in parts[0]}
        return Result(readout, np.concatenate([b.counts[:b.trials.size] for b in blocks]).astype(np.int64), gradients, counters, records)


class Block:
    """LANES trials with all their state, ready to run on one thread."""

    def __init__(self, engine: CpuEngine, kernels, weights, trials: Trials, learn: bool, record: bool):
        self.engine, self.kernels, self.trials, self.learn, self.recording = engine, kernels, trials, learn, record
        ar, topo, rule, k, tables = engine.arithmetic, engine.network.topology, engine.learning, kernels, engine.tables
        L, B, T, S, n, m, K = k.LANES, trials.size, trials.steps, rule.window, topo.n, topo.n_in, topo.n_out
        lines = n + m

        def lanes(values, dtype):       # (B, ...) -> (..., L), unused lanes zero
            out = np.zeros((*values.shape[1:], L), dtype)
            out[..., :B] = np.moveaxis(values, 0, -1)
            return out

        self.x = lanes(trials.x, np.uint8).ravel()
        self.x_words = self.x.view(WORDS[k.LANES_PER_WORD])
        self.target = lanes(ar.target_to_raw(trials.target), k.DT_Y).ravel()
        self.duration = lanes(trials.duration, k.DT_WIDE)
        self.stream = lanes(trial_key(engine.seed, trials.ids.astype(np.uint64)), np.uint32)
        self.weights = {layer: np.ascontiguousarray(weights[layer][order]).astype(k.DT_CURRENT) for layer, (_, _, order) in tables.out.items()}
        self.feedback = ar.feedback_to_raw(engine.network.feedback).astype(k.DT_FEEDBACK)
        co = ar.coefficients
        self.gain = np.asarray(co.adaptation_gain).astype(k.DT_COEFFICIENT)
        self.drive = np.asarray(co.adaptation_drive).astype(k.DT_COEFFICIENT)
        self.leaks = np.array([co.leak_membrane, co.leak_adaptation, co.leak_readout], k.DT_WIDE)
        self.table = topo.moore().astype(np.int64)
        self.per_step = np.zeros((0, 0, 0, 0), np.int64)
        if rule.rule == "shuffled_per_step" and learn:
            self.per_step = lanes(neighbour_tables(topo, rule, engine.network.permutation, engine.seed, trials.ids, T), np.int64)
        elif rule.rule == "shuffled_fixed":
            self.table = neighbour_tables(topo, rule, engine.network.permutation, engine.seed, trials.ids, T).astype(np.int64)
        size = tables.wiring.size if learn else 0
        out = topo.syn_out.size if learn else 0
        state = lambda count, *types: tuple(np.zeros(count * L, dtype) for dtype in types)     # noqa: E731
        self.V, self.a, self.r, self.z, self.count, self.Z = state(n, k.DT_V, k.DT_A, k.DT_NUM, np.uint8, np.int32, k.DT_Z)
        self.z_words = self.z.view(WORDS[k.LANES_PER_WORD])
        self.current_in, self.current_rec, self.d = state(n, k.DT_CURRENT, k.DT_CURRENT, k.DT_DIRECT)
        (self.X,), (self.grid, self.new) = state(lines, k.DT_X), state(topo.n_cells, k.DT_L, k.DT_L)
        self.y, self.current_out, self.err, self.probability = state(K, k.DT_Y, k.DT_CURRENT, k.DT_ERR, k.DT_WIDE)
        self.hist_h, self.hist_x, self.hist_l = (np.zeros(rows * k.ROW if learn else 0, dtype) for rows, dtype in
                                                 ((n, k.DT_H), (lines, k.DT_X), (n, k.DT_L)))
        self.U, self.F, self.S, self.G = state(size, k.DT_U, k.DT_F, k.DT_S, k.DT_G)
        (self.gout,) = state(out, k.DT_GOUT)
        self.yout = np.zeros(S * K * L, k.DT_Y)
        self.counts = np.zeros((L, n), np.int64)
        total = np.float64 if ar.spec is None else np.int64
        self.gsum, self.gout_sum = np.zeros(size, total), np.zeros(out, total)
        self.tel = np.zeros((len(INDEX), Counters.WIDTH), total)
        r = (lambda *shape: np.zeros(shape if record else (0,) * len(shape), total))
        self.rec_soma, self.rec_x, self.rec_h, self.rec_y = r(T, n, len(RECORDED_SOMA), L), r(T, lines, L), r(T, n, L), r(T, K, L)
        self.rec_err, self.rec_l, self.rec_m = r(S, K, L), r(S, n, L), r(S, topo.n_cells, L)
        self.rec_gout, self.rec_syn = r(T, topo.syn_out.size, L), r(T, size, len(RECORDED_SYNAPSE), L)
        self.rec_d, self.rec_g = r(n, L), r(tables.wiring.size, L)

    def run(self, pool: ThreadPoolExecutor | None = None, shares: int = 1) -> None:
        """All steps of the block's trials; with a pool the synapses of each chunk are shared out."""
        k, engine = self.kernels, self.engine
        T, S, n = self.trials.steps, engine.learning.window, engine.network.topology.n
        borders = np.searchsorted(engine.tables.pointer, np.linspace(0, engine.tables.pointer[-1], shares + 1)).tolist()
        borders[0], borders[-1] = 0, n
        for t0 in range(0, T, k.CHUNK):
            steps = min(k.CHUNK, T - t0)
            self._forward(t0, steps, T, S)
            if self.learn and pool is None:
                self._eligibility(t0, 0, n, t0 + steps > T - S)
            elif self.learn:
                shared = [pool.submit(self._eligibility, t0, first, last, t0 + steps > T - S) for first, last in zip(borders, borders[1:])]
                for future in shared:
                    future.result()
        wide, co = self.leaks.dtype.type, engine.arithmetic.coefficients
        k.finish(T, self.trials.size, self.count, self.S, self.G, self.gout, self.duration, engine.tables.pointer, wide(co.rate_target),
                 wide(co.rate_gain), self.stream, self.counts, self.gsum, self.gout_sum, self.rec_d, self.rec_g, self.tel)

    def _eligibility(self, t0: int, first: int, last: int, window: bool) -> None:
        """One chunk for the synapses onto neurons first .. last-1."""
        tables = self.engine.tables
        self.kernels.eligibility_chunk(t0, first, last, window, self.stream, self.U, self.F, self.S, self.G, self.hist_h, self.hist_x,
                                       self.hist_l, tables.pointer, tables.line, self.drive, self.leaks, self.rec_syn, self.tel)

    def _forward(self, t0: int, steps: int, T: int, S: int) -> None:
        k, engine, tables = self.kernels, self.engine, self.engine.tables
        (pi, qi, _), (pr, qr, _), (po, qo, eo) = tables.out["in"], tables.out["rec"], tables.out["out"]
        w = self.weights
        k.forward_chunk(t0, steps, T, S, self.learn, engine.learning.classification, RULE_NUMBER[engine.learning.rule],
                        self.x, self.x_words, self.target, self.stream, self.V, self.a, self.r, self.z, self.z_words, self.count,
                        self.current_in, self.current_rec, self.X, self.Z, self.y, self.current_out, self.err, self.probability,
                        self.grid, self.new, self.d, self.hist_h, self.hist_x, self.hist_l, self.gout, self.yout,
                        pi, qi, w["in"], pr, qr, w["rec"],
                        po, qo, eo, w["out"], self.feedback, tables.neuron_at, tables.cell, self.table, self.per_step, self.gain, self.leaks,
                        engine.network.constants.refractory, self.leaks.dtype.type(engine.arithmetic.coefficients.diffusion_gain),
                        self.rec_soma, self.rec_x, self.rec_h, self.rec_y, self.rec_err, self.rec_l, self.rec_m, self.rec_gout, self.tel)

    def readout(self) -> np.ndarray:
        """(B, S, K) in model units."""
        K = self.engine.network.topology.n_out
        y = self.yout.reshape(-1, K, self.kernels.LANES)[..., :self.trials.size]
        return self.engine.arithmetic.to_scaled("readout", np.moveaxis(y, -1, 0))

    def record(self) -> dict[str, np.ndarray]:
        """name -> (steps, B, ...) stored values, as the oracle records them."""
        B, rule = self.trials.size, self.engine.learning
        first = lambda a: np.moveaxis(a[..., :B], -1, 1)        # noqa: E731
        soma = {name: first(self.rec_soma[:, :, v]) for v, name in enumerate(RECORDED_SOMA)}
        out = {**soma, "y": first(self.rec_y)}
        if not self.learn:
            del out["Z"]
            return out
        order = np.argsort(self.engine.tables.out["out"][2])
        syn = {name: first(self.rec_syn[:, :, v]) for v, name in enumerate(RECORDED_SYNAPSE)}
        syn["G"] = np.concatenate([syn["G"], np.moveaxis(self.rec_g[:, :B], -1, 0)[None]])
        out |= {"X": first(self.rec_x), "H": first(self.rec_h), **syn, "err": first(self.rec_err), "L": first(self.rec_l),
                "D": np.moveaxis(self.rec_d[:, :B], -1, 0)[None], "Gout": first(self.rec_gout)[:, :, order]}
        if rule.diffuses:
            out["M"] = first(self.rec_m)
        return out

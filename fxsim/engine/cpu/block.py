"""A block of trials of the CPU engine: its arrays, and how they are run through the kernels."""
from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import NamedTuple

import numpy as np

from fxsim.model.network import Trials
from fxsim.model.telemetry import Counters
from fxsim.model.wiring import neighbour_tables
from quant.quantities import INDEX
from quant.random import trial_key

from .interleave import interleave
from .lane_order import unpacked
from .sharing import wait
from .state import Handed, History, Records, Room, State, Subject, Trials as BlockTrials

RECORDED_SOMA = ("V", "a", "r", "z", "Z")     # in the order of the kernels' records
RECORDED_SYNAPSE = ("U", "F", "Esum", "G")
WORDS = {1: np.uint8, 8: np.uint64}     # spikes looked at together -> type that holds their bytes
LINE = 64       # bytes of a line of the cache
NOBODY = np.zeros(0, np.int64)      # to tell of progress
SHARES = 32     # of a chunk's synapses, when threads share them: enough to finish together


def aligned(count: int, dtype: type[np.generic]) -> np.ndarray:
    """Zeros that begin where a line of the cache begins, with another line before and behind them: what is read beside them is there, and
    what other threads write is elsewhere."""
    bytes_ = np.zeros(count * np.dtype(dtype).itemsize + 3 * LINE, np.uint8)
    start = LINE - bytes_.ctypes.data % LINE + LINE
    return bytes_[start:start + count * np.dtype(dtype).itemsize].view(dtype)


class Outcome(NamedTuple):
    """What a block's trials gave. B trials."""

    readout: np.ndarray                         # (B, S, K) in model units
    counts: np.ndarray                          # (B, n) spikes
    gradients: np.ndarray                       # (groups, n_syn) summed over the trials of each, stored values; empty without learning
    gradients_out: np.ndarray
    telemetry: np.ndarray
    records: dict[str, np.ndarray] | None       # name -> (steps, B, ...) stored values, as the oracle records them


class Block:
    """Room for up to LANES trials of one size with all their state: loaded, run, and loaded again, for fresh memory costs time."""

    def __init__(self, subject: Subject, kernels: ModuleType, given: tuple[np.ndarray, ...], trials: int, steps: int, learn: bool, record: bool,
                 told: bool = False, groups: int = 1):
        self.subject, self.kernels, self.learn, self.recording, self.told = subject, kernels, learn, record, told
        self.size, self.length, self.n, self.groups = trials, steps, subject.network.topology.n, groups
        total = np.float64 if subject.arithmetic.spec is None else np.int64
        self.state, self.io, self.records = self._state(), self._trials(total), self._records(total)
        self.tel = np.zeros((len(INDEX), Counters.WIDTH), total)
        self.histories: list[Handed] = []
        self.rooms: list[Handed] = []
        self.handed = [Handed(values) for values in (self.state, self.io, self.records, self.tel.ravel(), *given)]

    def load(self, wires: Handed, trials: Trials, driven: np.ndarray | None = None, group: np.ndarray | None = None) -> None:
        """Begin with other trials, as many and as long ones, and weights, of Wires. ``driven``: (B, T, n) spikes, for kernels that are told them;
        ``group``: (B,) of each trial, all in the first one without."""
        subject, k, state, io = self.subject, self.kernels, self.state, self.io
        self.wires = wires
        for values in (*state, io.y, io.counts, io.gsum, io.gout_sum, self.tel, *(rows for history in self.histories for rows in history.values)):
            values.fill(0)
        state.heard.fill(k.WATCHED)
        state.told.fill(self.told)
        state.seen.fill(-1)
        state.waiting[:], state.left[:] = np.arange(state.waiting.size), np.diff(wires.values.ptr)
        state.line.fill(subject.network.topology.n + subject.network.topology.n_in)
        interleave(trial_key(subject.seed, trials.ids.astype(np.uint64)), state.stream, k.LANES)
        interleave(trials.x, io.x, k.LANES)
        interleave(subject.arithmetic.target_to_raw(trials.target), io.target, k.LANES)
        interleave(trials.duration, io.duration, k.LANES)
        io.group[:self.size] = 0 if group is None else group
        if driven is not None:
            interleave(np.pad(driven.astype(np.uint8), ((0, 0), (0, 0), (0, -self.n % k.SIDE))), state.driven, k.LANES)
        if self.learn and subject.learning.rule == "shuffled_per_step":
            interleave(self._tables(trials.ids), io.tables, k.LANES)

    def _tables(self, ids: np.ndarray) -> np.ndarray:
        """Neighbourhoods, (cells, 9), or (B, S, cells, 9) for those of each step and trial: where each cell begins in the grid."""
        subject, lanes = self.subject, self.kernels.LANES
        if not (self.learn and subject.learning.diffuses):
            return subject.network.topology.moore() * lanes
        return neighbour_tables(subject.network.topology, subject.learning, subject.network.permutation, subject.seed, ids, self.length) * lanes

    def _state(self) -> State:
        topo, k = self.subject.network.topology, self.kernels
        n, lines, K = topo.n + -topo.n % k.SIDE, topo.n + topo.n_in, topo.n_out
        synapses = self.subject.tables.wiring.size
        places, out = (self.subject.tables.places(k.TOGETHER)[-1], topo.syn_out.size) if self.learn else (0, 0)

        def zeros(count: int, dtype: type[np.generic]) -> np.ndarray:
            return aligned(count * k.LANES, dtype)

        z = zeros(n, np.uint8)
        cell = k.DT_L if unpacked(k.LANES) else k.DT_NINE       # as it is summed, unless wide words have another order than their sums
        return State(
            stream=zeros(1, np.uint32), V=zeros(n, k.DT_V), a=zeros(n, k.DT_A), r=zeros(n, k.DT_NUM), z=z,
            z_words=z.view(WORDS[k.LANES_PER_WORD]), told=np.zeros(1, np.int64), driven=zeros(self.length * n if self.told else 0, np.uint8),
            spikes=zeros(n, np.int32), current_in=zeros(n, k.DT_CURRENT),
            current_rec=zeros(0 if k.JOINT else n, k.DT_CURRENT), X=zeros(lines, k.DT_X), Z=zeros(n, k.DT_Z), y=zeros(K, k.DT_Y),
            current_out=zeros(K, k.DT_CURRENT), err=zeros(K, k.DT_ERR), probability=zeros(K, k.DT_WIDE), d=zeros(n, k.DT_DIRECT),
            grid=zeros(topo.n_cells, cell), new=zeros(topo.n_cells, cell), nine=zeros(1, k.DT_NINE),
            heard=aligned(lines, np.uint8), lively=aligned(1, np.int64), seen=aligned(topo.n, np.int64),
            waiting=aligned(synapses, np.int64), left=aligned(topo.n, np.int64),
            line=aligned(places, np.int64), element=aligned(places, np.int64), U=zeros(places, k.DT_U),
            F=zeros(places, k.DT_F), S=zeros(places, k.DT_S), G=zeros(places, k.DT_G), gout=zeros(out, k.DT_GOUT), rate=zeros(1, k.DT_D))

    def _trials(self, total: type[np.generic]) -> BlockTrials:
        subject, k, L = self.subject, self.kernels, self.kernels.LANES
        topo, rule = subject.network.topology, subject.learning
        x = np.zeros(self.length * topo.n_in * L, np.uint8)
        per_step = self.learn and rule.rule == "shuffled_per_step"
        tables = np.zeros(rule.window * topo.n_cells * 9 * L, np.int64) if per_step else self._tables(np.zeros(0, np.uint32)).astype(np.int64).ravel()
        return BlockTrials(
            x=x, x_words=x.view(WORDS[k.LANES_PER_WORD]), target=np.zeros(rule.window * topo.n_out * L, k.DT_Y), duration=np.zeros(L, k.DT_WIDE),
            tables=tables, y=np.zeros(rule.window * topo.n_out * L, k.DT_Y), counts=np.zeros(L * topo.n, np.int64),
            group=np.zeros(L, np.int64), gsum=np.zeros(self.groups * subject.tables.wiring.size if self.learn else 0, total),
            gout_sum=np.zeros(self.groups * topo.syn_out.size if self.learn else 0, total))

    def _records(self, total: type[np.generic]) -> Records:
        topo, L, T, S = self.subject.network.topology, self.kernels.LANES, self.length, self.subject.learning.window
        n, lines, K, size = topo.n, topo.n + topo.n_in, topo.n_out, self.subject.tables.wiring.size

        def zeros(*shape: int) -> np.ndarray:
            return np.zeros(math.prod(shape) if self.recording else 0, total)

        return Records(wanted=int(self.recording), soma=zeros(T, n, len(RECORDED_SOMA), L), x=zeros(T, lines, L), h=zeros(T, n, L),
                       y=zeros(T, K, L), err=zeros(S, K, L), l=zeros(S, n, L), m=zeros(S, topo.n_cells, L), gout=zeros(T, topo.syn_out.size, L),
                       syn=zeros(T, size, len(RECORDED_SYNAPSE), L), d=zeros(n, L), g=zeros(size, L))

    def history(self, number: int) -> Handed:
        """Room for H, X and L of a chunk, a History; a block has as many as are asked for."""
        topo, k = self.subject.network.topology, self.kernels
        rows = (topo.n + -topo.n % k.SIDE, topo.n + topo.n_in + 1, topo.n) if self.learn else (0, 0, 0)
        while len(self.histories) <= number:
            H, X, L = (aligned(count * k.ROW, dtype) for count, dtype in zip(rows, (k.DT_H, k.DT_X, k.DT_L)))
            self.histories.append(Handed(History(H, X, L, aligned(1, np.int64))))
        return self.histories[number]

    def room(self, number: int) -> Handed:
        """What eligibility_chunk works in, a Room for each thread."""
        k = self.kernels
        together, signals = k.TOGETHER * k.CHUNK, k.CHUNK * k.WIDTH * k.QUICK
        while len(self.rooms) <= number:
            self.rooms.append(Handed(Room(
                keys=aligned(5 * k.CHUNK, np.uint32), counters=aligned(5 * together, np.uint32), lines=aligned(k.TOGETHER, np.int64),
                pairs=aligned(signals, np.int16), low=aligned(signals, np.int16), filtered=aligned(together * k.LANES * k.QUICK, k.DT_F),
                bound=aligned(k.LANES * k.QUICK, np.int32))))
        return self.rooms[number]

    @property
    def steps(self) -> tuple[int, int]:
        """T and S, as kernels are told."""
        return self.length, self.subject.learning.window

    @property
    def rule(self) -> tuple:
        """learn, classify, rule, R and kd, as kernels are told."""
        subject = self.subject
        kd = self.wires.values.leaks.dtype.type(subject.arithmetic.coefficients.diffusion_gain)
        return self.learn, subject.learning.classification, subject.learning.number, subject.network.constants.refractory, kd

    @property
    def rates(self) -> tuple:
        """rate_target and rate_gain, as kernels are told."""
        co, wide = self.subject.arithmetic.coefficients, self.wires.values.leaks.dtype.type
        return wide(co.rate_target), wide(co.rate_gain)

    def run(self) -> None:
        """All steps of the block's trials."""
        Parts(self, 1).lead()

    def run_shared(self, pool: ThreadPoolExecutor, threads: int) -> None:
        """The same on several threads: while one goes through the neurons of the next chunk, the others begin with the synapses of this one."""
        parts = Parts(self, threads)
        others = [pool.submit(parts.follow, thread) for thread in range(1, threads)]
        try:
            parts.lead()
        finally:
            parts.end()
        for future in others:
            future.result()

    def outcome(self) -> Outcome:
        """Copies of what the trials gave."""
        K, B = self.subject.network.topology.n_out, self.size
        y = np.moveaxis(self.io.y.reshape(-1, K, self.kernels.LANES)[..., :B], -1, 0)
        sums, sums_out = (values.reshape(self.groups, -1).copy() for values in (self.io.gsum, self.io.gout_sum))
        return Outcome(np.array(self.subject.arithmetic.to_scaled("readout", y)), self.io.counts.reshape(-1, self.n)[:B].copy(), sums, sums_out,
                       self.tel.copy(), self.record() if self.recording else None)

    def record(self) -> dict[str, np.ndarray]:
        """name -> (steps, B, ...) stored values, as the oracle records them."""
        topo, rule, rec = self.subject.network.topology, self.subject.learning, self.records
        T, S, n, lines, K, size = self.length, rule.window, topo.n, topo.n + topo.n_in, topo.n_out, self.subject.tables.wiring.size

        def of(values: np.ndarray, *shape: int) -> np.ndarray:
            return np.moveaxis(values.reshape(*shape, self.kernels.LANES)[..., :self.size], -1, 1)

        soma = of(rec.soma, T, n, len(RECORDED_SOMA))
        out = {**{name: soma[..., v] for v, name in enumerate(RECORDED_SOMA)}, "y": of(rec.y, T, K)}
        if not self.learn:
            del out["Z"]
            return out
        order, synapses = np.argsort(self.subject.tables.out["out"][2]), of(rec.syn, T, size, len(RECORDED_SYNAPSE))
        syn = {name: synapses[..., v] for v, name in enumerate(RECORDED_SYNAPSE)}
        syn["G"] = np.concatenate([syn["G"], of(rec.g, 1, size)])
        out |= {"X": of(rec.x, T, lines), "H": of(rec.h, T, n), **syn, "err": of(rec.err, S, K), "L": of(rec.l, S, n), "D": of(rec.d, 1, n),
                "Gout": of(rec.gout, T, order.size)[:, :, order]}
        if rule.diffuses:
            out["M"] = of(rec.m, S, topo.n_cells)
        return out


class Parts:
    """A block's run chunk by chunk, its synapses in shares that threads take. Histories alternate: one is written, one is read."""

    def __init__(self, block: Block, threads: int):
        self.block, self.threads = block, threads
        self.count, shares = -(-block.length // block.kernels.CHUNK), SHARES if threads > 1 else 1
        self.histories, self.rooms = [block.history(i) for i in range(min(threads, 2))], [block.room(i) for i in range(threads)]
        self.progress = aligned(int(threads > 1), np.int64)
        self.taken = aligned(self.count * (shares + 1), np.int64).reshape(self.count, -1)
        synapses = block.subject.tables.pointer
        self.borders = np.searchsorted(synapses, np.linspace(0, synapses[-1], shares + 1))
        self.borders[0], self.borders[-1] = 0, block.n

    def lead(self) -> None:
        """All steps. Nothing of it waits for a thread that has not begun."""
        self._run(0, self.count, 0, True, True, self.progress, self.histories[0], self.histories[-1])

    def _run(self, first: int, last: int, thread: int, neurons: bool, synapses: bool, progress: np.ndarray, *histories: Handed) -> None:
        b, share = self.block, thread * SHARES // self.threads
        state, *rest = b.handed
        b.kernels.run_block(first, last, share, neurons, synapses, *b.steps, b.size, *b.rule, *b.rates, progress, self.taken, self.borders,
                            self.rooms[thread], b.wires, state, *histories, *rest)

    def _run_chunk(self, chunk: int, thread: int, neurons: bool, synapses: bool) -> None:
        history = self.histories[chunk % len(self.histories)]
        self._run(chunk, chunk + 1, thread, neurons, synapses, NOBODY, history, history)

    def follow(self, thread: int) -> None:
        """Take shares of the synapses, chunk by chunk as the thread that leads gets there, until the end."""
        ready = 0
        while (ready := wait(self.progress, 0, ready + 1)) <= self.count:
            self.eligibility(ready - 1, thread)

    def end(self) -> None:
        """There is nothing left to take."""
        self.progress[0] = self.count + 1

    def forward(self, chunk: int) -> None:
        """Neurons, readout and learning signal."""
        self._run_chunk(chunk, 0, True, False)

    def eligibility(self, chunk: int, thread: int = 0) -> None:
        """Synapses that no other thread has taken."""
        self._run_chunk(chunk, thread, False, True)

    def all_synapses(self, chunk: int) -> None:
        """All shares once more, on one thread."""
        self.taken[chunk] = 0
        self.eligibility(chunk)

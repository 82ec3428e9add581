"""A CUDA device in NumPy: runs compiled kernels (PTX) without a GPU, all threads of all blocks in step, and watches them.

It checks what a GPU would not say: two threads that touch the same word between two barriers where one of them writes, access
outside of the arrays, barriers that not all threads reach. And it counts what a GPU would do: instructions issued by warps
(threads of a warp that go different ways take turns) and 32-byte sectors of global memory. How long it takes here says nothing.

    >>> counts = Machine(parse(ptx), grid, block, arguments).run()      # arrays among the arguments are changed in place
"""
from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .ptx import Kernel

WARP, SECTOR = 32, 32
WAITING, LEFT = 1 << 30, 1 << 40        # in place of the number of its next block: a thread waits at a barrier (added), has returned
BEGIN, GUARD = 256, 64  # first address; bytes between two arrays, that nobody may touch

ATOMICS: dict[str, np.ufunc] = {"add": np.add, "max": np.maximum}


class DeviceError(RuntimeError):
    """A kernel did what no kernel may do."""


@dataclass
class Shadow:
    """Who touched the word that begins at each byte last, to find conflicts: an array is accessed in one type. ``epoch``: barriers passed so far."""

    words: int
    valid: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.valid = np.zeros(self.words, bool)
        self.write, self.writer, self.read, self.reader = (np.full(self.words, -1, np.int64) for _ in range(4))

    def loads(self, word: np.ndarray, thread: np.ndarray, epoch: int) -> np.ndarray:
        """Which of these loads conflict with a store of another thread."""
        bad = (self.write[word] == epoch) & (self.writer[word] != thread)
        several = (self.read[word] == epoch) & (self.reader[word] != thread)
        self.read[word], self.reader[word] = epoch, np.where(several, -2, thread)
        return bad

    def stores(self, word: np.ndarray, thread: np.ndarray, epoch: int) -> np.ndarray:
        """Which of these stores conflict with an access of another thread."""
        bad = ((self.write[word] == epoch) & (self.writer[word] != thread)) | ((self.read[word] == epoch) & (self.reader[word] != thread))
        self.write[word], self.writer[word] = epoch, thread
        return bad | (self.writer[word] != thread)      # of several stores at once only one is left


@dataclass
class Counts:
    """What ran. visits: (warps, basic blocks of the kernel) times that a warp ran one, for some or all of its threads; threads:
    (basic blocks,) times that a thread did; chain: latency of the slowest warp between any two barriers, summed."""

    visits: np.ndarray
    threads: np.ndarray
    sectors: int = 0
    barriers: int = 0
    chain: float = 0.0


class Space:
    """One memory: bytes, seen as any type."""

    def __init__(self, data: np.ndarray, name: str):
        self.data, self.name, self.shadow = data, name, Shadow(data.size)
        self.views: dict[str, np.ndarray] = {}

    def view(self, kind: str) -> np.ndarray:
        if kind not in self.views:
            self.views[kind] = self.data.view(kind)
        return self.views[kind]


class Machine:
    """One launch of a kernel: ``grid`` blocks of ``block`` threads with ``dynamic`` bytes of shared memory.

    watch       look for conflicts between threads
    latency     (basic blocks,) what one costs a warp, for Counts.chain
    """


    def __init__(self, kernel: Kernel, grid: int, block: int, arguments: list, dynamic: int = 0, watch: bool = True,
                 latency: np.ndarray | None = None):
        self.kernel, self.watch, self.latency = kernel, watch, latency
        lanes = grid * block
        index = np.arange(lanes)
        self.cta, thread = np.divmod(index, block)
        self.warp = self.cta * -(-block // WARP) + thread // WARP
        self.tid, self.ctaid, self.ntid, self.nctaid, self.dynamic = (
            np.broadcast_to(np.asarray(values).astype(np.uint32), lanes) for values in (thread, self.cta, block, grid, dynamic))
        self.block, self.lanes, self.epoch = block, lanes, 0
        self.counts = Counts(np.zeros((int(self.warp[-1]) + 1, len(kernel.blocks)), np.int64), np.zeros(len(kernel.blocks), np.int64))
        self._seen = np.zeros_like(self.counts.visits)      # visits up to the last barrier
        self.symbols: dict[str, int] = {}
        self.arrays: list[tuple[int, np.ndarray]] = []
        self._lay_out(arguments, grid, dynamic)

    def _lay_out(self, arguments: list, grid: int, dynamic: int) -> None:
        """Parameters as Numba passes them: scalars, and of an array meminfo, parent, size, item size, address, shape, strides."""
        at, blocks = BEGIN, []
        self.parameters: list[int] = []

        def place(data: np.ndarray) -> int:
            nonlocal at
            start = at
            blocks.append((start, data))
            at += -(-data.size // 16) * 16 + GUARD
            return start

        for argument in arguments:
            if isinstance(argument, np.ndarray):
                start = place(argument.reshape(-1).view(np.uint8))
                self.arrays.append((start, argument))
                self.parameters += [0, 0, argument.size, argument.itemsize, start, *argument.shape, *argument.strides]
            else:
                self.parameters.append(int(argument))
        for name, constant in self.kernel.constants.items():
            self.symbols[name] = place(np.frombuffer(constant, np.uint8))
        self.memory = Space(np.zeros(-(-at // 16) * 16, np.uint8), "global")
        for start, data in blocks:
            self.memory.data[start:start + data.size] = data
            self.memory.shadow.valid[start:start + data.size] = True
        size = 0
        for name, static in self.kernel.shared.items():
            self.symbols[name] = size
            size += -(-static // 16) * 16
        self.shared_size = -(-(size + dynamic) // 16) * 16
        self.shared = Space(np.zeros(max(16, grid * (self.shared_size + 16)), np.uint8), "shared")
        for b in range(grid):
            first = b * (self.shared_size + 16)
            self.shared.shadow.valid[first:first + size + dynamic] = True
        self.shared_base = (self.cta * (self.shared_size + 16)).astype(np.uint64)
        if len(self.parameters) != len(self.kernel.parameters):
            raise DeviceError(f"{len(self.parameters)} parameters for {len(self.kernel.parameters)}")

    # ---- what instructions call
    def parameter(self, number: int) -> np.ndarray:
        return np.array(self.parameters[number] & (1 << 64) - 1, np.uint64)

    def _word(self, space: Space, address: np.ndarray, kind: str, i: np.ndarray, store: bool) -> np.ndarray:
        """Index into the typed view; checks the access."""
        address = np.broadcast_to(address, i.shape) + (self.shared_base[i] if space is self.shared else np.uint64(0))
        size = np.dtype(kind).itemsize
        at = address.astype(np.int64)
        where = at // size
        if (at < 0).any() or (at >= space.shadow.words).any() or not space.shadow.valid[at].all():
            raise DeviceError(f"access outside of {space.name} memory")
        if (address % np.uint64(size)).any():
            raise DeviceError(f"misaligned access to {space.name} memory")
        if self.watch:
            check = space.shadow.stores if store else space.shadow.loads
            bad = check(at, i, self.epoch)
            if bad.any():
                raise DeviceError(f"threads {i[bad][:4].tolist()} {'store' if store else 'load'} what another thread touches without a barrier "
                                  f"between ({space.name} memory, {np.count_nonzero(bad)} words)")
        if space is self.memory:
            self.counts.sectors += np.unique(self.warp[i] * (1 << 40) + address.astype(np.int64) // SECTOR).size
        return where

    def load(self, space: Space, address: np.ndarray, kind: str, i: np.ndarray) -> np.ndarray:
        return space.view(kind)[self._word(space, address, kind, i, False)]

    def store(self, space: Space, address: np.ndarray, value: np.ndarray, kind: str, i: np.ndarray) -> None:
        space.view(kind)[self._word(space, address, kind, i, True)] = np.asarray(value).astype(kind)

    def atomic(self, operation: str, space: Space, address: np.ndarray, value: np.ndarray, kind: str, i: np.ndarray) -> None:
        where = np.broadcast_to(address, i.shape).astype(np.int64) // np.dtype(kind).itemsize
        ATOMICS[operation].at(space.view(kind), where, np.asarray(value).astype(kind))

    # ---- running
    def run(self) -> Counts:
        """Until all threads have returned; arrays among the arguments are updated."""
        blocks, labels = self.kernel.blocks, self.kernel.labels
        pc = np.zeros(self.lanes, np.int64)
        registers = {name: np.zeros(self.lanes, kind) for name, kind in self.kernel.registers.items()}
        everyone = np.arange(self.lanes)
        with np.errstate(all="ignore"):
            while True:
                number = int(pc.min())
                if number == LEFT:
                    break
                if number >= WAITING:
                    self._release(pc)
                    continue
                block = blocks[number]
                i = everyone[pc == number]
                assert block.run is not None
                taken = block.run(self, registers, i)
                self.counts.threads[number] += i.size
                self.counts.visits[self.warp[i], number] += 1       # once for each warp: an indexed sum does not repeat
                if block.end == "bar":
                    pc[i] = WAITING + number + 1
                elif block.end == "ret":
                    pc[i] = LEFT
                elif block.target is None:
                    pc[i] = number + 1
                else:
                    pc[i] = np.where(taken, labels[block.target], number + 1) if block.condition else labels[block.target]
        self._lengthen_chain()
        for start, array in self.arrays:
            array.reshape(-1).view(np.uint8)[:] = self.memory.data[start:start + array.nbytes]
        return self.counts

    def _release(self, pc: np.ndarray) -> None:
        """All threads that have not returned are at barriers; those of a block must be at the same one."""
        if (pc.reshape(-1, self.block) != pc.reshape(-1, self.block)[:, :1]).any():
            raise DeviceError("a barrier that only some threads of a block reach")
        pc[pc < LEFT] -= WAITING
        self.epoch += 1
        self.counts.barriers += 1
        self._lengthen_chain()

    def _lengthen_chain(self) -> None:
        """By the slowest warp since the last barrier."""
        if self.latency is not None:
            self.counts.chain += float(((self.counts.visits - self._seen) @ self.latency).max())
            self._seen[:] = self.counts.visits

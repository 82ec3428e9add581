"""Where a trial's state lives on a CUDA device: registers, shared or global memory, decided from the device's limits."""
from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from fxsim.engine.build.module import Dialect
from fxsim.model.network import Network
from fxsim.model.wiring import eligibility_wiring

from .device import Limits

MOST_SLOTS = 8          # synapses a thread can keep in registers: 4 registers each and a few more, far below 255
THREADS = 256           # per block, the default
FEW_SLOTS = 6           # of them fit 80 registers without spills
RESIDENT, RESIDENT_FULL = 768, 512      # threads that a multiprocessor shall hold: leaves 80 registers each, or 128 with more slots

CUDA = Dialect((
    "import numba as nb", "from numba import cuda", 'inline = cuda.jit(device=True, inline="always")', "compiled = lambda function: function",
    "I32, I64, U32, U64 = nb.int32, nb.int64, nb.uint32, nb.uint64"), (32, 64), atomic=True, footer=("SHARED = STATE",))
SIMULATED = Dialect((
    "from numba import cuda", "from fxsim.engine.cuda.words import FLOATS as nb, I32, I64, U32",
    "inline = compiled = lambda function: function"), (32, 64), atomic=True,
    footer=("SHARED = np.dtype(DT_STATE if issubclass(DT_STATE, np.floating) else np.int64)",))


@dataclass(frozen=True)
class Placement:
    """A build for CUDA: sizes of the network, and what lies where. See the names in kernels.py."""

    sizes: tuple[int, int, int, int, int, int]      # neurons, input channels, outputs, cells, synapses with eligibility, readout synapses
    slots: int = 0              # synapses a thread keeps in registers; 0: synapse state lies in memory
    in_shared: bool = True      # memory is shared memory, else global
    spilled: bool = False       # synapse state lies in global memory although the rest is in shared memory
    record: bool = False
    telemetry: bool = False
    simulated: bool = False

    template: ClassVar[Path] = Path(__file__).with_name("kernels.py")      # read as text, never imported
    general: ClassVar[bool] = False
    quick: ClassVar[tuple[int, int]] = (0, 0)

    @property
    def unroll(self) -> int:
        return max(1, self.slots)

    @property
    def long_arrays(self) -> tuple[str, ...]:
        """Those that may have more than 2**32 elements."""
        return ("x", "target", "yout", "counts", "table", "scratch", "grad", "grad_out", "rec",
                *(() if self.in_shared else ("mem", "syn", "y", "p", "err")), *(("syn",) if self.spilled else ()))

    @property
    def dialect(self) -> Dialect:
        return SIMULATED if self.simulated else CUDA

    def offsets(self) -> dict[str, tuple[int, int]]:
        """name -> (offset, size) of each array in a trial's memory; of U, F, S and G in its scratch where they are spilled."""
        n, m, n_out, cells, n_syn, n_syn_out = self.sizes
        sizes = {"V": n, "A": n, "R": n, "COUNT": n, "H": n, "ZT": n, "L": n, "D": n, "X": n + m, "Y": n_out, "ERR": n_out, "P": n_out,
                 "GOUT": n_syn_out, **dict.fromkeys("UFSG", 0 if self.slots or self.spilled else n_syn), "Z": 2 * n, "M": 2 * cells}
        table = _stacked(sizes)
        return {**table, **_stacked(dict.fromkeys("UFSG", n_syn))} if self.spilled else table

    @property
    def memory(self) -> int:
        """Elements of a trial's memory."""
        return sum(self.offsets()["M"])

    @property
    def scratch(self) -> int:
        """Elements of a trial's row in global memory."""
        return 4 * self.sizes[4] if self.spilled else 0 if self.in_shared else self.memory

    @property
    def record_width(self) -> int:
        """Recorded elements of a step: everything before Z, then z and the neuromodulator."""
        return self.offsets()["Z"][0] + self.sizes[0] + self.sizes[3]

    def constants(self) -> dict[str, object]:
        names = ("N", "N_IN", "N_OUT", "CELLS", "N_SYN", "N_SYN_OUT")
        return {**dict(zip(names, self.sizes)), **{f"{name}_": offset for name, (offset, _) in self.offsets().items()}, "MEMORY": self.memory,
                "SCRATCH": self.scratch, "SPILLED": self.spilled, "RECORD_WIDTH": self.record_width, "IN_REGISTERS": self.slots > 0,
                "IN_SHARED": self.in_shared, "RECORD": self.record}


def _stacked(sizes: dict[str, int]) -> dict[str, tuple[int, int]]:
    """name -> (offset, size), one behind the other."""
    table, offset = {}, 0
    for name, size in sizes.items():
        table[name] = (offset, size)
        offset += size
    return table


@dataclass(frozen=True)
class Plan:
    """A placement, its block size and what it costs. ``item``: bytes of one stored value."""

    placement: Placement
    threads: int
    item: int

    @property
    def bounds(self) -> dict[str, tuple[int, int]]:
        """kernel -> threads a block, and blocks that a multiprocessor shall hold at least: bounds the registers of a thread."""
        return {"simulate": (self.threads, max(1, (RESIDENT if self.placement.slots <= FEW_SLOTS else RESIDENT_FULL) // self.threads))}

    @property
    def shared_bytes(self) -> int:
        return self.placement.memory * self.item if self.placement.in_shared else 0

    @property
    def scratch_bytes(self) -> int:
        """Global memory of one trial's state."""
        return self.placement.scratch * self.item

    def blocks_per_multiprocessor(self, limits: Limits, registers: int) -> int:
        """Trials that one multiprocessor simulates at a time, with ``registers`` a thread."""
        return resident_blocks(limits, self.threads, registers, self.shared_bytes)

    def bytes_per_step(self, learn: bool = True) -> int:
        """Bytes that one trial moves from and to global memory at a step, indices in cache left out."""
        n, m, n_out, cells, n_syn, n_syn_out = self.placement.sizes
        moved = m + n_out * self.item
        if learn and self.placement.scratch:
            moved += n_syn * self.item * 5              # U read, F and S read and written; for ALIF posts and in the window more
        if not self.placement.in_shared:
            moved += (9 * n + 2 * (n + m)) * self.item  # neurons and traces, read and written
        return moved

    def describe(self) -> str:
        """Where what lies, in words."""
        rest = "shared memory" if self.placement.in_shared else "global memory"
        where = "registers" if self.placement.slots else "global memory" if self.placement.spilled else rest
        return f"{self.threads} threads, synapse state in {where}, the rest in {rest}"


def resident_blocks(limits: Limits, threads: int, registers: int, shared: int) -> int:
    """Blocks that one multiprocessor holds at a time. ``registers``: of a thread; ``shared``: bytes of a block."""
    bounds = [limits.blocks_per_multiprocessor, limits.threads_per_multiprocessor // threads,
              limits.registers_per_multiprocessor // max(1, registers * threads)]
    if shared:
        bounds.append(limits.shared_per_multiprocessor // (shared + 1024))      # the system keeps 1 KiB a block
    return max(0, min(bounds))


def sizes_of(network: Network) -> tuple[int, int, int, int, int, int]:
    topology = network.topology
    return (topology.n, topology.n_in, topology.n_out, topology.n_cells, eligibility_wiring(topology).size, topology.syn_out.size)


def make_plan(network: Network, limits: Limits, item: int, threads: int = 0, record: bool = False, telemetry: bool = False,
              simulated: bool = False) -> Plan:
    """The fastest placement that fits: synapse state in registers, else in shared memory, else in global memory; the rest in
    shared memory, else in global memory.

    ``threads`` a block: 0 chooses. A record is taken from memory, so synapse state lies there. Telemetry needs
    registers of its own, and its rare kernel compiles much faster without the unrolled loop.
    """
    sizes = sizes_of(network)
    threads = min(threads or _threads(sizes, limits), limits.threads_per_block)
    slots = -(-sizes[4] // threads)
    base = Placement(sizes, record=record, telemetry=telemetry, simulated=simulated)
    choices = [replace(base, slots=slots)] if slots <= MOST_SLOTS and not (record or telemetry) else []
    choices += [base, *([] if record else [replace(base, spilled=True)]), replace(base, in_shared=False)]
    for placement in choices:
        if not placement.in_shared or placement.memory * item <= limits.shared_per_block:
            return Plan(placement, threads, item)
    raise AssertionError("global memory takes everything")


def _threads(sizes: tuple[int, ...], limits: Limits) -> int:
    """As many as keep the synapses in registers, at least THREADS, in whole warps."""
    needed = -(-sizes[4] // MOST_SLOTS)
    return THREADS if needed <= THREADS or needed > limits.threads_per_block else -(-needed // 128) * 128

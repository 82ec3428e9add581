"""The build whose lanes are trials: which synapses a warp keeps in registers, what lies in shared memory, what a launch costs."""
from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from fxsim.engine.build.module import Dialect, proof_for, storage_types
from fxsim.model.arithmetic import Arithmetic
from fxsim.model.network import Network
from fxsim.model.wiring import Wiring, eligibility_wiring

from .device import Limits
from .plan import CUDA, SIMULATED, sizes_of

LANES = 32              # of a warp
TOGETHER = 16           # steps after which the warps of a block wait for each other, a power of two
MOST_WARPS = 20         # of a block that shares the neurons: leaves 96 registers to a thread
SYNAPSE_WARPS = 8       # of a block that shares synapses
RESIDENT, RESIDENT_FULL = 24, 16       # warps with synapses that a multiprocessor shall hold: leaves 80 registers to a thread, or 128 with more slots
FEW_SLOTS = 5           # of them fit 80 registers without spills
SLOTS = (4, 5, 6, 7, 8)     # synapses of a warp: choices
PER_SYNAPSE, PER_TILE = 20, 8       # instructions of a step, about
MOST_ELEMENTS = 1 << 32 # of a history: found by 32-bit indices
LONGEST_WAIT = 255      # refractory steps, kept in a byte


@dataclass(frozen=True)
class Tiles:
    """Synapses shared out over warps, those onto adapting neurons first. post: (tiles,); line, element: (tiles, slots), element -1: none."""

    post: np.ndarray
    line: np.ndarray
    element: np.ndarray


def make_tiles(wiring: Wiring, adapts: np.ndarray, slots: int, warps: int) -> Tiles:
    """Whole blocks of ``warps`` tiles. ``adapts``: (n,) whether a neuron does."""
    rows: list[tuple[int, np.ndarray]] = []
    for post in np.argsort(~adapts, kind="stable"):
        mine = np.flatnonzero(wiring.post == post)
        rows += [(int(post), mine[start:start + slots]) for start in range(0, mine.size, slots)]
    rows += [(0, np.zeros(0, int))] * (-len(rows) % warps)
    post, line, element = np.zeros(len(rows), np.int32), np.zeros((len(rows), slots), np.int32), np.full((len(rows), slots), -1, np.int32)
    for tile, (j, mine) in enumerate(rows):
        post[tile], line[tile, :mine.size], element[tile, :mine.size] = j, wiring.line[mine], mine
    return Tiles(post, line, element)


def best_slots(wiring: Wiring) -> int:
    """The number of synapses in a warp that costs fewest instructions: neurons do not share warps, so some slots stay empty."""
    fan_in = np.bincount(wiring.post)
    return min(SLOTS, key=lambda slots: (-(-fan_in // slots)).sum() * (slots * PER_SYNAPSE + PER_TILE))


@dataclass(frozen=True)
class LanePlacement:
    """A build: sizes of the network as of :class:`fxsim.engine.cuda.plan.Placement`, and what lies where. See the names in trial_kernels.py."""

    sizes: tuple[int, int, int, int, int, int]
    slots: int
    warps: int                      # of a block that shares the neurons
    shared: tuple[str, ...]         # state of neurons that shared memory holds
    lanes: int = LANES
    simulated: bool = False

    template: ClassVar[Path] = Path(__file__).with_name("trial_kernels.py")      # read as text, never imported
    telemetry: ClassVar[bool] = False
    general: ClassVar[bool] = False
    quick: ClassVar[tuple[int, int]] = (0, 0)

    @property
    def unroll(self) -> int:
        return self.slots

    @property
    def dialect(self) -> Dialect:
        return SIMULATED if self.simulated else CUDA

    @property
    def counts(self) -> dict[str, int]:
        """Variables of the state that need not be in shared memory, the most important first."""
        n, m, _, cells, _, n_syn_out = self.sizes
        return {"zt": n_syn_out, "gout": n_syn_out, "wait": n, "m": 2 * cells, "v": n, "a": n, "xt": n + m}

    @property
    def long_arrays(self) -> tuple[str, ...]:
        """Those that may have more than 2**32 elements."""
        return ("target", "yout", "counts", "table", "grad", "grad_out",
                *(name for name in self.counts if name not in self.shared))

    def constants(self) -> dict[str, object]:
        names = ("N", "N_IN", "N_OUT", "CELLS", "N_SYN", "N_SYN_OUT")
        return {**dict(zip(names, self.sizes)), "LINES": self.sizes[0] + self.sizes[1], "LANES": self.lanes, "SLOTS": self.slots, "WARPS": self.warps,
                "TOGETHER": TOGETHER, "SPIKES_SIZE": 2 * self.sizes[0] * self.lanes, "OUT_SIZE": self.sizes[2] * self.lanes,
                **{f"{name.upper()}_SIZE": count * self.lanes for name, count in self.counts.items()},
                **{f"{name.upper()}_SHARED": name in self.shared for name in self.counts},
                **{f"{name.upper()}_APART": 0 if name in self.shared else count * self.lanes for name, count in self.counts.items()}}


STORED_AS = {"zt": "Z", "gout": "GOUT", "m": "L", "v": "V", "a": "A", "xt": "X"}


@dataclass(frozen=True)
class LanePlan:
    """A placement and its blocks. ``bytes``: of an element of each array."""

    placement: LanePlacement
    synapse_warps: int
    tiles: Tiles
    bytes: dict[str, int]

    @property
    def threads(self) -> int:
        """Of a block that shares the neurons."""
        return self.placement.warps * self.placement.lanes

    @property
    def synapse_threads(self) -> int:
        return self.synapse_warps * self.placement.lanes

    @property
    def blocks(self) -> int:
        """That share the synapses of a group of trials."""
        return self.tiles.post.size // self.synapse_warps

    @property
    def bounds(self) -> dict[str, tuple[int, int]]:
        """kernel -> launch bounds."""
        resident = RESIDENT if self.placement.slots <= FEW_SLOTS else RESIDENT_FULL
        return {"forward": (self.threads, 1), "synapses": (self.synapse_threads, max(1, resident // self.synapse_warps))}

    @cached_property
    def scratch(self) -> dict[str, int]:
        """state -> elements in global memory, of a group of trials."""
        place = self.placement
        return {name: 0 if name in place.shared else count * place.lanes for name, count in place.counts.items()}

    def group_bytes(self, steps: int, window: int) -> int:
        """Global memory of a group of trials, outputs apart."""
        n, m, *_ = self.placement.sizes
        history = steps * ((n + m) * self.bytes["X"] + n * self.bytes["H"] + 2 * m) + window * n * self.bytes["L"]
        return self.placement.lanes * history + sum(count * 8 for count in self.scratch.values())

    def bytes_per_step(self) -> int:
        """Bytes that one trial moves from and to global memory at a step, indices and weights in cache left out."""
        n, m, *_ = self.placement.sizes
        kept = sum(self.bytes[STORED_AS[name]] * count for name, count in self.placement.counts.items()
                   if name in STORED_AS and name not in self.placement.shared)
        return 2 * ((n + m) * self.bytes["X"] + n * self.bytes["H"] + m) + 2 * kept

    def describe(self) -> str:
        """Where what lies, in words."""
        rest = "shared memory" if len(self.placement.shared) == len(self.placement.counts) else "shared and global memory"
        return f"{self.placement.lanes} trials a warp, {self.placement.warps} warps for neurons, {self.synapse_warps} for synapses, " \
               f"{self.placement.slots} of them in each one's registers, the rest in {rest}"


def make_lane_plan(arithmetic: Arithmetic, network: Network, limits: Limits, simulated: bool = False, lanes: int = LANES,
                   warps: int = MOST_WARPS) -> LanePlan | None:
    """The plan for this network; None if it does not fit this build: then :func:`fxsim.engine.cuda.plan.make_plan` has one."""
    sizes, wiring = sizes_of(network), eligibility_wiring(network.topology)
    n, _, n_out, *_ = sizes
    types = storage_types(arithmetic, network, proof_for(arithmetic, network) if arithmetic.spec else None)
    size = {name: np.dtype(kind).itemsize for name, kind in types.items()}
    room = limits.shared_per_block - lanes * (2 * n + n_out * (size["Y"] + size["WIDE"] + size["ERR"])) - 256       # arrays are aligned
    too_long = arithmetic.steps * (n + sizes[1]) * lanes > MOST_ELEMENTS
    if room < 0 or too_long or network.constants.refractory > LONGEST_WAIT:
        return None
    slots, shared = best_slots(wiring), []
    per_warp = -(-n // min(warps, n, limits.threads_per_block // lanes))
    placement = LanePlacement(sizes, slots, -(-n // per_warp), (), lanes, simulated)
    for name, count in placement.counts.items():
        needed = lanes * count * (size[STORED_AS[name]] if name in STORED_AS else 1)
        if needed <= room:
            shared.append(name)
            room -= needed
    synapse_warps = min(SYNAPSE_WARPS, warps)
    tiles = make_tiles(wiring, np.asarray(arithmetic.coefficients.adaptation_drive) != 0, slots, synapse_warps)
    return LanePlan(replace(placement, shared=tuple(shared)), synapse_warps, tiles, size)

"""Builds for the CPU: how its kernels are written, and what distinguishes one build from another."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from fxsim.engine.build.module import Dialect

from .lane_order import group
from .words import NAMES, OPERATIONS

TESTS = ("all_at_most", "less", "positive", "signed", "unsigned", "zero")     # operations for which Python has no syntax

CPU = Dialect((
    "import numba as nb", "from fxsim.engine.cpu.compiler import Inlined, update",
    "from fxsim.engine.cpu.lanes import align_stack, held, like, loader, memory, number, put, repeating",
    "from fxsim.engine.cpu.sharing import claim, tell, wait",
    "from fxsim.files.machine_code import kept",
    f"from fxsim.engine.cpu.words import {', '.join(TESTS)}, {', '.join(OPERATIONS)}",
    'inline = nb.njit(forceinline=True, error_model="numpy", pipeline_class=Inlined)',
    'common = nb.njit(error_model="numpy", pipeline_class=Inlined)',
    'compiled = kept(__name__, nogil=True, error_model="numpy")',
    "I16, I32, I64, U32 = nb.int16, nb.int32, nb.int64, nb.uint32"), (16, 32, 64), NAMES,
    signed="signed", unsigned="unsigned",
    footer=("take, _, take_all, take_each, take_same, spread, none, none_all = memory(LANES, TOGETHER, CHUNK)",
            "_, put_side, take_side, _, same_side, _, _, none_side = memory(LANES, SIDE, ROW)",
            "take_held, put_held, take_held_side = held(LANES, SIDE)",
            "element, take_chunk, take_signal = loader(1), loader(CHUNK), repeating(LANES, WIDTH // LANES)",
            "take_pairs, take_low = (repeating(n, SPAN // WIDTH) for n in (2 * WIDTH, WIDTH))",
            "take_span, _, _, _, _, _, none_span, _ = memory(SPAN, 1, 1)"),
    modules=tuple(Path(__file__).with_name(f"{name}.py")
                  for name in ("words", "lanes", "lane_order", "sharing", "state", "compiler")))


@dataclass(frozen=True)
class Variant:
    """A build for the CPU.

    lanes       trials side by side (a multiple of 8; 1 with telemetry)
    side        neurons side by side, a power of two
    together    synapses of a neuron visited side by side, a power of two
    chunk       steps between two visits of a synapse
    unroll      steps of a visit written out, a power of two; divides chunk
    telemetry   count saturation, underflow and stalls, and keep every state variable of every step if asked to
    general     for all formats that differ in numbers only, see :mod:`fxsim.engine.build.given`
    traces      of lines and neurons, for eligibility; without, rows of histories are beside each other
    driven      neurons may be told when to spike, see :meth:`fxsim.engine.cpu.engine.CpuEngine.run`; general builds can be anyway
    """

    lanes: int = 16
    side: int = 1
    together: int = 2
    chunk: int = 32
    unroll: int = 4
    telemetry: bool = False
    general: bool = False
    traces: bool = True
    driven: bool = False
    dialect: ClassVar[Dialect] = CPU

    @property
    def part(self) -> int:
        """Steps whose share of the gradient is rounded together, where QuickGradient (:mod:`fxsim.engine.build.plan`) holds:
        pairs of them, or one."""
        return min(self.chunk, 16) if self.unroll % 2 == 0 else 1

    @property
    def quick(self) -> tuple[int, int]:
        return self.part, self.chunk

    def _lanes(self, wanted: int) -> int:
        """So many of the lanes of the synapses that are visited together, or all; whole blocks of trials."""
        return max(self.lanes, min(wanted, self.lanes * self.together))

    def constants(self) -> dict[str, object]:
        """ROW: elements from one neuron's history to the next one's; LANES_PER_WORD: spikes (bytes) looked at together; WIDTH: lanes of a
        neuron's learning signal that are kept, a register full of 16-bit words; SPAN: lanes of gradients that are summed side by side."""
        width = group() or 16
        return {"LANES": self.lanes, "SIDE": self.side, "TOGETHER": self.together, "CHUNK": self.chunk, "PART": self.part, "K": self.unroll,
                "ROW": self.lanes * self.chunk + 32 if self.traces else self.lanes, "TRACES": self.traces,
                "WIDTH": self._lanes(width), "SPAN": self._lanes(2 * width), "M": (1 << 40) - 1,
                "LANES_PER_WORD": 8 if self.lanes % 8 == 0 else 1, "WATCHED": self.telemetry, "DRIVEN": self.driven or self.general}

"""What the CUDA engine should cost on a device: a model on paper, made from the real kernels without a GPU.

The compiled kernel runs, at the task's size, on a device in NumPy that counts (:mod:`fxsim.engine.cuda.emulator.counts`). A step then takes
whatever is longest of

    issue       machine instructions of the trials on a multiprocessor / (integer lanes / 32) a clock
    latency     cycles of the busiest warp between barriers, one instruction behind the other, / OVERLAP
    bandwidth   bytes that the trials move from and to global memory / its bandwidth

It leaves out launches, transfers and the weight update, and says nothing that was measured.
"""
from __future__ import annotations

from dataclasses import asdict, dataclass

from fxsim.config import Config
from fxsim.engine.cuda.emulator.counts import PerStep, executed
from fxsim.model.arithmetic import make_arithmetic
from fxsim.model.network import Network
from fxsim.model.topology import learning_of

from .compile import compile_kernel
from .device import Limits
from .engine import item_bytes
from .plan import make_plan

WARP = 32
OVERLAP = 2.0       # instructions of one warp that are under way at a time: assumed


@dataclass(frozen=True)
class Estimate:
    """One task, precision, device and batch. Seconds are of one training iteration's kernel."""

    task: str
    precision: str
    device: str
    batch: int
    placement: str
    registers: int
    blocks_per_multiprocessor: int
    instructions_per_step: float        # machine instructions of a warp, of one trial, averaged over window and rest
    busy: float                         # share of a warp's threads that take part, outside the window
    bytes_per_step: int                 # of one trial, global memory
    issue: float                        # seconds, each bound by itself
    latency: float
    bandwidth: float
    seconds: float
    bound: str                          # issue | latency | bandwidth

    def row(self) -> dict:
        return asdict(self)


def estimate(config: Config, network: Network, precision: str, limits: Limits, batches: tuple[int, ...],
             counted: dict[str, PerStep] | None = None) -> list[Estimate]:
    """The model for one task on one device. ``counted``: what :func:`fxsim.engine.cuda.emulator.counts.executed` found, if it is known already."""
    T, S = config.task.steps, learning_of(config).window
    arithmetic = make_arithmetic(precision, network, learning_of(config), T, config.seed)
    plan = make_plan(network, limits, item_bytes(arithmetic, network))
    registers = compile_kernel(arithmetic, network, plan, limits.capability).registers
    counted = counted or executed(config, precision, limits)
    resident = plan.blocks_per_multiprocessor(limits, registers)
    outside, window = counted["outside"], counted["window"]

    def whole(name: str) -> float:
        return (T - S) * getattr(outside, name) + S * getattr(window, name)

    rows = []
    for batch in batches:
        at_once = min(batch, resident * limits.multiprocessors)
        waves, shared_by = -(-batch // at_once), -(-at_once // limits.multiprocessors)
        bounds = {"issue": whole("machine_instructions") * shared_by / (limits.int32_per_clock / WARP) / limits.clock,
                  "latency": whole("chain") / OVERLAP / limits.clock,
                  "bandwidth": T * plan.bytes_per_step() * at_once / limits.bandwidth}
        bounds = {name: seconds * waves for name, seconds in bounds.items()}
        bound = max(bounds, key=bounds.__getitem__)
        rows.append(Estimate(config.task.name, arithmetic.name, limits.name, batch, plan.describe(), registers, resident,
                             whole("machine_instructions") / T, outside.busy, plan.bytes_per_step(), **bounds,
                             seconds=bounds[bound], bound=bound))
    return rows

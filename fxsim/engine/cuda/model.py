"""What the CUDA engine should cost on a device: a model on paper, made from the real kernels without a GPU.

The compiled kernels run, at the task's size, on a device in NumPy that counts (:mod:`fxsim.engine.cuda.emulator.counts`). A step of each
then takes whatever is longest of

    issue       machine instructions of the trials on a multiprocessor / (integer lanes / 32) a clock
    latency     cycles of the busiest warp between barriers, one instruction behind the other, / OVERLAP
    bandwidth   bytes that the trials move from and to global memory / its bandwidth

It leaves out launches, transfers and the weight update, and says nothing that was measured.
"""
from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Callable

from fxsim.config import Config
from fxsim.engine.cuda.emulator.counts import PerStep, executed
from fxsim.model.arithmetic import Arithmetic, make_arithmetic
from fxsim.model.network import Network
from fxsim.model.topology import learning_of

from .compile import compile_kernel
from .device import Limits
from .engine import choose_plan
from .lane_plan import LanePlan
from .plan import Plan, resident_blocks

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


Counted = dict[str, dict[str, PerStep]]


@dataclass(frozen=True)
class Stage:
    """One kernel of a plan: what it costs for a unit (a trial, or a group of them), how many blocks a unit has, and a multiprocessor holds."""

    counted: dict[str, PerStep]
    blocks: int
    resident: int
    registers: int

    def seconds(self, units: int, steps: int, window: int, bytes_per_step: int, limits: Limits) -> dict[str, float]:
        """Each bound by itself."""
        def whole(name: str) -> float:
            return float((steps - window) * getattr(self.counted["outside"], name) + window * getattr(self.counted["window"], name))

        blocks = units * self.blocks
        at_once = min(blocks, self.resident * limits.multiprocessors)
        waves, shared_by = -(-blocks // at_once), -(-at_once // limits.multiprocessors)
        return {"issue": waves * shared_by * whole("machine_instructions") / self.blocks / (limits.int32_per_clock / WARP) / limits.clock,
                "latency": waves * whole("chain") / OVERLAP / limits.clock,
                "bandwidth": units * steps * bytes_per_step / limits.bandwidth}


def stages(arithmetic: Arithmetic, network: Network, plan: Plan | LanePlan, limits: Limits, counted: Counted) -> list[Stage]:
    """The kernels of a plan, compiled."""
    found = []
    for name, (threads, _) in plan.bounds.items():
        made = compile_kernel(arithmetic, network, plan, limits.capability, name)
        shared = plan.shared_bytes if isinstance(plan, Plan) else made.shared
        blocks = plan.blocks if isinstance(plan, LanePlan) and name == "synapses" else 1
        found.append(Stage(counted[name], blocks, resident_blocks(limits, threads, made.registers, shared), made.registers))
    return found


def estimate(config: Config, network: Network, precision: str, limits: Limits, batches: tuple[int, ...],
             counted: Callable[..., Counted] = executed) -> list[Estimate]:
    """The model for one task on one device. ``counted``: :func:`fxsim.engine.cuda.emulator.counts.executed`, or what remembers its results."""
    T, S = config.task.steps, learning_of(config).window
    arithmetic = make_arithmetic(precision, network, learning_of(config), T, config.seed)
    rows = []
    made: dict[str, tuple] = {}
    for batch in batches:
        plan = choose_plan(arithmetic, network, limits, batch)
        lanes = plan.placement.lanes if isinstance(plan, LanePlan) else 1
        if plan.describe() not in made:
            costs = counted(config, precision, limits, lanes > 1)
            made[plan.describe()] = costs, stages(arithmetic, network, plan, limits, costs)
        costs, kernels = made[plan.describe()]
        each = [kernel.seconds(-(-batch // lanes), T, S, plan.bytes_per_step() * lanes, limits) for kernel in kernels]
        bounds = {name: sum(seconds[name] for seconds in each) for name in each[0]}
        bound = max(bounds, key=bounds.__getitem__)
        whole = sum((T - S) * cost["outside"].machine_instructions + S * cost["window"].machine_instructions for cost in costs.values())
        rows.append(Estimate(config.task.name, arithmetic.name, limits.name, batch, plan.describe(), max(kernel.registers for kernel in kernels),
                             kernels[-1].resident, whole / T / lanes, kernels[-1].counted["outside"].busy, plan.bytes_per_step(), **bounds,
                             seconds=sum(max(seconds.values()) for seconds in each), bound=bound))
    return rows

"""What can be said of the CUDA engine without a GPU: its plan, its machine code, and the model of its speed; as tables."""
from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from fxsim.config import Config, load_config
from fxsim.engine.cuda.compile import compile_kernel
from fxsim.engine.cuda.device import KNOWN, Limits, driver_found, find_device
from fxsim.engine.cuda.emulator.counts import ALU_CYCLES, BARRIER_CYCLES, GLOBAL_CYCLES, SHARED_CYCLES, executed
from fxsim.engine.cuda.engine import item_bytes
from fxsim.engine.cuda.lane_plan import LanePlan, make_lane_plan
from fxsim.engine.cuda.model import OVERLAP, Counted, Estimate, estimate
from fxsim.engine.cuda.plan import Plan, make_plan
from fxsim.files.writing import make_directory, write_atomic, write_json
from fxsim.model.arithmetic import Arithmetic, make_arithmetic
from fxsim.model.network import Network
from fxsim.model.topology import build_network, learning_of
from fxsim.training.runs import command_line, versions

from .iteration import TASKS

PRECISIONS = ("float32", "q16")
BATCHES = (64, 4096)


@dataclass(frozen=True)
class Case:
    """A task's network in one precision on one device."""

    task: str
    precision: str
    limits: Limits

    def build(self, **variant: bool) -> tuple[Network, Arithmetic, Plan]:
        """network, arithmetic, plan."""
        config = load_config(self.task)
        network = build_network(config)
        arithmetic = make_arithmetic(self.precision, network, learning_of(config), config.task.steps, config.seed)
        return network, arithmetic, make_plan(network, self.limits, item_bytes(arithmetic, network), **variant)


def devices() -> list[Limits]:
    """This machine's device, or the ones whose limits are known."""
    return [find_device()] if driver_found() else list(KNOWN.values())


def cases(task: str | None, precision: str | None) -> list[Case]:
    return [Case(t, p, limits) for t in ([task] if task else TASKS) for p in ([precision] if precision else PRECISIONS) for limits in devices()]


def plan_table(task: str | None = None, precision: str | None = None) -> list[list[str]]:
    """Where each task's state lives on each device, what a block takes, how many blocks a multiprocessor holds."""
    rows = [["task", "precision", "device", "placement", "shared bytes a block", "registers a thread", "blocks per SM",
             "global bytes a step and trial", "scratch bytes a trial"]]
    for case in cases(task, precision):
        network, arithmetic, plan = case.build()
        registers = compile_kernel(arithmetic, network, plan, case.limits.capability).registers
        rows.append([case.task, case.precision, case.limits.name, plan.describe(), str(plan.shared_bytes), str(registers),
                     str(plan.blocks_per_multiprocessor(case.limits, registers)), str(plan.bytes_per_step()), str(plan.scratch_bytes)])
    return rows


def variants(case: Case) -> dict[str, tuple[Network, Arithmetic, Plan | LanePlan, str]]:
    """Every kind of kernel that the engine launches for a case: name -> (network, arithmetic, plan, the kernel's own name)."""
    network, arithmetic, plan = case.build()
    found: dict[str, tuple[Plan | LanePlan, str]] = {
        "run": (plan, "simulate"), "record": (case.build(record=True)[2], "simulate"), "telemetry": (case.build(telemetry=True)[2], "simulate")}
    if many := make_lane_plan(arithmetic, network, case.limits):
        found |= {"many trials: neurons": (many, "forward"), "many trials: synapses": (many, "synapses")}
    return {name: (network, arithmetic, plan, kernel) for name, (plan, kernel) in found.items()}


def compile_table(task: str | None = None, precision: str | None = None) -> list[list[str]]:
    """Machine code of every kernel variant: registers, shared memory, spills, and float64 instructions in its PTX."""
    rows = [["task", "precision", "variant", "architecture", "registers", "static shared bytes", "dynamic shared bytes", "spill stores",
             "spill loads", "float64 instructions"]]
    for case in cases(task, precision):
        for name, (network, arithmetic, plan, kernel) in variants(case).items():
            made = compile_kernel(arithmetic, network, plan, case.limits.capability, kernel)
            dynamic = plan.shared_bytes if isinstance(plan, Plan) else 0
            rows.append([case.task, case.precision, name, made.architecture, str(made.registers), str(made.shared), str(dynamic),
                         str(made.spill_stores), str(made.spill_loads), str(len(re.findall(r"\.f64\b", made.ptx)))])
    return rows


def model_rows(task: str | None = None, precision: str | None = None) -> list[Estimate]:
    """The model's seconds per training iteration."""
    rows: list[Estimate] = []
    known: dict[tuple, Counted] = {}

    def counted(config: Config, precision: str, limits: Limits, lanes: bool) -> Counted:
        key = config.task.name, precision, lanes, limits.shared_per_block       # devices that place alike run the same instructions
        if key not in known:
            known[key] = executed(config, precision, limits, lanes)
        return known[key]

    for case in cases(task, precision):
        config = load_config(case.task)
        rows += estimate(config, build_network(config), case.precision, case.limits, BATCHES, counted)
    return rows


def model_table(rows: list[Estimate]) -> list[list[str]]:
    return [["task", "precision", "device", "batch", "registers", "blocks per SM", "warp instructions a step and trial",
             "global bytes a step and trial", "issue s", "latency s", "bandwidth s", "modelled s / iteration", "bound by"],
            *([r.task, r.precision, r.device, str(r.batch), str(r.registers), str(r.blocks_per_multiprocessor), f"{r.instructions_per_step:.0f}",
               str(r.bytes_per_step), *(f"{v:.2g}" for v in (r.issue, r.latency, r.bandwidth, r.seconds)), r.bound] for r in rows)]


def write_model(directory: Path, rows: list[Estimate]) -> Path:
    """README.md and model.json of the model; returns the directory."""
    make_directory(directory)
    write_json(directory / "model.json", {"command": command_line(), "versions": versions(), "rows": [r.row() for r in rows]})
    table = model_table(rows)
    lines = ["| " + " | ".join(row) + " |" for row in table]
    lines.insert(1, "|" + " --- |" * len(table[0]))
    constants = (f"{ALU_CYCLES} cycles for 32-bit arithmetic, {SHARED_CYCLES} for a load from shared memory, {GLOBAL_CYCLES} from global memory "
                 f"in the nearest cache, {BARRIER_CYCLES} for a barrier; {OVERLAP:g} instructions of a warp under way at a time")
    text = README.format(command=command_line(), table="\n".join(lines), constants=constants)
    write_atomic(directory / "README.md", text.encode())
    return directory


README = """# The CUDA engine's speed: a model on paper

**Nothing here was measured.** What was, beside this model, is in [reports/gpu](../gpu/README.md). Made by `{command}`.

{table}

How it is made ([fxsim/engine/cuda/model.py](../../fxsim/engine/cuda/model.py)). The kernels are really compiled for each device
(registers, and so the number of trials that a multiprocessor holds, come from the assembler). Then the compiled kernels run, at the
task's size, on a device in NumPy ([fxsim/engine/cuda/emulator](../../fxsim/engine/cuda/emulator)), for a few steps of a trial, and
every instruction that a warp issues is counted, index arithmetic and divergent branches included; a 64-bit operation counts as several
machine instructions. The rule is the configuration's (diffusion). A step costs the longest of: issue (instructions of the trials on a
multiprocessor over its integer lanes), latency (the slowest warp from barrier to barrier; {constants}: assumed), and bandwidth (bytes of
the trials that run at a time over the data sheet's bandwidth; L2 is left out, though 16 bytes for each of some twenty thousand synapses
of a hundred trials would partly stay there). Launch, transfers and weight update are left out. The assumed cycles and their overlap alone
make it uncertain by a factor of two.

What to expect of it. Few trials have a block each; many share warps, 32 in the lanes of one, which saves index arithmetic and barriers; a
model of those counts a group of 32 and divides. At batch 64 most multiprocessors hold one trial or none: its warps cannot fill the
machine, and latency bounds, so 4096 trials cost far less than 64 times as much as 64. With one trial a block delayed match and cue
accumulation keep all state in registers and shared memory; the some 20,000 synapses of pattern generation have theirs in global memory.
With trials in lanes a synapse's state is in registers always, and traces, slopes and learning signals of all steps go through global
memory.

On a machine with a GPU `fxsim bench iteration --engine cuda` measures the same iterations (CUDA events, warm-up, median) and prints this model
beside them.
"""

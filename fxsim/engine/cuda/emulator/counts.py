"""Instructions that the compiled CUDA kernel really runs at a step, counted by running it on a device in NumPy.

A launch costs start + a steps + b window steps; three short launches of one trial give a and b. Machine instructions are estimated
from PTX (``words``): a 64-bit operation takes several 32-bit ones. Nothing here is a time, and nothing ran on a GPU.
"""
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Callable

import numpy as np

from fxsim.config import Config
from fxsim.engine.cuda.device import A100, Limits
from fxsim.engine.cuda.engine import CudaEngine
from fxsim.model.arithmetic import make_arithmetic
from fxsim.model.network import Network, Trials
from fxsim.model.topology import build_network, learning_of
from fxsim.tasks import make_task

from .emulated import emulated
from .gpu import Counts
from .ptx import Block, Kernel

LAUNCHES = ((6, 3), (12, 3), (12, 9))       # (steps, window steps) whose differences are taken
DIVISION_64, DIVISION_32 = 80, 20           # machine instructions of an integer division, about
ALU_CYCLES, SHARED_CYCLES, GLOBAL_CYCLES, BARRIER_CYCLES = 4.5, 25, 35, 30      # until a result can be used; global: in the nearest cache


@dataclass(frozen=True)
class PerStep:
    """What one trial, or one group of trials, costs at a step.

    ``warp_instructions``: PTX, each counted once for a warp; ``machine_instructions``: the same as 32-bit machine instructions; ``busy``:
    share of a warp's threads that take part; ``chain``: cycles if each instruction of the busiest warp waited for the one before;
    ``bytes``: 32-byte sectors of global memory asked for, before any cache.
    """

    warp_instructions: float
    machine_instructions: float
    busy: float
    chain: float
    bytes: float


def words(opcode: str) -> float:
    """About how many 32-bit machine instructions a PTX instruction becomes."""
    name, *rest = opcode.split(".")
    wide = rest[-1:] in (["s64"], ["u64"], ["b64"])
    if name in ("div", "rem"):
        return DIVISION_64 if wide else DIVISION_32
    if name in ("ld", "st", "atom", "red", "bra", "bar", "ret"):
        return 1
    if name in ("mov", "cvta", "cvt"):      # mostly renaming
        return 0.5
    if name in ("min", "max", "abs", "mul", "mad"):
        return 4 if wide and "wide" not in rest else 1
    return 2 if wide else 1


def cycles(opcode: str) -> float:
    """Until the instruction's result can be used."""
    if opcode.startswith("ld.shared"):
        return SHARED_CYCLES
    if opcode.startswith("ld.global"):
        return GLOBAL_CYCLES
    return BARRIER_CYCLES if opcode.startswith("bar") else words(opcode) * ALU_CYCLES


def of_blocks(kernel: Kernel, cost: Callable[[str], float]) -> np.ndarray:
    """(basic blocks,) summed cost of a block's instructions."""
    def opcodes(block: Block) -> list[str]:
        return [opcode for opcode, _ in block.lines] + ([] if block.end is None else [block.end])

    return np.array([sum(map(cost, opcodes(block))) for block in kernel.blocks], float)


def executed(config: Config, precision: str, limits: Limits = A100, lanes: bool = False) -> dict[str, dict[str, PerStep]]:
    """kernel -> outside, window -> costs of a learning step at the configuration's size: of a trial, or of a group of trials in ``lanes``."""
    network, task = build_network(config), make_task(config)
    trial = task.training_trials(0).take(slice(0, 1))
    totals = [_launch(config, network, trial, precision, limits, lanes, *steps) for steps in LAUNCHES]
    (short, plain, long), ((t0, _), (t1, s0), (_, s1)) = totals, LAUNCHES
    outside, more = (plain - short) / (t1 - t0), (long - plain) / (s1 - s0)
    return {name: {"outside": _per_step(o), "window": _per_step(o + m)}
            for name, o, m in zip(("forward", "synapses") if lanes else ("simulate",), outside, more, strict=True)}


def _per_step(v: np.ndarray) -> PerStep:
    warps, machine, threads, chain, sectors = v.tolist()
    return PerStep(warps, machine, threads / (32 * warps), chain, 32 * sectors)


def _launch(config: Config, network: Network, trial: Trials, precision: str, limits: Limits, lanes: bool, T: int, S: int) -> np.ndarray:
    """(kernels, 5): warp instructions, machine instructions, thread instructions, chain, sectors of a launch of T steps."""
    learning = replace(learning_of(config), window=S)
    arithmetic = make_arithmetic(precision, network, learning_of(config), trial.steps, config.seed)
    cut = Trials(trial.x[:, -T:], trial.target[:, -S:], np.minimum(trial.duration, T), trial.ids)
    launches: list[Counts] = []
    kernels: list[Kernel] = []

    def latency(kernel: Kernel) -> np.ndarray:
        kernels.append(kernel)
        return of_blocks(kernel, cycles)

    with emulated(limits, launches, latency):
        CudaEngine(network, learning, arithmetic, config.seed, lanes=lanes).run(arithmetic.weights_to_raw(network.weights), cut)
    return np.array([_counted(counts, kernel) for counts, kernel in zip(launches, kernels, strict=True)])


def _counted(counts: Counts, kernel: Kernel) -> list[float]:
    plain, visits = of_blocks(kernel, lambda opcode: 1), counts.visits.sum(0)
    return [visits @ plain, visits @ of_blocks(kernel, words), counts.threads @ plain, counts.chain, counts.sectors]

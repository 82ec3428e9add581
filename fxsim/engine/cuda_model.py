"""What the CUDA engine should cost on a device: a model on paper, made from the real kernels without a GPU.

Operations: instructions in the PTX of each update function, times how often a step runs it, plus the loads and stores of the
kernel's loops. Time of a step: whatever is longest of

    issue       instructions of the trials on a multiprocessor / integer lanes
    latency     instructions that the busiest thread runs one after the other x CYCLES_PER_INSTRUCTION + barriers x CYCLES_PER_BARRIER
    bandwidth   bytes of all trials / bandwidth of global memory

It leaves out launches, transfers and the weight update, and says nothing that was measured.
"""
from __future__ import annotations

import re
from dataclasses import asdict, dataclass

import numpy as np

from .. import steps
from ..arithmetic import Arithmetic, make_arithmetic
from ..config import Config
from ..network import Learning, Network
from .build import load_module
from .cuda import item_bytes, kernel_source
from .cuda_compile import Compiled, compile_kernel
from .cuda_plan import Plan, make_plan
from .device import Limits
from .rewrite import functions

CYCLES_PER_INSTRUCTION = 4.5    # a dependent integer instruction of one warp: latency of a GPU's arithmetic pipeline
CYCLES_PER_BARRIER = 40         # syncthreads of 256 threads with a shared memory access behind it
BARRIERS, WINDOW_BARRIERS = 2, 4        # of a learning step outside the window, and how many more inside
LOADS = {"synapse": 7, "alif": 1, "window": 1, "neuron": 14, "line": 4, "cell": 22, "memory_state": 5}    # load, store, index and loop instructions
PASSED = {"mov", "ld", "st", "ret", "cvta"}      # parameter passing of a function of its own, not part of the kernel


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
    instructions_per_step: float        # of one trial, averaged over window and rest
    bytes_per_step: int                 # of one trial, global memory
    seconds: float
    bound: str                          # issue | latency | bandwidth

    def row(self) -> dict:
        return asdict(self)


def instruction_counts(module, arithmetic: Arithmetic) -> dict[str, int]:
    """Update function -> arithmetic instructions of its PTX."""
    from numba import cuda, types
    state = getattr(types, module.DT_STATE.__name__)
    counts = {}
    for name, node in functions(steps).items():
        arguments = [state] * len(node.args.args)
        ptx, _ = cuda.compile(getattr(module, name).py_func, state(*arguments), device=True, abi="c", cc=(8, 0), output="ptx")
        body = ptx[ptx.rindex("{"):] if "{" in ptx else ptx
        instructions = re.findall(r"^\s+(?:@%p\d+\s+)?([a-z][a-z0-9]*)[.\s]", body, re.M)
        counts[name] = sum(i not in PASSED for i in instructions)
    return counts


def step_instructions(counts: dict[str, int], network: Network, learning: Learning, plan: Plan, window: bool) -> dict[str, tuple[float, int]]:
    """phase -> (instructions of one trial, elements that threads share) at a learning step."""
    n, m, n_out, cells, n_syn, n_syn_out = plan.placement.sizes
    alif = float(np.mean(network.constants.beta != 0))
    fan_in = n_syn / n
    synapse = counts["eligibility"] + counts["filtered_eligibility"] + counts["eligibility_sum"] + LOADS["synapse"] \
        + alif * (counts["adaptation_eligibility"] + LOADS["alif"]) + (0 if plan.placement.slots else LOADS["memory_state"])
    neuron = sum(counts[name] for name in ("adaptation", "membrane", "refractory", "distance", "pseudo_derivative", "readout_trace")) \
        + LOADS["neuron"] + 3 * fan_in      # each incoming line is looked at
    phases = {"traces": ((counts["trace"] + LOADS["line"]) * (n + m), n + m), "neurons": (neuron * n, n),
              "readout": ((counts["readout"] + 3 * n_syn_out / n_out) * n_out, n_out)}
    if window:
        synapse += counts["gradient"] + LOADS["window"]
        phases["readout gradient"] = ((counts["gradient_out"] + LOADS["synapse"]) * n_syn_out, max(1, n_syn_out))
        phases["error"] = (n_out * (counts["error_classification"] + 60 if learning.classification else counts["error_regression"]), 1)
        if learning.diffuses:
            phases["diffusion"] = ((counts["modulator"] + n_out * counts["direct"] + LOADS["cell"]) * cells, cells)
        else:
            phases["learning signal"] = ((counts["learning_signal"] + n_out * counts["direct"]) * n, n)
    phases["synapses"] = (synapse * n_syn, n_syn)
    return phases


def estimate(config: Config, network: Network, precision: str, limits: Limits, batches: tuple[int, ...]) -> list[Estimate]:
    """The model for one task on one device."""
    learning, T = config.learning_spec(), config.task.steps
    arithmetic = make_arithmetic(precision, network, learning, T, config.seed)
    plan = make_plan(network, limits, item_bytes(arithmetic))
    module = load_module(kernel_source(arithmetic, network, plan))
    counts = instruction_counts(module, arithmetic)
    compiled: Compiled = compile_kernel(arithmetic, network, plan, limits.capability)
    resident = plan.blocks_per_multiprocessor(limits, compiled.registers)
    S = learning.window
    rows = []
    for batch in batches:
        at_once = min(batch, resident * limits.multiprocessors)
        waves, shared_by = -(-batch // at_once), -(-at_once // limits.multiprocessors)
        totals = {"issue": 0.0, "latency": 0.0, "bandwidth": 0.0}
        instructions = 0.0
        for window, count in ((False, T - S), (True, S)):
            phases = step_instructions(counts, network, learning, plan, window)
            work = sum(total for total, _ in phases.values())
            chain = sum(total / elements * -(-elements // plan.threads) for total, elements in phases.values())
            barriers = BARRIERS + WINDOW_BARRIERS * window
            instructions += work * count / T
            totals["issue"] += count * work * shared_by / limits.int32_per_clock / limits.clock
            totals["latency"] += count * (chain * CYCLES_PER_INSTRUCTION + barriers * CYCLES_PER_BARRIER) / limits.clock
            totals["bandwidth"] += count * plan.bytes_per_step() * at_once / limits.bandwidth
        bound = max(totals, key=totals.__getitem__)
        rows.append(Estimate(config.task.name, arithmetic.name, limits.name, batch, plan.describe(), compiled.registers, resident,
                             instructions, plan.bytes_per_step(), totals[bound] * waves, bound))
    return rows

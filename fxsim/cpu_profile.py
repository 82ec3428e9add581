"""Where an iteration's time goes on one thread of the CPU engine, and how far that is from what the machine's SIMD units can do.

Operations are those of the update functions as written (additions, products, shifts, comparisons of one lane); loads, stores, random
bits and loop control are extra work. The ceiling is measured: 16-bit multiply-high and add on registers, 16 lanes at a time.
"""
from __future__ import annotations

import time
from typing import Callable

import numpy as np

from .config import load_config
from .engine.arithmetic_text import update_trees
from .engine.build import Variant
from .engine.cpu import FEW, PLAIN, Block, CpuEngine
from .engine.rewrite import Operations
from .training import Training

REPEATS = 7
SYNAPSE = ("eligibility", "filtered_eligibility", "eligibility_sum")


class _Count(Operations):
    def operation(self, node, number):
        return node


def operations(spec, diffuses: bool) -> dict[str, int]:
    """Update function -> arithmetic operations of one element."""
    counts = {}
    for name, tree in update_trees(spec, diffuses).items():
        counter = _Count()
        counter.visit(tree)
        counts[name] = counter.count
    return counts


def ceiling() -> float:
    """16-bit integer operations per second of one thread: (a * b >> 16) + c on eight vectors of 16 lanes in registers."""
    import numba as nb

    from .engine.build import set_llvm_options
    from .engine.compiler import Inlined
    from .engine.words import OPERATIONS
    set_llvm_options()
    add16, mul32, shr16 = OPERATIONS["add16"], OPERATIONS["mul32"], OPERATIONS["shr16"]

    def turns(x, y, factor, offset, count):
        for _ in range(count):
            for l in range(64):
                x[l] = add16(shr16(mul32(x[l], factor), 16), offset)
                y[l] = add16(shr16(mul32(y[l], factor), 16), offset)

    kernel = nb.njit(nogil=True, error_model="numpy", pipeline_class=Inlined, forceinline=True)(turns)
    run = nb.njit(lambda x, y, factor, offset, count: kernel(x, y, factor, offset, count))
    x, y, count = np.arange(64, dtype=np.int16), np.arange(64, dtype=np.int16), 400_000
    call = lambda turns_: run(x, y, np.int16(31000), np.int16(77), turns_)      # noqa: E731
    call(1)
    return 2 * 128 * count / _best(lambda: call(count))


def profile(task: str, precision: str) -> dict:
    """One block of trials of a task at the paper's size: seconds of its parts, and operations per second of the synapses."""
    training = Training(load_config(task).changed({"precision": precision, "engine": "cpu", "threads": 1}))
    engine: CpuEngine = training.engine
    trials = training.task.training_trials(0)
    variant: Variant = FEW if trials.size <= FEW.lanes else PLAIN
    trials = trials.take(slice(0, variant.lanes))
    kernels, learning, T = engine.module(variant), engine.learning, trials.steps
    block = Block(engine, kernels, training.optimizer.weights, trials, True, False)
    starts = range(0, T, kernels.CHUNK)
    forward = _best(lambda: [block._forward(t, min(kernels.CHUNK, T - t), T, learning.window) for t in starts])
    synapses = _best(lambda: [block._eligibility(t, 0, engine.network.topology.n, t + kernels.CHUNK > T - learning.window) for t in starts])
    counts = operations(engine.arithmetic.spec, learning.diffuses)
    wiring, drive = engine.tables.wiring, np.asarray(engine.arithmetic.coefficients.adaptation_drive)
    each = sum(counts[name] for name in SYNAPSE) + float((drive[wiring.post] != 0).mean()) * counts["adaptation_eligibility"]
    each += counts["gradient"] * learning.window / T
    updates = wiring.size * T * trials.size
    return {"task": task, "precision": precision, "lanes": variant.lanes, "forward_seconds": forward, "synapse_seconds": synapses,
            "synapse_updates_per_second": updates / synapses, "operations_per_update": each, "operations_per_second": updates * each / synapses}


def _best(call: Callable[[], object]) -> float:
    call()
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def table(tasks: tuple[str, ...], precisions: tuple[str, ...] = ("float32", "q16")) -> list[list[str]]:
    """All tasks; the last column is a share of the measured ceiling (for q16 only: floats have another one)."""
    peak = ceiling()
    rows = [["task", "precision", "lanes", "forward ms", "synapses ms", "G synapse updates / s", "operations each", "G operations / s",
             "of the ceiling"]]
    for task in tasks:
        for precision in precisions:
            p = profile(task, precision)
            share = f"{100 * p['operations_per_second'] / peak:.0f} %" if precision == "q16" else ""
            rows.append([task, precision, str(p["lanes"]), f"{p['forward_seconds'] * 1e3:.1f}", f"{p['synapse_seconds'] * 1e3:.1f}",
                         f"{p['synapse_updates_per_second'] / 1e9:.2f}", f"{p['operations_per_update']:.1f}",
                         f"{p['operations_per_second'] / 1e9:.1f}", share])
    rows.append(["ceiling", "int16", "16", "", "", "", "", f"{peak / 1e9:.0f}", ""])
    return rows

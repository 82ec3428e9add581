"""Where an iteration's time goes on one thread of the CPU engine, and how far that is from what the machine's SIMD units can do.

Operations are those of the update functions as written (additions, products, shifts, comparisons of one lane); loads, stores, random
bits, changes of width and loop control are extra work. The ceilings are measured on registers: multiply-high and add of 16 bits,
multiply and add of float32.
"""
from __future__ import annotations

import ast
import time
from functools import partial
from typing import Callable

import numpy as np

from fxsim.config import load_config
from fxsim.engine.build.arithmetic_text import update_trees
from fxsim.engine.build.rewrite import Operations
from fxsim.engine.cpu.block import Block, Parts
from fxsim.engine.cpu.engine import FULL, CpuEngine
from fxsim.training.loop import Training
from quant import PrecisionSpec

REPEATS = 7
SYNAPSE = ("eligibility", "filtered_eligibility", "eligibility_sum")


class _Count(Operations):
    def operation(self, node: ast.expr, number: int) -> ast.expr:
        return node


def operations(spec: PrecisionSpec | None, diffuses: bool) -> dict[str, int]:
    """Update function -> arithmetic operations of one element."""
    counts = {}
    for name, tree in update_trees(spec, diffuses).items():
        counter = _Count()
        counter.visit(tree)
        counts[name] = counter.count
    return counts


def ceiling(precision: str) -> float:
    """Operations per second of one thread: a * b + c in eight registers, with integers a * b >> 16 of 16 bits."""
    import numba as nb

    from fxsim.engine.cpu.lanes import loader, put
    from fxsim.engine.cpu.words import OPERATIONS
    multiply, add, dtype, lanes = (OPERATIONS["mulhi16"], OPERATIONS["add16"], np.int16, FULL) if precision == "q16" else \
        (OPERATIONS["mulFLT"], OPERATIONS["addFLT"], np.float32, FULL // 2)
    take = loader(lanes)

    @nb.njit(nogil=True, error_model="numpy")
    def run(x: np.ndarray, factor: np.generic, offset: np.generic, count: int) -> None:
        a, b, c, d = take(x, 0), take(x, lanes), take(x, 2 * lanes), take(x, 3 * lanes)
        e, f, g, h = take(x, 4 * lanes), take(x, 5 * lanes), take(x, 6 * lanes), take(x, 7 * lanes)
        for _ in range(count):
            a, b = add(multiply(a, factor), offset), add(multiply(b, factor), offset)
            c, d = add(multiply(c, factor), offset), add(multiply(d, factor), offset)
            e, f = add(multiply(e, factor), offset), add(multiply(f, factor), offset)
            g, h = add(multiply(g, factor), offset), add(multiply(h, factor), offset)
        put(x, 0, add(add(add(a, b), add(c, d)), add(add(e, f), add(g, h))))

    x, count = np.arange(8 * lanes).astype(dtype), 2_000_000
    call = partial(run, x, dtype(0.5 if dtype == np.float32 else 31000), dtype(77))
    call(1)
    return 2 * 8 * lanes * count / _best(lambda: call(count))


def profile(task: str, precision: str) -> dict:
    """One block of trials of a task at the paper's size: seconds of its parts, and operations per second of the synapses."""
    training = Training(load_config(task).changed({"precision": precision, "engine": "cpu", "threads": 1}))
    engine = training.engine
    assert isinstance(engine, CpuEngine)
    trials = training.task.training_trials(0)
    variant = engine.variant(trials.size)
    trials = trials.take(slice(0, variant.lanes))
    kernels, learning, T = engine.module(variant), engine.learning, trials.steps
    block = Block(engine.subject, kernels, trials.size, trials.steps, True, False)
    block.load(engine.wires(kernels, training.optimizer.weights), trials)
    run = Parts(block, 1)
    starts = range(-(-T // kernels.CHUNK))
    forward, synapses = (_best(partial(_each, part, starts)) for part in (run.forward, run.all_synapses))
    counts = operations(engine.arithmetic.spec, learning.diffuses)
    wiring, drive = engine.tables.wiring, np.asarray(engine.arithmetic.coefficients.adaptation_drive)
    each = sum(counts[name] for name in SYNAPSE) + float((drive[wiring.post] != 0).mean()) * counts["adaptation_eligibility"]
    each += counts["gradient"] * learning.window / T
    updates = (wiring.size - int(block.state.left.sum())) * T * trials.size       # of the synapses that are visited: their lines spike
    return {"task": task, "precision": precision, "lanes": variant.lanes, "forward_seconds": forward, "synapse_seconds": synapses,
            "synapse_updates_per_second": updates / synapses, "operations_per_update": each, "operations_per_second": updates * each / synapses}


def _each(part: Callable[[int], None], chunks: range) -> None:
    for chunk in chunks:
        part(chunk)


def _best(call: Callable[[], object]) -> float:
    call()
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def table(tasks: tuple[str, ...], precisions: tuple[str, ...] = ("float32", "q16")) -> list[list[str]]:
    """All tasks; the last column is a share of the measured ceiling of that precision."""
    peak = {precision: ceiling(precision) for precision in precisions}
    rows = [["task", "precision", "lanes", "forward ms", "synapses ms", "G synapse updates / s", "operations each", "G operations / s",
             "of the ceiling"]]
    for task in tasks:
        for precision in precisions:
            p = profile(task, precision)
            share = f"{100 * p['operations_per_second'] / peak[precision]:.0f} %"
            rows.append([task, precision, str(p["lanes"]), f"{p['forward_seconds'] * 1e3:.1f}", f"{p['synapse_seconds'] * 1e3:.1f}",
                         f"{p['synapse_updates_per_second'] / 1e9:.2f}", f"{p['operations_per_update']:.1f}",
                         f"{p['operations_per_second'] / 1e9:.1f}", share])
    rows += [["ceiling", precision, "", "", "", "", "", f"{value / 1e9:.0f}", ""] for precision, value in peak.items()]
    return rows

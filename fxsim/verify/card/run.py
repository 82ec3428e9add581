"""Everything that is checked on a GPU. Kernels take longer to compile than to run, so checks share out over processes; then times are taken."""
from __future__ import annotations

import json
import subprocess
import sys
import time
import traceback
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, Callable

from fxsim.engine.cuda.device import find_device
from fxsim.verify.backends import draw_cases

from . import checks
from .timing import PRECISIONS, TASKS, Timing

FLOAT_CASES = ((2, "diffusion"), (4, "eprop"))


@dataclass(frozen=True)
class Check:
    """One comparison. ``difference``: None if all is equal, else the first difference or the error."""

    name: str
    detail: str
    seconds: float
    difference: str | None
    trace: str = ""


def attempt(name: str, detail: str, function: Callable, *arguments: object) -> tuple[Check, Any]:
    """A check, whatever becomes of it: a kernel that fails is one failed check, not the end of the others. Also what the function returned."""
    start, found, difference, trace = time.perf_counter(), None, None, ""
    try:
        found = function(*arguments)
        difference = found if isinstance(found, str) else None
    except Exception as error:      # told in the report: it counts as a difference
        difference, trace = f"{type(error).__name__}: {' '.join(str(error).split())[:400]}", traceback.format_exc()
    return Check(name, detail, time.perf_counter() - start, difference, trace), found


def verify_card(cases: int, jobs: int, progress: Callable[[Check], None] = lambda check: None,
                timed: Callable[[Timing], None] = lambda timing: None) -> tuple[list[Check], list[Timing]]:
    """All checks and times. InputError if this machine has no GPU that the engine can use."""
    find_device()
    watches = {(task, precision): _watch(task, precision) for task in TASKS for precision in PRECISIONS}
    done: list[Check] = []
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        trainings = {pool.submit(attempt, "training", engine, checks.trained, engine): engine for engine in ("cpu", "cuda")}
        waiting: list[Future] = [pool.submit(attempt, "paper", ", ".join(case), checks.paper_network, *case) for case in checks.PAPER]
        waiting += [pool.submit(attempt, "floats", f"random network {seed}, {rule}", checks.floats, seed, rule) for seed, rule in FLOAT_CASES]
        for number, (case, arithmetic) in enumerate(draw_cases(cases, 0, 1)):
            waiting.append(pool.submit(attempt, "random", f"{number}: {arithmetic.name}, {case}", checks.random_network, case, arithmetic, number))
        for future in as_completed(waiting):
            done.append(future.result()[0])
            progress(done[-1])
        results = {engine: future.result() for future, engine in trainings.items()}
    done.append(_training(results))
    progress(done[-1])
    timings: list[Timing] = []
    for (task, precision), process in watches.items():
        start = time.perf_counter()
        out, err = process.communicate("go\n")
        for line in out.splitlines()[1:]:
            timings.append(Timing(**json.loads(line)))
            timed(timings[-1])
        if process.returncode:
            done.append(Check("timing", f"{task}, {precision}", time.perf_counter() - start, (err.strip().splitlines() or ["no output"])[-1], err))
            progress(done[-1])
    return done, timings


def _training(results: dict[str, tuple[Check, dict]]) -> Check:
    """The check that two trainings give the same curve."""
    failed = [check for check, _ in results.values() if check.difference]
    detail = f"{checks.TRAINED}, q16, {checks.UPDATES} updates, cpu and cuda"
    if failed:
        return Check("training", detail, failed[0].seconds, f"{failed[0].detail}: {failed[0].difference}", failed[0].trace)
    difference = checks.compare_trainings(results["cpu"][1], results["cuda"][1])
    return Check("training", detail, results["cuda"][0].seconds, difference)


def _watch(task: str, precision: str) -> subprocess.Popen:
    """The process that will take the times of one network; it begins to compile."""
    return subprocess.Popen([sys.executable, "-m", "fxsim.verify.card.timing", task, precision], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


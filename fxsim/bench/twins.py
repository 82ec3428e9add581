"""Fixed point against float32: iterations of both from the same weights, in turns in one process, so that a busy machine slows both alike."""
from __future__ import annotations

import json
import sys
from functools import partial
from statistics import median
from typing import Callable

from .iteration import TASKS, child, seconds_of

COLUMNS = ("task", "rule", "precision", "threads", "float32_ms", "fixed_ms", "ratio", "ratio_of_the_fastest")
REPEATS = 101
TWIN = "float32"


def twins(task: str | None = None, rule: str | None = None, precision: str | None = None, threads: int = 0,
          progress: Callable[[dict], None] = lambda row: None) -> list[dict]:
    """Rows of COLUMNS on the CPU engine, each from a process of its own; ratio: of median times, fixed point over float32."""
    rows = []
    for t in [task] if task else TASKS:
        for r in [rule] if rule else ("eprop", "diffusion"):
            rows.append(child("fxsim.bench.twins", {"task": t, "rule": r, "precision": precision or "q16", "threads": threads}))
            progress(rows[-1])
    return rows


def measure_twins(task: str, rule: str, precision: str, threads: int, repeats: int = REPEATS) -> dict:
    """One row, in this process."""
    from fxsim.config import load_config
    from fxsim.training.loop import Training
    trainings = {name: Training(load_config(task).changed({"learning.rule": rule, "precision": name, "threads": threads, "engine": "cpu"}))
                 for name in (TWIN, precision)}
    trials = {name: training.task.training_trials(0) for name, training in trainings.items()}
    start = {name: training.optimizer.state() for name, training in trainings.items()}
    seconds: dict[str, list[float]] = {name: [] for name in trainings}
    for turn in range(repeats + 1):         # the first compiles
        for name in list(trainings)[::1 if turn % 2 else -1]:
            training = trainings[name]
            seconds[name].append(seconds_of(partial(training.update, trials[name])))
            training.optimizer.restore(start[name])     # networks that learn on part: one may get livelier, which takes time
    floating, fixed = seconds[TWIN][1:], seconds[precision][1:]
    return {"task": task, "rule": rule, "precision": training.arithmetic.name, "threads": getattr(training.engine, "threads", 1),
            "float32_ms": 1e3 * median(floating), "fixed_ms": 1e3 * median(fixed), "ratio": median(fixed) / median(floating),
            "ratio_of_the_fastest": min(fixed) / min(floating)}


if __name__ == "__main__":
    print(json.dumps(measure_twins(**json.loads(sys.argv[1]))))

"""What a run takes beside its iterations: drawing trials, evaluations, telemetry, curves, checkpoints and files, against updates alone.

Two runs of the same configuration go side by side in one process, an update of the one after an update of the other, so that a busy machine
slows both alike and both always have the same weights (as neurons get livelier, updates take longer). Of the first all is timed, of the
second its updates on trials that are drawn beforehand, as :mod:`fxsim.bench.iteration` does. Start-up is over when the clock begins.
"""
from __future__ import annotations

import json
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Callable

from .iteration import child, seconds_of

TASKS = ("delayed_match", "cue_accumulation")
COLUMNS = ("task", "precision", "threads", "updates", "updates_seconds", "run_seconds", "ratio")
UPDATES = 400


def whole_runs(task: str | None = None, precision: str | None = None, threads: int = 0, updates: int = UPDATES,
               progress: Callable[[dict], None] = lambda row: None) -> list[dict]:
    """Rows of COLUMNS on the CPU engine at the paper's size, each from a process of its own; q16 unless another precision is given."""
    rows = []
    for t in [task] if task else TASKS:
        rows.append(child("fxsim.bench.whole_run", {"task": t, "precision": precision or "q16", "threads": threads, "updates": updates}))
        progress(rows[-1])
    return rows


def measure_whole_run(task: str, precision: str, threads: int, updates: int) -> dict:
    """One row, in this process."""
    from fxsim.config import load_config
    from fxsim.training.backend import warm_up
    from fxsim.training.checkpoints import Checkpoints
    from fxsim.training.interrupts import Interrupts
    from fxsim.training.loop import Training
    from fxsim.training.progress import Lines
    from fxsim.training.runs import save
    config = load_config(task).changed({"precision": precision, "threads": threads, "engine": "cpu", "iterations": updates})
    whole, alone = Training(config), Training(config)
    for training in (whole, alone):
        warm_up(training.engine, training.optimizer.weights, training.task)
    seconds = paused = 0.0
    with tempfile.TemporaryDirectory() as directory:
        checkpoints = Checkpoints(Path(directory), config.checkpoint.every, Interrupts())

        def between(training: Training) -> None:
            nonlocal seconds, paused
            checkpoints.offer(training)
            start = time.perf_counter()
            if training.iteration < config.updates:
                seconds += seconds_of(partial(alone.update, alone.task.training_trials(alone.iteration)))
            paused += time.perf_counter() - start

        def run() -> None:
            whole.run(Lines(updates, lambda line: None), between)
            checkpoints.flush()
            save(Path(directory), whole, 0.0)
        spent = seconds_of(run) - paused
    return {"task": task, "precision": whole.arithmetic.name, "threads": getattr(whole.engine, "threads", 1), "updates": whole.iteration,
            "updates_seconds": seconds, "run_seconds": spent, "ratio": spent / seconds}


if __name__ == "__main__":
    print(json.dumps(measure_whole_run(**json.loads(sys.argv[1]))))

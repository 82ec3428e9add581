"""How fast a training iteration is at the paper's size, or a peer's: forward pass, learning and update; drawing trials apart.

Synapse updates are counted densely: input and recurrent synapses times steps times trials, whether or not a spike has come over them.

Each row is measured in a process of its own, so that its peak memory (above that of the imports) is its own.
"""
from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Callable, Iterable

from .shd_like import NAME as SHD_LIKE

if TYPE_CHECKING:
    from fxsim.model.network import Trials
    from fxsim.training.arrays.simulator import Simulator
    from fxsim.training.loop import Training

TASKS = ("cue_accumulation", "delayed_match", "pattern_generation")        # those whose seconds are known of the authors' program
COLUMNS = ("task", "rule", "precision", "engine", "threads", "seconds_per_iteration", "fastest_seconds", "synapse_updates_per_second", "peak_mib")
REPEATS = 25
LONG = 20.0         # seconds after which no further repeat begins


def default_rows(task: str | None = None, rule: str | None = None, precision: str | None = None, engine: str | None = None) -> list[dict]:
    """What to measure: all tasks x (eprop, diffusion) x (float32, q16) and bptt in float32 on the CPU, narrowed by what is given.

    The peer's network, :mod:`fxsim.bench.shd_like`, only where it is named: it takes minutes, and has no places to diffuse over.
    """
    if task == SHD_LIKE:
        rule = rule or "eprop"
    rows = []
    for t in [task] if task else TASKS:
        for r in [rule] if rule else ("eprop", "diffusion", *(["bptt"] if engine in (None, "cpu", "reference") else [])):
            in_float = r == "bptt" or engine == "reference"
            for p in [precision] if precision else (("float32",) if in_float else ("float32", "q16")):
                rows.append({"task": t, "rule": r, "precision": p, "engine": engine or "cpu"})
    return rows


def bench(rows: Iterable[dict], threads: int = 0, progress: Callable[[dict], None] = lambda row: None) -> list[dict]:
    """Measure the rows of :func:`default_rows` one after the other."""
    done = []
    for row in rows:
        child("fxsim.bench.iteration", {**row, "threads": threads, "repeats": 0})      # kernels are compiled here, where it costs no measured memory
        done.append(child("fxsim.bench.iteration", {**row, "threads": threads, "repeats": REPEATS}))
        progress(done[-1])
    return done


def child(module: str, request: dict) -> dict:
    """Run the module, which measures one row, in a new process."""
    out = subprocess.run([sys.executable, "-m", module, json.dumps(request)], capture_output=True, text=True,
                         start_new_session=True)      # a terminal's signals are for this process, which ends it
    if out.returncode == 2:     # refused input, one line
        raise SystemExit(_fail(out.stderr.strip().splitlines()[-1]))
    if out.returncode:
        raise RuntimeError(f"bench of {request} failed:\n{out.stderr}")
    return json.loads(out.stdout.splitlines()[-1])


def _fail(line: str) -> int:
    print(line, file=sys.stderr)
    return 2


def measure_row(task: str, rule: str, precision: str, engine: str, threads: int, repeats: int) -> dict:
    """One row, in this process. ``repeats`` 0 only builds and loads the kernels."""
    if engine == "reference":
        import torch  # noqa: F401    (before memory is looked at)
    else:
        import numba  # noqa: F401
    before = peak_mib()
    training, trials, update = _subject(task, rule, precision, engine, threads)
    few = slice(64 if task == SHD_LIKE else 2)
    training.engine.run(training.optimizer.weights, trials.take(few) if task == SHD_LIKE or (not repeats and engine == "reference") else trials)
    seconds = repeated(update, repeats, _device_seconds if engine == "cuda" else seconds_of)
    topology = training.network.topology
    updates = (topology.syn_in.size + topology.syn_rec.size) * trials.steps * trials.size
    spent = median(seconds or [float("nan")])
    return {"task": task, "rule": rule, "precision": training.arithmetic.name, "engine": training.engine.name,
            "threads": getattr(training.engine, "threads", 1), "seconds_per_iteration": spent, "fastest_seconds": min(seconds or [float("nan")]),
            "synapse_updates_per_second": updates / spent, "peak_mib": peak_mib() - before}


def _subject(task: str, rule: str, precision: str, engine: str, threads: int) -> tuple[Training | Simulator, Trials, Callable[[], object]]:
    """What is timed, a batch, and an update with it."""
    if task == SHD_LIKE:
        from .shd_like import simulator, trials
        peer, batch = simulator(precision, rule, engine, threads), trials()
        return peer, batch, lambda: peer.update(batch)
    from fxsim.config import load_config
    from fxsim.training.loop import Training
    training = Training(load_config(task).changed({"learning.rule": rule, "precision": precision, "threads": threads, "engine": engine}))
    drawn = training.task.training_trials(0)
    return training, drawn, lambda: training.update(drawn)


def repeated(call: Callable[[], object], repeats: int, clock: Callable[[Callable], float] | None = None) -> list[float]:
    """Seconds of each of several calls; none begins after LONG seconds."""
    seconds: list[float] = []
    while len(seconds) < repeats and sum(seconds) < LONG:
        seconds.append((clock or seconds_of)(call))
    return seconds


def seconds_of(call: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _device_seconds(call: Callable[[], object]) -> float:
    """Between two events of the CUDA device."""
    from numba import cuda
    first, last = cuda.event(), cuda.event()
    first.record()
    call()
    last.record()
    last.synchronize()
    return cuda.event_elapsed_time(first, last) / 1000


def peak_mib() -> float:
    """Largest resident size of this process so far, MiB."""
    try:    # getrusage also counts what the parent held when it forked
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    except (OSError, IndexError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    from fxsim.errors import InputError
    try:
        print(json.dumps(measure_row(**json.loads(sys.argv[1]))))
    except InputError as error:
        sys.exit(_fail(str(error)))

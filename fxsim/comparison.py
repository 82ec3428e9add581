"""Paired runs: every rule x precision x seed from the same initial weights and trials, then one table and the report.

    DIR/runs/RULE-PRECISION-sSEED/  (several tasks: DIR/runs/TASK/RULE-...)    a run directory each, see fxsim.runs
    DIR/curves.csv, DIR/telemetry.csv       the tables of all runs, one below the other
    DIR/manifest.json                       what was compared, where, and what was left out
    DIR/report.html                         see fxsim.report

A run that is finished is not repeated and one that is not goes on from its last checkpoint, so a comparison that was
interrupted, or is given one more seed or more iterations, goes on.
"""
from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import datetime, timezone
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Callable, Sequence

from quant import load_spec

from .arithmetic import FLOATS
from .config import Config, load_config
from .errors import InputError
from .files import make_directory, write_atomic, write_json
from .interrupts import Interrupted, Interrupts, hidden_from_children, interruptible
from .runs import command_line, is_finished, machine, train_in, versions
from .training import CURVE_COLUMNS, TELEMETRY_COLUMNS


@dataclass(frozen=True)
class Run:
    """One training run of a comparison."""

    config: Config
    directory: Path

    def __str__(self) -> str:
        c = self.config
        return f"{c.task.name} {c.learning.rule} {c.precision} seed {c.seed}"


def compare(configs: Sequence[Config], rules: Sequence[str], precisions: Sequence[str], seeds: Sequence[int], out: str | Path,
            jobs: int = 0, announce: Callable[[str], None] = print, notes: Sequence[str] = ()) -> Path:
    """Train every combination and build the report; returns its path.

    configs     one per task: everything but rule, precision and seed, which are replaced
    jobs        runs at a time, each in its own process with its share of the cores; 0: as many as cores
    notes       what a reader of the report must know
    """
    out = Path(out)
    runs, left_out = plan(configs, rules, precisions, seeds, out)
    make_directory(out / "runs")
    todo = [run for run in runs if not is_finished(run.directory, run.config, more=True)]
    announce(f"{len(runs)} runs, {len(runs) - len(todo)} finished before")
    with interruptible() as interrupts:
        train_all(todo, seeds[0], jobs, announce, interrupts)
    concatenate([run.directory / "curves.csv" for run in runs], CURVE_COLUMNS, out / "curves.csv")
    concatenate([run.directory / "telemetry.csv" for run in runs], TELEMETRY_COLUMNS, out / "telemetry.csv")
    write_json(out / "manifest.json", {
        "command": command_line(), "versions": versions(), "machine": machine(),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "tasks": {c.task.name: describe_task(c, rules, precisions, seeds) for c in configs}, "notes": [*notes, *left_out]})
    from .report import build_report    # imports matplotlib
    return build_report(out)


def plan(configs: Sequence[Config], rules: Sequence[str], precisions: Sequence[str], seeds: Sequence[int],
         out: Path) -> tuple[list[Run], list[str]]:
    """The runs in the order in which they start, and notes on what is left out. All input is checked here."""
    names = [precision_name(p) for p in precisions]
    for field, values in {"tasks": [c.task.name for c in configs], "rules": rules, "precisions": names, "seeds": seeds}.items():
        if not values or len(set(values)) < len(values):
            raise InputError("compare", field, ", ".join(map(str, values)) or "nothing", "at least one, each only once")
    fixed = [name for name, p in zip(names, precisions) if p not in FLOATS]
    notes = [f"bptt runs in float only and is left out for {', '.join(fixed)}"] if "bptt" in rules and fixed else []
    runs = []
    for seed in seeds:          # outermost: what is done at any time is paired
        for config in configs:
            folder = out / "runs" / config.task.name if len(configs) > 1 else out / "runs"
            for precision, name in zip(precisions, names):
                for rule in rules:
                    if rule != "bptt" or precision in FLOATS:
                        changed = config.changed({"seed": seed, "precision": precision, "learning.rule": rule})
                        runs.append(Run(changed, folder / f"{rule}-{name}-s{seed}"))
    if not runs:
        raise InputError("compare", "precisions", ", ".join(names), "float32 or float64 for rule bptt")
    return runs, notes


def precision_name(precision: str) -> str:
    """What tables and directories call a precision (of a file: the name inside it)."""
    return precision if precision in FLOATS else load_spec(precision).name


def train_all(runs: Sequence[Run], snapshot_seed: int, jobs: int, announce: Callable[[str], None], interrupts: Interrupts) -> None:
    """Train, several at a time; results do not depend on how many. Whatever ends it ends its processes, too, with checkpoints."""
    cores = os.cpu_count() or 1
    jobs = max(1, min(jobs or cores, len(runs)))
    threads, start = max(1, cores // jobs), time.perf_counter()
    context = get_context("spawn")
    theirs, lifeline = context.Pipe(duplex=False)
    with lifeline, ProcessPoolExecutor(jobs, context, end_with, (theirs,)) as pool:
        try:
            with interrupts.shield(), hidden_from_children(signal.SIGINT):      # a terminal sends it to them, too: it is for this process
                waiting = {pool.submit(train_one, run, threads, run.config.seed == snapshot_seed): run for run in runs}
            for done, future in enumerate(as_completed(waiting), 1):
                announce(f"[{done}/{len(runs)}, {time.perf_counter() - start:.0f} s] {waiting[future]}: {future.result()}")
        except BaseException:
            lifeline.close()
            pool.shutdown(cancel_futures=True)
            raise


def end_with(parent: Connection) -> None:
    """In a worker process: SIGTERM as soon as the other end of the pipe is closed, also by the parent's death, of whatever kind."""
    def wait() -> None:
        try:
            parent.recv_bytes()     # nothing is ever sent
        except EOFError:
            os.kill(os.getpid(), signal.SIGTERM)
    threading.Thread(target=wait, daemon=True).start()


def train_one(run: Run, threads: int, with_snapshot: bool) -> str:
    """One run with its directory; returns the last evaluation in words. An interrupted process ends, having left a checkpoint."""
    from .progress import describe
    begun = (run.directory / "config.yaml").exists()
    try:
        result = train_in(run.directory, run.config, resume=begun, threads=threads, with_snapshot=with_snapshot)
    except Interrupted:
        signal.raise_signal(signal.SIGTERM)     # without our handler: the pool would begin with the next run
        raise
    return describe([row for row in result.curves if row["split"] == "eval"][-1])


def concatenate(tables: Sequence[Path], columns: tuple[str, ...], target: Path) -> None:
    """One CSV of several with the same header, digit for digit."""
    header, text = ",".join(columns) + "\n", []
    for path in tables:
        first, _, rest = path.read_text().partition("\n")
        if first + "\n" != header:
            raise InputError(path, "header", first, header)
        text.append(rest)
    write_atomic(target, (header + "".join(text)).encode())


def describe_task(config: Config, rules: Sequence[str], precisions: Sequence[str], seeds: Sequence[int]) -> dict:
    """The manifest's entry of one task."""
    shipped = load_config(config.task.name)
    return {"n": config.network.n, "steps": config.task.steps, "batch_size": config.batch_size,
            "iterations": config.iterations, "seeds": list(seeds), "rules": list(rules),
            "precisions": [precision_name(p) for p in precisions], "c_reg": config.learning.c_reg,
            "paper_size": (config.task, config.network, config.batch_size) == (shipped.task, shipped.network, shipped.batch_size)}

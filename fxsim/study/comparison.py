"""Paired runs: every rule x precision x seed from the same initial weights and trials, then one table.

    DIR/runs/RULE-PRECISION-sSEED/  (several tasks: DIR/runs/TASK/RULE-...)    a run directory each, see fxsim.training.runs
    DIR/curves.csv, DIR/telemetry.csv       the tables of all runs, one below the other; alignment.csv, where ``evaluation.alignment`` asks for it
    DIR/manifest.json                       what was compared, where, and what was left out

A run that is finished is not repeated and one that is not goes on from its last checkpoint, so a comparison that was
interrupted, or is given one more seed or more iterations, goes on.
"""
from __future__ import annotations

import hashlib
import time
from contextlib import closing
from pathlib import Path
from typing import Callable, Sequence

from fxsim.config import Config
from fxsim.errors import InputError
from fxsim.files.ownership import claim_directory, has_json
from fxsim.files.writing import make_directory, only_user, read_csv_text, write_atomic, write_json
from fxsim.training.initial import neurons_of, pinned
from fxsim.training.interrupts import interruptible
from fxsim.training.loop import ALIGNMENT_COLUMNS, CURVE_COLUMNS, TELEMETRY_COLUMNS
from fxsim.training.progress import describe
from fxsim.training.runs import ALIGNMENT, file_name, is_finished, provenance
from quant import FLOATS, load_spec

from .jobs import Run, Workers, run_all
from .plan import is_paper_size, require_distinct

FILES = ("runs", "curves.csv", "telemetry.csv", ALIGNMENT, "manifest.json", "report.html", "figures")


def compare(configs: Sequence[Config], rules: Sequence[str], precisions: Sequence[str], seeds: Sequence[int], out: str | Path,
            jobs: int = 0, announce: Callable[[str], None] = print, notes: Sequence[str] = (), force: bool = False) -> None:
    """Train every combination and write the tables, which :func:`fxsim.report.build.build_report` draws.

    configs     one per task: everything but rule, precision and seed, which are replaced
    jobs        runs at a time, each in its own process with its share of the cores; 0: as many as cores
    notes       what a reader of the report must know
    force       write into a directory that is no comparison's, too
    """
    out = Path(out)
    runs = plan(configs, rules, precisions, seeds, out)
    claim_directory(out, FILES, _is_comparison, force)
    make_directory(out / "runs")
    todo = [run for run in runs if not is_finished(run.directory, run.config, more=True)]
    announce(f"{len(runs)} runs, {len(runs) - len(todo)} finished before")
    start = time.perf_counter()
    with only_user(out), interruptible() as interrupts, closing(run_all(todo, Workers(jobs), interrupts)) as finished:
        for done, (run, future) in enumerate(finished, 1):
            announce(f"[{done}/{len(todo)}, {time.perf_counter() - start:.0f} s] {run}: {describe(future.result())}")
    concatenate([run.directory / "curves.csv" for run in runs], CURVE_COLUMNS, out / "curves.csv")
    concatenate([run.directory / "telemetry.csv" for run in runs], TELEMETRY_COLUMNS, out / "telemetry.csv")
    if aligned := [run.directory / ALIGNMENT for run in runs if run.config.evaluation.alignment]:
        concatenate(aligned, ALIGNMENT_COLUMNS, out / ALIGNMENT)
    else:
        (out / ALIGNMENT).unlink(missing_ok=True)       # of runs with other questions
    write_json(out / "manifest.json", {
        **provenance(),
        "tasks": {c.task.name: describe_task(c, rules, precisions, seeds) for c in configs}, "notes": [*notes]})


def _is_comparison(directory: Path) -> bool:
    """True for a finished comparison, and for one that has only runs yet (a sweep has its study, too, a run its configuration)."""
    others = any((directory / name).exists() for name in ("study.yaml", "config.yaml", "evidence.csv", "curves.csv", "manifest.json"))
    return has_json("manifest.json", "tasks")(directory) or not others


def plan(configs: Sequence[Config], rules: Sequence[str], precisions: Sequence[str], seeds: Sequence[int],
         out: Path) -> list[Run]:
    """The runs in the order in which they start. All input is checked here."""
    names = [precision_name(p) for p in precisions]
    for field, values in {"tasks": [c.task.name for c in configs], "rules": rules, "precisions": names, "seeds": seeds}.items():
        if not values or len(set(values)) < len(values):
            raise InputError("compare", field, ", ".join(map(str, values)) or "nothing", "at least one, each only once")
    require_distinct("compare", [(name, p if p in FLOATS else load_spec(p)) for name, p in zip(names, precisions)])
    runs = []
    for seed in seeds:          # outermost: what is done at any time is paired
        for config in configs:
            folder = out / "runs" / config.task.name if len(configs) > 1 else out / "runs"
            for precision, name in zip(precisions, names):
                for rule in rules:
                    changed = pinned(config.changed({"seed": seed, "precision": precision, "learning.rule": rule}))
                    runs.append(Run(changed, folder / f"{rule}-{_folder(name)}-s{seed}", snapshot=seed == seeds[0]))
    return runs


def precision_name(precision: str) -> str:
    """What tables and directories call a precision (of a file: the name inside it)."""
    return precision if precision in FLOATS else load_spec(precision).name


def _folder(name: str) -> str:
    """A precision's name in that of a directory; what is no file's name gets a digest, so that two of them stay two."""
    plain = file_name(name)[:100]
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def concatenate(tables: Sequence[Path], columns: tuple[str, ...], target: Path) -> None:
    """One CSV of several with the same header, digit for digit."""
    header, text = ",".join(columns) + "\n", []
    for path in tables:
        first, _, rest = read_csv_text(path).partition("\n")
        if first + "\n" != header:
            raise InputError(path, "header", first, header)
        text.append(rest)
    write_atomic(target, (header + "".join(text)).encode())


def describe_task(config: Config, rules: Sequence[str], precisions: Sequence[str], seeds: Sequence[int]) -> dict:
    """The manifest's entry of one task."""
    return {"n": neurons_of(config), "steps": config.task.steps, "batch_size": config.batch_size,
            "iterations": config.updates, "seeds": list(seeds), "rules": list(rules),
            "precisions": [precision_name(p) for p in precisions], "c_reg": config.learning.c_reg,
            "paper_size": is_paper_size(config)}

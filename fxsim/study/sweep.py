"""Runs a study and keeps what came out.

    DIR/study.yaml                          the study, as given; study.files/: the files that it names, complete
    DIR/runs/TASK-RULE-PRECISION-sSEED-DIGEST/      a run directory each, see fxsim.training.runs; failure.txt where a run failed
    DIR/results.parquet, curves.parquet, telemetry.parquet      see fxsim.study.store
    DIR/manifest.json                       command, versions, machine, date, how many runs, median seconds of those done of each block

Finished runs are not repeated, and one that was interrupted, or killed, goes on from its last checkpoint to the same bits: the
tables are those of an undisturbed sweep. A run that fails is kept with its error, does not stop the others, and is tried again by the next sweep.
"""
from __future__ import annotations

import json
import traceback
from concurrent.futures import Future
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Collection, Mapping, Sequence

from fxsim.errors import InputError
from fxsim.files.ownership import claim_directory
from fxsim.files.writing import make_directory, only_user, write_atomic, write_json
from fxsim.training.interrupts import interruptible
from fxsim.training.progress import SweepProgress, describe
from fxsim.training.runs import provenance

from .jobs import Run, Workers, run_all
from .plan import Places, Planned, load_study, plan
from .store import NAMES, write_store

FILES = ("study.yaml", "study.files", "runs", "manifest.json", *(f"{name}.parquet" for name in NAMES))
LONGEST_ERROR = 500
BEFORE = "a training before it failed: "


@dataclass(frozen=True)
class Part:
    """What of a study is made; the tables are of all of its runs, those that are not finished marked as open.

    only        blocks; empty: all. With one that evaluates trained weights, or begins with them, goes the one that trains them
    make        False: no run is made, the tables are those of what is finished, also while another sweep goes on there
    """

    only: Sequence[str] = ()
    make: bool = True


def sweep(path: Path, out: Path, workers: Workers, progress: SweepProgress | None = None, force: bool = False, part: Part = Part()) -> dict[str, str]:
    """Make every run of the study in ``path``, then the tables. Returns the failures, folder -> error. Raises InputError.

    A study goes on in its own directory, also with more blocks, seeds or iterations. ``force``: in one of another study, too.
    """
    study, text = load_study(path)
    places = Places(path.parent)
    planned = plan(study, str(path), places)
    wanted = chosen(planned, part.only, str(path)) if part.make else []
    claim_directory(out, FILES, lambda place: _study_name(place) == study.name, force)
    make_directory(out / "runs")
    with only_user(out) if part.make else nullcontext():
        for name, content in {"study.yaml": text, **places.kept}.items():
            make_directory((out / name).parent)
            write_atomic(out / name, content.encode())
        failures: dict[str, str] = {}
        for stage in sorted({p.stage for p in wanted}):
            failures |= make_planned([p for p in wanted if p.stage == stage], out, workers, progress or SweepProgress(), failures)
        made = {p.folder for p in wanted}
        unfinished = {folder: run for folder, run in runs_in(out, planned).items() if folder not in made and not run.is_finished}
        failures |= {folder: line for folder, run in unfinished.items() if (line := kept_failure(run.directory))}
        write_store(out, planned, failures, unfinished, study.training_every)
        write_json(out / "manifest.json", {
            "study": study.name, **provenance(), "runs": len({p.folder for p in planned}),
            "open": len({*unfinished} - {*failures}), "failed": len(failures), "seconds": seconds_of(out, planned, {*failures, *unfinished})})
    return failures


def chosen(planned: Sequence[Planned], only: Sequence[str], source: str) -> list[Planned]:
    """The runs of these blocks (empty: all), and those that must go before them. InputError for a block that the study does not have."""
    blocks = dict.fromkeys(p.block for p in planned)
    for name in only:
        if name not in blocks:
            raise InputError(source, "--only", name, "one of the study's blocks: " + ", ".join(blocks))
    needed = set()
    for p in planned:
        while p.block in only and p.before:
            p = p.before
            needed.add(p.folder)
    return [p for p in planned if not only or p.block in only or p.folder in needed]


def seconds_of(out: Path, planned: Sequence[Planned], without: Collection[str]) -> dict[str, float]:
    """block -> median duration of its finished runs."""
    durations: dict[str, list[float]] = {}
    for p in planned:
        if p.folder not in without and not p.source:
            durations.setdefault(p.block, []).append(json.loads((out / "runs" / p.folder / "manifest.json").read_text())["duration_seconds"])
    return {block: round(median(found), 1) for block, found in durations.items()}


def _study_name(directory: Path) -> str | None:
    """Name of the study whose directory this is."""
    try:
        return load_study(directory / "study.yaml")[0].name
    except InputError:
        return None


def runs_in(out: Path, planned: Sequence[Planned]) -> dict[str, Run]:
    """folder -> a run of ``planned`` in its directory. Of each combination, the first one leaves a snapshot."""
    runs: dict[str, Run] = {}
    seen_shapes: set[str] = set()
    for p in planned:
        shape, config = p.config.model_copy(update={"seed": 0}).model_dump_json(), p.config
        if p.begins:
            config = config.changed({"initial.path": str(_place(out, p.begins))})
        runs.setdefault(p.folder, Run(config, _place(out, p), shape not in seen_shapes, _place(out, p.source) if p.source else None))
        seen_shapes.add(shape)
    return runs


def _place(out: Path, planned: Planned) -> Path:
    return (out / "runs" / planned.folder).resolve()


def make_planned(planned: Sequence[Planned], out: Path, workers: Workers, progress: SweepProgress, failed: Mapping[str, str] = {}) -> dict[str, str]:
    """Make those runs that are not finished in ``out``; returns folder -> error of those that failed.

    failed      runs that should have gone before: what needs one of them fails, too
    """
    failures = {p.folder: f"{BEFORE}{failed[p.before.folder].removeprefix(BEFORE)}"[:LONGEST_ERROR] for p in planned
                if p.before and p.before.folder in failed}
    runs = runs_in(out, [p for p in planned if p.folder not in failures])
    return failures | (_make(list(runs.values()), workers, progress) if runs else {})


def _make(runs: list[Run], workers: Workers, progress: SweepProgress) -> dict[str, str]:
    """Make those that are not finished; returns folder -> error of those that failed."""
    todo = [run for run in runs if not run.is_finished]
    failures: dict[str, str] = {}
    with interruptible() as interrupts, progress.of(len(runs), len(runs) - len(todo)), closing(run_all(todo, workers, interrupts)) as finished:
        for run, future in finished:
            error = failure(future)
            if error:
                failures[run.directory.name] = keep_failure(run.directory, error)
            else:
                (run.directory / "failure.txt").unlink(missing_ok=True)
            progress.finished(f"{run}: {failures[run.directory.name] if error else describe(future.result())}")
    return failures


def failure(future: Future) -> BaseException | None:
    """Why a run failed. What is no fault of one run, an interrupt for example, is raised."""
    error = future.exception()
    if error is not None and not isinstance(error, Exception):
        raise error
    return error


def keep_failure(directory: Path, error: BaseException) -> str:
    """Write failure.txt, the error in a line and its traceback, and return the line."""
    line = " ".join((str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}").split())[:LONGEST_ERROR]
    make_directory(directory)
    write_atomic(directory / "failure.txt", f"{line}\n\n{''.join(traceback.format_exception(error))}".encode())
    return line


def kept_failure(directory: Path) -> str:
    """The line of :func:`keep_failure`; empty where no run failed."""
    path = directory / "failure.txt"
    return path.read_text().partition("\n")[0][:LONGEST_ERROR] if path.is_file() else ""

"""Runs a study and keeps what came out.

    DIR/study.yaml                          the study, as given; study.files/: the files that it names, complete
    DIR/runs/TASK-RULE-PRECISION-sSEED-DIGEST/      a run directory each, see fxsim.training.runs; failure.txt where a run failed
    DIR/results.parquet, curves.parquet, telemetry.parquet      see fxsim.study.store
    DIR/manifest.json                       command, versions, machine, date, how many runs

Finished runs are not repeated, and one that was interrupted, or killed, goes on from its last checkpoint to the same bits: the
tables are those of an undisturbed sweep. A run that fails is kept with its error, does not stop the others, and is tried again by the next sweep.
"""
from __future__ import annotations

import traceback
from concurrent.futures import Future
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Mapping, Sequence

from fxsim.errors import InputError
from fxsim.files.ownership import claim_directory
from fxsim.files.writing import make_directory, only_user, write_atomic, write_json
from fxsim.training.interrupts import interruptible
from fxsim.training.progress import SweepProgress, describe
from fxsim.training.runs import command_line, machine, versions

from .jobs import Run, Workers, run_all
from .plan import Places, Planned, load_study, plan
from .store import NAMES, write_store

FILES = ("study.yaml", "study.files", "runs", "manifest.json", *(f"{name}.parquet" for name in NAMES))
LONGEST_ERROR = 500


def sweep(path: Path, out: Path, workers: Workers, progress: SweepProgress | None = None, force: bool = False) -> dict[str, str]:
    """Make every run of the study in ``path``, then the tables. Returns the failures, folder -> error. Raises InputError.

    A study goes on in its own directory, also with more blocks, seeds or iterations. ``force``: in one of another study, too.
    """
    study, text = load_study(path)
    places = Places(path.parent)
    planned = plan(study, str(path), places)
    claim_directory(out, FILES, lambda place: _study_name(place) == study.name, force)
    make_directory(out / "runs")
    with only_user(out):
        for name, content in {"study.yaml": text, **places.kept}.items():
            make_directory((out / name).parent)
            write_atomic(out / name, content.encode())
        failures = train_planned([p for p in planned if not p.source], out, workers, progress or SweepProgress())
        failures |= evaluate_planned([p for p in planned if p.source], out, workers, progress or SweepProgress(), failures)
        write_store(out, planned, failures)
        write_json(out / "manifest.json", {
            "study": study.name, "command": command_line(), "versions": versions(), "machine": machine(), "runs": len({p.folder for p in planned}),
            "failed": len(failures), "date": datetime.now(timezone.utc).isoformat(timespec="seconds")})
    return failures


def _study_name(directory: Path) -> str | None:
    """Name of the study whose directory this is."""
    try:
        return load_study(directory / "study.yaml")[0].name
    except InputError:
        return None


def train_planned(planned: Sequence[Planned], out: Path, workers: Workers, progress: SweepProgress) -> dict[str, str]:
    """Make those runs that are not finished in ``out``; returns folder -> error of those that failed."""
    runs: dict[str, Run] = {}
    seen_shapes: set[str] = set()
    for p in planned:       # one snapshot of each combination
        shape = p.config.model_copy(update={"seed": 0}).model_dump_json()
        runs.setdefault(p.folder, Run(p.config, (out / "runs" / p.folder).resolve(), shape not in seen_shapes))
        seen_shapes.add(shape)
    return _make(list(runs.values()), workers, progress)


def evaluate_planned(planned: Sequence[Planned], out: Path, workers: Workers, progress: SweepProgress, failed: Mapping[str, str]) -> dict[str, str]:
    """Evaluate the weights of trained runs, but for those that ``failed``; returns folder -> error."""
    runs, failures = {}, {}
    for p in planned:
        assert p.source is not None
        if p.source.folder in failed:
            failures[p.folder] = f"its training failed: {failed[p.source.folder]}"[:LONGEST_ERROR]
        else:
            runs[p.folder] = Run(p.config, (out / "runs" / p.folder).resolve(), source=(out / "runs" / p.source.folder).resolve())
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
    """Write failure.txt and return the error in a line."""
    line = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
    make_directory(directory)
    write_atomic(directory / "failure.txt", "".join(traceback.format_exception(error)).encode())
    return " ".join(line.split())[:LONGEST_ERROR]

"""The tables of a sweep: Parquet, tidy, equal to the byte for equal runs (nothing in them depends on when or where they ran).

    results.parquet     a row per block and run: block, run (its directory in runs/), task, rule, precision, seed, the axes, status (done | failed |
                        open, which is not finished), error, updates, stopped_early, loss, accuracy, nmse, rate_hz (last evaluation),
                        best_accuracy, best_nmse
    curves.parquet      rows of the runs' curves.csv without the seconds, after block, run and the axes; of training those that the study keeps
    evaluations.parquet a row per run of the blocks that evaluate, with the columns of fxsim.training.evaluation; trained: the run of the weights
    alignment.parquet   rows of the alignment.csv of runs that have one, after block, run and the axes; see fxsim.training.alignment.rows
    telemetry.parquet   rows of the runs' telemetry.csv, after block, run and the axes; where an axis is called rounding, say, the column of what was
                        counted is "counted rounding"
"""
from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Collection, Mapping, Sequence

import pandas as pd

from fxsim.errors import InputError
from fxsim.files.writing import read_csv_text, write_atomic
from fxsim.training.loop import CURVE_COLUMNS, TELEMETRY_COLUMNS
from fxsim.training.runs import ALIGNMENT

from .columns import OWN_COLUMNS, QUALITIES, RESERVED, RESULTS
from .plan import Planned

NAMES = ("results", "curves", "telemetry", "evaluations", "alignment")


def write_store(directory: Path, planned: Sequence[Planned], failures: Mapping[str, str], unfinished: Collection[str] = (),
                training_every: int = 1) -> None:
    """Write the tables of a sweep from its run directories. ``failures``: folder -> error; ``unfinished``: folders of runs that are not done;
    ``training_every``: see :class:`.plan.Study`."""
    rows, curves, telemetry, evaluations, alignment = [], [], [], [], []
    for run in planned:
        folder, labels = directory / "runs" / run.folder, {**_labels(run), **_axes(run)}
        if run.folder in failures:
            rows.append({**labels, "status": "failed", "error": failures[run.folder]})
            continue
        if run.folder in unfinished:
            rows.append({**labels, "status": "open", "error": ""})
            continue
        manifest = json.loads((folder / "manifest.json").read_text())
        table = pd.read_csv(io.StringIO(read_csv_text(folder / "curves.csv")))
        rows.append({**labels, "status": "done", "error": "", "updates": manifest["updates"], "stopped_early": manifest["stopped_early"],
                     **_qualities(table)})
        kept = (table["split"] == "eval") | (table["iteration"] % training_every == 0)
        curves.append(_labelled(table[kept].drop(columns="seconds"), labels))
        telemetry.append(_labelled(pd.read_csv(io.StringIO(read_csv_text(folder / "telemetry.csv"))), labels))
        if (folder / ALIGNMENT).is_file() and run.config.evaluation.alignment:
            alignment.append(_labelled(pd.read_csv(io.StringIO(read_csv_text(folder / ALIGNMENT))), labels))
        if run.source:
            found = pd.read_csv(io.StringIO(read_csv_text(folder / "evaluation.csv"))).drop(columns="precision")
            evaluations.append(_labelled(found, {**labels, "trained": run.source.folder}))
    results = pd.DataFrame(rows)
    results = results.reindex(columns=[*results.columns, *(name for name in RESULTS if name not in results)])       # where every run failed
    for name, table in zip(NAMES, (results, _concatenated(curves, ("run", *CURVE_COLUMNS)), _concatenated(telemetry, ("run", *TELEMETRY_COLUMNS)),
                                  _concatenated(evaluations, ()), _concatenated(alignment, ()))):
        write_atomic(directory / f"{name}.parquet", to_parquet(table))


def _labels(run: Planned) -> dict:
    c = run.config
    return {"block": run.block, "run": run.folder, "task": c.task.name, "rule": run.rule, "precision": run.precision, "seed": c.seed}


def _axes(run: Planned) -> dict:
    return {axis: value if isinstance(value, (int, float, str, type(None))) else json.dumps(value)
            for axis, value in run.axes.items() if axis not in OWN_COLUMNS}


def _qualities(curves: pd.DataFrame) -> dict:
    evaluations = curves[curves["split"] == "eval"]
    last = evaluations.iloc[-1]
    return {**{name: last[name] for name in QUALITIES}, "best_accuracy": evaluations["accuracy"].max(), "best_nmse": evaluations["nmse"].min()}


def _labelled(table: pd.DataFrame, labels: dict) -> pd.DataFrame:
    table = table.drop(columns=[name for name in labels if name in RESERVED and name in table])
    table = table.rename(columns={name: f"counted {name}" for name in labels if name in table})
    return pd.concat([pd.DataFrame([labels] * len(table), index=table.index, columns=list(labels)), table], axis=1)


def _concatenated(tables: list[pd.DataFrame], columns: tuple[str, ...]) -> pd.DataFrame:
    """One below the other; without any, a table of no rows with ``columns``."""
    return pd.concat([table for table in tables if len(table)] or tables[:1] or [pd.DataFrame(columns=columns)], ignore_index=True)


def to_parquet(table: pd.DataFrame) -> bytes:
    """A table as Parquet; columns of mixed types as text."""
    table = table.copy()
    for name in table.columns:
        if table[name].dtype == object:
            kinds = {type(value) for value in table[name] if not pd.isna(value)}
            if kinds - {str}:
                table[name] = table[name].convert_dtypes() if len(kinds) == 1 else table[name].map(str, na_action="ignore")
    data = io.BytesIO()
    table.to_parquet(data, index=False)
    return data.getvalue()


def read_store(directory: Path, name: str) -> pd.DataFrame:
    """One of NAMES. Raises InputError if it is not there or damaged."""
    path = directory / f"{name}.parquet"
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(path, "", getattr(error, "strerror", None) or type(error).__name__,
                         "a table of a sweep (fxsim sweep STUDY --out DIR)") from None

"""Reads a comparison directory: tables, manifest, snapshots. Anything broken is an InputError."""
from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import InputError
from ..training import CURVE_COLUMNS, TELEMETRY_COLUMNS

SNAPSHOT = {"spikes": 2, "input": 2, "modulator": 2, "readout": 2, "target": 2, "cell": 1, "grid": 1}      # name: dimensions
PUBLISHED_COLUMNS = ("task", "condition", "seed", "iteration", "accuracy_eval")
FLOAT_PRECISIONS = ("float32", "float64")


@dataclass(frozen=True)
class Comparison:
    """What was run and what came out."""

    manifest: dict
    curves: pd.DataFrame
    telemetry: pd.DataFrame
    snapshots: dict[tuple[str, str, str], dict[str, np.ndarray]]    # (task, rule, precision) -> arrays of one trial
    published: dict[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def tasks(self) -> list[str]:
        return list(dict.fromkeys(self.curves["task"]))

    def rules(self, task: str) -> list[str]:
        return list(dict.fromkeys(self.curves.loc[self.curves["task"] == task, "rule"]))

    def precisions(self, task: str | None = None) -> list[str]:
        """Float first, then in the order of the tables."""
        rows = self.curves if task is None else self.curves[self.curves["task"] == task]
        names = list(dict.fromkeys(rows["precision"]))
        return sorted(names, key=lambda name: (name not in FLOAT_PRECISIONS, names.index(name)))

    def measure(self, task: str) -> str:
        """The column that says how well a task is solved."""
        return "accuracy" if self.curves.loc[self.curves["task"] == task, "accuracy"].notna().any() else "nmse"


def read_comparison(directory: Path, published: Path | None = None) -> Comparison:
    """Read and check a comparison directory."""
    curves = _table(directory / "curves.csv", CURVE_COLUMNS)
    if curves.empty:
        raise InputError(directory / "curves.csv", "", "no rows", "the curves of at least one run")
    telemetry = _table(directory / "telemetry.csv", TELEMETRY_COLUMNS)
    snapshots = {}
    for path in sorted((directory / "runs").glob("**/snapshot.npz")):
        run = _manifest(path.with_name("manifest.json"))
        key = tuple(str(run.get(name)) for name in ("task", "rule", "precision"))
        snapshots.setdefault(key, _snapshot(path))
    tables = {}
    for task in dict.fromkeys(curves["task"]) if published else ():
        if (published / f"{task}.csv").exists():
            tables[task] = _table(published / f"{task}.csv", PUBLISHED_COLUMNS)
    return Comparison(_manifest(directory / "manifest.json"), curves, telemetry, snapshots, tables)


def _table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise InputError(path, "", getattr(error, "strerror", None) or type(error).__name__, "a CSV table that fxsim wrote") from None
    missing = [name for name in columns if name not in table]
    if missing:
        raise InputError(path, missing[0], "no such column", "the columns " + ", ".join(columns))
    return table


def _manifest(path: Path) -> dict:
    try:
        manifest = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(path, "", getattr(error, "strerror", None) or type(error).__name__, "a JSON manifest that fxsim wrote") from None
    if not isinstance(manifest, dict):
        raise InputError(path, "", type(manifest).__name__, "a JSON object")
    return manifest


def _snapshot(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in SNAPSHOT}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(path, "", type(error).__name__, "a snapshot with " + ", ".join(SNAPSHOT)) from None
    for name, dimensions in SNAPSHOT.items():
        if arrays[name].ndim != dimensions:
            raise InputError(path, name, f"{arrays[name].ndim} dimensions", f"{dimensions}")
    return arrays

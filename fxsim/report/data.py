"""Reads a comparison directory: tables, manifest, snapshots. Anything broken is an InputError."""
from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Sequence

import numpy as np
import pandas as pd

from fxsim.config.learning import RULES
from fxsim.config.registry import SHIPPED as TASKS
from fxsim.errors import InputError
from fxsim.files.archive import Archive
from fxsim.files.writing import read_csv_text
from fxsim.model.given.stored import read_network
from fxsim.model.network import Network
from fxsim.training.loop import ALIGNMENT_COLUMNS, CURVE_COLUMNS, TELEMETRY_COLUMNS
from fxsim.training.runs import ALIGNMENT

SNAPSHOT = {"spikes": 2, "input": 2, "modulator": 2, "readout": 2, "target": 2, "cell": 1, "grid": 1}      # name: dimensions
PUBLISHED_COLUMNS = ("task", "condition", "seed", "iteration", "loss_eval", "accuracy_eval")
WORDS = ("task", "rule", "precision", "split", "quantity", "rounding", "condition", "most_saturated", "gradient", "numbers", "reference",
         "way", "layer", "format", "moment")       # columns that hold no numbers
FLOAT_PRECISIONS = ("float32", "float64")

Snapshots = dict[tuple[str, str, str], dict[str, np.ndarray]]


@dataclass(frozen=True)
class Comparison:
    """What was run and what came out."""

    manifest: dict
    curves: pd.DataFrame
    telemetry: pd.DataFrame
    snapshots: Snapshots        # (task, rule, precision) -> arrays of one trial
    published: dict[str, pd.DataFrame] = field(default_factory=dict)    # task -> the authors' curves
    networks: dict[str, Network] = field(default_factory=dict)          # task -> the network of one of its runs
    alignment: pd.DataFrame | None = None       # how gradients agreed, where that was measured

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

    def measures(self, task: str) -> list[str]:
        """The columns that are drawn."""
        return [self.measure(task), "loss"]

    def facts(self, task: str) -> dict:
        """What the manifest says of a task; empty if it says nothing. "iterations" falls back on the curves."""
        updates = int(self.curves.loc[self.curves["task"] == task, "iteration"].max())
        return {"iterations": updates, **section(section(self.manifest, "tasks"), task)}

    def shown(self, task: str, rule: str) -> dict[str, dict[str, np.ndarray]]:
        """precision -> snapshot, float first."""
        return {p: self.snapshots[task, rule, p] for p in self.precisions(task) if (task, rule, p) in self.snapshots}


def section(manifest: dict, key: str) -> dict:
    """An object inside a manifest; empty if it is absent or something else."""
    found = manifest.get(key)
    return found if isinstance(found, dict) else {}


def read_comparison(directory: Path, published: Path | None = None) -> Comparison:
    """Read and check a comparison directory."""
    curves = read_table(directory / "curves.csv", CURVE_COLUMNS)
    if not (curves["split"] == "eval").any():
        raise InputError(directory / "curves.csv", "split", "no evaluations", "at least one row with split = eval")
    for column, known in (("task", TASKS), ("rule", RULES)):        # they are parts of file names
        if unknown := [name for name in dict.fromkeys(curves[column]) if name not in known]:
            raise InputError(directory / "curves.csv", column, str(unknown[0])[:80], "one of " + ", ".join(known))
    telemetry = read_table(directory / "telemetry.csv", TELEMETRY_COLUMNS)
    tables = read_published(published, list(dict.fromkeys(curves["task"]))) if published else {}
    shown = _chosen(directory / "runs", curves)
    aligned = read_table(directory / ALIGNMENT, ALIGNMENT_COLUMNS) if (directory / ALIGNMENT).exists() else None
    snapshots = {key: read_snapshot(path) for key, path in shown.items()}
    return Comparison(read_manifest(directory / "manifest.json"), curves, telemetry, snapshots, tables,
                      _networks(shown), aligned)


def read_published(directory: Path, tasks: Sequence[str]) -> dict[str, pd.DataFrame]:
    """task -> the authors' curves. InputError if there are none of these tasks."""
    tables = {task: read_table(path, PUBLISHED_COLUMNS) for task in tasks if (path := directory / f"{task}.csv").exists()}
    if not tables:
        raise InputError(directory, "published", "no curves of these tasks", " or ".join(f"{task}.csv" for task in tasks))
    return tables


def read_table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """A CSV table with these columns. Raises InputError."""
    try:
        numbers = [name for name in columns if name not in WORDS]       # words are text, also a precision that is called NA or 1e3
        table = pd.read_csv(io.StringIO(read_csv_text(path)), dtype=dict.fromkeys(WORDS, str), keep_default_na=False,
                            na_values=dict.fromkeys(numbers, [""]))
    except (OSError, ValueError) as error:
        raise InputError(path, "table", getattr(error, "strerror", None) or type(error).__name__, "a readable CSV table") from None
    for name in columns:
        if name not in table:
            raise InputError(path, name, "no such column", "the columns " + ", ".join(columns))
        if name not in WORDS and len(table) and not pd.api.types.is_numeric_dtype(table[name]):
            raise InputError(path, name, "text", "numbers")
    return table


def read_manifest(path: Path) -> dict:
    """A manifest.json. Raises InputError."""
    try:
        manifest = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(path, "manifest", getattr(error, "strerror", None) or type(error).__name__, "a readable JSON manifest") from None
    if not isinstance(manifest, dict):
        raise InputError(path, "manifest", type(manifest).__name__, "a JSON object")
    return manifest


def _chosen(folder: Path, curves: pd.DataFrame) -> dict[tuple[str, str, str], Path]:
    """One snapshot per task, rule and precision of the curves, of one seed wherever possible: the same trial, comparable."""
    wanted = set(map(tuple, curves[["task", "rule", "precision"]].drop_duplicates().to_numpy()))
    by_seed: dict[object, dict[tuple[str, str, str], Path]] = {}
    for path in sorted(folder.glob("**/snapshot.npz")):
        run = read_manifest(path.with_name("manifest.json"))
        key = (str(run.get("task")), str(run.get("rule")), str(run.get("precision")))
        if key in wanted:
            by_seed.setdefault(run.get("seed"), {}).setdefault(key, path)
    chosen: dict[tuple[str, str, str], Path] = {}
    for paths in sorted(by_seed.values(), key=len):     # the seed that has most overwrites the others
        chosen.update(paths)
    return chosen


def _networks(shown: dict[tuple[str, str, str], Path]) -> dict[str, Network]:
    """task -> the network of the first run that is shown of it and has kept one."""
    found: dict[str, Network] = {}
    for (task, _, _), path in shown.items():
        weights = path.with_name("weights.npz")
        if task not in found and weights.exists():
            with Archive(weights) as archive:
                if "sizes" in archive:      # version 0.1 kept weights alone
                    found[task] = read_network(archive)
    return found


def read_snapshot(path: Path) -> dict[str, np.ndarray]:
    """The arrays of fxsim.training.runs.snapshot. InputError."""
    with Archive(path) as archive:
        arrays = {name: archive.numbers(name, (None,) * dimensions) for name, dimensions in SNAPSHOT.items()}
    steps, window, cells = len(arrays["spikes"]), len(arrays["readout"]), int(np.prod(arrays["grid"]))
    allowed = {"input": (steps, arrays["input"].shape[1]), "target": (window, arrays["readout"].shape[1]), "grid": (2,),
               "modulator": (len(arrays["modulator"]) and window, cells)}
    for name, shape in allowed.items():
        if arrays[name].shape != shape or window > steps:
            raise InputError(path, name, f"shape {arrays[name].shape}", f"{shape}, to fit the other arrays")
    return arrays

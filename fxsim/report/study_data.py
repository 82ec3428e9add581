"""What the figures of a study show: means and standard errors over seeds, taken from the tables of its sweep.

The results are plain data, one dictionary per chart or heat map, that both the page's script and matplotlib draw.
"""
from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Iterator, Sequence

import numpy as np
import pandas as pd

from fxsim.errors import InputError
from fxsim.study.columns import QUALITIES, RESULTS
from fxsim.study.figure import ALIGNMENT, Figure
from fxsim.study.plan import Study, is_paper_size, load_study, plan
from fxsim.study.statistics.outcome import mean_of, settled
from fxsim.study.statistics.ranks import matched, ranking
from fxsim.study.store import read_store
from fxsim.training.alignment.rows import KEYS

from . import published as paper
from .data import FLOAT_PRECISIONS, read_manifest, read_published
from .figures import COLOURS, DASHES, LABELS, title
from .tables import standard_error

NOTHING: dict[str, Any] = {"points": [], "band": None}      # published beside a chart
PAIR = KEYS[1:]     # what tells two alignments of one network apart


@dataclass(frozen=True)
class Sweep:
    """A sweep directory: the study, its manifest, and its tables."""

    path: Path
    study: Study
    manifest: dict
    results: pd.DataFrame
    curves: pd.DataFrame
    published: dict[str, pd.DataFrame] = field(default_factory=dict)    # task -> the authors' curves

    @cached_property
    def facts(self) -> dict[str, dict]:
        """run -> what :mod:`.published` has to know of it. Runs that began with a given network are not named by the study without it."""
        ended = done(self.results).drop_duplicates("run").set_index("run")["updates"]
        return {**{run: {"paper_size": False, "iterations": int(updates)} for run, updates in ended.items()},
                **{p.folder: {"paper_size": is_paper_size(p.config), "c_reg": p.config.learning.c_reg, "k": p.config.learning.k,
                              "iterations": p.config.updates}
                   for p in plan(self.study, str(self.path / "study.yaml"), given=False) if p.config.drawn}}


def read_sweep(directory: Path, published: Path | None = None) -> Sweep:
    """Read a directory that ``fxsim sweep`` has filled. InputError. What stands for a run is its tail, see
    :func:`fxsim.study.statistics.outcome.settled`."""
    study, _ = load_study(directory / "study.yaml")
    results, curves = read_store(directory, "results"), read_store(directory, "curves")
    tables = read_published(published, list(dict.fromkeys(results["task"]))) if published else {}
    return Sweep(directory, study, read_manifest(directory / "manifest.json"), _settled(results, curves), curves, tables)


def _settled(results: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """The results with the numbers of each run's tail in place of those of its last evaluation."""
    found = {}
    for run, rows in curves[curves["split"] == "eval"].drop_duplicates(["run", "iteration"]).groupby("run"):
        updates = rows["iteration"].max()
        stopped = results.loc[results["run"] == run, "stopped_early"].astype(bool).any()
        found[run] = settled(rows, updates + stopped)[list(QUALITIES)]
    tails = results[["run"]].join(pd.DataFrame(found).T, on="run")
    return results.assign(**{name: tails[name].astype(float) for name in QUALITIES if found})


def failed(sweep: Sweep, number: int, figure: Figure) -> bool:
    """True if there are runs that a figure would show and all of them failed, or are open. Of alignments: if no run has any."""
    if figure.metric in ALIGNMENT:
        return _source(sweep, figure).empty
    rows = Rows(sweep, f"figures.{number}").chosen(sweep.results, figure.where)
    return done(rows).empty


def charts(sweep: Sweep, number: int, figure: Figure) -> list[dict]:
    """The panels of a figure of kind curves or lines; ``number``: its place in the study."""
    x = "iteration" if figure.kind == "curves" else figure.x
    where = Rows(sweep, f"figures.{number}")
    out: list[dict] = []
    rows = where.chosen(_source(sweep, figure), figure.where)
    where.numbers(rows, "x", x)
    values = in_order(where.column(rows, "lines", figure.lines))
    for panel, shown in where.panels(rows, figure.panels):
        series = [{"label": title(_shown(value)), **_style(values.index(value)), **_means(where, shown[shown[figure.lines] == value], figure, x)}
                  for value in values if (shown[figure.lines] == value).any()]
        ends = [min(min(s["x"]) for s in series), max(max(s["x"]) for s in series)]
        for i, (label, chosen) in enumerate(figure.levels.items()):
            level = done(where.chosen(sweep.results, chosen))
            if level.empty:         # all failed, as the table says
                continue
            numbers = where.numbers(level, "metric", figure.metric).to_numpy()
            mean, sem = float(numbers.mean()), standard_error(numbers)
            series.append({"label": label, "colour": "#555555", "dash": [[1, 2], [5, 3, 1, 3]][i % 2], "x": ends,
                           "mean": [mean] * 2, "sem": [sem] * 2, "n": [len(numbers)] * 2})
        beside = published_beside(sweep, shown, figure.metric) if figure.kind == "curves" and figure.metric not in ALIGNMENT else NOTHING
        out.append({"root": f"figure-{number}", "id": f"figure-{number}-{len(out)}", "group": f"figure-{number}",
                    "lines": title(figure.lines), "title": panel,
                    "x": "weight updates" if figure.kind == "curves" else figure.x_label or title(figure.x),
                    "y": LABELS.get(figure.metric, figure.metric), "origin": figure.kind == "curves", "log": figure.metric == "nmse",
                    "percent": figure.metric == "accuracy", "series": series, **beside})
    return out


def scatters(sweep: Sweep, number: int, figure: Figure) -> list[dict]:
    """The panels of a figure of kind ranks: title, x, y (a point for each combination of axes) and their :class:`Ranking`."""
    where, out, outcome = Rows(sweep, f"figures.{number}"), [], measure_of(sweep)
    results = done(where.chosen(sweep.results, {"block": figure.against}, "against"))
    for panel, rows in where.panels(where.chosen(_source(sweep, figure, defined=False), figure.where), figure.panels):
        for column in ("iteration", *PAIR):
            if rows.groupby("run")[column].nunique().max() > 1:
                raise where.error("where", f"several of {column} in one panel", f"one of {', '.join(map(str, dict.fromkeys(rows[column])))}")
        try:
            pairs = matched(rows.drop_duplicates("run"), results, figure.metric, outcome)
        except KeyError:
            raise where.error("against", figure.against, "a block with the axes of the runs that are shown") from None
        better = pairs["y"] if outcome == "accuracy" else -pairs["y"]
        out.append({"title": panel, "x": pairs["x"].tolist(), "y": pairs["y"].tolist(), "ranking": ranking(pairs["close"], better),
                    "outcome": outcome})
    return out


def _source(sweep: Sweep, figure: Figure, defined: bool = True) -> pd.DataFrame:
    """The table that a figure of kind curves, lines or ranks shows; of alignments what is ``defined`` (a gradient may be zero)."""
    if figure.metric in ALIGNMENT:
        table = read_store(sweep.path, "alignment")
        return table[table[figure.metric].notna()] if len(table) and defined else table
    return sweep.curves[sweep.curves["split"] == "eval"] if figure.kind == "curves" else done(sweep.results)


def heatmap(sweep: Sweep, number: int, figure: Figure) -> dict:
    """x, y: values of the axes; mean, sem, n: a row per y, a column per x."""
    where = Rows(sweep, f"figures.{number}")
    rows = where.chosen(done(sweep.results), figure.where)
    where.numbers(rows, "metric", figure.metric)
    xs, ys = (in_order(where.column(rows, name, getattr(figure, name))) for name in ("x", "y"))
    cells = [[rows[(rows[figure.x] == x) & (rows[figure.y] == y)][figure.metric].to_numpy() for x in xs] for y in ys]
    plain = [[_number(v) if isinstance(v, float) else v for v in values] for values in (xs, ys)]
    return {"x": plain[0], "y": plain[1], "mean": [[float(c.mean()) if len(c) else float("nan") for c in row] for row in cells],
            "sem": [[standard_error(c) for c in row] for row in cells], "n": [[len(c) for c in row] for row in cells]}


@dataclass(frozen=True)
class Rows:
    """Picks rows of a table as a figure says; what it names wrongly is an InputError of that figure."""

    sweep: Sweep
    field: str

    def error(self, name: str, found: object, allowed: str) -> InputError:
        return InputError(self.sweep.path / "study.yaml", f"{self.field}.{name}", found, allowed)

    def column(self, table: pd.DataFrame, name: str, column: str) -> pd.Series:
        if column not in table:
            raise self.error(name, column, "a column: " + ", ".join(table.columns))
        return table[column]

    def numbers(self, table: pd.DataFrame, name: str, column: str) -> pd.Series:
        values = self.column(table, name, column)
        if not pd.api.types.is_numeric_dtype(values) or values.isna().any():
            raise self.error(name, column, "a column that holds a number in each of these rows")
        return values

    def chosen(self, table: pd.DataFrame, where: dict[str, Any], name: str = "where") -> pd.DataFrame:
        for column, wanted in where.items():
            table = table[self.column(table, name, column).isin(wanted if isinstance(wanted, list) else [wanted])]
        if table.empty:
            raise self.error(name, where, "a choice that leaves rows")
        return table

    def panels(self, table: pd.DataFrame, columns: Sequence[str]) -> Iterator[tuple[str, pd.DataFrame]]:
        for column in columns:
            self.column(table, "panels", column)
        if not columns:
            yield "", table
            return
        for key, rows in table.groupby(list(columns), sort=False):
            yield ", ".join(title(str(value)) for value in key), rows


def evaluations(sweep: Sweep, runs: pd.DataFrame) -> pd.DataFrame:
    """The evaluations of these rows of the results; a run that stands in several blocks has its own once."""
    table = sweep.curves
    return table[(table["split"] == "eval") & table["run"].isin(runs["run"])].drop_duplicates(["run", "iteration"])


def planned_updates(sweep: Sweep, runs: pd.DataFrame) -> int:
    """How many updates these rows' runs were to make, the longest of them."""
    return max(int(sweep.facts[run]["iterations"]) for run in runs["run"])


def done(results: pd.DataFrame) -> pd.DataFrame:
    """The rows of runs that are finished."""
    return results[results["status"] == "done"]


def measure_of(sweep: Sweep, task: str | None = None) -> str:
    """What says how well a task is solved (None: the study's first one): accuracy, or nmse where a run has that."""
    results = sweep.results
    return "nmse" if results.loc[results["task"] == (task or results["task"].iloc[0]), "nmse"].notna().any() else "accuracy"


def shown_axes(axes: Sequence[str], values: Sequence[object]) -> str:
    """The values of a combination's axes in words; those that it does not vary are left out."""
    return ", ".join(f"{title(axis)} {_shown(value)}" for axis, value in zip(axes, values) if not _missing(value))


def in_order(column: pd.Series) -> list:
    """Distinct values: numbers upwards, words as they come, floats before other precisions."""
    values = [v for v in dict.fromkeys(column.tolist()) if not (v is None or isinstance(v, float) and math.isnan(v))]
    if pd.api.types.is_numeric_dtype(column):
        return sorted(values)
    return sorted(values, key=lambda name: (name not in FLOAT_PRECISIONS, values.index(name)))


def _means(where: Rows, rows: pd.DataFrame, figure: Figure, x: str) -> dict:
    """x, mean, sem, n of a line; a run that stands in several blocks counts once."""
    where.numbers(rows, "metric", figure.metric)
    if figure.metric in ALIGNMENT:
        for column in PAIR:
            if rows.groupby([x, "run"])[column].nunique().max() > 1:
                raise where.error("where", f"several of {column} in one line", f"one of {', '.join(map(str, dict.fromkeys(rows[column])))}")
    grouped = rows.drop_duplicates([x, "run"]).groupby(x)[figure.metric]
    return {"x": [_number(v) for v in grouped.groups], "mean": grouped.mean().tolist(), "sem": [standard_error(v.to_numpy()) for _, v in grouped],
            "n": grouped.size().tolist()}


def _number(value: float) -> int | float:
    return int(value) if float(value).is_integer() else float(value)


def _style(index: int) -> dict:
    return {"colour": COLOURS[index % len(COLOURS)], "dash": list(DASHES[index % len(DASHES)])}


def published_beside(sweep: Sweep, rows: pd.DataFrame, measure: str) -> dict[str, Any]:
    """Published accuracies, and what the authors' seeds span, beside the curves of one task and rule, where all runs are like the published ones."""
    kinds = set(zip(rows["task"], rows["rule"]))
    if len(kinds) != 1:
        return NOTHING
    (task, rule), facts = next(iter(kinds)), [sweep.facts.get(run, {}) for run in dict.fromkeys(rows["run"])]
    if any(paper.obstacle(task, rule, fact) for fact in facts):
        return NOTHING
    longest = max(facts, key=lambda fact: fact["iterations"])
    return {"points": paper.points(task, rule, longest) if measure == "accuracy" else [],
            "band": paper.spread(sweep.published[task], task, rule, longest, measure) if task in sweep.published else None}


def summary(sweep: Sweep) -> list[dict]:
    """A row per block and combination of its axes: label, measure, mean over seeds with its interval."""
    rows = []
    results = sweep.results
    axes = [c for c in results.columns if c not in RESULTS]
    keys = ["block", "task", "rule", "precision", *axes]
    for key, group in results.groupby(keys, sort=False, dropna=False):
        found = dict(zip(keys, key))
        finished = done(group)
        measure = measure_of(sweep, found["task"])
        seen = mean_of(finished[measure].to_numpy(dtype=float) if len(finished) else np.zeros(0))
        rows.append({**{name: found[name] for name in keys[:4]}, "axes": shown_axes(axes, [found[axis] for axis in axes]), "measure": measure,
                     "n": seen.n, "mean": seen.mean, "half": seen.half, "detectable": seen.detectable,
                     **{status: int((group["status"] == status).sum()) for status in ("failed", "open")},
                     "error": next((e for e in group.get("error", []) if e), "")})
    return rows


def _missing(value: object) -> bool:
    return value is None or value is pd.NA or isinstance(value, float) and math.isnan(value)


def _shown(value: object) -> str:
    return f"{_number(value)}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)

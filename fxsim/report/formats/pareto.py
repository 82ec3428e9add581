"""Quality, memory and energy of a study's conditions: what its figures of kind pareto show."""
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from fxsim.config import Config
from fxsim.hardware.activity import evaluation_trials, traffic_at
from fxsim.hardware.cost import Estimate, estimates, refuse_bptt
from fxsim.hardware.energy import Energy
from fxsim.hardware.memory import memory
from fxsim.study.figure import Figure
from fxsim.study.plan import plan
from fxsim.study.statistics.outcome import Mean, mean_of
from fxsim.training.initial import network_of

from ..data import FLOAT_PRECISIONS
from ..figures import COLOURS, LABELS, title
from ..page import with_error
from ..study_data import NOTHING, Rows, Sweep, done, in_order
from ..tables import standard_error

TRIALS = 4          # of the task, whose input spikes are counted


@dataclass(frozen=True)
class Condition:
    """Runs of one configuration. ``change``: of the rate against float's, paired by seed; energies: None where they have no price."""

    panel: str
    label: str
    colour: str
    quality: Mean
    sem: float
    rate: float
    change: Mean
    memory: float               # bytes
    trial: Estimate | None      # inference
    update: Estimate | None
    beaten: bool = False


def conditions(sweep: Sweep, number: int, figure: Figure) -> list[Condition]:
    """A condition for each panel and value of ``figure.lines``. InputError for a point of several configurations, or of BPTT."""
    where = Rows(sweep, f"figures.{number}")
    rows = where.chosen(done(sweep.results), figure.where).drop_duplicates("run")
    where.numbers(rows, "metric", figure.metric)
    values, configs = in_order(where.column(rows, "lines", figure.lines)), _configs(sweep)
    found = []
    for panel, shown in where.panels(rows, figure.panels):
        floats = next((shown[shown["precision"] == name].set_index("seed") for name in FLOAT_PRECISIONS if (shown["precision"] == name).any()), None)
        here = []
        for value in values:
            runs = shown[shown[figure.lines] == value]
            if runs.empty:
                continue
            if len({configs[run].changed({"seed": 0}).model_dump_json() for run in runs["run"]}) > 1:
                raise where.error("panels", f"several configurations in one point, {value}", "panels or lines that tell them apart")
            colour = COLOURS[values.index(value) % len(COLOURS)]
            here.append(_condition(configs[runs["run"].iloc[0]], figure.metric, panel, str(value), colour, runs, floats))
        found += [replace(one, beaten=any(_beats(other, one, figure.metric) for other in here)) for one in here]
    return found


def _configs(sweep: Sweep) -> dict[str, Config]:
    return {p.folder: p.config for p in plan(sweep.study, str(sweep.path / "study.yaml"), given=False)}


def _condition(config: Config, metric: str, panel: str, label: str, colour: str, runs: pd.DataFrame, floats: pd.DataFrame | None) -> Condition:
    refuse_bptt(config)
    network, rates = network_of(config), runs.set_index("seed")["rate_hz"]
    kept = memory(config, network).network.total / 8
    trial, _, update = estimates(config, network, traffic_at(network, evaluation_trials(config, TRIALS), float(rates.mean())), kept)
    paired = np.zeros(0) if floats is None or (runs["run"].isin(floats["run"])).all() else (rates - floats["rate_hz"]).dropna().to_numpy()
    quality = runs[metric].to_numpy(float)
    return Condition(panel, label, colour, mean_of(quality), standard_error(quality), float(rates.mean()), mean_of(paired), kept, trial, update)


def _beats(a: Condition, b: Condition, metric: str) -> bool:
    """At least as good in all three, and better in one. What has no energy is compared without."""
    sign = 1 if metric == "accuracy" else -1
    pairs = [(sign * a.quality.mean, sign * b.quality.mean), (-a.memory, -b.memory)]
    if a.update and b.update:
        pairs.append((-a.update.energy.high, -b.update.energy.high))
    return all(x >= y for x, y in pairs) and any(x > y for x, y in pairs)


# ---- as charts and rows ------------------------------------------------------------------------------------------------
def pareto_charts(number: int, figure: Figure, found: list[Condition]) -> list[dict[str, Any]]:
    """For each panel, quality over memory and over energy."""
    charts = list[dict[str, Any]]()
    for panel in dict.fromkeys(one.panel for one in found):
        for axis, label in (("memory", "memory of the network (KiB)"), ("energy", "energy of an update, upper end (uJ)")):
            series = [{"label": title(one.label), "colour": one.colour, "dash": [], "x": [x], "mean": [one.quality.mean], "sem": [one.sem],
                       "n": [one.quality.n], "beaten": one.beaten, "note": _note(one)}
                      for one in found if one.panel == panel and (x := _cost(one, axis)) is not None]
            if series:
                charts.append({"root": f"figure-{number}", "id": f"figure-{number}-{len(charts)}", "group": f"figure-{number}",
                               "lines": title(figure.lines), "title": panel, "x": label, "y": LABELS.get(figure.metric, figure.metric),
                               "origin": False, "log": figure.metric == "nmse", "percent": figure.metric == "accuracy", "series": series, **NOTHING})
    return charts


def _cost(one: Condition, axis: str) -> float | None:
    if axis == "memory":
        return round(one.memory / 1024, 2)
    return None if one.update is None else round(one.update.energy.high * 1e-6, 2)


def pareto_rows(found: list[Condition], metric: str) -> list[dict[str, Any]]:
    """Rows of the table, formatted."""
    return [{"panel": one.panel, "label": title(one.label), "beaten": one.beaten, "n": one.quality.n, "rate": f"{one.rate:.1f}",
             "result": with_error(one.quality.mean, one.quality.half, metric == "accuracy"), "change": _change(one),
             "memory": f"{one.memory / 1024:.1f}", "trial": _micro(one.trial), "of_update": _micro(one.update)} for one in found]


def _change(one: Condition) -> str:
    return "–" if not one.change.n else f"{one.change.mean:+.1f}" + (f" ± {one.change.half:.1f}" if one.change.n > 1 else "")


def _micro(estimate: Estimate | None) -> str:
    if estimate is None:
        return "no row"
    energy: Energy = estimate.energy * 1e-6
    return f"{energy.low:.3g} to {energy.high:.3g}" if energy.high < 1000 else f"{energy.low:.0f} to {energy.high:.0f}"


def _note(one: Condition) -> str:
    return f"{one.rate:.1f} Hz, {one.memory / 1024:.1f} KiB, an update {_micro(one.update)} uJ"

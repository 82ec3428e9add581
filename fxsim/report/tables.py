"""Numbers of the report: means and their intervals over seeds, paired differences, shares of lost precision."""
from __future__ import annotations

import numpy as np
import pandas as pd

from fxsim.study.statistics.outcome import holm, mean_of, p_value, settled
from quant.quantities import INDEX

from .data import FLOAT_PRECISIONS, Comparison

KINDS = {       # column -> (how it is called, share from which a cell is marked)
    "saturated": ("saturated", 0.001),
    "underflowed": ("rounded to zero", 0.1),
    "stalled": ("change rounded away", 0.1),
}


def standard_error(values: np.ndarray) -> float:
    """Standard error of the mean; NaN for a single value."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")


def learning_curve(comparison: Comparison, task: str, rule: str, precision: str, column: str) -> pd.DataFrame:
    """iteration, mean, sem, n of an evaluation measure over seeds."""
    c = comparison.curves
    rows = c[(c["task"] == task) & (c["rule"] == rule) & (c["precision"] == precision) & (c["split"] == "eval")].dropna(subset=[column])
    grouped = rows.groupby("iteration")[column]
    return pd.DataFrame({"iteration": list(grouped.groups), "mean": grouped.mean().to_numpy(),
                         "sem": [standard_error(v.to_numpy()) for _, v in grouped], "n": grouped.size().to_numpy()})


def final_table(comparison: Comparison) -> pd.DataFrame:
    """One row per task, rule and precision: what runs settled at (:mod:`fxsim.study.statistics.outcome`), its difference from float paired by
    seed, and the p values of these differences, adjusted for all of a task."""
    c, rows = comparison.curves, []
    labels, planned = ["task", "rule", "precision", "seed"], {task: comparison.facts(task)["iterations"] for task in comparison.tasks}
    ends = {task: updates if isinstance(updates, int) else 0 for task, updates in planned.items()}      # a manifest may hold anything
    last = pd.DataFrame([{**dict(zip(labels, key)), "iteration": run["iteration"].max(), "seconds": run["seconds"].max(),
                          **settled(run, ends[key[0]])[["accuracy", "nmse", "loss", "rate_hz"]]}
                         for key, run in c[c["split"] == "eval"].groupby(labels)])
    for task in comparison.tasks:
        column = comparison.measure(task)
        for rule in comparison.rules(task):
            here = last[(last["task"] == task) & (last["rule"] == rule)]
            float_name = next((p for p in FLOAT_PRECISIONS if (here["precision"] == p).any()), None)
            reference = here[here["precision"] == float_name].set_index("seed")[column]
            for precision in comparison.precisions(task):
                runs = here[here["precision"] == precision].set_index("seed")
                if runs.empty:
                    continue
                paired = (runs[column] - reference).dropna().to_numpy() if precision != float_name else np.zeros(0)
                seen, difference = mean_of(runs[column].to_numpy()), mean_of(paired)
                rows.append({"task": task, "rule": rule, "precision": precision, "measure": column, "updates": int(runs["iteration"].max()),
                             "seeds": len(runs), "mean": seen.mean, "half": seen.half, "difference": difference.mean,
                             "difference_half": difference.half, "detectable": difference.detectable, "p": p_value(paired),
                             "rate_hz": runs["rate_hz"].mean(), "seconds": runs["seconds"].mean()})
    table = pd.DataFrame(rows)
    for _, of_task in table[table["p"].notna()].groupby("task"):
        table.loc[of_task.index, "p"] = holm(of_task["p"].to_numpy())
    return table


def losses(comparison: Comparison, task: str, rule: str) -> pd.DataFrame:
    """One row per quantity and fixed precision: shares saturated, underflowed and stalled, headroom used, format.

    From the last count of every run, summed over seeds (headroom: the largest).
    """
    t, precisions = comparison.telemetry, comparison.precisions(task)
    rows = t[(t["task"] == task) & (t["rule"] == rule) & t["precision"].isin(precisions) & t["word_bits"].notna() & (t["stored"] > 0)]
    if rows.empty:
        return pd.DataFrame()
    rows = rows[rows["iteration"] == rows.groupby(["precision", "seed"])["iteration"].transform("max")]
    grouped = rows.groupby(["precision", "quantity"], sort=False)
    table = grouped[["stored", "saturated", "underflowed", "stalled"]].sum()
    out = table[["saturated", "underflowed", "stalled"]].div(table["stored"], axis=0)
    out["headroom"] = grouped["max_abs"].max()
    first = grouped[["word_bits", "frac_bits", "rounding"]].first()
    out["format"] = [f"{int(word)}.{int(frac)} {rounding.replace('_', ' ')}" for word, frac, rounding in first.to_numpy()]
    order = {"quantity": lambda q: INDEX.get(q, len(INDEX)), "precision": precisions.index}
    return out.reset_index().sort_values(list(order), key=lambda column: column.map(order[column.name]), ignore_index=True)

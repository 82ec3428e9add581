"""What runs came to, and what can be said from so many of them.

The measure of a run is its mean over a fixed tail of evaluations, not its last one: one evaluation of a few hundred trials moves by
several points between two updates. Beside a mean over runs belong its interval, and the smallest difference that so many runs would have shown.
Differences are paired by seed; several questions at once are adjusted by Holm's method.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence, Union

import numpy as np
import pandas as pd

Numbers = Union[Sequence[float], np.ndarray]
TAIL = 5            # evaluations
LEVEL, POWER = 0.95, 0.8


def settled(evaluations: pd.DataFrame, end: int) -> pd.Series:
    """Means of the numbers of a run over its tail: the last TAIL evaluations in the second half of the updates that it was to make.

    evaluations     the rows of its curve with split eval, column iteration
    end             updates that it was to make. One that stopped before has met its criterion in evaluation and confirmations: what counts is its
                    last evaluation
    """
    rows = evaluations.sort_values("iteration")
    tail = rows.tail(1) if rows["iteration"].iloc[-1] < end else rows[rows["iteration"] >= end / 2].tail(TAIL)
    return tail.select_dtypes("number").mean()


@dataclass(frozen=True)
class Mean:
    """A mean over ``n`` runs. ``half``: of its interval at LEVEL, Student's t; ``detectable``: the smallest true difference from zero that a t test
    at this level finds in so many runs with probability POWER, if they scatter as these do. Both NaN for a single run."""

    mean: float
    n: int
    half: float
    detectable: float

    @property
    def low(self) -> float:
        return self.mean - self.half

    @property
    def high(self) -> float:
        return self.mean + self.half


def mean_of(values: Numbers) -> Mean:
    """Mean and interval of independent values, or of differences paired by seed."""
    x = np.asarray(values, float)
    if x.size < 2:
        return Mean(float(x.mean()) if x.size else float("nan"), x.size, float("nan"), float("nan"))
    return _mean(x.mean(), x.size, x.std(ddof=1) / np.sqrt(x.size), x.size - 1)


def _mean(mean: float, n: int, error: float, free: float) -> Mean:
    """By Student's t, from a standard error with so many degrees of freedom."""
    from scipy.special import stdtrit
    two_sided = stdtrit(free, 0.5 + LEVEL / 2)
    return Mean(float(mean), n, float(two_sided * error), float((two_sided + stdtrit(free, POWER)) * error))


def unpaired(a: Numbers, b: Numbers) -> Mean:
    """Difference of the means of two independent samples, a - b, with Welch's interval. ``n``: of both together; NaN where one has a single value."""
    x, y = np.asarray(a, float), np.asarray(b, float)
    if min(x.size, y.size) < 2:
        return Mean(float(x.mean() - y.mean()) if min(x.size, y.size) else float("nan"), x.size + y.size, float("nan"), float("nan"))
    of_x, of_y = x.var(ddof=1) / x.size, y.var(ddof=1) / y.size
    error = np.sqrt(of_x + of_y)
    free = (of_x + of_y) ** 2 / (of_x**2 / (x.size - 1) + of_y**2 / (y.size - 1)) if error else x.size + y.size - 2
    return _mean(x.mean() - y.mean(), x.size + y.size, error, free)


def p_value(differences: Numbers) -> float:
    """Of a two-sided t test that their mean is zero; NaN for a single one, 1 where all are zero."""
    from scipy.special import stdtr
    x = np.asarray(differences, float)
    if x.size < 2:
        return float("nan")
    error = x.std(ddof=1) / np.sqrt(x.size)
    if error == 0:
        return 1.0 if x.mean() == 0 else 0.0
    return float(2 * stdtr(x.size - 1, -abs(x.mean()) / error))


def holm(p_values: Sequence[float], most: int | None = None) -> list[float]:
    """Adjusted p values, in the order given: those below 5 % hold together at 5 % (S. Holm, Scand. J. Statist. 6, 1979).

    most    how many of the hypotheses can be true at once, where some exclude one another; None: all
    """
    p = np.asarray(p_values, float)
    order = np.argsort(p, kind="stable")
    left = np.minimum(np.arange(p.size, 0, -1), p.size if most is None else most)
    steps = np.maximum.accumulate(p[order] * left)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted.tolist()


def pooled(differences: pd.DataFrame) -> np.ndarray:
    """One contrast over several conditions, word lengths say, instead of one for each: the mean of each row (a seed) that has them all."""
    return differences.mean(axis=1, skipna=False).dropna().to_numpy()


def pairing(a: Sequence[float], b: Sequence[float]) -> float:
    """How much pairs of runs with the same seed have in common: their correlation. Pairing gains only where it is large; NaN where nothing varies."""
    if min(np.std(a), np.std(b)) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


@dataclass(frozen=True)
class Crossing:
    """Where a curve reaches a goal. ``kind``: "at"; "at most", reached already at the lowest x that was tried; "above", not even at the highest."""

    x: float
    kind: str

    def __str__(self) -> str:
        return f"{self.x:.2f}" if self.kind == "at" else f"{self.kind} {self.x:g}"


def crossing(x: Sequence[float], y: Sequence[float], goal: float) -> Crossing:
    """The x, by straight lines between those tried, from which the largest y so far is at least ``goal``. What lies outside of them is
    censored: it is no number to average."""
    order = np.argsort(x)
    xs, best = np.asarray(x, float)[order], np.maximum.accumulate(np.asarray(y, float)[order])
    if best[0] >= goal:
        return Crossing(float(xs[0]), "at most")
    if best[-1] < goal:
        return Crossing(float(xs[-1]), "above")
    i = int(np.argmax(best >= goal))
    return Crossing(float(np.interp(goal, best[i - 1:i + 1], xs[i - 1:i + 1])), "at")


def area(evaluations: pd.DataFrame, column: str, end: int) -> float:
    """Mean of a measure over the updates 0 to ``end``, by straight lines between evaluations; one that stopped before stays at its last value."""
    rows = evaluations[evaluations["iteration"] <= end].sort_values("iteration")
    x, y = np.append(rows["iteration"], end).astype(float), np.append(rows[column], rows[column].iloc[-1]).astype(float)
    return float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2) / end)

"""Does a measure of gradients rank what training comes to? Rank correlations of the alignments of one block with the results of another.

Runs belong together that have the same axes and seed; what is ranked is the mean over seeds. Measures are ranked by how close a gradient is to its
reference, whatever the side: a ratio by the distance of its logarithm from 0, a bias by its size. One that is not defined (a gradient is zero) is the
farthest of all.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Sequence

import numpy as np
import pandas as pd

from fxsim.study.columns import RESULTS

from .outcome import LEVEL

RESAMPLES, SEED = 2000, 1
CLOSENESS: dict[str, Callable[[pd.Series], pd.Series]] = {
    "cosine": lambda x: x, "angle": lambda x: -x, "signs": lambda x: x, "ratio": lambda x: -np.log(x).abs(), "bias": lambda x: -x.abs()}


@dataclass(frozen=True)
class Ranking:
    """Spearman's and Kendall's (tau b) correlation of ``n`` pairs. ``low``, ``high``: of Spearman's, a 95 % interval of the bootstrap over pairs
    (Efron 1979), by percentiles. NaN where one side is the same everywhere."""

    spearman: float
    low: float
    high: float
    kendall: float
    n: int


def ranking(x: Sequence[float] | pd.Series, y: Sequence[float] | pd.Series) -> Ranking:
    """Of values without NaN."""
    from scipy.stats import kendalltau, rankdata
    pairs = np.array([x, y], float)
    n = pairs.shape[1]
    if n < 3 or (pairs == pairs[:, :1]).all(1).any():
        return Ranking(float("nan"), float("nan"), float("nan"), float("nan"), n)
    drawn = np.concatenate([np.arange(n)[None], np.random.default_rng(SEED).integers(n, size=(RESAMPLES, n))])
    ranks = rankdata(pairs[:, drawn], axis=-1)
    ranks -= ranks.mean(-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (ranks[0] * ranks[1]).sum(-1) / np.sqrt(np.square(ranks[0]).sum(-1) * np.square(ranks[1]).sum(-1))
    low, high = np.nanquantile(found[1:], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Ranking(float(found[0]), float(low), float(high), float(kendalltau(*pairs).statistic), n)


def matched(alignment: pd.DataFrame, results: pd.DataFrame, metric: str, outcome: str) -> pd.DataFrame:
    """A row for each combination of axes that both tables have: the axes, ``x`` the measure and ``y`` the outcome, means over the seeds of both,
    ``close`` what x is ranked by. KeyError for no common axis.

    alignment   one row for each run, of a sweep's table;  results: of finished runs
    """
    axes = [name for name in results if name not in RESULTS and results[name].notna().any() and name in alignment and alignment[name].notna().any()]
    if not axes:
        raise KeyError("axes")
    pairs = alignment[[*axes, "seed", metric]].merge(results[[*axes, "seed", outcome]], on=[*axes, "seed"])
    close = CLOSENESS[metric](pairs[metric])
    pairs = pairs.assign(x=pairs[metric], y=pairs[outcome], close=close.where(np.isfinite(close), -np.inf))
    return pairs.groupby(axes, sort=False)[["x", "y", "close"]].mean().reset_index()

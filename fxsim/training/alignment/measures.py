"""Measures of a gradient a against a reference b, and their intervals over trials.

    cosine      a b / (|a| |b|)
    angle       its arccosine, degrees
    ratio       |a| / |b|
    signs       share of the weights that b moves which a moves the same way
    bias        a b / (b b) - 1: how much longer (above 0) or shorter a is along b. -1: nothing of it

Intervals are value +- t s: s is the standard deviation over resamples of groups of trials, drawn with replacement, both gradients of a group
together (bootstrap; Efron, Ann. Statist. 7, 1979), t Student's for as many groups. They hold for what one expects of so many trials. Percentiles
would not do: a resample holds each group's noise several times, which shifts all of its measures.
"""
from __future__ import annotations

from typing import Sequence

import numpy as np

NAMES = ("cosine", "ratio", "signs", "bias")
VALUES = ("cosine", "angle", *NAMES[1:])
COLUMNS = ("cosine", "cosine_low", "cosine_high", "angle", *(f"{name}{end}" for name in NAMES[1:] for end in ("", "_low", "_high")))
RANGES = {"cosine": (-1.0, 1.0), "ratio": (0.0, np.inf), "signs": (0.0, 1.0), "bias": (-np.inf, np.inf)}
RESAMPLES, SEED, LEVEL = 300, 1, 0.95


def measure(a: np.ndarray, b: np.ndarray) -> dict[str, np.ndarray]:
    """name of NAMES -> (...) of gradients (..., n_syn); NaN where one of them is zero."""
    with np.errstate(invalid="ignore", divide="ignore"):
        along, size, reference = (np.einsum("...i,...i->...", x, y, dtype=np.float64) for x, y in ((a, b), (a, a), (b, b)))
        same = (np.sign(a) * np.sign(b) > 0).sum(-1) / (b != 0).sum(-1)
        nothing = np.where((size > 0) & (reference > 0), 0.0, np.nan)
        found = {"cosine": along / np.sqrt(size * reference), "ratio": np.sqrt(size / reference), "signs": same, "bias": along / reference - 1}
    return {name: np.clip(values + nothing, *RANGES[name]) for name, values in found.items()}


def values(a: np.ndarray, b: np.ndarray) -> dict[str, float | None]:
    """VALUES of a gradient a against b, each (n_syn,). None: not defined."""
    found = {name: float(value) for name, value in measure(a, b).items()}
    return _told({"angle": float(np.degrees(np.arccos(found["cosine"]))), **found}, VALUES)


def compared(a: np.ndarray, b: np.ndarray) -> dict[str, float | None]:
    """COLUMNS of the mean of gradients a against that of b, each (groups of trials, n_syn). None: not defined, or no interval of one group."""
    groups, row = len(a), values(a.mean(0), b.mean(0))
    if groups > 1:
        from scipy.special import stdtrit
        drawn = np.random.default_rng(SEED).multinomial(groups, np.full(groups, 1 / groups), RESAMPLES)
        largest = max(np.abs(a).max(initial=0), np.abs(b).max(initial=0)) or 1.0      # float32 holds what is left; it has half the range
        resampled = measure(*(drawn.astype(np.float32) @ (x / largest).astype(np.float32) for x in (a, b)))
        for name in NAMES:
            if (value := row[name]) is not None:
                half = stdtrit(groups - 1, 0.5 + LEVEL / 2) * resampled[name].std(ddof=1)
                row |= {f"{name}_low": float(max(value - half, RANGES[name][0])), f"{name}_high": float(min(value + half, RANGES[name][1]))}
    return _told(row, COLUMNS)


def _told(row: dict[str, float | None], columns: Sequence[str]) -> dict[str, float | None]:
    return {name: value if (value := row.get(name)) is not None and np.isfinite(value) else None for name in columns}

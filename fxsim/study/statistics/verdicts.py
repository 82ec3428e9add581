"""Equivalent, worse, better or undecided: what paired differences show of each question of a family.

Two hypotheses stand for each question: that there is no difference (t test), and that there is one of the margin or more, in either
direction (two one-sided tests, D. J. Schuirmann, J. Pharmacokinet. Biopharm. 15, 1987). What rejects the second is equivalent, what rejects
only the first is worse or better, and what rejects neither is undecided: that no difference was shown is not that there is none.
No two of them can be true at once, so of 2 m hypotheses at most m are; Holm's steps over all 2 m count that (J. P. Shaffer, J. Am. Stat. Assoc. 81,
1986), and the chance of a single wrong verdict in the family is at most 5 %.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

import numpy as np

from .outcome import LEVEL, Mean, Numbers, holm, mean_of, p_value

EQUIVALENT, WORSE, BETTER, UNDECIDED = "equivalent", "worse", "better", "undecided"


@dataclass(frozen=True)
class Verdict:
    """``difference``: its mean and interval over pairs (not adjusted); ``p_difference``, ``p_equivalence``: adjusted for the family; NaN for a single
    pair, and ``p_equivalence`` without a margin."""

    word: str
    difference: Mean
    p_difference: float
    p_equivalence: float


def p_equivalence(differences: Numbers, margin: float) -> float:
    """Of two one-sided t tests that the mean lies outside of -margin to margin; NaN for a single pair."""
    from scipy.special import stdtr
    x = np.asarray(differences, float)
    if x.size < 2:
        return float("nan")
    error, inside = x.std(ddof=1) / np.sqrt(x.size), margin - abs(x.mean())
    if error == 0:
        return 0.0 if inside > 0 else 1.0
    return float(stdtr(x.size - 1, -inside / error))     # the larger of the two: that of the nearer end


def verdicts(family: Sequence[Numbers], margin: float | None) -> list[Verdict]:
    """A verdict for each question of a family. ``family``: paired differences, positive is better; without a margin nothing is equivalent."""
    raw = [p_value(x) for x in family] + [float("nan") if margin is None else p_equivalence(x, margin) for x in family]
    asked = [i for i, p in enumerate(raw) if not np.isnan(p)]
    adjusted = np.full(len(raw), np.nan)
    adjusted[asked] = holm([raw[i] for i in asked], len({i % len(family) for i in asked}))
    return [_verdict(mean_of(x), *p) for x, p in zip(family, adjusted.reshape(2, -1).T.tolist())]


def _verdict(difference: Mean, p_difference: float, p_same: float) -> Verdict:
    if p_same <= 1 - LEVEL:
        word = EQUIVALENT
    elif p_difference <= 1 - LEVEL:
        word = BETTER if difference.mean > 0 else WORSE
    else:
        word = UNDECIDED
    return Verdict(word, difference, p_difference, p_same)

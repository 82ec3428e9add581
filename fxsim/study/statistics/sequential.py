"""A paired test that may be looked at after every seed, and that more seeds may be added to.

The interval for a mean of normal differences is a confidence sequence: with probability LEVEL it holds the true mean after every number of seeds at
once, so whoever stops at a look that they like is right as often as who does not look. It holds the values m for which the Bayes factor against
"the mean is m", with a normal distribution of variance PRIOR over (mean - m) / standard deviation, is below 1 / (1 - LEVEL):

    B = (1 + n g)^(-1/2) * ((1 + t^2 / v) / (1 + t^2 / (v (1 + n g))))^((v + 1) / 2),    t = (mean - m) / (s / sqrt n),  v = n - 1,  g = PRIOR

B is a martingale where the mean is m, whatever the standard deviation (T. L. Lai, Ann. Statist. 4, 1976; A. Hendriksen, R. de Heide, P. Gruenwald,
Bayesian Anal. 16, 2021), and so exceeds 20 at any time with probability 1/20 at most (J. Ville, 1939). The price: after 10 seeds it is 1.7 times as
wide as Student's interval, which may be looked at once.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .outcome import LEVEL, Numbers

PRIOR = 1.0
LESS, MORE, UNDECIDED = "loses less", "loses more", "undecided"


@dataclass(frozen=True)
class Look:
    """What ``n`` paired differences show: their mean with the interval of the confidence sequence, infinite while there are too few."""

    word: str
    n: int
    mean: float
    low: float
    high: float

    def says(self, loss: float) -> str:
        """In words, of the loss that was asked about."""
        return f"{'undecided whether it loses less' if self.word == UNDECIDED else self.word} than {loss:g}"


def critical(n: int) -> float:
    """The largest |t| of n differences that is not yet shown to be no chance; infinite while none could be."""
    if n < 2:
        return float("inf")
    widened = 1 + n * PRIOR
    ratio = (np.sqrt(widened) / (1 - LEVEL)) ** (2 / n)
    return float(np.sqrt((n - 1) * (ratio - 1) / (1 - ratio / widened))) if ratio < widened else float("inf")


FIRST = next(n for n in range(2, 100) if np.isfinite(critical(n)))
"""The fewest seeds that can show anything."""


def look(differences: Numbers, loss: float) -> Look:
    """Whether a mean loss is less than ``loss``. ``differences``: positive is better, one a seed, in the order in which they came."""
    x = np.asarray(differences, float)
    if x.size < FIRST:
        return Look(UNDECIDED, x.size, float(x.mean()) if x.size else float("nan"), float("-inf"), float("inf"))
    mean, half = float(x.mean()), critical(x.size) * float(x.std(ddof=1)) / float(np.sqrt(x.size))
    word = LESS if mean - half > -loss else MORE if mean + half < -loss else UNDECIDED
    return Look(word, x.size, mean, mean - half, mean + half)

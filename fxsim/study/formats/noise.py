"""What a format does to the gradient, as a power of noise that adds up over quantities.

The noise of a gradient whose cosine with its float64 twin is c is what stands at right angles to the twin, in shares of what lies along it:

    noise = 1 / c^2 - 1         0.02 at a cosine of 0.99, 0.23 at 0.9

Every layer is judged by itself: once a network fires, the readout's gradient is nearly all of the vector of all weights, whose cosine does not see
then what the input and the recurrent weights lose (reports/alignment).

Errors of different quantities that are small and not correlated add up in power, as quantisation noises do (B. Widrow, I. Kollar: Quantization noise,
2008), so the noise of all formats together is about the sum of the noises of each by itself. It is not where errors have one direction (floor in
two quantities of one path: up to the square of the summed amplitudes, which is more), where one quantity's rounding hides behind another's that is
coarser (less), or where spikes flip. And a cosine does not see a gradient that only shrinks.
"""
from __future__ import annotations

import numpy as np
import pandas as pd

from fxsim.training.alignment.rows import ALL

from .points import BASE

CALM = 0.99
"""Cosine that the base precision itself must have. Where it is too coarse, or spikes flip at any change, no format can be judged."""
WHERE = ["seed", "way", "moment", "layer"]


def noise_of(cosine: pd.Series) -> pd.Series:
    """Infinite where the gradient has no component along its twin, or none at all."""
    return (1 / cosine.where(cosine > 0) ** 2 - 1).fillna(np.inf)


def cosine_of(noise: float) -> float:
    return float(1 / np.sqrt(1 + noise))


def calm(table: pd.DataFrame) -> pd.DataFrame:
    """WHERE -> ``base``, the base's own noise, of layers, at weights and in ways in which its cosine is at least CALM.

    table       rows of a sensitivity, of one rule
    """
    base = table[(table["quantity"] == BASE) & (table["layer"] != ALL)].set_index(WHERE)["cosine"]
    return noise_of(base[base >= CALM]).to_frame("base")


def beyond(table: pd.DataFrame, calm: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table that are judged, with their ``noise`` beyond the base's. ``calm``: see there."""
    rows = table.join(calm, WHERE, "inner")
    return rows.assign(noise=(noise_of(rows["cosine"]) - rows["base"]).clip(lower=0))

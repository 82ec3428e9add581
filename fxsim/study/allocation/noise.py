"""What a format does to the gradient, as a power of noise that adds up over quantities.

The noise of a gradient whose cosine with its float64 twin is c is what stands at right angles to the twin, in shares of what lies along it:

    noise = 1 / c^2 - 1         0.02 at a cosine of 0.99, 0.23 at 0.9

Errors of different quantities that are small and not correlated add up in power, as quantisation noises do (B. Widrow, I. Kollar: Quantization noise,
2008), so the noise of all formats together is about the sum of the noises of each by itself. It is not where errors have one direction (floor in
two quantities of one path: up to the square of the summed amplitudes, which is more), where one quantity's rounding hides behind another's that is
coarser (less), or where spikes flip. And a cosine does not see a gradient that only shrinks.
"""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

import numpy as np
import pandas as pd

from fxsim.errors import InputError
from fxsim.training.alignment.rows import ALL
from quant import PrecisionSpec, QFormat
from quant.rounding import ROUNDINGS

from ..formats.points import BASE

CALM = 0.99
"""Cosine that the base precision itself must have. Where spikes of a trained network flip at any change, no format can be judged."""
COLUMNS = ("quantity", "word_bits", "rounding", "noise")
WHERE = ["seed", "way", "moment"]


@dataclass(frozen=True)
class Option:
    """A format that a quantity may have; ``noise``: beyond the base precision's."""

    format: QFormat
    noise: float


def noise_of(cosine: pd.Series) -> pd.Series:
    """Infinite where the gradient has no component along its twin, or none at all."""
    return (1 / cosine.where(cosine > 0) ** 2 - 1).fillna(np.inf)


def cosine_of(noise: float) -> float:
    return float(1 / np.sqrt(1 + noise))


def calm(table: pd.DataFrame, source: Path) -> pd.DataFrame:
    """WHERE -> the base's own noise, at weights and in ways in which its cosine is at least CALM. InputError if there are none.

    table       rows of a sensitivity, of one rule
    """
    base = table[(table["quantity"] == BASE) & (table["layer"] == ALL)].set_index(WHERE)["cosine"]
    found = noise_of(base[base >= CALM]).to_frame("base")
    if found.empty:
        raise InputError(source, "cosine of the base", "none" if base.empty else f"at most {base.max():.3g}",
                         f"at least {CALM} somewhere: a wider base, or fewer updates")
    return found


def noises(table: pd.DataFrame, calm: pd.DataFrame, roundings: Sequence[str]) -> pd.DataFrame:
    """COLUMNS of each quantity, word length and rounding: mean over seeds, the worst of moments and ways, beyond the base's."""
    rows = table[(table["quantity"] != BASE) & (table["layer"] == ALL) & table["rounding"].isin(roundings)].join(calm, WHERE, "inner")
    rows = rows.assign(noise=(noise_of(rows["cosine"]) - rows["base"]).clip(lower=0), word_bits=rows["word_bits"].astype(int))
    means = rows.groupby([*COLUMNS[:3], "way", "moment"], sort=False)["noise"].mean()
    return means.groupby(list(COLUMNS[:3]), sort=False).max().reset_index()


def options(found: pd.DataFrame, base: PrecisionSpec) -> dict[str, list[Option]]:
    """Formats of each quantity, wide to narrow, the base's first. Of roundings the one with the least noise, the simplest of equals; a word that a
    longer one is noisier than has that one's noise, which was chance or chaos."""
    chosen: dict[str, list[Option]] = {}
    for quantity, rows in found.groupby("quantity", sort=False):
        name, old = str(quantity), base[str(quantity)]
        of, worst = [Option(old, 0.0)], 0.0
        for bits, tried in sorted(rows.groupby("word_bits"), reverse=True):
            best = min(tried.itertuples(), key=lambda row: (row.noise, list(ROUNDINGS).index(str(row.rounding))))
            worst = max(worst, float(best.noise))
            if bits < old.word_bits and np.isfinite(worst):
                of.append(Option(base.changed({name: {"word_bits": int(bits), "rounding": best.rounding}})[name], worst))
        chosen[name] = of
    return chosen

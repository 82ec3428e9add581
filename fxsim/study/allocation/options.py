"""Formats that each quantity may have, by the noise that they add to the gradient."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

import numpy as np
import pandas as pd

from quant import PrecisionSpec, QFormat
from quant.rounding import ROUNDINGS

from ..formats.noise import beyond
from ..formats.points import BASE

COLUMNS = ("quantity", "word_bits", "rounding", "noise")


@dataclass(frozen=True)
class Option:
    """A format that a quantity may have; ``noise``: beyond the base precision's."""

    format: QFormat
    noise: float


def noises(table: pd.DataFrame, calm: pd.DataFrame, roundings: Sequence[str]) -> pd.DataFrame:
    """COLUMNS of each quantity, word length and rounding: mean over seeds, the worst of layers, moments and ways. ``calm``: see
    fxsim.study.formats.noise."""
    rows = beyond(table[(table["quantity"] != BASE) & table["rounding"].isin(roundings)], calm)
    means = rows.assign(word_bits=rows["word_bits"].astype(int)).groupby([*COLUMNS[:3], "way", "moment", "layer"], sort=False)["noise"].mean()
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

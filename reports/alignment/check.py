"""Does alignment say what training comes to? One quantity of q16 at a time: what the runs of reports/precision/bits came to, against how well the
gradients of the same formats agree with float64's at the weights of a float32 training (reports/alignment/bits, whose manifest has the command).

python reports/alignment/check.py draws reports/alignment/bits/ranks.png and .svg.
"""
from __future__ import annotations

from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from fxsim.files.pictures import panels, save_picture, style
from fxsim.report.data import read_table
from fxsim.report.figures import COLOURS, LABELS, STYLE, title
from fxsim.report.study_data import done, read_sweep
from fxsim.study.formats.points import BASE, COLUMNS, MOMENTS
from fxsim.study.statistics.ranks import CLOSENESS, Ranking, ranking
from fxsim.training.alignment.rows import ALL

FOLDER = Path(__file__).parent
LOWEST = "lowest"       # of the three moments
MEASURES = ("cosine", "signs", "ratio", "bias")
DRAWN = MEASURES[:2]
KEYS = ["quantity", "word_bits", "rounding"]


def outcomes() -> pd.DataFrame:
    """Index KEYS, a column for each seed: the accuracy of the run's tail."""
    runs = done(read_sweep(FOLDER.parent / "precision" / "bits").results)
    runs = runs[runs["block"] != "reference"].rename(columns={"block": "quantity", "bits": "word_bits"})
    return runs.pivot_table(index=KEYS, columns="seed", values="accuracy").dropna()


def alignments(layer: str = ALL) -> pd.DataFrame:
    """Index KEYS, columns (measure, moment): how close gradients are, larger is closer; what is not defined is the farthest."""
    table = read_table(FOLDER / "bits" / "sensitivity.csv", COLUMNS)
    table = table[(table["layer"] == layer) & (table["quantity"] != BASE)]
    found = {}
    for measure in MEASURES:
        close = table.assign(close=CLOSENESS[measure](table[measure]).fillna(-np.inf)).pivot_table(index=KEYS, columns="moment", values="close")
        found[measure] = close[list(MOMENTS)].assign(**{LOWEST: close.min(axis=1)})
    return pd.concat(found, axis=1)


@cache
def pairs(layer: str = ALL) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Alignments of a layer or of all weights together, and accuracies by seed, of the formats that have both."""
    seen, ended = alignments(layer), outcomes()
    both = seen.index.intersection(ended.index)
    return seen.loc[both], ended.loc[both]


@cache
def ranked(measure: str, moment: str, layer: str = ALL) -> Ranking:
    seen, ended = pairs(layer)
    return ranking(seen[measure, moment], ended.mean(axis=1))


def draw() -> Path:
    """A row for each of two measures, a column for each moment: against accuracy, a colour for each kind of rounding."""
    seen, ended = pairs()
    accuracy = 100 * ended.mean(axis=1)
    with style(STYLE):
        figure, axes = panels(len(DRAWN), len(MOMENTS), figsize=(9.5, 6.4), sharex="row", sharey=True, layout="constrained")
        for ax, (measure, moment) in zip(axes.flat, product(DRAWN, MOMENTS)):
            x = seen[measure, moment].replace(-np.inf, np.nan)
            for i, rounding in enumerate(dict.fromkeys(seen.index.get_level_values("rounding"))):
                rows = x.index.get_level_values("rounding") == rounding
                ax.plot(x[rows], accuracy[rows], "os^"[i % 3], color=COLOURS[1 + i], ms=4.5, alpha=0.7, mew=0, label=title(rounding))
            found = ranked(measure, moment)
            ax.set_title(f"{moment} of the float32 training\nrank correlation {found.spearman:.2f} ({found.low:.2f} to {found.high:.2f})", fontsize=9)
            ax.set_xlabel(LABELS[measure])
            ax.axhline(50, color="0.7", lw=0.7, zorder=-1)
        for ax in axes[:, 0]:
            ax.set_ylabel("accuracy after training (%)")
        axes[0, 0].legend(frameon=False, fontsize=8)
        return save_picture(figure, FOLDER / "bits", "ranks", bbox_inches="tight")


if __name__ == "__main__":
    print(f"written: {draw()}")

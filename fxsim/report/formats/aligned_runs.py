"""How gradients agreed along the runs of a comparison: the figure of its page."""
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from fxsim.files.pictures import panels, save_picture, style
from fxsim.training.alignment.rows import ALL

from ..figures import COLOURS, DASHES, STYLE, title
from .alignment_page import REFERENCES, label

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_alignment(table: pd.DataFrame, folder: Path) -> dict[str, Path]:
    """A picture for each task whose cosines are defined, alignment_TASK -> its PNG. ``table``: fxsim.training.loop.ALIGNMENT_COLUMNS."""
    rows = table[(table["layer"] == ALL) & table["cosine"].notna()]
    with style(STYLE):
        return {f"alignment_{task}": save_picture(_figure(of[of["batches"] == of["batches"].max()]), folder, f"alignment_{task}", bbox_inches="tight")
                for task, of in rows.groupby("task", sort=False)}


def _figure(rows: pd.DataFrame) -> Figure:
    """Mean and SEM over seeds: a column for each kind of training, a row for each reference."""
    trainings, references = list(rows.groupby(["rule", "precision"], sort=False)), [name for name in REFERENCES if (rows["reference"] == name).any()]
    lines = {key: i for i, key in enumerate(rows.groupby(["gradient", "numbers", "way"], sort=False).groups)}
    figure, axes = panels(len(references), len(trainings), figsize=(1.8 + 3 * len(trainings), 0.6 + 2.3 * len(references)), squeeze=False,
                          sharex=True, sharey="row", layout="constrained")
    entries: dict = {}
    for column, ((rule, precision), trained) in enumerate(trainings):
        axes[0, column].set_title(f"trained: {title(rule)}, {precision}", fontsize=9)
        axes[-1, column].set_xlabel("weight updates")
        for ax, reference in zip(axes[:, column], references, strict=True):
            for key, drawn in trained[trained["reference"] == reference].groupby(["gradient", "numbers", "way"], sort=False):
                curve = drawn.groupby("iteration")["cosine"].agg(["mean", "sem"])
                ax.errorbar(curve.index, curve["mean"], curve["sem"].fillna(0), color=COLOURS[lines[key] % len(COLOURS)],
                            dashes=DASHES[lines[key] % len(DASHES)] or (None, None), marker="o", ms=2.5, lw=1.2, elinewidth=0.7,
                            label=label(drawn.iloc[0].to_dict()))
            ax.axhline(1, color="0.7", lw=0.7, zorder=-1)
            entries |= {text: handle for handle, text in zip(*ax.get_legend_handles_labels(), strict=True)}
    for ax, reference in zip(axes[:, 0], references, strict=True):
        ax.set_ylabel(f"cosine, {REFERENCES[reference][0].lower()}{REFERENCES[reference][1:]}")
    figure.legend(entries.values(), entries.keys(), loc="outside right upper", frameon=False, fontsize=8)
    return figure

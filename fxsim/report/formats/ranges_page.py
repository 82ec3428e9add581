"""report.html of ``fxsim ranges``: for each precision the histogram of every quantity, with what its format can hold drawn on it."""
from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fxsim.errors import InputError
from fxsim.files.pictures import panels, save_picture, style
from fxsim.files.writing import make_directory
from fxsim.study.formats.ranges import COLUMNS, FLOAT, KIND, SUMMARY

from ..data import read_manifest, read_table
from ..figures import COLOURS, STYLE, plain, title
from ..page import percent, provenance, render

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BESIDE = 4      # panels
BEYOND = 1000   # no format reaches so far


def build_ranges_report(directory: Path) -> Path:
    """Write figures/ and report.html into a directory that :func:`fxsim.ranges` has filled; returns the page's path. Raises InputError."""
    table, summary = read_table(directory / "ranges.csv", COLUMNS), read_table(directory / "summary.csv", SUMMARY)
    manifest = read_manifest(directory / "manifest.json")
    if not len(summary):
        raise InputError(directory / "summary.csv", "table", "no rows", "a row for each precision in fixed point and quantity")
    folder, pictures = make_directory(directory / "figures"), {}
    precisions = {name: rows.to_dict("records") for name, rows in summary.groupby("numbers", sort=False)}
    with style(STYLE):
        for i, (name, rows) in enumerate(precisions.items()):
            pictures[f"ranges-{i}"] = save_picture(_figure(table, name, rows), folder, f"ranges-{i}", bbox_inches="tight")
    changes = manifest.get("changes")
    header = provenance(manifest, [
        ("Weights", f"{manifest.get(KIND)}: {title(str(manifest.get('task')))}, {title(str(manifest.get('rule')))}, seed {manifest.get('seed')}"),
        ("Trials", str(manifest.get("trials"))), ("Changed", ", ".join(map(str, changes)) if isinstance(changes, list) and changes else "nothing")])
    return render("ranges.html.j2", directory / "report.html", [], [], header=header, figures=pictures,
                  precisions=[{"name": name, "picture": f"ranges-{i}", "rows": rows} for i, (name, rows) in enumerate(precisions.items())])


def _bins(table: pd.DataFrame, numbers: str, quantity: str) -> pd.DataFrame:
    return table[(table["numbers"] == numbers) & (table["quantity"] == quantity)]


def _figure(table: pd.DataFrame, name: str, summary: list[dict[str, Any]]) -> Figure:
    """A panel for each quantity: float32's values in grey, stored ones as a line; left of the last bit and right of the range shaded."""
    rows = math.ceil(len(summary) / BESIDE)
    figure, axes = panels(rows, BESIDE, figsize=(3.1 * BESIDE, 1.9 * rows), squeeze=False)
    figure.subplots_adjust(hspace=0.75, wspace=0.12, top=0.95)
    for ax in axes.flat[len(summary):]:
        ax.set_axis_off()
    for ax, row in zip(axes.flat, summary):
        last, end = row["last_bit"], row["end"]
        for numbers in (FLOAT, name):
            values = _bins(table, numbers, row["quantity"])
            drawn = values[values["log2"].notna()]
            _bars(ax, drawn["log2"].to_numpy(int), drawn["count"].to_numpy(float) / max(1, values["count"].sum()), numbers == FLOAT)
        for place, begin, stop, colour in ((last, -BEYOND, last, COLOURS[2]), (end, end, BEYOND, COLOURS[3])):
            ax.axvspan(begin, stop, color=colour, alpha=0.18, lw=0)
            ax.axvline(place, color=colour, lw=1)
        ax.set_xlim(max(min(last - 2, row["smallest"] - 1), last - 24), max(end + 2, row["largest"] + 1))
        ax.set_ylim(bottom=0)
        ax.tick_params(labelsize=7, labelleft=False)
        lost = ", ".join(f"{kind} {percent(row[kind])}" for kind in ("saturated", "underflowed") if row[kind] > 0)
        ax.set_title(f"{title(row['quantity'])} ({plain(row['format'])})\n{lost}", fontsize=7.5)
    for ax in axes[-1]:
        ax.set_xlabel("log2 magnitude", fontsize=8)
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    figure.legend([Patch(color="0.75"), Line2D([], [], color=COLOURS[1]), Patch(color=COLOURS[2], alpha=0.4), Patch(color=COLOURS[3], alpha=0.4)],
                  [FLOAT, plain(name), "below the last bit", "beyond the range"], loc="lower center", bbox_to_anchor=(0.5, 0.98), ncols=4,
                  frameon=False, fontsize=8)
    return figure


def _bars(ax: Axes, x: np.ndarray, y: np.ndarray, filled: bool) -> None:
    """Shares y of the values from 2^x to 2^(x+1)."""
    if filled or not x.size:
        ax.bar(x, y, 1.0, align="edge", color="0.75", lw=0)
        return
    all_ = np.arange(x.min(), x.max() + 1)
    heights = np.zeros(all_.size)
    heights[x - x.min()] = y
    ax.stairs(heights, [*all_, all_[-1] + 1], color=COLOURS[1], lw=1.2)

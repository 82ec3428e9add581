"""report.html of ``fxsim align``: how gradients agree, with a figure of each measure and the table."""
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fxsim.errors import InputError
from fxsim.files.pictures import panels, save_picture, style
from fxsim.files.writing import make_directory
from fxsim.model.network import LAYERS
from fxsim.study.formats.align import KIND
from fxsim.training.alignment.rows import ALL, COLUMNS

from ..data import read_manifest, read_table
from ..figures import COLOURS, DASHES, LABELS, NAMES, STYLE, title
from ..page import provenance, render

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REFERENCES = {"bptt": "Against BPTT", "twin": "Against the float64 twin"}
LAYER_NAMES = {ALL: "all weights", "in": "input", "rec": "recurrent", "out": "readout"}
WAYS = {"run": "", "driven": "driven by its spikes", "floor": "moved weights"}
DRAWN = ("cosine", "bias")


def build_alignment_report(directory: Path) -> Path:
    """Write figures/ and report.html into a directory that :func:`fxsim.align` has filled; returns the page's path. Raises InputError."""
    table, manifest = read_table(directory / "alignment.csv", COLUMNS), read_manifest(directory / "manifest.json")
    if not len(table):
        raise InputError(directory / "alignment.csv", "table", "no rows", "a row for each pair of gradients and layer")
    folder, pictures = make_directory(directory / "figures"), {}
    with style(STYLE):
        for reference in REFERENCES:
            rows = table[(table["reference"] == reference) & (table["batches"] == table["batches"].max())]
            if len(rows):
                pictures[reference] = save_picture(_figure(rows), folder, reference, bbox_inches="tight")
    changes = manifest.get("changes")
    header = provenance(manifest, [
        ("Weights", f"{manifest.get(KIND)}: {title(str(manifest.get('task')))}, trained by {title(str(manifest.get('rule')))} in "
                    f"{manifest.get('precision')}, seed {manifest.get('seed')}"),
        ("Trials", f"training batches of {manifest.get('batch_size')}"),
        ("Changed", ", ".join(map(str, changes)) if isinstance(changes, list) and changes else "nothing")])
    last = table[table["iteration"] == table["iteration"].max()]
    return render("alignment.html.j2", directory / "report.html", [], [], header=header, figures=pictures, references=REFERENCES,
                  iteration=int(table["iteration"].max()), rows=[row_of(row) for row in last.to_dict("records")])


def row_of(row: dict[str, Any]) -> dict[str, str]:
    """A row of the table, formatted."""
    def shown(name: str) -> str:
        value, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
        interval = "" if pd.isna(low) else f" ({low:.3g} to {high:.3g})"
        return "–" if pd.isna(value) else f"{value:.4g}{interval}"
    return {"reference": NAMES.get(row["reference"], row["reference"]), "gradient": label(row), "layer": LAYER_NAMES[row["layer"]],
            "batches": str(row["batches"]), "angle": "–" if pd.isna(row["angle"]) else f"{row['angle']:.1f}°",
            **{name: shown(name) for name in ("cosine", "ratio", "signs", "bias")}}


def label(row: dict[str, Any]) -> str:
    """What a legend calls a gradient."""
    way = WAYS[row["way"]]
    return f"{title(row['gradient'])}, {row['numbers']}" + (f", {way}" if way else "")


def _figure(table: pd.DataFrame) -> Figure:
    """A column for each layer, a row for each measure: against updates, or beside each other where there is one update."""
    figure, axes = panels(len(DRAWN), len(LAYER_NAMES), figsize=(1.5 + 3 * len(LAYER_NAMES), 5.2), sharex=True, sharey="row", layout="constrained")
    lines = list(table.groupby(["gradient", "numbers", "way"], sort=False))
    for column, layer in enumerate((ALL, *LAYERS)):
        for (ax, measure) in zip(axes[:, column], DRAWN, strict=True):
            for i, (_, rows) in enumerate(lines):
                rows = rows[(rows["layer"] == layer) & rows[measure].notna()]
                if not len(rows):
                    continue
                x, y = rows["iteration"].to_numpy(float), rows[measure].to_numpy(float)
                ends = np.abs(rows[[f"{measure}_low", f"{measure}_high"]].to_numpy(float).T - y)
                shift = 0.0 if len(rows) > 1 else (i - len(lines) / 2) * 0.03 * max(1.0, x[0])      # points beside each other
                ax.errorbar(x + shift, y, yerr=np.nan_to_num(ends), color=COLOURS[i % len(COLOURS)], dashes=DASHES[i % len(DASHES)] or (None, None),
                            marker="o", ms=3, lw=1.2, elinewidth=0.7, label=label(rows.iloc[0].to_dict()))
            ax.axhline(1 if measure == "cosine" else 0, color="0.7", lw=0.7, zorder=-1)
            if column == 0:
                ax.set_ylabel(LABELS[measure])
        axes[0, column].set_title(LAYER_NAMES[layer], fontsize=9)
        axes[-1, column].set_xlabel("weight updates")
    entries = {text: handle for ax in axes.flat for handle, text in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(entries.values(), entries.keys(), loc="outside right upper", frameon=False, fontsize=8)
    return figure

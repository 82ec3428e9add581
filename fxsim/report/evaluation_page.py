"""report.html of an evaluation: trained weights in several precisions, with a figure and both of its tables."""
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fxsim.errors import InputError
from fxsim.files.pictures import panels, save_picture, style
from fxsim.files.writing import make_directory
from fxsim.training.evaluation import COLUMNS, COUNTED, KIND, TWIN

from .data import read_manifest, read_table
from .figures import COLOURS, LABELS, STYLE, title
from .page import provenance, render
from .tables import KINDS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def build_evaluation_report(directory: Path) -> Path:
    """Write figures/ and report.html into a directory that :func:`fxsim.evaluate` has filled; returns the page's path. Raises InputError."""
    table, counts = read_table(directory / "evaluation.csv", COLUMNS), read_table(directory / "counts.csv", COUNTED)
    if not len(table):
        raise InputError(directory / "evaluation.csv", "table", "no rows", "a row for each precision")
    manifest = read_manifest(directory / "manifest.json")
    measure = "accuracy" if table["accuracy"].notna().any() else "nmse"
    with style(STYLE):
        picture = save_picture(_figure(table, measure), make_directory(directory / "figures"), "evaluation", bbox_inches="tight")
    changes = manifest.get("changes")
    header = provenance(manifest, [("Weights", str(manifest.get(KIND))), ("Task", title(str(manifest.get("task")))),
                                   ("Trials", str(manifest.get("trials"))),
                                   ("Changed", ", ".join(map(str, changes)) if isinstance(changes, list) and changes else "nothing")])
    return render("evaluation.html.j2", directory / "report.html", [], [], header=header, figures={"evaluation": picture}, twin=TWIN,
                  measure="nMSE" if measure == "nmse" else measure, rows=[_row(row, measure) for row in table.to_dict("records")],
                  kinds=KINDS, counts=[row for row in counts.to_dict("records") if row["stored"]])


def _row(row: dict[str, Any], measure: str) -> dict[str, Any]:
    """A row of the table, formatted."""
    scale, unit = (100, " %") if measure == "accuracy" else (1, "")
    most = row["most_saturated"]
    return {**row, "most_saturated": most if isinstance(most, str) else "",
            "result": _interval(*(scale * row[f"{measure}{end}"] for end in ("", "_low", "_high"))) + unit,
            "loss": _interval(*(row[f"loss{end}"] for end in ("", "_low", "_high"))), "rate": f"{row['rate_hz']:.3g} Hz"}


def _interval(value: float, low: float, high: float) -> str:
    return f"{value:.4g} ({low:.4g} to {high:.4g})"


def _figure(table: pd.DataFrame, measure: str) -> Figure:
    """What each precision reaches, with its interval, and how much of it flips or saturates."""
    names, place = table["precision"].tolist(), np.arange(len(table))
    figure, (left, right) = panels(1, 2, figsize=(9, 1.2 + 0.4 * len(table)), layout="constrained", sharey=True)
    value = table[measure].to_numpy(float)
    ends = np.abs(table[[f"{measure}_low", f"{measure}_high"]].to_numpy(float).T - value)
    left.errorbar(value, place, xerr=ends, fmt="o", color=COLOURS[1], capsize=3)
    left.set_xlabel(f"{LABELS[measure]} (95 % interval over trials)")
    left.set_yticks(place, names)
    left.invert_yaxis()
    for column, colour, shift, label in (("flipped", COLOURS[2], -0.2, f"spikes that flip against {TWIN}"),
                                         ("saturated", COLOURS[3], 0.2, "saturated values")):
        right.barh(place + shift, 100 * table[column].fillna(0).to_numpy(float), 0.38, color=colour, label=label)
    right.set_xlabel("percent")
    right.legend(frameon=False, fontsize=8)
    return figure

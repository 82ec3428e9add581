"""report.html of ``fxsim sensitivity``: bits that each quantity needs for a cosine, roundings as marks."""
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fxsim.errors import InputError
from fxsim.files.pictures import panels, save_picture, style
from fxsim.files.writing import make_directory
from fxsim.model.network import LAYERS
from fxsim.study.formats.noise import CALM, calm
from fxsim.study.formats.points import BASE, COLUMNS, MOMENTS
from fxsim.study.formats.sensitivity import GOALS, KIND, WAYS, needed
from fxsim.training.alignment.rows import ALL
from quant.quantities import INDEX
from quant.rounding import ROUNDINGS

from ..data import read_manifest, read_table
from ..figures import COLOURS, STYLE, title
from ..page import provenance, render
from .alignment_page import LAYER_NAMES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKS = dict(zip(ROUNDINGS, "v<sod"))
HEADINGS = {"run": "As the networks run", "driven": "Driven by the float64 network's spikes"}


def build_sensitivity_report(directory: Path) -> Path:
    """Write figures/ and report.html into a directory that ``fxsim sensitivity`` has filled; returns the page's path. Raises InputError."""
    table, manifest = read_table(directory / "sensitivity.csv", COLUMNS), read_manifest(directory / "manifest.json")
    if not len(table):
        raise InputError(directory / "sensitivity.csv", "table", "no rows", "a row for each point and layer")
    folder, pictures = make_directory(directory / "figures"), {}
    with style(STYLE):
        for rule in dict.fromkeys(table["rule"]):
            for way in dict.fromkeys(table["way"]):
                pictures[f"{rule}-{way}"] = save_picture(_figure(table[table["rule"] == rule], way), folder, f"{rule}-{way}", bbox_inches="tight")
    header = provenance(manifest, [
        ("Task", f"{manifest.get(KIND)}: {title(str(manifest.get('task')))}, float32 trainings of {manifest.get('updates')} updates, "
                 f"seeds {', '.join(map(str, manifest.get('seeds') or []))}"),
        ("All other quantities", str(manifest.get("base"))),
        ("Points", f"{manifest.get('points')}, {manifest.get('trials')} trials and {manifest.get('seconds_a_point')} s of a processor each")])
    return render("sensitivity.html.j2", directory / "report.html", [], [], header=header, figures=pictures, headings=HEADINGS, goals=GOALS,
                  calm=CALM, rules=list(dict.fromkeys(table["rule"])), ways=[way for way in WAYS if (table["way"] == way).any()],
                  judged=_judged(table), base=_base(table),
                  rows=_rows(table))


def _figure(table: pd.DataFrame, way: str) -> Figure:
    """A panel for each goal: quantities against the bits that they need; beyond the longest word where none is enough."""
    longest = int(table["word_bits"].max())
    quantities = sorted(dict.fromkeys(q for q in table["quantity"] if q != BASE), key=lambda q: INDEX[q], reverse=True)
    figure, axes = panels(1, len(GOALS), figsize=(2.2 + 3.2 * len(GOALS), 1.3 + 0.27 * len(quantities)), sharey=True, layout="constrained")
    for ax, goal in zip(axes, GOALS):
        found = needed(table, goal, way)
        for i, (rounding, mark) in enumerate(MARKS.items()):
            rows = found[found["rounding"] == rounding]
            x = rows["word_bits"].fillna(longest + 1).to_numpy(float)
            y = np.array([quantities.index(q) for q in rows["quantity"]]) + 0.13 * (2 - i)
            ax.plot(x, y, mark, color=COLOURS[1 + i], ms=4.5, mew=0.8, fillstyle="none" if rounding != "stochastic" else "full", label=rounding)
        ax.axvspan(longest + 0.5, longest + 1.5, color="0.92", zorder=-1)
        ax.set_xlim(1.5, longest + 1.5)
        ax.set_xticks([*range(2, longest + 1, 2), longest + 1], [*map(str, range(2, longest + 1, 2)), "more"], fontsize=7)
        ax.set_yticks(range(len(quantities)), [title(q) for q in quantities], fontsize=8)
        ax.grid(axis="y", color="0.9", lw=0.6)
        ax.set_xlabel(f"word bits for a cosine of {goal:g}")
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=len(MARKS), frameon=False, fontsize=8)
    return figure


def _judged(table: pd.DataFrame) -> dict[str, str]:
    """rule-way -> the moments at which each layer is judged, in words."""
    found = {}
    for (rule, way), rows in table.groupby(["rule", "way"], sort=False):
        places = calm(rows).reset_index()[["layer", "moment"]].drop_duplicates()
        layers = {layer: [moment for moment in MOMENTS if moment in of["moment"].to_list()] for layer, of in places.groupby("layer")}
        told = [f"{LAYER_NAMES[layer]} weights at the {', '.join(layers[layer])}" for layer in LAYERS if layer in layers]
        found[f"{rule}-{way}"] = "; ".join(told) or "nowhere"
    return found


def _base(table: pd.DataFrame) -> list[dict[str, object]]:
    """The base precision's own mean cosine of each layer at each moment, and where it judges nothing."""
    rows, found = table[(table["quantity"] == BASE) & (table["layer"] != ALL)], []
    for (rule, way, layer), values in rows.groupby(["rule", "way", "layer"], sort=False):
        row: dict[str, object] = {"rule": rule, "way": way, "layer": LAYER_NAMES[layer]}
        for moment in MOMENTS:
            cosines = values.loc[values["moment"] == moment, "cosine"]
            left = int((~(cosines >= CALM)).sum())
            of = "" if left == len(cosines) else f" in {left} of {len(cosines)} seeds"
            row[moment] = ("no gradient" if cosines.isna().all() else f"{cosines.mean():.4f}") + (f" (left out{of})" if left else "")
        found.append(row)
    return found


def _rows(table: pd.DataFrame) -> list[dict[str, object]]:
    """Of each rule, way and quantity, the fewest bits of any rounding for each goal, and which rounding."""
    found = []
    for (rule, way), rows in table.groupby(["rule", "way"], sort=False):
        goals = {goal: needed(rows, goal, str(way)) for goal in GOALS}
        for quantity in dict.fromkeys(q for q in rows["quantity"] if q != BASE):
            row: dict[str, object] = {"rule": rule, "way": way, "quantity": quantity}
            for goal, bits in goals.items():
                of = bits[(bits["quantity"] == quantity) & bits["word_bits"].notna()]
                best, judged = of[of["word_bits"] == of["word_bits"].min()], (bits["quantity"] == quantity).any()
                enough = f"{int(best['word_bits'].iloc[0])} ({', '.join(best['rounding'])})" if len(best) else "more"
                row[str(goal)] = enough if judged else "not judged"
            found.append(row)
    return found

"""report.html of ``fxsim allocate``: the front, how well it was predicted, what trainings said, and the formats of each point."""
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from fxsim.errors import InputError
from fxsim.files.pictures import panels, save_picture, style
from fxsim.files.writing import make_directory
from fxsim.study.allocation.allocate import FORMATS, KIND, POINTS
from quant.quantities import INDEX

from ..data import read_manifest, read_table
from ..figures import COLOURS, STYLE, title
from ..page import provenance, render, with_error

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COSTS = {"memory_bytes": ("memory of the network (KiB)", 1 / 1024), "energy_high_pJ": ("energy of an update, upper end (uJ)", 1e-6)}
LINES = {"measured": ("cosine", COLOURS[1], ()), "predicted": ("cosine_predicted", COLOURS[2], (6, 2))}
LETTERS = {"floor": "F", "toward_zero": "Z", "nearest_even": "E", "nearest_up": "U", "stochastic": "S"}


def build_allocation_report(directory: Path) -> Path:
    """Write figures/ and report.html into a directory that ``fxsim allocate`` has filled; returns the page's path. Raises InputError."""
    front, formats = read_table(directory / "front.csv", POINTS), read_table(directory / "formats.csv", FORMATS)
    if not len(front):
        raise InputError(directory / "front.csv", "table", "no rows", "a row for each point")
    manifest = read_manifest(directory / "manifest.json")
    point = manifest.get("point")
    with style(STYLE):
        picture = save_picture(_figure(front, point), make_directory(directory / "figures"), "front", bbox_inches="tight")
    header = provenance(manifest, [
        ("Goal", str(manifest.get("goal"))),
        ("Task", f"{manifest.get(KIND)}: {title(str(manifest.get('task')))}, {title(str(manifest.get('rule')))}, {manifest.get('updates')} updates, "
                 f"batch {manifest.get('batch_size')}"),
        ("Widest formats", str(manifest.get("base"))),
        ("Gradients", f"of float32 trainings, seeds {', '.join(map(str, manifest.get('sensitivity_seeds') or []))}")])
    return render("allocation.html.j2", directory / "report.html", _charts(front), [], header=header, figures={"front": picture}, point=point,
                  rows=_rows(front), formats=_formats(formats, len(front)), tests=_tests(manifest), letters=LETTERS,
                  trained=(directory / "trained.csv").exists(), against=manifest.get("against"))


def _charts(front: pd.DataFrame) -> list[dict[str, Any]]:
    """Cosine over each cost, measured and predicted."""
    charts = []
    for column, (label, scale) in COSTS.items():
        x = (front[column] * scale).round(3).tolist()
        series = [{"label": name, "colour": colour, "dash": list(dash), "x": x, "mean": front[values].tolist(), "sem": [None] * len(x),
                   "n": [1] * len(x)} for name, (values, colour, dash) in LINES.items()]
        charts.append({"root": "front", "id": f"front-{column}", "group": "front", "lines": "cosine", "title": "", "x": label,
                       "y": "cosine with float64", "origin": False, "log": False, "percent": False, "series": series, "points": [], "band": None})
    return charts


def _figure(front: pd.DataFrame, point: int | None) -> Figure:
    figure, axes = panels(1, len(COSTS), figsize=(8.4, 3.2), sharey=True, layout="constrained")
    for ax, (column, (label, scale)) in zip(axes, COSTS.items()):
        for name, (values, colour, dash) in LINES.items():
            ax.plot(front[column] * scale, front[values], color=colour, dashes=dash or (None, None), lw=1.4, marker="o", ms=3, label=name)
        if point is not None:
            ax.plot(front[column].iloc[point] * scale, front["cosine"].iloc[point], "o", ms=9, mfc="none", mec="black", label="chosen")
        ax.set_xlabel(label)
    axes[0].set_ylabel("cosine with float64")
    axes[0].legend(frameon=False)
    return figure


def _rows(front: pd.DataFrame) -> list[dict[str, Any]]:
    return [{**row, "memory": row["memory_bytes"] / 1024, "energy": f"{row['energy_low_pJ'] * 1e-6:.0f} to {row['energy_high_pJ'] * 1e-6:.0f}"}
            for row in front.to_dict("records")]


def _formats(formats: pd.DataFrame, points: int) -> list[dict[str, Any]]:
    """A row per quantity: bits and rounding at each point."""
    found = []
    for quantity in sorted(dict.fromkeys(formats["quantity"]), key=lambda name: INDEX[name]):
        of = formats[formats["quantity"] == quantity].set_index("point")
        found.append({"quantity": quantity, "points": [f"{of['word_bits'][n]} {LETTERS[of['rounding'][n]]}" for n in range(points)]})
    return found


def _tests(manifest: dict) -> list[dict[str, Any]]:
    share, rows = manifest.get("measure") == "accuracy", []
    for test in manifest.get("tests") or []:
        low, high = (with_error(float("nan") if test[end] is None else test[end], float("nan"), share, "+", " points") for end in ("low", "high"))
        rows.append({**test, "mean": with_error(float("nan") if test["mean"] is None else test["mean"], float("nan"), share, "+", " points"),
                     "interval": f"{low} to {high}"})
    return rows

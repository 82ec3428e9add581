"""Pictures of a study, as PNG and SVG: the same charts and heat maps that its page shows."""
from __future__ import annotations

import math
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fxsim.files.pictures import panels, save_picture, style
from fxsim.files.writing import make_directory
from fxsim.study.figure import Figure

from .figures import COLOURS, LABELS, PUBLISHED, STYLE, draw_band, plain, title

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture

COLUMNS = 4         # panels beside each other


def draw_study(drawn: list[tuple[Figure, list[dict] | dict | None]], folder: Path) -> dict[str, Path]:
    """Draw each figure from what :mod:`.study_data` made of it; returns figure-NUMBER -> PNG path (an SVG stands beside it)."""
    make_directory(folder)
    paths = {}
    with style(STYLE):
        for number, (figure, content) in enumerate(drawn):
            if content is None:         # none of its runs is done
                continue
            picture = _heatmap(figure, content) if isinstance(content, dict) else (_scatters if figure.kind == "ranks" else _charts)(figure, content)
            paths[f"figure-{number}"] = save_picture(picture, folder, f"figure-{number}", bbox_inches="tight")
    return paths


def _charts(figure: Figure, charts: list[dict]) -> Picture:
    from matplotlib.ticker import PercentFormatter
    columns = min(len(charts), COLUMNS)
    rows = math.ceil(len(charts) / columns)
    size = max(6.4, 1.2 + 3.1 * columns), 1.1 + 2.5 * rows
    picture, axes = panels(rows, columns, figsize=size, squeeze=False, sharey=True, layout="constrained")
    entries: dict = {}
    for ax in axes.flat[len(charts):]:
        ax.set_axis_off()
    for i, (ax, chart) in enumerate(zip(axes.flat, charts)):
        if chart["band"]:
            draw_band(ax, chart["band"])
        if chart["points"]:
            ax.errorbar(*zip(*chart["points"]), fmt="s", color=PUBLISHED["mean"], ms=4, capsize=2, lw=1, label="published mean ± SEM")
        for s in chart["series"]:
            x, mean, sem = np.array(s["x"]), np.array(s["mean"]), np.nan_to_num(np.array(s["sem"], float))
            if s.get("note"):
                face = "white" if s["beaten"] else s["colour"]
                ax.errorbar(x, mean, sem, fmt="o", color=s["colour"], mfc=face, ms=5, lw=1, label=plain(s["label"]))
                continue
            marker = "o" if 2 < len(x) < 8 else None
            ax.plot(x, mean, color=s["colour"], dashes=s["dash"] or (None, None), lw=1.5, label=plain(s["label"]), marker=marker, ms=3)
            ax.fill_between(x, mean - sem, mean + sem, color=s["colour"], alpha=0.15, lw=0)
        if chart["log"]:
            ax.set_yscale("log")
        if chart["percent"]:
            ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        ax.set_title(plain(chart["title"]), fontsize=9)
        if i % columns == 0:
            ax.set_ylabel(chart["y"])
        if i + columns >= len(charts):
            ax.set_xlabel(plain(chart["x"]))
        entries |= {label: handle for handle, label in zip(*ax.get_legend_handles_labels())}
    picture.legend(entries.values(), entries.keys(), loc="outside right upper", frameon=False, title=plain(title(figure.lines)))
    counts = {n for chart in charts for s in chart["series"] for n in s["n"]}
    wrapped = textwrap.fill(plain(figure.title), max(30, int((picture.get_figwidth() - 4.4) / 0.07)))
    picture.suptitle(f"{wrapped}\n(mean ± SEM, {seeds(counts)})", fontsize=10)
    return picture


def seeds(counts: set[int]) -> str:
    """How many runs stand behind the points."""
    few, many = min(counts), max(counts)
    return f"{few} seed{'s' if few > 1 else ''}" if few == many else f"{few} to {many} seeds"


def _scatters(figure: Figure, panels_: list[dict]) -> Picture:
    """A panel for each choice of alignments; what is not defined stands at the left edge, hollow."""
    from matplotlib.ticker import PercentFormatter
    columns = min(len(panels_), COLUMNS)
    rows = math.ceil(len(panels_) / columns)
    size = max(4, 0.8 + 2.8 * columns), 1.0 + 2.6 * rows
    picture, axes = panels(rows, columns, figsize=size, squeeze=False, sharex=True, sharey=True, layout="constrained")
    for ax in axes.flat[len(panels_):]:
        ax.set_axis_off()
    known = [value for panel in panels_ for value in panel["x"] if not math.isnan(value)]
    for i, (ax, panel) in enumerate(zip(axes.flat, panels_)):
        x, y, found = np.array(panel["x"], float), np.array(panel["y"], float), panel["ranking"]
        nowhere = np.isnan(x)
        ax.plot(x[~nowhere], y[~nowhere], "o", color=COLOURS[1], ms=4, alpha=0.6, mew=0)
        ax.plot(np.full(nowhere.sum(), min(known, default=0)), y[nowhere], "o", color=COLOURS[1], ms=4, fillstyle="none")
        ax.set_title(f"{plain(panel['title'])}\nrank correlation {found.spearman:.2f} ({found.low:.2f} to {found.high:.2f})", fontsize=8.5)
        if panel["outcome"] == "accuracy":
            ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        if i % columns == 0:
            ax.set_ylabel(f"{panel['outcome']} after training")
        if i + columns >= len(panels_):
            ax.set_xlabel(LABELS[figure.metric])
    counts = {len(panel["x"]) for panel in panels_}
    picture.suptitle(f"{plain(figure.title)}\n({' or '.join(map(str, sorted(counts)))} points)", fontsize=10)
    return picture


def _heatmap(figure: Figure, cells: dict) -> Picture:
    mean, sem = np.array(cells["mean"]), np.array(cells["sem"], float)
    picture, ax = panels(figsize=(1.8 + 0.8 * len(cells["x"]), 1.5 + 0.55 * len(cells["y"])), layout="constrained")
    ax.spines[:].set_visible(False)
    image = ax.imshow(mean, cmap="cividis", aspect="auto", origin="lower")
    middle = (np.nanmin(mean) + np.nanmax(mean)) / 2
    scale, digits = (100, 0) if figure.metric == "accuracy" else (1, 3)
    for (i, j), value in np.ndenumerate(mean):
        text = "–" if math.isnan(value) else f"{scale * value:.{digits}f}" + ("" if math.isnan(sem[i, j]) else f"\n±{scale * sem[i, j]:.{digits}f}")
        ax.text(j, i, text, ha="center", va="center", fontsize=7.5, color="white" if value < middle else "black")
    ax.set_xticks(range(len(cells["x"])), [plain(value) for value in cells["x"]])
    ax.set_yticks(range(len(cells["y"])), [plain(value) for value in cells["y"]])
    ax.set_xlabel(plain(figure.x_label or title(figure.x)))
    ax.set_ylabel(plain(title(figure.y)))
    unit = " (shares; cells: percent)" if figure.metric == "accuracy" else ""
    picture.colorbar(image, ax=ax, label=LABELS.get(figure.metric, figure.metric) + unit)
    picture.suptitle(f"{plain(figure.title)}\n(mean ± SEM, {seeds({n for row in cells['n'] for n in row if n})})", fontsize=10)
    return picture

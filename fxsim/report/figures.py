"""The report's pictures, as PNG and SVG."""
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fxsim.files.pictures import panels, save_picture, style
from fxsim.files.writing import make_directory

from . import published as paper
from .data import Comparison
from .tables import KINDS, learning_curve, losses

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, which colour-blind people can tell apart; float is black.
COLOURS = ("#000000", "#0072B2", "#E69F00", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#8A8200")
DASHES = ((), (6, 2), (2, 2), (6, 2, 2, 2), (10, 3), (1, 1), (4, 1, 1, 1), (3, 3))
NAMES = {"eprop": "e-prop", "diffusion": "diffusion", "bptt": "BPTT", "shuffled_fixed": "shuffled (fixed)",
         "shuffled_per_step": "shuffled (per step)", "delayed_match": "delayed match", "cue_accumulation": "cue accumulation",
         "pattern_generation": "pattern generation"}
PUBLISHED = {"range": "#E6E0F0", "quartiles": "#CDC3E3", "mean": "#666666"}      # pale violet: float's own band is grey
STYLE = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "figure.dpi": 130}
LABELS = {"rate_hz": "firing rate (Hz)", "accuracy": "evaluation accuracy", "loss": "evaluation loss", "nmse": "evaluation nMSE",
          "cosine": "cosine with the reference", "angle": "angle to the reference (degrees)", "ratio": "ratio of norms",
          "signs": "share of equal signs", "bias": "bias along the reference"}


def title(name: str) -> str:
    """How a task, rule or quantity is written."""
    return NAMES.get(name, name.replace("_", " "))


def plain(text: object) -> str:
    """Text that matplotlib draws as it is: it takes what stands between two dollars for a formula, and legends leave out what begins with _."""
    drawn = str(text).replace("$", r"\$")
    return f" {drawn}" if drawn.startswith("_") else drawn


def styles(comparison: Comparison) -> dict[str, tuple[str, tuple[int, ...]]]:
    """precision -> (colour, dashes), the same in every picture."""
    return {p: (COLOURS[i % len(COLOURS)], DASHES[i % len(DASHES)]) for i, p in enumerate(comparison.precisions())}


def draw_figures(comparison: Comparison, folder: Path) -> dict[str, Path]:
    """Draw everything the data allows; returns name -> PNG path (an SVG stands beside it)."""
    make_directory(folder)
    paths: dict[str, Path] = {}

    def keep(name: str, figure: Figure) -> None:
        paths[name] = save_picture(figure, folder, name, bbox_inches="tight")

    with style(STYLE):
        for task in comparison.tasks:
            keep(f"curves_{task}", _curves(comparison, task))
            for rule in comparison.rules(task):
                name, heading, shown = f"{task}_{rule}", f"{title(task)}, {title(rule)}", comparison.shown(task, rule)
                if shown:
                    keep(f"raster_{name}", _rasters(shown, heading))
                if any(s["modulator"].size for s in shown.values()):
                    keep(f"modulator_{name}", _fields(shown, heading))
                table = losses(comparison, task, rule)
                if len(table):
                    keep(f"losses_{name}", _losses(table, heading))
    return paths


def _curves(comparison: Comparison, task: str) -> Figure:
    from matplotlib.ticker import PercentFormatter
    columns, rules = comparison.measures(task), comparison.rules(task)
    figure, axes = panels(len(columns), len(rules), figsize=(1.2 + 3.6 * len(rules), 5.2), squeeze=False, sharex=True, sharey="row")
    entries: dict = {}      # label -> handle, collected over all axes: not every rule has every curve
    for j, rule in enumerate(rules):
        for i, column in enumerate(columns):
            ax = axes[i, j]
            _published(ax, comparison, task, rule, column)
            for precision, (colour, dashes) in styles(comparison).items():
                curve = learning_curve(comparison, task, rule, precision, column)
                if len(curve):
                    ax.plot(curve["iteration"], curve["mean"], color=colour, dashes=dashes or (None, None), lw=1.5, label=plain(precision))
                    ax.fill_between(curve["iteration"], curve["mean"] - curve["sem"], curve["mean"] + curve["sem"], color=colour, alpha=0.15, lw=0)
            if column == "nmse":
                ax.set_yscale("log")
            if column == "accuracy":
                ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
            if i == 0:
                ax.set_title(title(rule))
            if j == 0:
                ax.set_ylabel(LABELS[column])
            if i == len(columns) - 1:
                ax.set_xlabel("weight updates")
            entries |= {label: handle for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.tight_layout()
    figure.legend(entries.values(), entries.keys(), loc="upper left", bbox_to_anchor=(1.0, 0.95), frameon=False)
    seeds = comparison.curves.loc[comparison.curves["task"] == task, "seed"].nunique()
    figure.suptitle(f"{title(task)}: " + (f"mean ± SEM over {seeds} seeds" if seeds > 1 else "one seed, no error bars"), fontsize=11, y=1.02)
    return figure


def _published(ax: Axes, comparison: Comparison, task: str, rule: str, column: str) -> None:
    facts = comparison.facts(task)
    band = paper.spread(comparison.published[task], task, rule, facts, column) if task in comparison.published else None
    if band:
        draw_band(ax, band)
    points = paper.points(task, rule, facts) if column == "accuracy" else []
    if points:
        updates, mean, sem = zip(*points, strict=True)
        ax.errorbar(updates, mean, sem, fmt="s", color=PUBLISHED["mean"], ms=4, capsize=2, lw=1, label="published mean ± SEM")


def draw_band(ax: Axes, band: dict[str, list[float]]) -> None:
    """What the published seeds span, see :func:`.published.spread`."""
    ax.fill_between(band["x"], band["lowest"], band["highest"], color=PUBLISHED["range"], lw=0, label="published seeds, range")
    ax.fill_between(band["x"], band["lower"], band["upper"], color=PUBLISHED["quartiles"], lw=0, label="published seeds, quartiles")


def is_one_hot(target: np.ndarray) -> bool:
    """True for the labels of a classification, (S, K), K > 1."""
    return target.shape[1] > 1 and bool(np.isin(target, (0, 1)).all() and (target.sum(axis=1) == 1).all())


def _rasters(shown: dict[str, dict[str, np.ndarray]], heading: str) -> Figure:
    from matplotlib.ticker import MaxNLocator
    figure, axes = panels(4, len(shown), figsize=(1 + 3.3 * len(shown), 7), squeeze=False, sharey="row",
                                gridspec_kw={"height_ratios": (1, 1.8, 1, 0.5)})
    for j, (precision, s) in enumerate(shown.items()):
        T, S, outputs = len(s["spikes"]), len(s["readout"]), s["readout"].shape[1]
        window, labels = np.arange(T - S, T), is_one_hot(s["target"])
        for ax, (name, colour) in zip(axes[:2, j], (("input", "0.25"), ("spikes", COLOURS[1])), strict=True):
            t, unit = np.nonzero(s[name])
            ax.plot(t, unit, "|", color=colour, ms=2.2, mew=0.6, rasterized=True)
            ax.set_xlim(0, T)
            ax.set_ylim(-1, s[name].shape[1])
            ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
            if S < T:
                ax.axvspan(T - S, T, color="0.92", zorder=-1)
        for k in range(outputs):
            axes[2, j].plot(window, s["readout"][:, k], color=COLOURS[1 + k % 7], dashes=DASHES[k % 8] or (None, None), lw=1.1, label=f"output {k}")
            if not labels:
                axes[3, j].plot(window, s["target"][:, k], color=COLOURS[1 + k % 7], dashes=DASHES[k % 8] or (None, None), lw=1.1)
        if labels:
            axes[3, j].step(window, s["target"].argmax(axis=1), color="0.2", lw=2.5, where="mid")
            axes[3, j].set_yticks(range(outputs))
            axes[3, j].set_ylim(-0.5, outputs - 0.5)
        for ax in axes[2:, j]:
            ax.set_xlim(T - S, T)
            ax.set_facecolor("0.96")
        axes[2, j].tick_params(labelbottom=False)
        axes[0, j].tick_params(labelbottom=False)
        axes[0, j].set_title(f"{plain(precision)}: {s['spikes'].mean() * 1000:.1f} Hz", fontsize=9)
        axes[3, j].set_xlabel("time (ms)")
    for i, name in enumerate(("input channel", "neuron", "readout", "target")):
        axes[i, 0].set_ylabel(name)
    axes[2, -1].legend(fontsize=7, frameon=False, ncols=2, loc="best")
    hint = " (grey: the learning window, enlarged below)" if any(len(s["readout"]) < len(s["spikes"]) for s in shown.values()) else ""
    figure.suptitle(f"{heading}: one evaluation trial after training{hint}", fontsize=10)
    figure.tight_layout()
    return figure


def _fields(shown: dict[str, dict[str, np.ndarray]], heading: str) -> Figure:
    shown = {p: s for p, s in shown.items() if s["modulator"].size}
    window = min(len(s["modulator"]) for s in shown.values())
    steps = np.unique(np.geomspace(1, window, 6).round().astype(int)) - 1       # the spreading is fast at first
    limit = max(float(np.abs(s["modulator"]).max()) for s in shown.values()) or 1.0
    figure, axes = panels(len(shown), len(steps), figsize=(1.6 + 1.4 * len(steps), 0.8 + 1.4 * len(shown)), squeeze=False,
                                layout="constrained")
    for i, (precision, s) in enumerate(shown.items()):
        for j, step in enumerate(steps):
            ax = axes[i, j]
            image = ax.imshow(s["modulator"][step].reshape(s["grid"]), cmap="RdBu_r", vmin=-limit, vmax=limit)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
            if i == 0:
                ax.set_title(f"{step + 1} ms", fontsize=8)
        axes[i, 0].set_ylabel(plain(precision))
    figure.colorbar(image, ax=axes, shrink=0.8, label="neuromodulator M")
    figure.suptitle(f"{heading}: the neuromodulator on the grid, time since the learning window opened", fontsize=10)
    return figure


def _losses(table: pd.DataFrame, heading: str) -> Figure:
    precisions, quantities = list(dict.fromkeys(table["precision"])), list(dict.fromkeys(table["quantity"]))
    width = len(KINDS) * (0.7 + 0.55 * len(precisions))
    figure, axes = panels(1, len(KINDS), figsize=(2.6 + width, 1.4 + 0.22 * len(quantities)), sharey=True, layout="constrained")
    for ax, (column, (label, _)) in zip(axes, KINDS.items(), strict=True):
        values = table.pivot(index="quantity", columns="precision", values=column).loc[quantities, precisions].to_numpy()
        image = ax.imshow(np.log10(np.maximum(values, 1e-6)), cmap="viridis", vmin=-6, vmax=0, aspect="auto")
        for (i, j), share in np.ndenumerate(values):
            if share >= 5e-4:
                ax.text(j, i, f"{100 * share:.1f}" if share < 0.1 else f"{100 * share:.0f}", ha="center", va="center", fontsize=6.5,
                        color="black" if share > 1e-2 else "white")
        ax.set_xticks(range(len(precisions)), [plain(p) for p in precisions], rotation=45, ha="right")
        ax.set_yticks(range(len(quantities)), [title(q) for q in quantities])
        ax.set_title(label, fontsize=9)
    bar = figure.colorbar(image, ax=axes, shrink=0.8, label="share of stored values")
    bar.set_ticks([-6, -4, -2, 0], labels=["≤ 10⁻⁶", "10⁻⁴", "10⁻²", "1"])
    figure.suptitle(f"{heading}: where precision was lost (numbers: percent)", fontsize=10)
    return figure

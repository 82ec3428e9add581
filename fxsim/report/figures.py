"""The report's pictures, as PNG and SVG."""
from __future__ import annotations

from pathlib import Path

import numpy as np

from . import published as paper
from .data import Comparison
from .tables import learning_curve, losses

# Okabe and Ito's palette, which colour-blind people can tell apart; float is black.
COLOURS = ("#000000", "#0072B2", "#E69F00", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#B8A800")
DASHES = ((), (6, 2), (2, 2), (6, 2, 2, 2), (8, 3), (1, 1), (4, 1, 1, 1), (3, 3))
NAMES = {"eprop": "e-prop", "diffusion": "diffusion", "bptt": "BPTT", "shuffled_fixed": "shuffled (fixed)",
         "shuffled_per_step": "shuffled (per step)", "delayed_match": "delayed match", "cue_accumulation": "cue accumulation",
         "pattern_generation": "pattern generation"}
LABELS = {"accuracy": "evaluation accuracy", "loss": "evaluation loss", "nmse": "evaluation nMSE"}


def title(name: str) -> str:
    """How a task or rule is written."""
    return NAMES.get(name, name)


def styles(comparison: Comparison) -> dict[str, tuple[str, tuple[int, ...]]]:
    """precision -> (colour, dashes), the same in every picture."""
    return {p: (COLOURS[i % len(COLOURS)], DASHES[i % len(DASHES)]) for i, p in enumerate(comparison.precisions())}


def draw_figures(comparison: Comparison, folder: Path) -> dict[str, Path]:
    """Draw everything the data allows; returns name -> PNG path (an SVG stands beside it)."""
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    folder.mkdir(parents=True, exist_ok=True)
    made = {}
    with plt.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "fxsim", "figure.dpi": 130}):
        for task in comparison.tasks:
            made[f"curves_{task}"] = _curves(plt, comparison, task)
            rules = [rule for rule in comparison.rules(task) if any(key[:2] == (task, rule) for key in comparison.snapshots)]
            for rule in rules:
                shown = {p: comparison.snapshots[task, rule, p] for p in comparison.precisions(task) if (task, rule, p) in comparison.snapshots}
                made[f"raster_{task}_{rule}"] = _rasters(plt, shown, f"{title(task)}, {title(rule)}")
                if any(s["modulator"].size for s in shown.values()):
                    made[f"modulator_{task}_{rule}"] = _fields(plt, shown, f"{title(task)}, {title(rule)}")
            for rule in comparison.rules(task):
                table = losses(comparison, task, rule)
                if len(table):
                    made[f"losses_{task}_{rule}"] = _losses(plt, table, f"{title(task)}, {title(rule)}")
        paths = {}
        for name, figure in made.items():
            paths[name] = folder / f"{name}.png"
            figure.savefig(paths[name], bbox_inches="tight")
            figure.savefig(folder / f"{name}.svg", bbox_inches="tight", metadata={"Date": None})
            plt.close(figure)
    return paths


def _curves(plt, comparison: Comparison, task: str):
    columns, rules = [comparison.measure(task), "loss"], comparison.rules(task)
    figure, axes = plt.subplots(len(columns), len(rules), figsize=(1.2 + 3.6 * len(rules), 5.2), squeeze=False, sharex=True, sharey="row")
    description = comparison.manifest.get("tasks", {}).get(task, {})
    for j, rule in enumerate(rules):
        for i, column in enumerate(columns):
            ax = axes[i, j]
            if column == "accuracy":
                _published(ax, comparison, task, rule, description)
            for precision, (colour, dashes) in styles(comparison).items():
                curve = learning_curve(comparison, task, rule, precision, column)
                if len(curve):
                    ax.plot(curve["iteration"], curve["mean"], color=colour, dashes=dashes or (None, None), lw=1.5, label=precision)
                    ax.fill_between(curve["iteration"], curve["mean"] - curve["sem"], curve["mean"] + curve["sem"], color=colour, alpha=0.15, lw=0)
            if column == "nmse":
                ax.set_yscale("log")
            if i == 0:
                ax.set_title(title(rule))
            if j == 0:
                ax.set_ylabel(LABELS[column])
            if i == len(columns) - 1:
                ax.set_xlabel("weight updates")
    entries = {name: handle for ax in axes.flat for handle, name in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(entries.values(), entries, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    seeds = comparison.curves.loc[comparison.curves["task"] == task, "seed"].nunique()
    figure.suptitle(f"{title(task)}: mean ± SEM over {seeds} seed{'s' if seeds > 1 else ''}", fontsize=11)
    figure.tight_layout()
    return figure


def _published(ax, comparison: Comparison, task: str, rule: str, description: dict) -> None:
    if task in comparison.published:
        band = paper.spread(comparison.published[task], task, rule, description)
        if band is not None:
            ax.fill_between(*band, color="#E6E0F0", lw=0, label="published seeds,\nlowest to highest")
    points = paper.points(task, rule, description)
    if points:
        updates, mean, sem = zip(*points, strict=True)
        ax.errorbar(updates, mean, sem, fmt="s", color="0.45", ms=4, capsize=2, lw=1, label="published mean ± SEM")


def _rasters(plt, shown: dict[str, dict[str, np.ndarray]], heading: str):
    figure, axes = plt.subplots(3, len(shown), figsize=(1 + 3.3 * len(shown), 6), squeeze=False, sharex=True, sharey="row",
                                gridspec_kw={"height_ratios": (1, 2, 1.1)})
    for j, (precision, s) in enumerate(shown.items()):
        T, S = len(s["spikes"]), len(s["readout"])
        for i, (name, colour) in enumerate((("input", "0.35"), ("spikes", COLOURS[1]))):
            t, unit = np.nonzero(s[name])
            axes[i, j].plot(t, unit, "|", color=colour, ms=2, mew=0.5, rasterized=True)
            axes[i, j].set_ylim(-1, s[name].shape[1])
        window = np.arange(T - S, T)
        for k in range(s["readout"].shape[1]):
            axes[2, j].plot(window, s["readout"][:, k], color=COLOURS[1 + k], lw=1.2, label=f"output {k}")
            axes[2, j].plot(window, s["target"][:, k], color=COLOURS[1 + k], lw=1, ls=":", label=f"target {k}")
        for ax in axes[:, j]:
            ax.axvspan(T - S, T, color="0.93", zorder=-1)
        axes[0, j].set_title(precision)
        axes[2, j].set_xlabel("time (ms)")
    for i, name in enumerate(("input channel", "neuron", "readout")):
        axes[i, 0].set_ylabel(name)
    axes[2, -1].legend(fontsize=7, frameon=False, ncols=2)
    figure.suptitle(f"{heading}: one evaluation trial after training (grey: learning signal available)", fontsize=10)
    figure.tight_layout()
    return figure


def frames(s: dict[str, np.ndarray], count: int) -> np.ndarray:
    """Indices of ``count`` steps spread over the window."""
    return np.unique(np.linspace(0, len(s["modulator"]) - 1, count).round().astype(int))


def _fields(plt, shown: dict[str, dict[str, np.ndarray]], heading: str):
    shown = {p: s for p, s in shown.items() if s["modulator"].size}
    first = next(iter(shown.values()))
    steps = frames(first, 5)
    limit = max(np.abs(s["modulator"]).max() for s in shown.values()) or 1.0
    figure, axes = plt.subplots(len(shown), len(steps), figsize=(1.6 + 1.5 * len(steps), 0.8 + 1.5 * len(shown)), squeeze=False,
                                layout="constrained")
    for i, (precision, s) in enumerate(shown.items()):
        for j, step in enumerate(steps):
            image = axes[i, j].imshow(s["modulator"][step].reshape(s["grid"]), cmap="RdBu_r", vmin=-limit, vmax=limit)
            axes[i, j].set_xticks([])
            axes[i, j].set_yticks([])
            if i == 0:
                axes[i, j].set_title(f"{step + 1} ms", fontsize=8)
        axes[i, 0].set_ylabel(precision)
    figure.colorbar(image, ax=axes, shrink=0.8, label="neuromodulator M")
    figure.suptitle(f"{heading}: the neuromodulator on the grid, time in the window", fontsize=10)
    return figure


def _losses(plt, table, heading: str):
    kinds = {"saturated": "saturated", "underflowed": "rounded to zero", "stalled": "change rounded away"}
    precisions, quantities = list(dict.fromkeys(table["precision"])), list(dict.fromkeys(table["quantity"]))
    figure, axes = plt.subplots(1, len(kinds), figsize=(2 + 2.2 * len(kinds), 1.4 + 0.22 * len(quantities)), sharey=True,
                                layout="constrained")
    for ax, (column, label) in zip(axes, kinds.items(), strict=True):
        values = table.pivot(index="quantity", columns="precision", values=column).loc[quantities, precisions].to_numpy()
        image = ax.imshow(np.log10(np.maximum(values, 1e-6)), cmap="viridis", vmin=-6, vmax=0, aspect="auto")
        ax.set_xticks(range(len(precisions)), precisions, rotation=45, ha="right")
        ax.set_yticks(range(len(quantities)), [q.replace("_", " ") for q in quantities])
        ax.set_title(label, fontsize=9)
    bar = figure.colorbar(image, ax=axes, shrink=0.8, label="share of stored values")
    bar.set_ticks([-6, -4, -2, 0], labels=["≤ 10⁻⁶", "10⁻⁴", "10⁻²", "1"])
    figure.suptitle(f"{heading}: where precision was lost", fontsize=10)
    return figure

"""The paper's figure 2: a trial of each task above, learning curves of the rules below."""
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fxsim.config import load_config
from fxsim.files.pictures import panels, save_picture, style
from fxsim.report.figures import COLOURS, DASHES, LABELS, PUBLISHED, STYLE, title
from fxsim.report.study_data import Sweep, done, evaluations, measure_of, published_beside
from fxsim.report.study_figures import seeds
from fxsim.report.tables import standard_error
from fxsim.tasks import make_task

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RULES = {"bptt": "^", "diffusion": "o", "eprop": "s"}       # markers, for eyes and printers without colour
POPULATIONS = {"delayed_match": ("background", "decision", "cue 1", "cue 2"), "cue_accumulation": ("background", "decision", "left", "right"),
               "pattern_generation": ("noise",)}


def draw(sweeps: list[Sweep], folder: Path) -> Path:
    """Write figure_2.png and .svg: a column a task. Lines are means over seeds with standard errors in float32, and dashed in loihi2."""
    with style(STYLE):
        figure, axes = panels(3, len(sweeps), figsize=(1 + 3.6 * len(sweeps), 8), squeeze=False, layout="constrained",
                              gridspec_kw={"height_ratios": (1.1, 0.6, 2)})
        entries: dict[str, Any] = {}
        counts: set[int] = set()
        for j, sweep in enumerate(sweeps):
            task = str(sweep.results["task"].iloc[0])
            _trial(axes[0, j], axes[1, j], task)
            counts |= _curves(axes[2, j], sweep, task)
            entries |= {label: handle for handle, label in zip(*axes[2, j].get_legend_handles_labels())}
        figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=4, frameon=False)
        figure.suptitle("A trial of each task, and learning: mean ± SEM" + (f", {seeds(counts)}" if counts else ""), fontsize=11)
        return save_picture(figure, folder, "figure_2", bbox_inches="tight")


def _trial(spikes: Axes, target: Axes, task: str) -> None:
    """What goes in and what should come out, of one evaluation trial."""
    config = load_config(task, ["evaluation.batch_size=1"]) if task != "pattern_generation" else load_config(task)
    trial = make_task(config).evaluation_trials().take(slice(0, 1))
    x, wanted, names = trial.x[0], trial.target[0], POPULATIONS[task]
    steps, window = len(x), len(wanted)
    t, channel = np.nonzero(x)
    spikes.plot(t, channel, "|", color="0.25", ms=1.6, mew=0.5, rasterized=True)
    size = x.shape[1] // len(names)
    spikes.set_yticks([size * (i + 0.5) for i in range(len(names))], names)
    spikes.hlines([size * i for i in range(1, len(names))], 0, steps, color="0.7", lw=0.6)
    spikes.set(title=title(task), xlim=(0, steps), ylim=(0, x.shape[1]))
    spikes.tick_params(labelbottom=False, left=False)
    at = np.arange(steps - window, steps)
    if wanted.shape[1] > 1:
        target.plot(at, wanted.argmax(axis=1), color=COLOURS[3], lw=3)
        target.set_yticks(range(wanted.shape[1]))
        target.set_ylim(-0.5, wanted.shape[1] - 0.5)
        for ax in (spikes, target):
            ax.axvspan(steps - window, steps, color="0.92", zorder=-1)
    else:
        target.plot(at, wanted[:, 0], color=COLOURS[3], lw=1.5)
    target.set(xlim=(0, steps), xlabel="time (ms)", ylabel="target")


def _curves(ax: Axes, sweep: Sweep, task: str) -> set[int]:
    """Mean and standard error over seeds of each rule; returns how many seeds there are."""
    from matplotlib.ticker import PercentFormatter
    measure, results, counts = measure_of(sweep), done(sweep.results), set[int]()
    for i, (rule, marker) in enumerate(RULES.items()):
        for precision, dashes, width in (("float32", (None, None), 1.8), ("loihi2", DASHES[2], 1.1)):
            runs = results[(results["block"] == rule) & (results["precision"] == precision)]
            if runs.empty:
                continue
            grouped = evaluations(sweep, runs).groupby("iteration")[measure]
            mean, x = grouped.mean().to_numpy(), np.array(list(grouped.groups))
            sem = np.nan_to_num([standard_error(values.to_numpy()) for _, values in grouped])
            ax.plot(x, mean, marker, color=COLOURS[i + 1], ls="-", dashes=dashes, lw=width, ms=3.5, markevery=max(1, len(x) // 6),
                    label=f"{title(rule)}, {precision}")
            ax.fill_between(x, mean - sem, mean + sem, color=COLOURS[i + 1], alpha=0.15, lw=0)
            counts.add(len(runs))
        beside = published_beside(sweep, results[(results["block"] == rule) & (results["precision"] == "float32")], measure)
        if band := beside["band"]:
            ax.fill_between(band["x"], band["lower"], band["upper"], color=PUBLISHED["quartiles"], lw=0, zorder=-1, label="published quartiles")
        if points := beside["points"]:
            updates, level, error = zip(*points)
            ax.errorbar(updates, level, error, fmt=marker, color=COLOURS[i + 1], mfc="white", ms=5, capsize=2, label=f"{title(rule)}, published")
    if measure == "accuracy":
        ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    else:
        ax.set_yscale("log")
    ax.set(xlabel="weight updates", ylabel=LABELS[measure])
    return counts

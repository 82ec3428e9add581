"""The paper's figure 2: a trial of each task above, learning curves of the rules below."""
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fxsim.config import Config, load_config
from fxsim.files.pictures import panels, save_picture, style
from fxsim.model.topology import build_network
from fxsim.report.figures import COLOURS, DASHES, LABELS, STYLE, title
from fxsim.report.study_data import Sweep, done, evaluations, published_beside
from fxsim.report.study_figures import seeds
from fxsim.report.tables import standard_error
from fxsim.tasks import make_task

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RULES = {"bptt": "^", "diffusion": "o", "eprop": "s"}       # markers, for eyes and printers without colour
POPULATIONS = {"delayed_match": ("background", "decision", "cue 1", "cue 2"), "cue_accumulation": ("background", "decision", "left", "right"),
               "pattern_generation": ("noise",)}


def draw(sweeps: list[Sweep], trials: list[dict[str, dict[str, np.ndarray]]], folder: Path) -> Path:
    """Write figure_2.png and .svg: a column a task. Lines are means over seeds with standard errors in float32, and dashed in loihi2.

    trials      of each sweep, see :func:`.trained.trained_trials`
    """
    with style(STYLE):
        figure, axes = panels(4, len(sweeps), figsize=(1 + 3.6 * len(sweeps), 9.6), squeeze=False, layout="constrained",
                              gridspec_kw={"height_ratios": (1.1, 1.1, 0.6, 2)})
        entries: dict[str, Any] = {}
        counts: set[int] = set()
        for j, (sweep, shown) in enumerate(zip(sweeps, trials, strict=True)):
            config = load_config(str(sweep.results["task"].iloc[0]))
            _trial(list(axes[:3, j]), config, shown.get("float32"))
            counts |= _curves(axes[3, j], sweep, config)
            entries |= {label: handle for handle, label in zip(*axes[3, j].get_legend_handles_labels())}
        axes[0, 0].set_ylabel("input")
        axes[1, 0].set_ylabel("network")
        figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=4, frameon=False)
        figure.suptitle("A trial of each task, and learning: mean ± SEM" + (f", {seeds(counts)}" if counts else ""), fontsize=11)
        return save_picture(figure, folder, "figure_2", bbox_inches="tight")


def _trial(axes: list[Axes], config: Config, trained: dict[str, np.ndarray] | None) -> None:
    """What goes in, what a trained network does (diffusion, float32), and what should come out, of one evaluation trial."""
    spikes, network, target = axes
    if trained is None:
        trial = make_task(config).evaluation_trials().take(slice(0, 1))
        x, wanted = trial.x[0], trial.target[0]
        network.text(0.5, 0.5, "no network is trained yet", transform=network.transAxes, ha="center", color="0.5")
        network.set(xlim=(0, len(x)), yticks=[])
    else:
        x, wanted = trained["input"], trained["target"]
        n, lif = trained["spikes"].shape[1], int((build_network(config).constants.beta == 0).sum())
        _raster(network, trained["spikes"], {"LIF": (0, lif), **({"ALIF": (lif, n)} if lif < n else {})})
    names, steps, window = POPULATIONS[config.task.name], len(x), len(wanted)
    size = x.shape[1] // len(names)
    _raster(spikes, x, {name: (size * i, size * (i + 1)) for i, name in enumerate(names)})
    spikes.set_title(title(config.task.name))
    at = np.arange(steps - window, steps)
    if config.task.classification:
        target.plot(at, wanted.argmax(axis=1), color=COLOURS[3], lw=3)
        target.set_yticks(range(wanted.shape[1]))
        target.set_ylim(-0.5, wanted.shape[1] - 0.5)
        for ax in axes:
            ax.axvspan(steps - window, steps, color="0.92", zorder=-1)
    else:
        target.plot(at, wanted[:, 0], color=COLOURS[3], lw=1.5, label="target")
        if trained is not None:
            target.plot(at, trained["readout"][:, 0], color=COLOURS[0], lw=1, label="readout")
            target.legend(frameon=False, fontsize=7, loc="upper right")
    target.set(xlim=(0, steps), xlabel="time (ms)", ylabel="target")


def _raster(ax: Axes, spikes: np.ndarray, groups: dict[str, tuple[int, int]]) -> None:
    """Spikes (T, channels) with names of groups of channels, each from its first to beyond its last."""
    t, channel = np.nonzero(spikes)
    ax.plot(t, channel, "|", color="0.25", ms=1.6, mew=0.5, rasterized=True)
    ax.set_yticks([(first + last) / 2 for first, last in groups.values()], list(groups))
    ax.hlines([first for first, _ in groups.values() if first], 0, len(spikes), color="0.7", lw=0.6)
    ax.set(xlim=(0, len(spikes)), ylim=(0, spikes.shape[1]))
    ax.tick_params(labelbottom=False, left=False)


def _curves(ax: Axes, sweep: Sweep, config: Config) -> set[int]:
    """Mean and standard error over seeds of each rule; returns how many seeds there are."""
    from matplotlib.ticker import PercentFormatter
    measure, results, counts = "accuracy" if config.task.classification else "nmse", done(sweep.results), set[int]()
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
            ax.fill_between(band["x"], band["lower"], band["upper"], color=COLOURS[i + 1], alpha=0.18, lw=0, zorder=-1,
                            label=f"{title(rule)}, published quartiles")
        if points := beside["points"]:
            updates, level, error = zip(*points)
            ax.errorbar(updates, level, error, fmt=marker, color=COLOURS[i + 1], mfc="white", ms=5, capsize=2, label=f"{title(rule)}, published")
    if not counts and not ax.has_data():
        ax.text(0.5, 0.5, "no run is done yet", transform=ax.transAxes, ha="center", color="0.5")
        ax.set(xticks=[], yticks=[])
    if measure == "accuracy":
        ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    elif counts:
        ax.set_yscale("log")
    ax.set(xlabel="weight updates", ylabel=LABELS[measure])
    return counts

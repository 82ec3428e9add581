"""reports/precision/README.md: accuracy, memory and energy of presets and of an allocation's points."""
from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Iterator

from fxsim.config import load_config
from fxsim.report.formats.pareto import Condition, conditions
from fxsim.report.study_data import done, read_sweep
from fxsim.study.plan import plan
from fxsim.study.statistics.outcome import mean_of

from measured_pages import markdown

FOLDER = Path(__file__).parents[1] / "precision" / "pareto"
CHOSEN = "point_3"      # the last one whose gradients have a cosine above 0.99


@cache
def found() -> dict[str, Condition]:
    sweep = read_sweep(FOLDER)
    return {one.label: one for one in conditions(sweep, 0, sweep.study.figures[0])}


def energy(one: Condition) -> str:
    assert one.update is not None
    return f"{one.update.energy.low * 1e-9:.1f} to {one.update.energy.high * 1e-9:.1f}"


def table() -> list[str]:
    rows = [["precision", "accuracy, mean and 95 % interval", "rate, Hz", "memory, KiB", "energy of an update, mJ"]]
    for label, one in found().items():
        rows.append([label.replace("_", " ") + (" *" if not one.beaten else ""), f"{100 * one.quality.mean:.1f} +- {100 * one.quality.half:.1f}", f"{one.rate:.0f}",
                     f"{one.memory / 1024:.1f}", energy(one)])
    return markdown(rows)


TABLES = {"pareto": table}


def sentences() -> Iterator[str]:
    all_of, q16, chosen = found(), found()["q16"], found()[CHOSEN]
    assert chosen.update is not None and q16.update is not None
    sweep = read_sweep(FOLDER)
    config, paper = next(iter(plan(sweep.study, str(FOLDER / "study.yaml"), given=False))).config, load_config("delayed_match")
    yield (f"(delay of {config.task.delay:.0f} ms instead of {paper.task.delay:.0f}, rate {config.learning.optimizer.rate:g}, {config.iterations} updates)")
    halves = [100 * one.quality.half for one in all_of.values()]
    yield f"{q16.quality.n} seeds, whose intervals reach {min(halves):.0f} to {max(halves):.0f} points to either side."
    low = [label.replace("_", " ") for label, one in all_of.items() if one.quality.mean < 0.72]
    others = [one.quality.mean for one in all_of.values() if one.quality.mean >= 0.72]
    yield f"{', '.join(low[:-1])} and {low[-1]} lie lower; all others at {100 * min(others):.0f} to {100 * max(others):.0f} %, and which of these is better is not shown."
    runs = done(sweep.results).pivot(index="seed", columns="precision", values="accuracy")
    nearest = min((label for label in all_of if label.startswith("point_")), key=lambda label: abs(all_of[label].memory - all_of["w4s8"].memory))
    paired = mean_of((runs[nearest] - runs["w4s8"]).to_numpy())
    assert paired.mean - paired.half > 0
    yield (f"w4s8 takes {all_of['w4s8'].memory / 1024:.1f} KiB; the point that is nearest to that, {nearest.replace('_', ' ')} ({all_of[nearest].memory / 1024:.1f} KiB), is better by "
           f"{100 * paired.mean:.1f} +- {100 * paired.half:.1f} points, paired by seed.")
    yield (f"point 3 takes {100 * (1 - chosen.memory / q16.memory):.0f} % less memory than q16 and, by the upper end of the estimate, {100 * (1 - chosen.update.energy.high / q16.update.energy.high):.0f} % less "
           f"energy of an update, at {100 * chosen.quality.mean:.1f} +- {100 * chosen.quality.half:.1f} % to q16's {100 * q16.quality.mean:.1f} +- {100 * q16.quality.half:.1f}.")

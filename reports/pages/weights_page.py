"""Studies of reports/precision about stored weights: shadows above them, what they begin with, how far they reach. Means over the tail of evaluations, 95 % intervals."""
from __future__ import annotations

from functools import cache
from itertools import product
from pathlib import Path
from typing import Iterator

import numpy as np
import pandas as pd

from fxsim.config import load_config
from fxsim.model.arithmetic import make_arithmetic
from fxsim.model.topology import build_network, learning_of
from fxsim.report.study_data import read_sweep
from fxsim.study.plan import load_study
from fxsim.study.statistics.outcome import LEVEL, TAIL, mean_of
from quant import load_spec

from measured_pages import markdown

FOLDER = Path(__file__).parents[1] / "precision"
NUMBERS = {5: "five"}
TASKS = ("delayed_match", "cue_accumulation")


@cache
def settled(study: str) -> pd.DataFrame:
    """A row a run; accuracy in percent, the mean of its tail."""
    table = read_sweep(FOLDER / study).results
    return table.assign(accuracy=100 * table["accuracy"])


def by_seed(study: str, **where: object) -> pd.Series:
    """seed -> accuracy of the runs that are meant."""
    table = settled(study)
    for column, value in where.items():
        table = table[table[column] == value]
    return table.set_index("seed")["accuracy"].sort_index()


def interval(values: pd.Series, sign: str = "") -> str:
    found = mean_of(values)
    return f"{found.mean:{sign}.1f} +- {found.half:.1f}"


def shadowed(block: str, rounding: str, rate: int) -> pd.Series:
    return by_seed("shadows", block=block, **{"weights.rounding": rounding, "log2 rate": rate})


def shadows() -> list[str]:
    """Rounding of the stored weight and rate x without and with shadows."""
    rows = [["rounding of the stored weight", "log2 rate", "without shadows", "with", "difference"]]
    for rounding, rate in product(("nearest_even", "stochastic"), sorted(settled("shadows")["log2 rate"].unique())):
        bare, wide = (shadowed(block, rounding, rate) for block in ("without", "shadow"))
        rows.append([rounding.replace("_even", ""), str(rate), interval(bare), interval(wide), interval(wide - bare, "+")])
    return markdown(rows)


def begun(task: str) -> tuple[pd.Series, pd.Series, pd.Series]:
    """seed -> accuracy of float32, of float32 that begins with rounded weights, of w8s16."""
    return (by_seed("start", block=task, precision="float32"), by_seed("start", block=f"{task}_rounded"), by_seed("start", block=task, precision="w8s16"))


def start() -> list[str]:
    """Task x the three runs, and the two steps between them."""
    rows = [["task", "float32", "float32 from rounded weights", "w8s16", "the start", "the learning", "both"]]
    for task in TASKS:
        drawn, rounded, narrow = begun(task)
        rows.append([task.replace("_", " "), interval(drawn), interval(rounded), interval(narrow),
                     interval(rounded - drawn, "+"), interval(narrow - rounded, "+"), interval(narrow - drawn, "+")])
    return markdown(rows)


def zeros(task: str, seeds: list[int]) -> float:
    """Percent of the recurrent weights that w8s16 begins with as 0."""
    found = []
    for seed in seeds:
        config = load_config(task, ["precision=w8s16", f"seed={seed}"])
        network = build_network(config)
        found.append(make_arithmetic(config.resolved_precision(), network, learning_of(config), 1, seed).weights_to_raw(network.weights)["rec"] == 0)
    return 100 * float(np.mean(np.concatenate(found)))


REACH = ("float32", "loihi2", "four times", "four times with shadows", "wide weights")


def at_ends(block: str, layer: str) -> float:
    """Percent of the trained weights, mean over seeds."""
    table = pd.read_csv(FOLDER / "range" / "limits.csv")
    return 100 * float(table[(table["block"] == block) & (table["layer"] == layer)]["share"].mean())


def lost(block: str) -> pd.Series:
    """seed -> points against float32."""
    return by_seed("range", block=block) - by_seed("range", block="float32")


def reach() -> list[str]:
    """Weights x accuracy, difference to float32, share at the ends of the format."""
    rows = [["weights", "accuracy", "against float32", "of input weights at the ends, %", "of readout weights, %"]]
    for block in REACH:
        rows.append([block, interval(by_seed("range", block=block)), "" if block == "float32" else interval(lost(block), "+"),
                     f"{at_ends(block, 'in'):.1f}", f"{at_ends(block, 'out'):.1f}"])
    return markdown(rows)


TABLES = {"shadows": shadows, "start": start, "range": reach}


def start_text() -> Iterator[str]:
    table = settled("start")
    seeds = sorted(table["seed"].unique())
    share = {task: zeros(task, seeds) for task in TASKS}
    yield (f"Runs of w8s16 begin with other weights than float32: rounded to 8 bits, {share['delayed_match']:.0f} % of the recurrent ones are 0 in delayed match, "
           f"{share['cue_accumulation']:.0f} % in cue accumulation.")
    yield (f"diffusion, {table['updates'].max()} updates, {len(seeds)} seeds, paired; means over the last {NUMBERS[TAIL]} evaluations "
           f"with intervals of {100 * LEVEL:.0f} %:")
    steps = {task: (rounded - drawn, narrow - rounded, narrow - drawn) for task in TASKS for drawn, rounded, narrow in [begun(task)]}
    assert all(abs(found.mean) < found.half for differences in steps.values() for found in map(mean_of, differences))
    seen = {task: max(mean_of(difference).detectable for difference in differences[:2]) for task, differences in steps.items()}
    yield (f"With {len(seeds)} seeds a difference of {seen['cue_accumulation']:.0f} points in cue accumulation and of {seen['delayed_match']:.0f} in delayed match "
           "would have been found four times out of five, a smaller one less often.")


def shadows_text() -> Iterator[str]:
    table = settled("shadows")
    yield (f"8-bit stored weights of loihi2 with and without 24-bit shadows, {table['seed'].nunique()} seeds, paired; means over the last {NUMBERS[TAIL]} evaluations "
           f"with intervals of {100 * LEVEL:.0f} %:")
    bare, wide, random = (shadowed(*key, -6) for key in (("without", "nearest_even"), ("shadow", "nearest_even"), ("without", "stochastic")))
    for key in product(("nearest_even", "stochastic"), (-6, -5)):
        found = mean_of(shadowed("shadow", *key) - shadowed("without", *key))
        assert (found.low > 0) == (key == ("nearest_even", -6)) and found.high > 0
    yield f"of the stored weight's last bit, log2 rate -6, shadows make {interval(wide - bare, '+')} points where stored weights are rounded to nearest, and so do"
    yield f"random bits without any shadow, {interval(random - bare, '+')}."
    yield "At -5 steps are large enough, and nothing here shows a difference."
    stored = load_spec("loihi2")["weight_in"].word_bits
    yield f"one costs {load_study(FOLDER / 'shadows.yaml')[0].blocks[1].set['shadow bits'] - stored} bits more a weight,"


def reach_text() -> Iterator[str]:
    table = settled("range")
    yield (f"loihi2 on the paper's delayed match, diffusion, {table['updates'].max()} updates, {table['seed'].nunique()} seeds, paired; means over the last {NUMBERS[TAIL]} "
           f"evaluations with intervals of {100 * LEVEL:.0f} %:")
    yield (f"After so many updates {at_ends('loihi2', 'out'):.0f} % of loihi2's readout weights and {at_ends('loihi2', 'in'):.0f} % of its input weights lie at the ends of their formats; of float32's weights "
           f"{at_ends('float32', 'out'):.0f} % and {at_ends('float32', 'in'):.0f} % lie there or beyond.")
    assert max(at_ends(block, layer) for block in REACH[2:] for layer in ("in", "out")) < 2
    differences = {block: mean_of(lost(block)) for block in REACH[1:]}
    assert all(abs(found.mean) < found.half for found in differences.values())
    yield (f"That it costs accuracy is not shown: loihi2 comes to {interval(lost('loihi2'), '+')} points against float32, with four times the range to {interval(lost('four times'), '+')}, "
           f"with shadows above it to {interval(lost('four times with shadows'), '+')}, with 16-bit weights to {interval(lost('wide weights'), '+')}.")
    least, most = (f"{pick(found.detectable for found in differences.values()):.0f}" for pick in (min, max))
    yield f"So many seeds would have found a difference of {least} to {most} points four times out of five."


def sentences() -> Iterator[str]:
    yield from reach_text()
    yield from start_text()
    yield from shadows_text()

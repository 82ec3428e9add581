"""reports/alignment/README.md: formats drawn at random, trained for real, against how well their gradients agreed."""
from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Iterator

import numpy as np
import pandas as pd

from fxsim.config import load_config
from fxsim.model.network import LAYERS as NETWORK_LAYERS
from fxsim.report.study_data import done, read_sweep
from fxsim.study.plan import plan
from fxsim.study.statistics.outcome import LEVEL
from fxsim.study.statistics.ranks import CLOSENESS, Ranking, ranking
from fxsim.study.store import read_store
from fxsim.training.alignment.rows import ALL
from fxsim.training.initial import network_of

from measured_pages import markdown

FOLDER = Path(__file__).parents[1] / "alignment" / "heldout"
FARTHEST = -1e9     # where a gradient is zero
BLIND = 4           # bits of feedback that round it away
MOMENTS = {0: "start", 200: "middle", 400: "end"}
WAYS = {("run", 1): "as it runs, one batch", ("run", 8): "as it runs, mean of 8 batches", ("driven", 8): "driven, mean of 8 batches"}
LOWEST = "lowest"   # of the layers
LAYERS = {ALL: "all weights", "in": "input", "rec": "recurrent", LOWEST: "the layer that agrees least"}
MEASURES = {"cosine": "cosine", "signs": "equal signs"}


@cache
def accuracies() -> pd.DataFrame:
    """Index draw, a column for each seed."""
    runs = done(read_sweep(FOLDER).results)
    return runs[runs["block"] == "trained"].pivot_table(index="draw", columns="seed", values="accuracy").dropna(axis=1)       # of seeds that are done


@cache
def feedback() -> pd.Series:
    """draw -> word bits of the feedback."""
    sweep = read_sweep(FOLDER)
    bits = {p.axes["draw"]: p.config.resolved_precision()["feedback"].word_bits for p in plan(sweep.study, str(FOLDER / "study.yaml"), given=False) if p.block == "trained"}
    return pd.Series(bits).loc[accuracies().index]


def largest_feedback() -> float:
    """Of the networks of all seeds that are done."""
    largest = max(float(np.abs(network_of(load_config("delayed_match", [f"seed={seed}"])).feedback).max()) for seed in accuracies())
    assert largest < 0.5
    return largest


@cache
def closeness(layer: str, way: str, batches: int, measure: str) -> pd.DataFrame:
    """Index draw, a column for each moment: larger is closer."""
    if layer == LOWEST:
        return pd.concat([closeness(one, way, batches, measure) for one in NETWORK_LAYERS]).groupby(level=0).min()
    table = read_store(FOLDER, "alignment")
    rows = table[(table["reference"] == "twin") & (table["layer"] == layer) & (table["way"] == way) & (table["batches"] == batches)]
    close = rows.assign(close=CLOSENESS[measure](rows[measure]).fillna(FARTHEST)).pivot_table(index="draw", columns="iteration", values="close")
    return close.loc[accuracies().index, list(MOMENTS)]


def ranked(layer: str, way: str, batches: int, measure: str, moment: int, heard: bool = False) -> Ranking:
    """``heard``: only sets whose feedback is not rounded away."""
    chosen = feedback() > BLIND if heard else feedback() > 0
    return ranking(closeness(layer, way, batches, measure).loc[chosen, moment], accuracies().mean(axis=1)[chosen])


def said(found: Ranking) -> str:
    return f"{found.spearman:.2f} ({found.low:.2f} to {found.high:.2f})"


# ---- tables ----------------------------------------------------------------------------------------------------------
def table() -> list[str]:
    rows = [["rank correlation with the accuracy", "of", *(f"at the {moment}" for moment in MOMENTS.values())]]
    for measure, name in MEASURES.items():
        for layer, weights in LAYERS.items():
            for (way, batches), how in WAYS.items():
                rows.append([f"{name}, {how}", weights, *(said(ranked(layer, way, batches, measure, moment)) for moment in MOMENTS)])
    return markdown(rows)


TABLES = {"heldout": table}


# ---- what the text says ----------------------------------------------------------------------------------------------
def sentences() -> Iterator[str]:
    accuracy, bits = accuracies(), feedback()
    mean, blind = 100 * accuracy.mean(axis=1), bits <= BLIND
    config = next(p.config for p in plan(read_sweep(FOLDER).study, str(FOLDER / "study.yaml"), given=False) if p.block == "trained")
    yield f"{len(accuracy)} sets of formats"
    yield f"({config.iterations} updates, batch {config.batch_size})"
    yield f"with {100 * LEVEL:.0f} % intervals over sets"
    yield f"({accuracy.shape[1]} of 3 seeds are done"
    yield f"accuracies from {mean.min():.0f} to {mean.max():.0f} %"
    best = {moment: ranked(ALL, "driven", 8, "cosine", moment) for moment in MOMENTS}
    assert best[0].low > 0.3 and all(best[moment].high < 0.2 for moment in (200, 400))
    yield f"At the start the cosine of all weights ranks them, {said(best[0])} driven; later it does not, {best[200].spearman:.2f} and {best[400].spearman:.2f}."
    recurrent = [ranked("rec", "driven", 8, "cosine", moment).spearman for moment in (200, 400)]
    lowest = [ranked(LOWEST, "driven", 8, "cosine", moment).spearman for moment in MOMENTS]
    yield f"Of the recurrent weights alone it does, {recurrent[0]:.2f} and {recurrent[1]:.2f}, and so does that of the layer that agrees least, {lowest[0]:.2f}, {lowest[1]:.2f} and {lowest[2]:.2f} at the three."
    signs = [ranked(ALL, "driven", 8, "signs", moment).spearman for moment in (200, 400)]
    yield f"Equal signs, which count every weight once, rank then, too: {signs[0]:.2f} and {signs[1]:.2f}."
    cosine = {layer: closeness(layer, "driven", 8, "cosine").loc[blind, 400].median() for layer in (ALL, "rec", "out")}
    yield (f"The {blind.sum()} sets with {BLIND} bits of feedback, whose step of 1 rounds it away (its largest weight is {largest_feedback():.2f}), ended at {mean[blind].min():.0f} to {mean[blind].max():.0f} %; at the end of the float32 training the median of their cosines "
           f"(driven, 8 batches) is {cosine[ALL]:.2f} for all weights, {cosine['out']:.2f} for the readout's, {cosine['rec']:.2f} for the recurrent.")
    norms = read_store(FOLDER, "alignment").query("reference == 'bptt' and numbers == 'float64' and batches == 8").groupby(["iteration", "layer"])["norm"].median()
    share = {moment: norms[moment, "out"] ** 2 / norms[moment, ALL] ** 2 for moment in MOMENTS}
    yield f"is {100 * share[200]:.0f} and {100 * share[400]:.0f} % of the vector's squared length in the middle and at the end, {100 * share[0]:.0f} % at the start, and it covers"
    others = [ranked(layer, way, batches, measure, moment, True) for measure in MEASURES for layer in LAYERS for way, batches in WAYS for moment in MOMENTS]
    shown = [one for one in others if one.low > 0]
    yield (f"Among the other {(~blind).sum()} the {len(others)} correlations are {min(one.spearman for one in others):.2f} to {max(one.spearman for one in others):.2f}, and {len(shown) or 'none'} "
           f"of their intervals {'lies' if len(shown) < 2 else 'lie'} above zero:")

"""reports/alignment/README.md: which measure of alignment ranks what training comes to, and where it fails."""
from __future__ import annotations

import json
import re
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Callable, Iterator

import pandas as pd
import yaml

from fxsim.report.data import read_table
from fxsim.report.figures import title
from fxsim.study.formats.points import BASE, COLUMNS, MOMENTS
from fxsim.study.formats.sensitivity import GOALS
from fxsim.study.statistics.ranks import Ranking, ranking
from fxsim.training.alignment.rows import ALL
from quant.quantities import INDEX

import heldout_page
from heldout_page import said
from measured_pages import markdown, program

FOLDER = Path(__file__).parents[1] / "alignment"
WORST = 10      # formats that rank and accuracy disagree most about
ALONE = {"in": "input", "rec": "recurrent"}
NAMES = {"cosine": "cosine", "signs": "equal signs", "ratio": "ratio of norms (nearness to 1)", "bias": "bias (nearness to 0)"}


def check() -> ModuleType:
    """The program that draws the picture."""
    return program(FOLDER / "check.py")


def pairs() -> tuple[pd.DataFrame, pd.DataFrame]:
    seen, ended = check().pairs()
    return seen, ended


def ranked(measure: str, moment: str, layer: str = ALL) -> Ranking:
    found: Ranking = check().ranked(measure, moment, layer)
    return found


@cache
def disagreements() -> pd.DataFrame:
    """rank: of the accuracy less that of the lowest cosine, shares of all formats; ordered by size, with what is known of each."""
    seen, ended = pairs()
    accuracy, cosine = ended.mean(axis=1), seen["cosine"]
    table = cosine.assign(accuracy=accuracy, rank=accuracy.rank(pct=True) - cosine["lowest"].rank(pct=True), bias=seen["bias", "end"])
    return table.iloc[table["rank"].abs().argsort()[::-1]]


# ---- tables ----------------------------------------------------------------------------------------------------------
def ranks() -> list[str]:
    rows = [["rank correlation with the accuracy", *(f"at the {moment}" for moment in MOMENTS), "the lowest of the three"]]
    asked = [*((measure, label, ALL) for measure, label in NAMES.items()), *(("cosine", f"cosine, {label} weights alone", layer) for layer, label in ALONE.items())]
    rows += [[label, *(said(ranked(measure, moment, layer)) for moment in (*MOMENTS, check().LOWEST))] for measure, label, layer in asked]
    return markdown(rows)


def failures() -> list[str]:
    rows = [["quantity", "bits", "rounding", "accuracy", *(f"cosine, {moment}" for moment in MOMENTS), "off by"]]
    for (quantity, bits, rounding), row in disagreements().head(WORST).iterrows():
        rows.append([title(quantity), f"{bits:.0f}", title(rounding), f"{100 * row['accuracy']:.0f}",
                     *("none" if row[moment] == -float("inf") else f"{row[moment]:.2f}" for moment in MOMENTS), f"{100 * row['rank']:+.0f}"])
    return markdown(rows)


# ---- one quantity at a time, every word length and rounding ----------------------------------------------------------
GOAL, WAY, RULES = 0.95, "driven", {"eprop": "e-prop", "diffusion": "diffusion"}
COMPARED = {"floor": "floor", "nearest_even": "nearest", "stochastic": "stochastic"}


@cache
def bits(task: str) -> pd.DataFrame:
    """Index quantity, columns (rule, rounding): the fewest bits for GOAL; infinite where the longest word is not enough, NaN where nothing was tried."""
    rows = pd.read_csv(FOLDER / "sensitivity" / task / "needed.csv").query("way == @WAY and goal == @GOAL")
    table = rows.fillna({"word_bits": float("inf")}).pivot(index="quantity", columns=["rule", "rounding"], values="word_bits")
    return table.loc[sorted(table.index, key=lambda quantity: INDEX[quantity])]


def needed_bits(task: str) -> list[str]:
    table = bits(task)
    rows = [["quantity", *(f"{rule}, {rounding}" for rule in RULES.values() for rounding in COMPARED.values())]]
    for quantity, values in table.iterrows():
        cells = [values.get((rule, rounding), float("nan")) for rule in RULES for rounding in COMPARED]
        rows.append([title(str(quantity)), *("" if cell != cell else "more" if cell == float("inf") else f"{cell:.0f}" for cell in cells)])
    return markdown(rows)


def cue_sentences() -> Iterator[str]:
    manifest = json.loads((FOLDER / "sensitivity/cue_accumulation/manifest.json").read_text())
    yield (f"The same of cue accumulation, {manifest['points']} points, {manifest['updates']} updates, {len(manifest['seeds'])} of 5 seeds, "
           f"{manifest['seconds_a_point']:.2f} s of a core each:")
    match, cues = (bits(task).unstack().replace(float("inf"), float("nan")).dropna() for task in ("delayed_match", "cue_accumulation"))
    difference = (cues - match).dropna()
    yield (f"Of {len(difference)} numbers of bits that both tasks have (all five roundings, one seed each), {int((difference.abs() <= 1).sum())} differ by a bit or less, "
           f"{int((difference.abs() >= 3).sum())} by three or more.")
    slow = [bits("cue_accumulation").loc["adaptation_eligibility"][rule, "nearest_even"] for rule in RULES]
    yield f"In cue accumulation they take {slow[0]:.0f} (e-prop) and {slow[1]:.0f} bits (diffusion) to nearest."


def sensitivity_sentences() -> Iterator[str]:
    table, manifest = bits("delayed_match"), json.loads((FOLDER / "sensitivity/delayed_match/manifest.json").read_text())
    yield (f"{manifest['points']} points of delayed match at the paper's size, {manifest['updates']} updates, {len(manifest['seeds'])} of 5 seeds, {manifest['seconds_a_point']:.2f} s of a core each")
    tried = yaml.safe_load((FOLDER / "sensitivity/delayed_match/asked.yaml").read_text())["bits"]
    assert [*tried] == [*range(min(tried), max(tried) + 1)]
    yield f"One quantity at a time in every word length ({min(tried)} to {max(tried)}) and all five roundings"
    yield f"pictures for cosines of {GOALS[0]}, {GOALS[1]} and {GOALS[2]}, driven"
    page = (FOLDER / "sensitivity/delayed_match/report.html").read_text()
    judged = dict(zip(("eprop-run", "eprop", "diffusion-run", "diffusion"), re.findall("Judged: (.*?)[.]<", page), strict=True))
    assert judged["diffusion"].count("start, middle, end") == 3 and judged["eprop"].count("start, middle") == 3 and "end" not in judged["eprop"]
    small = table.loc["adaptation_eligibility"]
    assert {small[rule, "nearest_even"] for rule in RULES} == {2} and len({small[rule, "stochastic"] for rule in RULES}) == 1
    yield f"are enough at this cosine, and stochastic rounding needs {small['eprop', 'stochastic']:.0f}: a small part"
    yield f"for a cosine of {GOAL} in every layer (driven by the float64 network's spikes, at every moment at which q16 itself is calm)"
    for rule, name in RULES.items():
        of = table[rule].dropna(subset=["stochastic"]).replace(float("inf"), max(tried) + 1)
        saved = of["nearest_even"] - of["stochastic"]
        yield (f"{name}: of {len(of)} quantities that may be rounded at random {int((saved > 0).sum())} need fewer bits so than to nearest, {int((saved < 0).sum())} more; "
               f"floor needs more than to nearest in {int((of['floor'] > of['nearest_even']).sum())}, fewer in {int((of['floor'] < of['nearest_even']).sum())}.")


TABLES: dict[str, Callable[[], list[str]]] = {"ranks": ranks, "failures": failures, "needed": partial(needed_bits, "delayed_match"),
                                              "needed_cues": partial(needed_bits, "cue_accumulation"), **heldout_page.TABLES}


# ---- what the text says ----------------------------------------------------------------------------------------------
def sentences() -> Iterator[str]:
    yield from heldout_page.sentences()
    yield from sensitivity_sentences()
    yield from cue_sentences()
    seen, ended = pairs()
    quantities = seen.index.get_level_values("quantity")
    yield "means of a run's tail; gradients of the same formats against float64's at the weights of a float32 training that never saw them (one seed, one batch of 32 trials,"
    yield f"accuracies from the trainings of `reports/precision/bits`, {ended.shape[1]} seeds each,"
    best = max(((m, at) for m in NAMES for at in MOMENTS), key=lambda pair: ranked(*pair).spearman)
    of_seeds = ranking(ended.iloc[:, 0], ended.iloc[:, 1:].mean(axis=1))
    yield (f"Rank correlations (Spearman) of {len(seen)} formats of {quantities.nunique()} quantities, with 95 % intervals over formats. For comparison: the accuracies of one seed rank the means of the "
           f"other two with {said(of_seeds)}.")
    assert NAMES[best[0]] == "equal signs" and ranked(*best).spearman > of_seeds.spearman
    yield (f"So alignment ranks. The best of the {len(NAMES) * len(MOMENTS)} of all weights is {NAMES[best[0]]} at the {best[1]} of a training, {said(ranked(*best))}: about as much as a training of one seed tells, and it is the best of many that were looked at, held against three seeds, where the comparison is held against two. The cosine tells less, "
           f"{ranked('cosine', 'start').spearman:.2f} to {max(ranked('cosine', m).spearman for m in MOMENTS):.2f}, and before training all measures tell about the same, "
           f"{min(ranked(m, 'start').spearman for m in NAMES):.2f} to {max(ranked(m, 'start').spearman for m in NAMES):.2f}.")
    alone = {layer: [ranked("cosine", moment, layer).spearman for moment in MOMENTS[1:]] for layer in ALONE}
    assert all(min(found) >= ranked("cosine", moment).spearman - 0.005 for found in alone.values() for moment in MOMENTS[1:])
    yield (f"Of one layer it tells more, of the input weights {alone['in'][0]:.2f} and {alone['in'][1]:.2f} at the middle and the end, of the recurrent {alone['rec'][0]:.2f} and {alone['rec'][1]:.2f}: "
           "the readout's gradient is most of the vector of all.")
    cosine, accuracy = seen["cosine"], ended.mean(axis=1)
    adaptation = quantities == "adaptation"
    yield f"(lowest cosine {cosine.loc[adaptation, 'start'].min():.2f}), and in most of them learning ends."
    assert (accuracy[adaptation] < 0.5).mean() > 0.5
    lost = cosine.loc["adaptation_eligibility"].xs("floor", level="rounding")
    blind = accuracy["modulator", 8.0, "nearest_even"], *cosine.loc["modulator", 8.0, "nearest_even"][list(MOMENTS)], accuracy["modulator", 10.0, "nearest_even"]
    yield (f"(8 bits, to nearest: cosines {blind[1]:.2f}, {blind[2]:.2f} and {blind[3]:.2f}, accuracy {100 * blind[0]:.0f} where 10 bits have {100 * blind[4]:.0f})")
    signs = seen["signs", "end"]["modulator"]
    yield f"(equal signs at the end {signs[8.0, 'nearest_even']:.2f}, with 10 bits {signs[10.0, 'nearest_even']:.2f})."
    after, kept = accuracy["adaptation_eligibility"].xs("floor", level="rounding"), accuracy["adaptation_eligibility", 10.0, "stochastic"]
    yield (f"(floor: cosine {lost['end'].min():.2f} to {lost['end'].max():.2f} at the end, accuracy {100 * after.min():.0f} to {100 * after.max():.0f} where 10 bits, stochastic, have {100 * kept:.0f}):")
    table = read_table(FOLDER / "bits" / "sensitivity.csv", COLUMNS)
    base = table[(table["quantity"] == BASE) & (table["layer"] == ALL)].set_index("moment")["cosine"]
    yield f"q16 itself, which learns, has cosines of {base['start']:.2f}, {base['middle']:.2f} and {base['end']:.2f} at the start, the middle and the end."

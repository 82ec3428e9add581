"""reports/data/README.md: what the studies on real data found, of how many seeds, and beside what."""
from __future__ import annotations

import json
from functools import cache
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Callable, Iterator

import pandas as pd

from fxsim.config import load_config
from fxsim.report.study_data import read_sweep
from fxsim.study.plan import load_study
from fxsim.study.statistics.outcome import TAIL, Mean, mean_of

from measured_pages import markdown, program

FOLDER = Path(__file__).parents[1] / "data"
NAMES = {"digits": "digits", "vowels": "Japanese vowels"}
RULES = {"eprop": "e-prop", "diffusion": "diffusion", "bptt": "BPTT"}
PRECISIONS = ("float32", "q16", "w8s16", "loihi2")


@cache
def settled(name: str, column: str) -> pd.DataFrame:
    """Index: the seeds all of whose runs are done; columns: (rule, precision); each run's tail."""
    table = read_sweep(FOLDER / name).results
    return table[table["status"] == "done"].pivot(index="seed", columns=["rule", "precision"], values=column).dropna()


def accuracy(name: str) -> pd.DataFrame:
    """In percent."""
    return 100 * settled(name, "accuracy")


def prepare() -> ModuleType:
    """The program that made the files."""
    return program(FOLDER / "prepare.py")


def peers() -> dict:
    return json.loads((FOLDER / "peers.json").read_text())


def said(found: Mean, sign: str = "") -> str:
    """Mean and 95 % interval."""
    return f"{found.mean + 0.0 if abs(found.mean) >= 0.05 else 0.0:{sign}.1f} ± {found.half:.1f}"


def against(name: str, of: tuple[str, str], other: tuple[str, str]) -> Mean:
    """Difference of two (rule, precision), by seed."""
    table = accuracy(name)
    return mean_of(table[of] - table[other])


# ---- tables ----------------------------------------------------------------------------------------------------------
def accuracies() -> list[str]:
    rows = [["", *PRECISIONS, "seeds"]]
    for (name, title), (rule, label) in product(NAMES.items(), RULES.items()):
        table = accuracy(name)
        rows.append([f"{title}, {label}", *(said(mean_of(table[rule, precision])) for precision in PRECISIONS), str(len(table))])
    return markdown(rows)


def classifiers() -> list[str]:
    rows = [["", "logistic regression", "GRU", "seeds of the GRU", "chance"]]
    for name, title in NAMES.items():
        found = peers()[name]
        rows.append([title, f"{100 * found['logistic']:.1f}", said(mean_of([100 * a for a in found["gru"]])), str(len(found["gru"])),
                     f"{100 / load_config(FOLDER / f'{name}_run.yaml').n_out:.0f}"])
    return markdown(rows)


def differences() -> list[str]:
    """Fixed point minus float32, and diffusion minus e-prop, by seed."""
    rows = [["", *(f"{precision} - float32" for precision in PRECISIONS[1:])]]
    for (name, title), (rule, label) in product(NAMES.items(), RULES.items()):
        rows.append([f"{title}, {label}", *(said(against(name, (rule, p), (rule, "float32")), "+") for p in PRECISIONS[1:])])
    return markdown(rows)


def rules() -> list[str]:
    rows = [["diffusion - e-prop", *PRECISIONS]]
    for name, title in NAMES.items():
        rows.append([title, *(said(against(name, ("diffusion", p), ("eprop", p)), "+") for p in PRECISIONS)])
    return markdown(rows)


TABLES: dict[str, Callable[[], list[str]]] = {"accuracy": accuracies, "peers": classifiers, "differences": differences, "rules": rules}


# ---- what the text says ----------------------------------------------------------------------------------------------
def sentences() -> Iterator[str]:
    made, found, runs = prepare(), peers(), {name: load_config(FOLDER / f"{name}_run.yaml") for name in NAMES}
    (lif, alif, grid), = {(c.network.n_lif, c.network.n_alif, c.network.grid) for c in (load_config(FOLDER / f"{name}_network.yaml") for name in NAMES)}
    yield f"{lif} LIF and {alif} ALIF neurons on {grid[0]} x {grid[1]} cells; {made.HEAR} of them are read out,"
    row, frame = (made.SOURCES[name][1] for name in NAMES)
    assert runs["digits"].task.steps == 8 * row + made.DECISION and runs["vowels"].task.steps == 29 * frame + made.DECISION
    yield (f"scikit-learn's {found['digits']['train'] + found['digits']['test']} handwritten digits of 8 x 8 pixels. A row is a frame of {row} steps, "
           f"so a trial has {runs['digits'].task.steps} steps.")
    yield (f"which of {runs['vowels'].n_out} speakers says /ae/. 12 cepstral coefficients, 7 to 29 frames of {frame} steps, so up to {runs['vowels'].task.steps} steps; "
           f"the data's own split, {found['vowels']['train']} and {found['vowels']['test']} utterances")
    yield "(Kudo, Toyama and Shimbo 1999;"
    yield f"A value becomes 0 to {made.MOST} evenly spaced spikes in its frame,"
    yield f"In the {made.DECISION} steps after the last frame"
    assert all(len(accuracy(name)) == len(load_study(FOLDER / f"{name}.yaml")[0].seeds) for name in NAMES)
    yield (f"Accuracy on the test trials in percent, mean of a run's last {TAIL} evaluations, after {runs['digits'].updates} updates of {runs['digits'].batch_size} digits or "
           f"{runs['vowels'].updates} of {runs['vowels'].batch_size} utterances; mean and 95 % interval over seeds:")
    fixed = [against(name, (rule, p), (rule, "float32")) for name, rule, p in product(NAMES, RULES, PRECISIONS[1:])]
    apart = sum(d.low > 0 or d.high < 0 for d in fixed)
    yield (f"Of these {len(fixed)} differences the largest is {max(abs(d.mean) for d in fixed):.1f} points; {apart} of the intervals leave{'s' if apart == 1 else ''} out zero, "
           "where one in twenty would by chance.")
    gained = {name: [against(name, ("diffusion", p), ("eprop", p)) for p in PRECISIONS] for name in NAMES}
    assert all(d.low > 0 for d in gained["digits"]) and all(d.low < 0 < d.high for d in gained["vowels"])
    means = [d.mean for d in gained["vowels"]]
    yield (f"With digits networks learn more where the error diffuses, in every precision. With vowels, where e-prop alone is near the level of the classifiers, the means are {min(means):.1f} to "
           f"{max(means):.1f} points apart and every interval holds zero: a difference is not shown.")
    below = {name: 100 * found[name]["logistic"] - mean_of(accuracy(name)["bptt", "float32"]).mean for name in NAMES}
    assert below["digits"] > 10 and abs(below["vowels"]) < 2
    yield "Digits are far from the level of these classifiers, with BPTT too; vowels are near it."
    hz = [settled(name, "rate_hz")[rule, "float32"].mean() for name, rule in product(NAMES, ("diffusion", "eprop"))]
    yield f"Where the error diffuses they also fire more, {hz[0]:.0f} Hz against {hz[1]:.0f} with digits and {hz[2]:.0f} against {hz[3]:.0f} with vowels (float32),"
    yield f"(GRU: {found['digits']['gru_units']} units, as many updates;"

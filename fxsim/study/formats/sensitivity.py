"""How many bits each quantity needs: one quantity at a time in every word length and rounding, its gradients against float64's.

    DIR/asked.yaml          what all points have in common: the configuration, the base precision's formats, word lengths, roundings, ways
    DIR/weights/            weights at the start, the middle and the end of each float32 training, RULE-sSEED.npz
    DIR/points/             a table for each training and quantity, which an interrupted sensitivity does not repeat
    DIR/sensitivity.csv     all of them: fxsim.study.formats.points.COLUMNS
    DIR/needed.csv          what they come to: NEEDED, the fewest bits of each quantity and rounding for each of GOALS
    DIR/manifest.json       where, and how many seconds of a processor a point took

A point is one format at one moment, in one way: as the network runs, or driven by its twin's spikes (fxsim.training.alignment.rows).
"""
from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Sequence

import numpy as np
import pandas as pd

from fxsim.config import Config
from fxsim.errors import InputError
from fxsim.files.ownership import claim_directory
from fxsim.files.writing import make_directory, only_user, read_csv_text, write_atomic, write_csv, write_json
from fxsim.training.alignment.rows import ALL
from fxsim.training.interrupts import interruptible
from fxsim.training.processes import in_turns, processes
from fxsim.training.progress import SweepProgress
from fxsim.training.runs import provenance
from quant import PrecisionSpec
from quant.files import dump_yaml, read_text
from quant.formats import WORD_BITS
from quant.rounding import ROUNDINGS

from ..jobs import THREADS, Workers
from .histograms import require_eligibility
from .noise import beyond, calm, cosine_of
from .points import BASE, COLUMNS, Unit, measure, quantities_of, train

FLOAT = "float32"
FILES, KIND = ("asked.yaml", "weights", "points", "sensitivity.csv", "needed.csv", "manifest.json"), "sensitivity"
GOALS = (0.99, 0.95, 0.9)       # cosines
NEEDED = ("rule", "way", "goal", "quantity", "rounding", "word_bits")
WAYS = ("run", "driven")
TRIALS = "trials"       # of a point, in asked.yaml


def sensitivity(config: Config, out: Path, rules: Sequence[str], seeds: Sequence[int], bits: Sequence[int] = tuple(range(2, 17)),
                roundings: Sequence[str] = tuple(ROUNDINGS), quantities: Sequence[str] = (), ways: Sequence[str] = WAYS,
                workers: Workers | None = None, progress: SweepProgress | None = None, trials: int = 0) -> pd.DataFrame:
    """Measure all points that are not measured yet, then write the tables; returns sensitivity.csv.

    config      task and network, and in ``precision`` and ``formats`` the base: all quantities but the one that is looked at have its formats
    quantities  empty: all that a rule uses
    trials      of a batch, of which gradients are; 0: all. Trainings are of whole batches

    Raises InputError, also where ``out`` holds points of other questions.
    """
    base = config.resolved_precision()
    if isinstance(base, str):
        raise InputError(config.name, "precision", base, "a fixed-point precision, in which all quantities but one stay")
    if not 0 <= trials <= config.batch_size:
        raise InputError("sensitivity", "trials", trials, f"1 to {config.batch_size}, those of a batch; 0: all of them")
    trials = trials or config.batch_size
    units = _units(config, base, out, rules, seeds, bits, roundings, quantities, ways, trials)
    asked = dump_yaml({"config": config.changed({"seed": 0, "learning.rule": "eprop"}).model_dump(mode="json"),
                       "formats": {name: asdict(fmt) for name, fmt in base.formats.items()}, "bits": [*bits], "roundings": [*roundings],
                       "ways": [*ways], TRIALS: trials})
    claim_directory(out, FILES, lambda place: (place / "asked.yaml").is_file() and read_text(place / "asked.yaml") == asked, hint="another --out")
    make_directory(out)
    write_atomic(out / "asked.yaml", asked.encode())
    with only_user(out), interruptible() as interrupts:
        todo = [unit for unit in units if not unit.path.is_file()]
        trainings = {unit.weights: unit.config for unit in todo if not unit.weights.is_file()}
        jobs = (workers or Workers()).side_by_side(max(1, len(trainings), len(todo)))
        if todo:
            progress, alone = progress or SweepProgress(), dict.fromkeys(THREADS, "1")
            with progress.of(len(units), len(units) - len(todo)):
                with processes(jobs, interrupts, alone) as submit:
                    for trained in [submit(train, one, path) for path, one in trainings.items()]:
                        trained.result()
                    for unit in in_turns(submit, measure, todo, jobs):
                        progress.finished(str(unit))
        tables = [pd.read_csv(unit.path) for unit in units]
        found = pd.concat([table for table in tables if len(table)], ignore_index=True)[list(COLUMNS)]
        header = ",".join(COLUMNS) + "\n"
        write_atomic(out / "sensitivity.csv", (header + "".join(read_csv_text(unit.path).partition("\n")[2] for unit in units)).encode())
        write_csv(out / "needed.csv", NEEDED, [row for way in ways for goal in GOALS for row in _said(needed(found, goal, way), way, goal)])
        seconds = found.loc[found["layer"] == ALL, "seconds"].dropna()
        write_json(out / "manifest.json", {
            KIND: config.name, "task": config.task.name, "base": base.name, "rules": [*rules], "seeds": [*seeds], "updates": config.updates,
            "batch_size": config.batch_size, TRIALS: trials, "points": len(seconds),
            "seconds_a_point": round(float(seconds.mean()), 4), **provenance()})
    return found


def _units(config: Config, base: PrecisionSpec, out: Path, rules: Sequence[str], seeds: Sequence[int], bits: Sequence[int],
           roundings: Sequence[str], quantities: Sequence[str], ways: Sequence[str], trials: int) -> list[Unit]:
    """All input is checked here."""
    for field, values, allowed in (("rules", rules, None), ("seeds", seeds, None), ("bits", bits, range(WORD_BITS[0], WORD_BITS[1] + 1)),
                                   ("roundings", roundings, ROUNDINGS), ("quantities", quantities, base.formats), ("ways", ways, WAYS)):
        wrong = [value for value in values if allowed is not None and value not in allowed]
        if wrong or len(set(values)) < len(values) or not values and field != "quantities":
            some = "at least one, each only once" if allowed is None or not wrong else ", ".join(map(str, allowed))
            raise InputError("sensitivity", field, wrong[0] if wrong else ", ".join(map(str, values)) or "nothing", some)
    units = []
    for rule in rules:
        for seed in seeds:
            one, used = training_of(config, rule, seed), quantities_of(rule, base)
            require_eligibility(one)
            for quantity in (BASE, *(q for q in used if q in quantities or not quantities)):
                units.append(Unit(one, base, quantity, tuple(bits), tuple(roundings), tuple(ways), weights_in(out, rule, seed),
                                  trials, out / "points" / f"{rule}-s{seed}" / f"{quantity}.csv"))
    return units


def training_of(config: Config, rule: str, seed: int) -> Config:
    """The float32 training at whose weights gradients are measured; it is evaluated only where it may stop early."""
    every = config.evaluation.every if config.evaluation.stop else config.updates
    return config.changed({"precision": FLOAT, "formats": {}, "learning.rule": rule, "seed": seed, "evaluation.telemetry": "off",
                           "evaluation.every": every, "evaluation.alignment": None, "threads": 1})


def weights_in(directory: Path, rule: str, seed: int) -> Path:
    """Where a sensitivity keeps them."""
    return directory / "weights" / f"{rule}-s{seed}.npz"


def needed(table: pd.DataFrame, goal: float, way: str) -> pd.DataFrame:
    """The fewest word bits from which on the gradient of every layer has a cosine of ``goal``: in the mean over seeds, at every moment, and in every
    longer word that was tried.

    It is the cosine that the noise beyond the base precision's makes, where the base itself is calm (.noise). A row for each rule, quantity and
    rounding that could be judged; word_bits is NaN where the longest word is not enough. ``table``: sensitivity.csv.
    """
    found: list[dict[str, Any]] = []
    for rule, rows in table[table["way"] == way].groupby("rule", sort=False):
        judged = beyond(rows[rows["quantity"] != BASE], calm(rows))
        means = judged.groupby(["quantity", "rounding", "word_bits", "moment", "layer"], sort=False)["noise"].mean()
        for (quantity, rounding), values in means.groupby(["quantity", "rounding"], sort=False):
            tried = values.groupby("word_bits").max().sort_index(ascending=False)
            enough = tried.map(cosine_of).ge(goal).cummin()
            fewest = tried.index[enough].min() if enough.any() else np.nan
            found.append({"rule": rule, "quantity": quantity, "rounding": rounding, "word_bits": fewest})
    return pd.DataFrame(found, columns=["rule", "quantity", "rounding", "word_bits"])


def _said(bits: pd.DataFrame, way: str, goal: float) -> list[dict[str, Any]]:
    """Rows of NEEDED; without a number where the longest word is not enough."""
    return [{**row, "way": way, "goal": goal, "word_bits": None if np.isnan(row["word_bits"]) else int(row["word_bits"])}
            for row in bits.to_dict("records")]

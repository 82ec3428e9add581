"""``fxsim allocate``: word bits of all quantities at once for a loss, a memory or an energy.

    DIR/asked.yaml          the question: configuration, base formats, goal, roundings
    DIR/sensitivity/        see fxsim.study.formats.sensitivity; not if one is given
    DIR/noise.csv           what each format does to the gradient by itself: fxsim.study.allocation.options.COLUMNS
    DIR/joint/              gradients of the points of the front, measured
    DIR/front.csv           POINTS: with predicted and measured noise, memory and energy;  formats.csv, FORMATS: their formats
    DIR/points/point_N.yaml each of them as a precision
    DIR/runs/, trained.csv  trainings with paired seeds: fxsim.study.allocation.confirm.COLUMNS
    DIR/allocation.yaml     the precision that was found, if one was
    DIR/manifest.json       goal, each test and what it said, the chosen point; command, versions, machine

What is done is not repeated: the same command, also with more ``max_seeds``, goes on.
"""
from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Callable, Sequence

import numpy as np
import pandas as pd

from fxsim.errors import InputError
from fxsim.files.archive import Archive
from fxsim.files.ownership import claim_directory
from fxsim.files.writing import make_directory, only_user, write_atomic, write_csv, write_json
from fxsim.model.network import Network
from fxsim.training.initial import network_of, weighted
from fxsim.training.progress import SweepProgress
from fxsim.training.runs import provenance
from quant import PrecisionSpec
from quant.files import dump_yaml, read_text

from ..formats.noise import CALM, calm, cosine_of
from ..formats.points import BASE, MOMENTS, quantities_of
from ..formats.sensitivity import WAYS, sensitivity, training_of, weights_in
from ..jobs import Workers
from ..statistics.sequential import LESS, Look
from .asked import Asked, Goal
from .confirm import COLUMNS as TRAINED, Confirmation, walk
from .costs import Costs
from .front import Point, front, thinned
from .joint import Measurement, measure_all, measured_noise
from .options import COLUMNS as NOISES, noises, options

FILES = ("asked.yaml", "sensitivity", "noise.csv", "joint", "front.csv", "formats.csv", "points", "runs", "trained.csv", "allocation.yaml",
         "manifest.json")
KIND = "allocation"
POINTS = ("point", "bits", "noise_predicted", "noise", "cosine_predicted", "cosine", *(f"cosine_{moment}" for moment in MOMENTS), "memory_bytes",
          "energy_low_pJ", "energy_high_pJ")
FORMATS = ("point", "quantity", "word_bits", "frac_bits", "signed", "rounding")
BEGIN = 0.9         # measured cosine of the narrowest point at which trainings for a loss begin


@dataclass(frozen=True)
class Allocation:
    """What was found. ``spec``: None where no formats were shown to lose less; ``point``: their row of ``front``; ``tests``: point -> its last
    look."""

    spec: PrecisionSpec | None
    point: int | None
    front: pd.DataFrame
    tests: dict[int, Look]


def allocate(asked: Asked, out: Path, workers: Workers | None = None, progress: SweepProgress | None = None,
             announce: Callable[[str], None] = print) -> Allocation:
    """Find formats, and write them with their evidence. Raises InputError, also where ``out`` has the answer to another question."""
    workers, progress = workers or Workers(), progress or SweepProgress()
    table, question = None if asked.given is None else asked.read(asked.given), str(asked)
    claim_directory(out, FILES, lambda place: (place / "asked.yaml").is_file() and read_text(place / "asked.yaml") == question, hint="another --out")
    make_directory(out / "runs")
    write_atomic(out / "asked.yaml", question.encode())
    with only_user(out):
        source = asked.given or out / "sensitivity"
        if table is None:
            sensitivity(asked.config, source, [asked.rule], asked.seeds or [1], asked.bits or range(2, 17), asked.roundings, workers=workers,
                        progress=progress)
            table = asked.read(source)
        quiet = calm(table)
        if quiet.empty:
            most = table.loc[table["quantity"] == BASE, "cosine"].max()
            raise InputError(source / "sensitivity.csv", "cosine of the base", f"at most {most:.3g}" if most == most else "none",
                             f"at least {CALM} somewhere: a wider base, or fewer updates")
        found = noises(table, quiet, asked.roundings)
        write_csv(out / "noise.csv", NOISES, found.to_dict("records"))
        seeds = [int(seed) for seed in dict.fromkeys(quiet.index.get_level_values("seed"))]
        costs = Costs(asked.config, _trained(asked, source, seeds[0]))
        path = front(options(found, asked.base), asked.base, _saved(costs, asked))
        budget = _within(path, costs, asked.goal)
        points = [path[i] for i in sorted({*thinned(path, asked.points), *([] if budget is None else [budget])})]
        rows = _measured(asked, points, source, quiet, seeds, table, costs, out, workers, progress)
        fresh = [seed for seed in range(1, asked.max_seeds + len(seeds) + 1) if seed not in seeds][:asked.max_seeds]
        confirmation = Confirmation(asked.config, asked.against, fresh, asked.goal.tested, out, workers, progress, announce)
        point, tests = _decided(asked, points, rows, None if budget is None else points.index(path[budget]), confirmation)
        spec = None if point is None else _named(points[point].spec, asked, tests.get(point))
        if spec is None:
            (out / "allocation.yaml").unlink(missing_ok=True)
        else:
            _write(spec, out / "allocation.yaml")
        write_json(out / "manifest.json", {
            KIND: asked.config.name, "task": asked.config.task.name, "rule": asked.rule, "base": asked.base.name, "goal": str(asked.goal),
            "against": asked.against, "measure": confirmation.measure, "margin": asked.goal.tested, "updates": asked.config.updates,
            "batch_size": asked.config.batch_size, "sensitivity_seeds": seeds, "max_seeds": asked.max_seeds, "point": point,
            "tests": [{"point": n, "says": test.says(asked.goal.tested), **{name: value if value not in (np.inf, -np.inf) else None
                                                                            for name, value in asdict(test).items()}}
                      for n, test in tests.items()], **provenance()})
    return Allocation(spec, point, pd.DataFrame(rows, columns=list(POINTS)), tests)


def _trained(asked: Asked, source: Path, seed: int) -> Network:
    """The network at the end of a sensitivity's training."""
    network = network_of(training_of(asked.config, asked.rule, seed))
    with Archive(weights_in(source, asked.rule, seed)) as archive:
        return weighted(archive, network, MOMENTS[-1])


def _saved(costs: Costs, asked: Asked) -> Callable[[PrecisionSpec], float]:
    """What formats save of the base's cost, as a share: of memory or of energy, whichever is the goal; for a loss the mean of both."""
    whole, goal = costs.of(asked.base), asked.goal

    def saved(spec: PrecisionSpec) -> float:
        cost = costs.of(spec)
        memory, energy = 1 - cost.memory / whole.memory, 1 - cost.energy.high / whole.energy.high
        return memory if goal.memory is not None else energy if goal.energy is not None else (memory + energy) / 2
    return saved


def _within(path: Sequence[Point], costs: Costs, goal: Goal) -> int | None:
    """The first point within the budget, which is the one with the least noise; None where the goal is none. InputError if no point is."""
    if goal.loss is not None:
        return None
    name, most, unit = ("--memory", goal.memory, "bytes") if goal.memory is not None else ("--energy", goal.energy, "pJ")
    taken = [cost.memory if goal.memory is not None else cost.energy.high for cost in (costs.of(point.spec) for point in path)]
    assert most is not None
    inside = [i for i, value in enumerate(taken) if value <= most]
    if not inside:
        raise InputError("allocate", name, f"{most:g}", f"at least {np.ceil(min(taken)):.0f} {unit}, the least with a cosine above 0.5")
    return inside[0]


def _measured(asked: Asked, points: Sequence[Point], source: Path, quiet: pd.DataFrame, seeds: Sequence[int], table: pd.DataFrame, costs: Costs,
              out: Path, workers: Workers, progress: SweepProgress) -> list[dict[str, Any]]:
    """Rows of front.csv, which is written with formats.csv."""
    ways = tuple(way for way in WAYS if (table["way"] == way).any())
    together = [[Measurement(training_of(asked.config, asked.rule, seed), point.spec, ways, weights_in(source, asked.rule, seed),
                             asked.trials, out / "joint")
                 for seed in seeds] for point in points]
    measure_all([one for of in together for one in of], workers, progress)
    used, rows = quantities_of(asked.rule, asked.base), []
    for number, (point, of) in enumerate(zip(points, together)):
        noise, cost = measured_noise(of, quiet), costs.of(point.spec)
        rows.append(dict(zip(POINTS, (
            number, sum(point.spec[name].word_bits for name in used) / len(used), point.noise, float(noise.max()), cosine_of(point.noise),
            cosine_of(noise.max()), *(cosine_of(noise[moment]) if moment in noise else None for moment in MOMENTS), cost.memory, cost.energy.low,
            cost.energy.high), strict=True)))
    write_csv(out / "front.csv", POINTS, rows)
    write_csv(out / "formats.csv", FORMATS, [{"point": number, "quantity": name, **{field: getattr(point.spec[name], field) for field in FORMATS[2:]}}
                                             for number, point in enumerate(points) for name in used])
    make_directory(out / "points")
    for number, point in enumerate(points):
        _write(replace(point.spec, name=f"{asked.config.task.name}_{asked.rule}_point_{number}",
                       description=f"point {number} of a front from {asked.base.name} for {asked.config.task.name} ({asked.rule}); not trained"),
               out / "points" / f"point_{number}.yaml")
    return rows


def _write(spec: PrecisionSpec, path: Path) -> None:
    write_atomic(path, dump_yaml(spec.to_dict()).encode())


def _decided(asked: Asked, points: Sequence[Point], rows: Sequence[dict[str, Any]], budget: int | None, confirmation: Confirmation
             ) -> tuple[int | None, dict[int, Look]]:
    """The chosen point, if there is one, and what tests said; writes trained.csv. ``budget``: the point that a budget leaves."""
    tests, pairs = dict[int, Look](), list[dict[str, Any]]()

    def passes(point: int) -> bool:
        tests[point], trained = confirmation.test(point, points[point].spec)
        pairs.extend(trained)
        write_csv(confirmation.out / "trained.csv", TRAINED, pairs)
        return tests[point].word == LESS
    if budget is None:
        return walk(max(row["point"] for row in rows if row["cosine"] >= BEGIN), len(points) - 1, passes), tests
    if asked.max_seeds:
        passes(budget)
    return budget, tests


def _named(spec: PrecisionSpec, asked: Asked, test: Look | None) -> PrecisionSpec:
    said = "not trained" if test is None else f"{test.says(asked.goal.tested)} in {test.n} seeds of {asked.config.updates} updates"
    return replace(spec, name=f"{asked.config.task.name}_{asked.rule}_{str(asked.goal).replace(' ', '_')}",
                   description=f"allocated from {asked.base.name} for {asked.config.task.name} ({asked.rule}), {asked.goal}; {said}")

"""What learns on the three-factor engine: learning curves of its simulator and of the float rule on the same trials; part on Lava.

Four curves of one configuration, from the same weights on the same trials in the same order:

    float32     e-prop as the model has it, sgd after each batch
    fixed       the same rule in the configuration's formats: one rounding for each stored value
    engine      the three-factor engine, exactly: its products, its rounding, weights that change at every step
    lava        the engine on Lava, for the first updates, held against the simulator in every state of every step
"""
from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Callable

import numpy as np

from fxsim.config import Config
from fxsim.engine.interface import Result
from fxsim.errors import InputError
from fxsim.files.writing import make_directory, write_csv, write_json
from fxsim.model.network import LAYERS, Trials
from fxsim.training.loop import CURVE_COLUMNS, Training
from fxsim.training.metrics import measure
from fxsim.training.runs import command_line, machine, versions
from lava_backend.deployment import run_package, weight_difference
from lava_backend.package import Package, package_of_training, save_package
from lava_backend.three_factor.rule import engine_package, rules_of
from lava_backend.three_factor.simulator import EngineSimulator

from .curves import draw_curves

FILES = ("engine.json", "curves.csv", "curves.png", "curves.svg", "package")
COLOURS = ("#000000", "#0072b2", "#d55e00")     # float, fixed point, engine; Lava has no evaluations: its states are the engine's


def train_engine(training: Training, simulator: EngineSimulator, keep: int,
                 announce: Callable[[str], None]) -> tuple[list[dict], dict[str, np.ndarray]]:
    """Train on the simulator of the engine with the trials of ``training``: its curve, and the weights after ``keep`` updates."""
    config, rows, start, kept = training.config, [], time.perf_counter(), {}
    classification = training.task.classification

    def row(split: str, iteration: int, result: Result, trials: Trials) -> None:
        rows.append({**training.labels, "iteration": iteration, "split": split, **measure(result, trials, classification),
                     "seconds": time.perf_counter() - start})

    for iteration in range(config.updates + 1):
        if iteration == keep:
            kept = dict(simulator.weights)
        if iteration % config.evaluation.every == 0 or iteration == config.updates:
            row("eval", iteration, simulator.evaluate(training.evaluation_trials), training.evaluation_trials)
            announce(f"engine: {iteration} updates, {rows[-1]['seconds']:.0f} s")
        if iteration < config.updates:
            trials = training.task.training_trials(iteration)
            row("train", iteration, simulator.run(trials), trials)
    return rows, kept


def engine_study(config: Config, directory: Path, period: int, lava_updates: int, announce: Callable[[str], None] = print) -> dict:
    """Train in float, in fixed point, on the engine's simulator and, ``lava_updates`` updates, on Lava.

    Writes curves.csv (column network), curves.png and .svg, package/ (with the engine's final weights) and engine.json into
    ``directory``; returns what engine.json holds. InputError for a configuration that the engine cannot express.
    """
    if config.evaluation.stop:
        raise InputError(config.name, "evaluation.stop", "true", "false: the curves are compared over the same updates")
    make_directory(directory)
    start, fixed = time.perf_counter(), Training(config)
    package = engine_package(package_of_training(fixed), period)
    floats = Training(config.changed({"precision": "float32", "formats": {}}))
    curves = {}
    for name, training in (("float32", floats), ("fixed", fixed)):
        curves[name] = training.run().curves
        announce(f"{name}: {config.updates} updates, {time.perf_counter() - start:.0f} s")
    simulator, lava_updates = EngineSimulator(package), min(lava_updates, config.updates)
    curves["engine"], kept = train_engine(fixed, simulator, lava_updates, announce)
    final = replace(package, weights=simulator.weights, masters=simulator.weights, updates=config.updates)
    report = run_package(package, lava_updates * config.batch_size, learn=True, check=True)
    difference = report.difference or weight_difference(kept, report.package.weights)
    announce(f"Lava: {lava_updates} updates, {report.steps} steps, {report.seconds:.0f} s")
    curves["lava"] = [{**fixed.labels, "iteration": i, "split": "train", **row, "seconds": None} for i, row in enumerate(report.rows)]
    save_package(final, directory / "package", {"trained": "three-factor engine"})
    rows = [{"network": name, **{key: row[key] for key in CURVE_COLUMNS}} for name, curve in curves.items() for row in curve]
    write_csv(directory / "curves.csv", ("network", *CURVE_COLUMNS), rows)
    found = {"command": command_line(), "versions": versions(), "machine": machine(), "config": config.model_dump(mode="json"),
             "period": period, "rules": {layer: {f"d{name}": rule.text(name) for name in rule.products} for layer, rule in rules_of(package).items()},
             "evaluations": [{key: row[key] for key in ("network", "iteration", "loss", "accuracy", "nmse", "rate_hz")}
                             for row in rows if row["split"] == "eval"],
             "weights": described_weights(package, final),
             "lava": {"updates": lava_updates, "trials": report.trials, "steps": report.steps, "seconds": round(report.seconds, 1),
                      "compared": report.compared, "difference": str(difference) if difference else None},
             "seconds": round(time.perf_counter() - start, 1)}
    write_json(directory / "engine.json", found)
    measured = "accuracy" if fixed.task.classification else "nmse"
    shown = [(name, [(row["iteration"], row[measured]) for row in curve if row["split"] == "eval"], {"marker": "o", "ms": 3, "color": colour})
             for (name, curve), colour in zip(curves.items(), COLOURS)]
    draw_curves(shown, directory / "curves.png", f"{config.task.name}, {config.learning.rule}, T = {package.steps}", measured, ("png", "svg"))
    return found


def described_weights(before: Package, after: Package) -> dict[str, dict[str, int]]:
    """layer -> synapses, how many changed in training, how many ended at a bound of their format."""
    found = {}
    for layer in LAYERS:
        fmt, new = after.spec[f"weight_{layer}"], after.weights[layer]
        found[layer] = {"synapses": int(new.size), "changed": int((new != before.weights[layer]).sum()),
                        "at a bound": int(((new == fmt.min_raw) | (new == fmt.max_raw)).sum())}
    return found

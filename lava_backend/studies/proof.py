"""The same training twice, in the simulator and on Lava: the learning curves and the weights are equal, to the bit.

The trainer is the simulator's own; only the engine under it is exchanged. With an on-chip optimizer (sgd,
adamax) the weights are updated inside the Lava processes, and the trainer reads them back.
"""
from __future__ import annotations

import time
from pathlib import Path
from typing import Callable

import numpy as np

from fxsim.config import Config
from fxsim.engine.interface import Result
from fxsim.files.writing import make_directory, write_csv, write_json
from fxsim.model.network import LAYERS, Trials
from fxsim.training.loop import CURVE_COLUMNS, Training
from fxsim.training.progress import Progress
from fxsim.training.runs import command_line, machine, versions
from lava_backend.package import package_of_training
from lava_backend.runtime.session import TIMEOUT, Session

from .curves import draw_curves

FILES = ("proof.json", "curves.csv", "curves.png")
LOOKS: dict[str, dict] = {"simulator": {"lw": 5, "alpha": 0.35}, "lava": {"lw": 1.2, "ls": "--", "color": "black"}}     # one over the other


class OnLava:
    """An engine and, with one that runs on the chip, an optimizer for fxsim.training.Training, both on one Lava session."""

    name = "lava"

    def __init__(self, session: Session):
        self.session, self.on_chip, self.updates, self.steps = session, session.package.optimizer.on_chip, session.package.updates, 0

    # ---- the engine
    def run(self, weights: dict[str, np.ndarray], trials: Trials, learn: bool = True, telemetry: bool = False, record: bool = False) -> Result:
        if telemetry:       # counts nothing, and must not learn
            return Result(np.zeros(0), np.zeros(0, np.int64), None, None, None)
        if any(not np.array_equal(weights[layer], self.session.weights[layer]) for layer in LAYERS):
            self.session.program(weights)
        self.steps += trials.size * trials.steps
        return self.session.run(trials, learn, update=learn and self.on_chip)

    # ---- the optimizer, where the processes update the weights themselves
    @property
    def weights(self) -> dict[str, np.ndarray]:
        return self.session.weights

    def step(self, gradients: dict[str, np.ndarray], batch: int) -> dict[str, np.ndarray]:
        self.updates += 1
        return self.weights

    def state(self) -> dict[str, np.ndarray]:
        raise NotImplementedError("a proof is not resumed: its weights are on Lava")

    def restore(self, state: dict[str, np.ndarray]) -> None:
        raise NotImplementedError("a proof is not resumed: its weights are on Lava")


def prove(config: Config, directory: Path, announce: Callable[[str], None] = print, progress: Callable[[], Progress] = Progress) -> dict:
    """Train twice and compare every number of the curves and every final weight.

    Writes curves.csv (column engine), curves.png and proof.json; returns what proof.json holds.
    """
    make_directory(directory)
    simulator, lava, start = Training(config), Training(config), time.perf_counter()
    package = package_of_training(lava)
    simulator.run(progress())
    announce(f"simulator: {config.updates} updates, {time.perf_counter() - start:.0f} s")
    start = time.perf_counter()
    with Session(package, TIMEOUT) as session:
        engine = OnLava(session)
        lava.engine = engine
        if engine.on_chip:
            lava.optimizer = engine
        lava.run(progress())
    seconds = time.perf_counter() - start
    announce(f"Lava: {config.updates} updates, {engine.steps} steps, {seconds:.0f} s")
    rows = [{"engine": name, **row} for name, training in (("simulator", simulator), ("lava", lava)) for row in training.result.curves]
    write_csv(directory / "curves.csv", ("engine", *CURVE_COLUMNS), rows)
    initial, final, on_lava = (np.concatenate([training.result.weights[f"raw_{when}_{layer}"] for layer in LAYERS])
                               for training, when in ((simulator, "initial"), (simulator, "final"), (lava, "final")))
    found = {"curves_equal": _measured(simulator) == _measured(lava), "rows": len(simulator.result.curves),
             "weights_equal": np.array_equal(final, on_lava), "weights_changed": int((initial != final).sum()),
             "updates_in_the_processes": engine.on_chip, "lava_steps": engine.steps, "lava_seconds": round(seconds, 1),
             "command": command_line(), "versions": versions(), "machine": machine(), "config": config.model_dump(mode="json")}
    write_json(directory / "proof.json", found)
    title = f"{config.task.name}, {config.learning.rule}, {lava.arithmetic.name}, {config.learning.optimizer.name}"
    draw_curves([(f"{engine}, {split}", [(row["iteration"], row["loss"]) for row in rows if row["engine"] == engine and row["split"] == split],
                  {"marker": marker, **look}) for engine, look in LOOKS.items() for split, marker in (("train", None), ("eval", "o"))],
                directory / "curves.png", title, "loss")
    return found


def _measured(training: Training) -> list[dict]:
    """The curve without its clock."""
    return [{key: value for key, value in row.items() if key != "seconds"} for row in training.result.curves]

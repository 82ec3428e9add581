"""The points of a sensitivity: one quantity of a precision in another format, and how well its gradients agree with float64's then."""
from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterable, Iterator, Sequence

import numpy as np

from fxsim.config import Config
from fxsim.errors import InputError
from fxsim.files.archive import Archive
from fxsim.files.writing import make_directory, write_csv, write_npz
from fxsim.model.network import LAYERS
from fxsim.tasks import make_task
from fxsim.training.alignment import measures
from fxsim.training.alignment.gradients import TWIN, Gradient, Gradients, Groups
from fxsim.training.alignment.rows import ALL, layer_of
from fxsim.training.initial import network_of, weighted
from fxsim.training.loop import Training
from quant import QUANTITIES, PrecisionSpec

MOMENTS = ("start", "middle", "end")
BASE = "nothing"    # in place of a quantity: the base precision as it is
POINT = ("rule", "seed", "quantity", "word_bits", "rounding", "moment", "way", "layer")
COLUMNS = (*POINT, *measures.VALUES, "seconds")        # of the processor, what had to be compiled included
OF_ONE_RULE = {"learning_signal": "eprop", "modulator": "diffusion", "diffusion_gain": "diffusion"}


@dataclass(frozen=True)
class Unit:
    """All formats of one quantity at the weights of one training: what is made at once, by one process, and kept in one file.

    config      of the training, with rule and seed, in float
    weights     npz with a layer's weights at each moment, MOMENT_LAYER
    trials      of a batch, of which gradients are
    """

    config: Config
    base: PrecisionSpec
    quantity: str
    bits: tuple[int, ...]
    roundings: tuple[str, ...]
    ways: tuple[str, ...]
    weights: Path
    trials: int
    path: Path

    def __str__(self) -> str:
        return f"{self.config.learning.rule} seed {self.config.seed} {self.quantity}"

    @property
    def formats(self) -> Iterator[tuple[int | None, str | None, PrecisionSpec]]:
        """(word bits, rounding, all formats). Fewer bits keep the range. What is programmed once is never rounded at random."""
        if self.quantity == BASE:
            yield None, None, self.base
            return
        once = QUANTITIES[self.quantity].kind == "coefficient" or self.quantity == "feedback"
        for bits in self.bits:
            for rounding in self.roundings:
                if not (once and rounding == "stochastic"):
                    yield bits, rounding, self.base.changed({self.quantity: {"word_bits": bits, "rounding": rounding}})


def quantities_of(rule: str, base: PrecisionSpec) -> list[str]:
    """Those that a rule uses, but for shadows: gradients do not depend on them."""
    return [name for name in QUANTITIES if name in base.formats and OF_ONE_RULE.get(name, _kind(rule)) == _kind(rule)]


def _kind(rule: str) -> str:
    return "eprop" if rule == "eprop" else "diffusion"


def train(config: Config, path: Path) -> None:
    """Train, and keep the weights of every moment in ``path``. A training that stops early has its last weights at the moments that it misses."""
    moments = dict(zip((0, config.updates // 2, config.updates), MOMENTS))
    found: dict[str, dict[str, np.ndarray]] = {}

    def weights(training: Training) -> dict[str, np.ndarray]:
        return training.arithmetic.weights_to_model(training.optimizer.weights)

    def between(training: Training) -> None:
        if training.iteration in moments:
            found[moments[training.iteration]] = weights(training)
    training = Training(config)
    training.run(None, between)
    make_directory(path.parent)
    last = weights(training)
    write_npz(path, {f"{moment}_{layer}": values for moment in MOMENTS for layer, values in found.get(moment, last).items()})


def measure(unit: Unit) -> None:
    """Write the unit's file."""
    config = unit.config
    point = {"rule": config.learning.rule, "seed": config.seed, "quantity": unit.quantity}
    rows = held_against_twin(config, unit.weights, unit.trials, unit.ways,
                             (({**point, "word_bits": bits, "rounding": rounding}, spec) for bits, rounding, spec in unit.formats))
    make_directory(unit.path.parent)
    write_csv(unit.path, COLUMNS, rows)


def held_against_twin(config: Config, kept: Path, trials: int, ways: Sequence[str], formats: Iterable[tuple[dict[str, Any], PrecisionSpec]]
                      ) -> list[dict[str, Any]]:
    """A row for each of ``formats``, moment, way and layer, that begins with what labels these formats. Those that are refused have no measures.

    kept, trials    see :class:`Unit`, ``weights`` and ``trials``
    """
    network, task, rule = network_of(config), make_task(config), config.learning.rule
    batch = [Groups.of(task.training_trials(config.updates).take(slice(0, trials)), 1)]
    twins = Gradients(config, network, {}, task.steps)
    with Archive(kept) as archive:
        weights = {moment: weighted(archive, network, moment).weights for moment in MOMENTS}
    expected = {moment: twins.of(rule, TWIN, weights[moment], batch) for moment in MOMENTS}
    spikes = {moment: twins.spikes(weights[moment], batch) for moment in MOMENTS} if "driven" in ways else {}
    rows: list[dict[str, Any]] = []
    for label, spec in formats:
        gradients, start = Gradients(config, network, {spec.name: spec}, task.steps), time.process_time()
        try:
            for moment in MOMENTS:
                for way in ways:
                    found = gradients.of(rule, spec.name, weights[moment], batch, spikes[moment] if way == "driven" else None)
                    rows += _rows({**label, "moment": moment, "way": way}, found, expected[moment], time.process_time() - start)
                    start = time.process_time()
        except InputError:
            rows += [{**label, "moment": moment, "way": way, "layer": layer, **dict.fromkeys((*measures.VALUES, "seconds"))}
                     for moment in MOMENTS for way in ways for layer in (*LAYERS, ALL)]
    return rows


def _rows(label: dict[str, Any], found: Gradient, expected: Gradient, seconds: float) -> list[dict[str, Any]]:
    return [{**label, "layer": layer, **measures.values(layer_of(found, layer)[0], layer_of(expected, layer)[0]), "seconds": round(seconds, 3)}
            for layer in (*LAYERS, ALL)]

"""Histograms of log2 magnitudes of every stored value of a few real trials, in the simulator's units, in float and in fixed point.

The oracle runs the trials, as it sees each value when it is stored; weights, feedback and coefficients are looked at directly.
"""
from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Iterator, Mapping

import numpy as np

from fxsim.config import Config
from fxsim.engine.interface import given
from fxsim.engine.oracle.oracle import Oracle
from fxsim.errors import InputError
from fxsim.model.arithmetic import make_arithmetic
from fxsim.model.network import Learning, Network, Trials
from fxsim.model.topology import learning_of
from fxsim.training.evaluation import clipped_weights, summed
from fxsim.training.loop import Training
from fxsim.training.progress import Progress
from quant import PrecisionSpec

LOWEST, HIGHEST = -80, 80       # of log2; what is smaller or larger goes into the last bin
TRIALS = 4                      # they hold millions of values
MOMENTS = 8                     # of a training, beside its beginning
COEFFICIENTS = {"leak_membrane": "decay", "leak_adaptation": "decay", "leak_readout": "decay", "adaptation_gain": "adaptation_gain",
                "adaptation_drive": "adaptation_drive", "diffusion_gain": "diffusion_gain"}


@dataclass
class Histogram:
    """Of one quantity. ``bins``: how many values have floor(log2 magnitude) = LOWEST + index; ``zeros``: how many are 0."""

    bins: np.ndarray = field(default_factory=lambda: np.zeros(HIGHEST - LOWEST + 1, np.int64))
    zeros: int = 0
    largest: float = 0.0

    def add(self, values: np.ndarray) -> None:
        """Count values, scaled real numbers of any shape."""
        magnitudes = np.abs(values).ravel()
        magnitudes = magnitudes[magnitudes > 0]
        self.zeros += values.size - magnitudes.size
        if magnitudes.size:
            exponents = np.clip(np.frexp(magnitudes)[1] - 1, LOWEST, HIGHEST) - LOWEST
            self.bins += np.bincount(exponents, minlength=self.bins.size)
            self.largest = max(self.largest, float(magnitudes.max()))

    @property
    def total(self) -> int:
        return int(self.bins.sum()) + self.zeros

    def items(self) -> Iterator[tuple[int, int]]:
        """(floor(log2 magnitude), how many), where there are any."""
        yield from ((LOWEST + int(i), int(self.bins[i])) for i in np.flatnonzero(self.bins))


@dataclass
class Observed:
    """What one precision stored. ``histograms``: quantity -> its values'; ``counts``: quantity -> the counters of fxsim.model.telemetry."""

    histograms: dict[str, Histogram] = field(default_factory=dict)
    counts: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def largest(self) -> dict[str, float]:
        """quantity -> largest magnitude."""
        return {quantity: histogram.largest for quantity, histogram in self.histograms.items()}

    def of(self, quantity: str) -> Histogram:
        return self.histograms.setdefault(quantity, Histogram())


class Observer:
    """Watches a network's trials in one precision. Raises InputError for rule bptt, which stores no eligibility."""

    def __init__(self, config: Config, network: Network, precision: str | PrecisionSpec, steps: int):
        learning = require_eligibility(config)
        self.network, self.arithmetic, self.observed = network, make_arithmetic(precision, network, learning, steps, config.seed), Observed()
        self._oracle = Oracle(network, learning, self.arithmetic, config.seed)
        self._oracle.watch = self._see

    def _see(self, quantity: str, raw: np.ndarray) -> None:
        self.observed.of(quantity).add(self.arithmetic.to_scaled(quantity, raw))

    def look(self, weights: Mapping[str, np.ndarray], trials: Trials) -> None:
        """One more time: these trials with these weights, layer -> (n_syn,) in model units."""
        ar, co = self.arithmetic, self.arithmetic.coefficients
        stored = ar.weights_to_raw(dict(weights))
        for layer, raw in stored.items():
            self._see(f"weight_{layer}", raw)
        self._see("feedback", ar.feedback_to_raw(self.network.feedback))
        for name, quantity in COEFFICIENTS.items():
            self._see(quantity, np.asarray(getattr(co, name)))
        found = [given(self._oracle.run(stored, trials, telemetry=True).telemetry), clipped_weights(ar, replace(self.network, weights=dict(weights)))]
        self.observed.counts = summed([self.observed.counts, *found])


def require_eligibility(config: Config) -> Learning:
    """The rule of a configuration. Raises InputError for bptt."""
    if config.learning.rule == "bptt":
        raise InputError(config.name, "learning.rule", "bptt, which has no eligibility to count", "another rule")
    return learning_of(config)


def observe(config: Config, precisions: Mapping[str, str | PrecisionSpec], trials: int = TRIALS,
            progress: Progress | None = None) -> dict[str, Observed]:
    """label -> what each precision stores at the weights of a float32 training of ``config``: at its beginning and at MOMENTS of its evaluations.

    trials      of the evaluation set, the first

    Raises InputError.
    """
    require_eligibility(config)
    training = Training(config.changed({"precision": "float32", "formats": {}, "evaluation.telemetry": "off", "evaluation.alignment": None}))
    observers = {label: Observer(config, training.network, precision, training.task.steps) for label, precision in precisions.items()}
    batch, every = training.evaluation_trials.take(slice(trials)), config.evaluation.every
    evaluations = -(-config.updates // every)
    often = every * max(1, -(-evaluations // MOMENTS))

    def between(now: Training) -> None:
        if now.iteration % often == 0 or now.iteration == config.updates:
            weights = now.arithmetic.weights_to_model(now.optimizer.weights)
            for observer in observers.values():
                observer.look(weights, batch)
    training.run(progress, between)
    return {label: observer.observed for label, observer in observers.items()}


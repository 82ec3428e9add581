"""The simulator with float arithmetic (the twin of every fixed-point run) as seen by :mod:`fxsim.verify.golden`."""
from __future__ import annotations

import numpy as np

from fxsim.engine.interface import Engine, given
from fxsim.engine.registry import make_engine
from fxsim.model.arithmetic import Arithmetic, make_arithmetic
from fxsim.model.network import LAYERS, Learning
from fxsim.training.optimizers import Adam

from .golden_case import GoldenCase


class TwinAdapter:
    """Runs golden cases on an engine, in the case's own floating-point type."""

    def __init__(self, engine: str):
        self.engine = engine

    def trajectories(self, case: GoldenCase) -> dict[str, np.ndarray]:
        learning, c = case.learning_with("eprop"), case.network.constants
        arithmetic, engine = self._engine(case, learning)
        record = given(engine.run(arithmetic.weights_to_raw(case.network.weights), case.trials, learn=False, record=True).record)
        by_trial = {name: np.moveaxis(values, 0, 1) for name, values in record.items()}
        a = by_trial["a"] * (1 - c.rho)
        return {"v": by_trial["V"] * c.threshold, "a": a, "A": c.threshold + c.beta * a, "r": by_trial["r"], "z": by_trial["z"],
                "y": by_trial["y"]}

    def gradients(self, case: GoldenCase, rule: str) -> dict[str, np.ndarray] | None:
        learning = case.learning_with(rule)
        if learning.rule == "bptt" and self.engine != "cpu":        # which alone has it
            return None
        arithmetic, engine = self._engine(case, learning)
        result = engine.run(arithmetic.weights_to_raw(case.network.weights), case.trials)
        return self._dense(case, arithmetic.gradient_to_model(given(result.gradients), case.trials.size))

    def adam3(self, case: GoldenCase, rule: str) -> dict[str, np.ndarray] | None:
        learning = case.learning_with(rule)
        if learning.rule == "bptt" and self.engine != "cpu":        # which alone has it
            return None
        arithmetic, engine = self._engine(case, learning)
        optimizer = Adam(arithmetic, case.network.weights, case.rate)
        for _ in range(3):
            optimizer.step(given(engine.run(optimizer.weights, case.trials).gradients), case.trials.size)
        return self._dense(case, arithmetic.weights_to_model(optimizer.weights))

    def _engine(self, case: GoldenCase, learning: Learning) -> tuple[Arithmetic, Engine]:
        arithmetic = make_arithmetic(case.dtype, case.network, learning, case.trials.steps)
        return arithmetic, make_engine(self.engine, case.network, learning, arithmetic)

    @staticmethod
    def _dense(case: GoldenCase, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {layer: case.network.topology.synapses(layer).dense(values[layer]) for layer in LAYERS}

"""The PyTorch reference as seen by :mod:`fxsim.verify.golden`."""
from __future__ import annotations

from typing import Mapping

import numpy as np
import torch

from fxsim.model.network import LAYERS
from fxsim.reference import ReferenceModel, adam_steps, gradients

from .golden_case import GoldenCase


class ReferenceAdapter:
    """Runs golden cases through the reference, in the case's own floating-point type.

    On one thread, as trainings do: two take twice as long, and many times as long where a core is busy.
    """

    def __init__(self) -> None:
        torch.set_num_threads(1)

    def trajectories(self, case: GoldenCase) -> dict[str, np.ndarray]:
        model = ReferenceModel(case.network, case.dtype)
        with torch.no_grad():
            path = model(model.tensor(case.trials.x))
        return {name: getattr(path, name).numpy() for name in path._fields}

    def gradients(self, case: GoldenCase, rule: str) -> dict[str, np.ndarray]:
        model = ReferenceModel(case.network, case.dtype)
        return _dense(model, gradients(model, case.trials, case.learning_with(rule)))

    def adam3(self, case: GoldenCase, rule: str) -> dict[str, np.ndarray]:
        model = ReferenceModel(case.network, case.dtype)
        adam_steps(model, case.trials, case.learning_with(rule), case.rate, steps=3)
        return _dense(model, model.weights())


def _dense(model: ReferenceModel, values: Mapping[str, torch.Tensor]) -> dict[str, np.ndarray]:
    return {layer: model.topology.synapses(layer).dense(values[layer].detach().numpy()) for layer in LAYERS}

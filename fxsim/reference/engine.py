"""The reference as an engine of the training loop: all rules in float, for comparison."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

import numpy as np
import torch

from fxsim.model.network import LAYERS, Learning, Network, Trials

from .gradients import run_and_learn
from .model import ReferenceModel

CHUNK = 64
"""Trials that run at once: bounds the memory (below 1 GB for BPTT of 2050 steps of 100 neurons in float32)."""


@dataclass(frozen=True)
class ReferenceResult:
    """What one batch did. B trials, S window steps, K outputs, n neurons."""

    readout: np.ndarray                             # (B, S, K) float64, y in the window
    spike_counts: np.ndarray                        # (B, n) int64, spikes of each neuron in the trial
    gradients: Optional[dict[str, np.ndarray]]      # layer -> (n_syn,) float64 mean gradient in model units; None if not learning


class ReferenceEngine:
    """Runs batches of any size in float.

    Args:
        network: constants, topology and feedback; the weights come with each call of :meth:`run`.
        learning: rule and its parameters.
        dtype: ``"float32"`` or ``"float64"``.
        seed: of the permutations of shuffled_per_step.

    Example:
        >>> engine = ReferenceEngine(network, learning, dtype="float32")
        >>> result = engine.run(network.weights, task.training_trials(0))
        >>> result.gradients["rec"]
    """

    def __init__(self, network: Network, learning: Learning, dtype: str = "float32", seed: int = 0):
        self.model, self.learning, self.seed = ReferenceModel(network, dtype), learning, seed

    def run(self, weights_model: dict[str, np.ndarray], trials: Trials, learn: bool = True) -> ReferenceResult:
        """One pass over the trials at the given weights (layer -> (n_syn,), model units)."""
        self.model.set_weights(weights_model)
        readout, counts = [], []
        total = {layer: np.zeros(self.model.topology.synapses(layer).size) for layer in LAYERS}
        for start in range(0, trials.size, CHUNK):
            part = trials.take(slice(start, start + CHUNK))
            if learn:
                path, gradients = run_and_learn(self.model, part, self.learning, self.seed)
                for layer in LAYERS:
                    total[layer] += gradients[layer].double().numpy() * (part.size / trials.size)
            else:
                with torch.no_grad():
                    path = self.model(self.model.tensor(part.x), record=())
            readout.append(path.y[:, -self.learning.window:].detach().double().numpy())
            counts.append(path.z.detach().sum(1).to(torch.int64).numpy())
        return ReferenceResult(np.concatenate(readout), np.concatenate(counts), total if learn else None)

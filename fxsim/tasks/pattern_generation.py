"""Pattern generation: the readout follows a sum of sinusoids while the same noise drives the network."""
from __future__ import annotations

from dataclasses import replace

import numpy as np

from fxsim.model.draws import generator
from fxsim.model.network import Trials

from .base import CONFIRMATION, EVALUATION, Task
from .poisson import DT, poisson_spikes


class PatternGeneration(Task):
    """target = sum_f w_f sin(2 pi f t), w random, positive, of sum 1, minus its mean. The same trials in every iteration."""

    def training_trials(self, iteration: int) -> Trials:
        return self._repeated(iteration * self.config.batch_size)

    def evaluation_trials(self) -> Trials:
        return self._repeated(EVALUATION)

    def confirmation_trials(self, index: int) -> Trials:
        return self._repeated(CONFIRMATION + index * self.config.batch_size)

    def _repeated(self, first: int) -> Trials:
        """The run's trials, but with identities of their own, so that stochastic rounding draws afresh every time."""
        count = self.config.batch_size
        return replace(self.trials(self._ids(0, count)), ids=self._ids(first, count))

    def target(self) -> np.ndarray:
        """(steps,) target of every trial."""
        p = self.parameters
        weights = generator(self.config.seed, "target").random(len(p.frequencies))
        t = np.arange(self.steps) * DT
        wave = np.zeros(self.steps)
        for w, f in zip(weights / weights.sum(), p.frequencies, strict=True):
            wave += w * np.sin(2 * np.pi * f * t)
        return wave - wave.mean()

    def trials(self, ids: np.ndarray) -> Trials:
        B, p = ids.size, self.parameters
        x = poisson_spikes(self.key, ids, np.full((B, 1, 1), p.rate), np.zeros((B, 1)), np.full((B, 1), self.steps), p.channels, self.steps)
        target = np.broadcast_to(self.target()[-self.window:, None], (B, self.window, 1)).copy()
        return Trials(x, target, np.full(B, self.steps, np.int64), ids)

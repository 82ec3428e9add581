"""A world that has changed: sensors that died, or whose lines were put in other places."""
from __future__ import annotations

from dataclasses import replace

import numpy as np

from fxsim.model.draws import generator
from fxsim.model.network import Trials

from .base import Task


class Sensed(Task):
    """The trials of another task as the sensors of its configuration (:class:`fxsim.config.task.Sensors`) let them through.

    Which channels die, and which line then carries which channel, is drawn from the run's seed, and the same in all of its trials.
    """

    def __init__(self, task: Task):
        super().__init__(task.config)
        self._task = task
        sensors = self.parameters.sensors
        per = self.n_in // self.parameters.populations
        self._channel = np.arange(self.n_in)        # of each line
        moved = np.concatenate([np.arange(p * per, (p + 1) * per) for p in sensors.permuted] or [np.arange(0)])
        self._channel[moved] = generator(self.config.seed, "permuted sensors").permutation(moved)
        dead = generator(self.config.seed, "dead sensors").permutation(self.n_in)[:round(sensors.dead * self.n_in)]
        self._alive = ~np.isin(self._channel, dead)

    @property
    def digest(self) -> str:
        return self._task.digest

    def training_trials(self, iteration: int) -> Trials:
        return self._through(self._task.training_trials(iteration))

    def evaluation_trials(self) -> Trials:
        return self._through(self._task.evaluation_trials())

    def confirmation_trials(self, index: int) -> Trials:
        return self._through(self._task.confirmation_trials(index))

    def trials(self, ids: np.ndarray) -> Trials:
        return self._through(self._task.trials(ids))

    def _through(self, trials: Trials) -> Trials:
        return replace(trials, x=trials.x[:, :, self._channel] * self._alive.astype(np.uint8))

"""What the tasks share: trial identities, random draws, labels as targets."""
from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from fxsim.config import Config
from fxsim.config.registry import plugin_of
from fxsim.config.task import TaskSection
from fxsim.model.draws import key32
from fxsim.model.network import Trials
from fxsim.model.topology import learning_of

EVALUATION, CONFIRMATION = 2**31, 2**31 + 2**30     # first trial ids of these sets; training trials count from 0


class Task(ABC):
    """Draws trials. They are a function of the run's seed and the trial's id, so all precisions and rules meet the same ones.

    A task of a plugin or a package has its parameters' class in ``section``.
    """

    section: ClassVar[type[TaskSection]]

    def __init__(self, config: Config):
        self.config = config
        self.parameters: Any = config.task      # of this task: each subclass has its own section
        self.n_in, self.n_out, self.steps = config.n_in, config.n_out, config.task.steps
        learning = learning_of(config)
        self.window, self.classification = learning.window, learning.classification
        self.key = key32(config.seed, f"inputs {config.task.name}")

    @property
    def digest(self) -> str:
        """Of what trials depend on and the configuration only names: files with trials, a plugin; empty if there is nothing."""
        return plugin_of(self.config.task.name)[1]

    def training_trials(self, iteration: int) -> Trials:
        """The batch of update number ``iteration``, from 0."""
        return self.trials(self._ids(iteration * self.config.batch_size, self.config.batch_size))

    def evaluation_trials(self) -> Trials:
        """The run's fixed evaluation set."""
        return self.trials(self._ids(EVALUATION, self.config.evaluation.batch_size))

    def confirmation_trials(self, index: int) -> Trials:
        """Fresh test batch number ``index``."""
        return self.trials(self._ids(CONFIRMATION + index * self.config.evaluation.batch_size, self.config.evaluation.batch_size))

    @staticmethod
    def _ids(first: int, count: int) -> np.ndarray:
        return ((first + np.arange(count, dtype=np.uint64)) & np.uint64(2**32 - 1)).astype(np.uint32)

    @abstractmethod
    def trials(self, ids: np.ndarray) -> Trials:
        """The trials with these ids, (B,) uint32."""

    def draw(self, ids: np.ndarray, purpose: str, count: int) -> np.ndarray:
        """(B, count) uniform numbers in [0, 1), a function of run, trial id and purpose."""
        from quant.random import element_key, mix32, stream_key
        trial = stream_key(key32(self.config.seed, purpose), ids.astype(np.uint64))
        return mix32(element_key(trial[:, None], np.arange(count, dtype=np.uint64))) / 2.0**32


def one_hot(labels: np.ndarray, window: int, classes: int = 2) -> np.ndarray:
    """(B,) labels from 0 to classes - 1 as (B, window, classes) targets."""
    return np.repeat(np.eye(classes)[labels][:, None], window, 1)

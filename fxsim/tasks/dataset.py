"""Trials of a user's files, in an order that the seed draws."""
from __future__ import annotations

from functools import lru_cache

import numpy as np

from fxsim.config import Config
from fxsim.model.draws import generator
from fxsim.model.network import Trials

from .base import CONFIRMATION, EVALUATION, Task, one_hot
from .recordings import Recording, open_recording


class DatasetTask(Task):
    """Training goes through the training file in a new order each epoch; a batch may hold the end of one epoch and the beginning of the next.

    Evaluations meet the same ``evaluation.batch_size`` trials of the test file, drawn without repetition, or all if it has no more. Test
    batches that confirm a stop are the ones after them, until the file is through and begins again.
    """

    def __init__(self, config: Config):
        super().__init__(config)
        self.train, self.test = (open_recording(getattr(self.parameters, field), self.parameters, field) for field in ("train", "test"))
        self._order = lru_cache(2)(self._draw_order)

    @property
    def digest(self) -> str:
        """Of all values in both files."""
        return f"{self.train.facts.digest} {self.test.facts.digest}"

    def evaluation_trials(self) -> Trials:
        return self.trials(self._ids(EVALUATION, min(self.config.evaluation.batch_size, self.test.size)))

    def _draw_order(self, what: str, size: int) -> np.ndarray:
        return generator(self.config.seed, what).permutation(size)

    def _place(self, number: int) -> tuple[Recording, int]:
        """The file and the place in it of the trial with this id."""
        if number < EVALUATION:
            epoch, place = divmod(number, self.train.size)
            return self.train, int(self._order(f"epoch {epoch}", self.train.size)[place])
        evaluated = min(self.config.evaluation.batch_size, self.test.size)
        place = number - EVALUATION if number < CONFIRMATION else evaluated + number - CONFIRMATION
        return self.test, int(self._order("test trials", self.test.size)[place % self.test.size])

    def trials(self, ids: np.ndarray) -> Trials:
        p, B = self.parameters, ids.size
        x = np.zeros((B, self.steps, self.n_in), np.uint8)
        duration, labels = np.zeros(B, np.int64), np.zeros(B, np.int64)
        target = np.zeros((0 if self.classification else B, self.window, self.n_out))
        for b, number in enumerate(ids.tolist()):
            recording, place = self._place(number)
            duration[b] = recording.fill(x[b], place, p.group)
            if self.classification:
                labels[b] = recording.label(place)
            else:
                target[b] = recording.window_of(place, self.steps, self.window)
        return Trials(x, one_hot(labels, self.window, self.n_out) if self.classification else target, duration, ids)

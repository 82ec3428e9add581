"""Trials of a run that are there when they are wanted: each training batch is drawn while the one before it is trained on."""
from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable

import numpy as np

from fxsim.model.network import Trials

from .base import Task


class Ahead:
    """Draws for one run, on a thread of its own if ``threaded``. A context manager around the run; outside of it nothing is drawn ahead.

    There is one draw at a time, whatever it is for, so a task need not be made for threads. What is drawn depends on numbers of batches
    alone, so it is the same with and without the thread. An error of the task is raised where its trials are asked for.
    """

    def __init__(self, task: Task, updates: int, threaded: bool):
        self._task, self._updates, self._threaded = task, updates, threaded
        self._pool: ThreadPoolExecutor | None = None
        self._next: tuple[int, Future[Trials]] | None = None

    def __enter__(self) -> Ahead:
        self._pool = ThreadPoolExecutor(1, "fxsim-trials") if self._threaded else None
        return self

    def __exit__(self, *error: object) -> None:
        if self._pool:
            self._pool.shutdown(wait=False, cancel_futures=True)        # a draw that takes long must not keep the checkpoint of a run that ends
        self._pool = self._next = None

    def training(self, iteration: int) -> Trials:
        """The batch of update number ``iteration``; the thread goes on with the next."""
        if self._pool is None:
            return self._task.training_trials(iteration)
        drawn = self._next[1] if self._next and self._next[0] == iteration else self._pool.submit(_quiet, self._task.training_trials, iteration)
        trials = drawn.result()
        if iteration + 1 < self._updates:
            self._next = iteration + 1, self._pool.submit(_quiet, self._task.training_trials, iteration + 1)
        return trials

    def evaluation(self) -> Trials:
        """The run's fixed evaluation set."""
        return self._drawn(self._task.evaluation_trials)

    def confirmation(self, index: int) -> Trials:
        """Fresh test batch number ``index``."""
        return self._drawn(self._task.confirmation_trials, index)

    def _drawn(self, draw: Callable[..., Trials], *number: int) -> Trials:
        return draw(*number) if self._pool is None else self._pool.submit(_quiet, draw, *number).result()


def _quiet(draw: Callable[..., Trials], *number: Any) -> Trials:
    """As in the thread of the run, where what is not finite is refused later."""
    with np.errstate(over="ignore", invalid="ignore"):
        return draw(*number)

"""Trials drawn while the network learns: the same ones, one draw at a time, and errors where they are asked for."""
import threading
import time

import numpy as np
import pytest

from fxsim.tasks.ahead import Ahead
from fxsim.training.loop import Training

from tiny import SHORT, tiny

pytestmark = pytest.mark.core


class Counting:
    """A task whose trials are the numbers of their batches; it notices draws that overlap."""

    def __init__(self, bad=None):
        self.bad, self.drawn, self.threads, self.inside, self.overlapped = bad, [], set(), 0, False

    def _draw(self, what):
        self.inside += 1
        self.overlapped |= self.inside > 1
        time.sleep(0.002)
        self.drawn.append(what)
        self.threads.add(threading.get_ident())
        self.inside -= 1
        if what == self.bad:
            raise ValueError("a bad batch")
        return what

    def training_trials(self, iteration):
        return self._draw(iteration)

    def evaluation_trials(self):
        return self._draw("evaluation")

    def confirmation_trials(self, index):
        return self._draw(f"confirmation {index}")


def test_the_next_batch_is_drawn_while_this_one_is_in_use_and_none_beyond_the_last():
    task = Counting()
    with Ahead(task, 3, threaded=True) as draws:
        for iteration in range(3):
            assert draws.training(iteration) == iteration
            assert draws.evaluation() == "evaluation" and draws.confirmation(iteration) == f"confirmation {iteration}"
            assert iteration == 2 or iteration + 1 in task.drawn       # before it is asked for
    assert [what for what in task.drawn if isinstance(what, int)] == [0, 1, 2]
    assert len(task.threads) == 1 and threading.get_ident() not in task.threads and not task.overlapped


def test_a_run_that_goes_elsewhere_gets_the_batch_that_it_asks_for():
    with Ahead(Counting(), 10, threaded=True) as draws:
        assert [draws.training(iteration) for iteration in (4, 5, 2, 3, 9)] == [4, 5, 2, 3, 9]


def test_an_error_is_raised_for_its_own_batch():
    with Ahead(Counting(bad=2), 4, threaded=True) as draws:
        assert draws.training(0) == 0 and draws.training(1) == 1
        with pytest.raises(ValueError, match="a bad batch"):
            draws.training(2)


@pytest.mark.parametrize("threaded", [False, True])
def test_outside_of_a_run_and_on_one_thread_nothing_is_drawn_ahead(threaded):
    task = Counting()
    draws = Ahead(task, 5, threaded)
    assert draws.training(0) == 0
    if not threaded:
        with draws:
            assert draws.training(1) == 1
    assert task.drawn == list(range(1 if threaded else 2)) and task.threads == {threading.get_ident()}


def test_a_run_is_the_same_to_the_bit():
    runs = []
    for threaded in (False, True):
        training = Training(tiny(*SHORT, "engine=oracle", "precision=q16", "iterations=4", "evaluation.telemetry=off"))
        training._draws = Ahead(training.task, 4, threaded)
        runs.append(training.run())
    for name, values in runs[0].weights.items():
        np.testing.assert_array_equal(values, runs[1].weights[name])
    assert [row["loss"] for row in runs[0].curves] == [row["loss"] for row in runs[1].curves]

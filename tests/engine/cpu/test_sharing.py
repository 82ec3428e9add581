"""Threads that go through a block's synapses together."""
import threading
from concurrent.futures import ThreadPoolExecutor

import numba as nb
import numpy as np
import pytest

from fxsim.engine.cpu import engine as cpu
from fxsim.engine.cpu.block import Parts
from fxsim.engine.cpu.sharing import claim, look, tell, wait
from fxsim.training.loop import Training
from fxsim.verify.backends import compare_results

from tiny import tiny

CLAIMS = 20_000


@nb.njit(nogil=True)
def claim_all(words, mine):
    """Count the numbers that this thread got first."""
    for i in range(CLAIMS):
        if claim(words, i) == 0:
            mine[0] += 1


@nb.njit(nogil=True)
def write_and_tell(values, progress):
    for i in range(values.size):
        values[i] = i + 1
        tell(progress, 0, i + 1)


@nb.njit
def look_at(words):
    return look(words, 0)


def test_each_word_is_claimed_by_one_thread_only():
    words, counts = np.zeros(CLAIMS, np.int64), np.zeros((4, 1), np.int64)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda mine: claim_all(words, mine), counts))
    assert (words == 4).all() and counts.sum() == CLAIMS


def test_who_waits_sees_what_was_written_before():
    values, progress = np.zeros(2000, np.int64), np.zeros(1, np.int64)
    writer = threading.Thread(target=write_and_tell, args=(values, progress))
    writer.start()
    seen = 0
    while seen < values.size:
        seen = wait(progress, 0, seen + 1)
        assert (values[:seen] == np.arange(1, seen + 1)).all()
    writer.join()
    assert look_at(progress) == values.size


@pytest.fixture
def small(monkeypatch):
    """A training whose trials have several chunks of steps, engine of few threads, and its trials."""
    monkeypatch.setattr(cpu, "WORTH_SHARING", 0)
    return lambda threads, precision="q16": Training(tiny("learning.rule=diffusion", f"threads={threads}", f"precision={precision}", "engine=cpu"))


@pytest.mark.parametrize("threads", [2, 3, 5])
@pytest.mark.parametrize("precision", ["q16", "float32"])
def test_any_number_of_threads_gives_the_same_again_and_again(threads, precision, small):
    alone, shared = small(1, precision), small(threads, precision)
    trials = alone.task.training_trials(0)
    assert trials.steps > 4 * 32 and trials.size <= 8      # several chunks, one block
    expected = alone.engine.run(alone.optimizer.weights, trials)
    assert any(g.any() for g in expected.gradients.values())
    for _ in range(20):
        assert compare_results(expected, shared.engine.run(shared.optimizer.weights, trials)) is None


def test_threads_that_come_late_or_never_are_not_waited_for(small, monkeypatch):
    training = small(2)
    trials = training.task.training_trials(0)
    expected = small(1).engine.run(training.optimizer.weights, trials)
    monkeypatch.setattr(Parts, "follow", lambda self, thread: None)
    assert compare_results(expected, training.engine.run(training.optimizer.weights, trials)) is None


def test_an_error_ends_all_threads(small, monkeypatch):
    training, trials = small(2), small(1).task.training_trials(0)

    def fail(self):
        raise RuntimeError("the thread that leads fails")
    with monkeypatch.context() as patch:
        patch.setattr(Parts, "lead", fail)
        with pytest.raises(RuntimeError, match="leads fails"):
            training.engine.run(training.optimizer.weights, trials)
    expected = small(1).engine.run(training.optimizer.weights, trials)      # and the pool is free for what comes next
    assert compare_results(expected, training.engine.run(training.optimizer.weights, trials)) is None
    training.engine._pool.shutdown(wait=True)

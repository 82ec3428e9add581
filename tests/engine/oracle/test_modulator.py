"""The modulator of a picture, from readouts alone: that of a run that learns, to the bit."""
import numpy as np
import pytest

from fxsim.engine.oracle.oracle import Oracle
from fxsim.training.loop import Training

from tiny import SHORT, tiny

pytestmark = pytest.mark.core


@pytest.mark.parametrize("changes", [["precision=q16"], ["precision=w8s16", "formats.modulator.rounding=stochastic", "formats.error.rounding=stochastic"],
                                     ["precision=float32", "learning.rule=shuffled_per_step"]])
def test_it_is_that_of_a_run_that_learns(changes):
    training = Training(tiny(*SHORT, "engine=oracle", "task.cue_rate=400", "network.gains={input: 4, readout: 4}", *changes))
    trials, oracle = training.evaluation_trials, Oracle(training.network, training.learning, training.arithmetic, 1)
    learned, seen = (oracle.run(training.optimizer.weights, trials, learn=learn, record=True).record for learn in (True, False))
    found = oracle.modulator(seen["y"], trials)
    assert np.array_equal(found, learned["M"]) and found.any() and found.dtype == learned["M"].dtype

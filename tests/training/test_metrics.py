"""Loss, accuracy and rate against numbers worked out by hand."""
from types import SimpleNamespace

import numpy as np
import pytest

from fxsim.model.network import Trials
from fxsim.training.metrics import accuracy, cross_entropy, mean_rate, measure, normalised_squared_error, squared_error

pytestmark = pytest.mark.core


def test_cross_entropy_is_the_mean_over_window_and_trials():
    readout = np.log([[[0.25, 0.75], [0.5, 0.5]], [[0.9, 0.1], [0.2, 0.8]]])
    target = np.array([[[0, 1], [0, 1]], [[1, 0], [1, 0]]], float)
    assert cross_entropy(readout, target) == pytest.approx(-np.log([0.75, 0.5, 0.9, 0.2]).mean())


def test_cross_entropy_survives_huge_readouts():
    assert cross_entropy(np.array([[[1e4, -1e4]]]), np.array([[[0.0, 1.0]]])) == pytest.approx(2e4)


def test_accuracy_decides_by_the_sum_over_the_window():
    readout = np.array([[[1.0, 0.0], [0.0, 3.0]], [[1.0, 0.0], [0.0, 0.5]]])     # the first trial's last step decides its sum
    label_1 = np.tile([0.0, 1.0], (2, 2, 1))
    assert accuracy(readout, label_1) == 0.5


def test_regression_errors():
    readout, target = np.array([[[1.0], [2.0]]]), np.array([[[0.0], [4.0]]])
    assert squared_error(readout, target) == pytest.approx((1 + 4) / 2 / 2)
    assert normalised_squared_error(readout, target) == pytest.approx(5 / 16)


def test_rate_uses_each_trial_s_own_duration():
    assert mean_rate(np.array([[1, 3], [0, 4]]), np.array([1000, 500])) == pytest.approx((1 + 3 + 0 + 8) / 4)


def test_what_a_task_does_not_have_is_none():
    trials = Trials(np.zeros((1, 4, 2), np.uint8), np.ones((1, 3, 1)), np.array([4]), np.array([0], np.uint32))
    result = SimpleNamespace(readout=np.zeros((1, 3, 1)), spike_counts=np.zeros((1, 5), np.int64))
    assert measure(result, trials, classification=False) == {"loss": 0.5, "accuracy": None, "nmse": 1.0, "rate_hz": 0.0}
    assert measure(result, trials, classification=True)["nmse"] is None

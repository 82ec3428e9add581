"""What is said from several runs: against SciPy where it has the same, and by hand."""
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from fxsim.study.statistics.outcome import Crossing, crossing, holm, mean_of, p_value, pairing, pooled, settled, unpaired

pytestmark = pytest.mark.core
VALUES = np.array([0.71, 0.64, 0.80, 0.59, 0.77])


def curve(*accuracies, every=25):
    return pd.DataFrame({"split": "eval", "iteration": every * np.arange(len(accuracies)), "accuracy": accuracies, "nmse": np.nan})


def test_a_run_is_measured_over_its_tail():
    assert settled(curve(0.5, 0.5, 0.5, 0.5, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0), 225)["accuracy"] == pytest.approx(0.8)         # the last five
    assert settled(curve(0.5, 0.6, 0.7, 0.9), 75)["accuracy"] == pytest.approx(0.8)                                       # no more than the second half
    assert settled(curve(0.5, 0.9), 25)["accuracy"] == 0.9
    shuffled = curve(0.5, 0.5, 0.5, 0.5, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0).sample(frac=1, random_state=1)
    assert settled(shuffled, 225)["accuracy"] == pytest.approx(0.8)


def test_what_stopped_at_its_criterion_counts_as_it_stopped():
    assert settled(curve(0.5, 0.5, 0.9, 1.0), 500)["accuracy"] == 1.0


def test_intervals_are_students():
    stats = pytest.importorskip("scipy.stats")
    found, expected = mean_of(VALUES), stats.ttest_1samp(VALUES, 0).confidence_interval()
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high)) and found.n == 5 and found.mean == pytest.approx(VALUES.mean())
    assert p_value(VALUES - 0.6) == pytest.approx(stats.ttest_1samp(VALUES, 0.6).pvalue)
    assert np.isnan(mean_of([0.5]).half) and np.isnan(p_value([0.5])) and p_value([0, 0]) == 1.0 and np.isnan(mean_of([]).mean)


def test_independent_samples_have_welchs_interval():
    stats = pytest.importorskip("scipy.stats")
    other = np.array([0.5, 0.9, 0.2, 0.6, 0.1, 0.7, 0.65])
    found, expected = unpaired(VALUES, other), stats.ttest_ind(VALUES, other, equal_var=False).confidence_interval()
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high)) and found.n == 12
    assert unpaired([1.0, 1.0], [0.5, 0.5]).half == 0 and np.isnan(unpaired([1.0], [0.5, 0.5]).half) and unpaired([1.0], [0.5]).mean == 0.5


def test_a_difference_of_the_detectable_size_is_found_four_times_of_five():
    """Within what the approximation by shifted t, instead of noncentral t, gives: some points."""
    rng, found, n = np.random.default_rng(0), 0, 8
    size = np.mean([mean_of(rng.standard_normal(n)).detectable for _ in range(2000)])
    for _ in range(2000):
        found += p_value(size + rng.standard_normal(n)) < 0.05
    assert 0.74 < found / 2000 < 0.88


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_rejects_as_its_steps_do(ps):
    """Step by step: the smallest against 5 % / m, the next against 5 % / (m - 1), until one does not hold."""
    rejected, order = set(), sorted(range(len(ps)), key=ps.__getitem__)
    for step, i in enumerate(order):
        if ps[i] * (len(ps) - step) > 0.05:
            break
        rejected.add(i)
    assert {i for i, p in enumerate(holm(ps)) if p <= 0.05} == rejected
    assert all(adjusted >= min(p, 1) for adjusted, p in zip(holm(ps), ps))


def test_contrasts_are_pooled_by_seed_and_pairs_correlate():
    table = pd.DataFrame({4: [0.1, 0.2, 0.0], 6: [0.3, 0.2, 0.2]})
    assert pooled(table) == pytest.approx([0.2, 0.2, 0.1])
    assert pairing([1, 2, 3], [2, 4, 6]) == pytest.approx(1) and np.isnan(pairing([1, 1], [1, 2]))


@pytest.mark.parametrize("y, expected", [([0.2, 0.4, 0.6, 0.9], Crossing(7.0, "at")), ([0.6, 0.4, 0.6, 0.9], Crossing(4.0, "at most")),
                                         ([0.2, 0.3, 0.3, 0.4], Crossing(16.0, "above")), ([0.2, 0.5, 0.1, 0.9], Crossing(6.0, "at"))])
def test_what_lies_outside_of_the_tried_lengths_is_censored(y, expected):
    found = crossing([4, 6, 8, 16], y, 0.5)
    assert found.kind == expected.kind and found.x == pytest.approx(expected.x)
    assert str(Crossing(4.0, "at most")) == "at most 4" and str(Crossing(16.0, "above")) == "above 16"

"""A test that may be looked at after every seed."""
import numpy as np
import pytest

from fxsim.study.statistics.sequential import FIRST, LESS, MORE, PRIOR, UNDECIDED, critical, look

pytestmark = pytest.mark.core


def bayes_factor(x, m):
    """Of "the mean is not m", integrated by hand over the size of the effect: noncentral t against central t."""
    from scipy import integrate, stats
    n, t = len(x), (np.mean(x) - m) / (np.std(x, ddof=1) / np.sqrt(len(x)))
    effect = integrate.quad(lambda d: stats.nct.pdf(t, n - 1, d * np.sqrt(n)) * stats.norm.pdf(d, scale=np.sqrt(PRIOR)), -8, 8)[0]
    return effect / stats.t.pdf(t, n - 1)


def test_the_interval_holds_what_the_bayes_factor_does_not_refute():
    x = np.random.default_rng(1).normal(0.02, 0.05, 9)
    found = look(x, 0.01)
    assert found.mean == pytest.approx(x.mean()) and found.low < x.mean() < found.high
    assert bayes_factor(x, found.low) == pytest.approx(20, rel=1e-4) and bayes_factor(x, found.high) == pytest.approx(20, rel=1e-4)


def test_looking_after_every_seed_is_rarely_wrong():
    """A t test at 5 % that is looked at so often is wrong in every third case."""
    rng, wrong = np.random.default_rng(2), 0
    for _ in range(600):
        x = rng.normal(-0.02, 0.05, 30)
        wrong += any(look(x[:n], 0.02).word != UNDECIDED for n in range(FIRST, 31))
    assert 0 < wrong <= 0.05 * 600


def test_what_is_said():
    assert FIRST == 5 and not np.isfinite(critical(4))
    clear = [0.01, 0.012, 0.009, 0.011, 0.01, 0.012]
    assert look(clear, 0.02).word == LESS and look(np.subtract(clear, 0.1), 0.02).word == MORE and look(clear[:4], 0.02).word == UNDECIDED
    assert look(np.multiply(clear, [1, -9, 1, 9, -9, 9]), 0.02).word == UNDECIDED       # of a mean above -0.02
    assert look([0.0] * 5, 0.02).word == LESS and look([-0.5] * 5, 0.02).word == MORE
    assert look(clear, 0.02).says(0.02) == "loses less than 0.02" and look([], 0.02).says(0.02) == "undecided whether it loses less than 0.02"

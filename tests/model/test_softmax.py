"""The integer softmax stays within its stated error bound."""
import numpy as np
import pytest

from fxsim.model.softmax import PROBABILITY_FRAC, softmax_raw

pytestmark = pytest.mark.core


@pytest.mark.parametrize("frac", [2, 8, 12, 20, 27])
@pytest.mark.parametrize("outputs", [2, 3, 5])
def test_error_bound(frac, outputs):
    rng = np.random.default_rng(frac * outputs)
    raw = rng.integers(-8 << frac, 8 << frac, (20000, outputs))
    y = raw / 2.0**frac
    e = np.exp(y - y.max(-1, keepdims=True))
    exact = e / e.sum(-1, keepdims=True)
    found = softmax_raw(raw, frac) / 2.0**PROBABILITY_FRAC
    assert np.abs(found - exact).max() <= 1.5e-7 + 2.0**-PROBABILITY_FRAC


def test_extremes():
    raw = np.array([[2**31 - 1, -2**31], [-2**31, 2**31 - 1], [5, 5]])
    found = softmax_raw(raw, 4) / 2.0**PROBABILITY_FRAC
    assert np.allclose(found, [[1, 0], [0, 1], [0.5, 0.5]], atol=1e-9)

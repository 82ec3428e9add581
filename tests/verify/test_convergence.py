"""As word lengths grow, fixed point converges to its float64 twin."""
import pytest

from fxsim.verify.convergence import verify_convergence

pytestmark = pytest.mark.core


def test_the_error_halves_with_every_fraction_bit():
    result = verify_convergence(networks=6, seed=1)
    assert result.ok
    assert all(1.7 < factor < 2.3 for factor in result.factor.values())
    assert result.rows[-1].gradient < 1e-5 < result.rows[0].gradient

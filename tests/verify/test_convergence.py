"""As word lengths grow, fixed point converges to its float64 twin, under every rule."""
from dataclasses import replace

import pytest

from fxsim.verify.convergence import COMPARED, CUTS, verify_convergence
from fxsim.verify.random_case import RULES

pytestmark = pytest.mark.core


@pytest.mark.long
def test_the_error_halves_with_every_fraction_bit():
    result = verify_convergence(networks=2, seed=1, cuts=CUTS[::2])
    assert result.ok and set(result.factor) == set(RULES)
    assert all(1.7 < factor < 2.3 for of_rule in result.factor.values() for factor in of_rule.values())
    for rule in RULES:
        rows = [row for row in result.rows if row.rule == rule]
        assert rows[-1].gradient < 1e-5 < rows[0].gradient
    one_off = replace(result.rows[-1], largest={**dict.fromkeys(COMPARED, 0.0), "gradient": 0.1})
    assert not replace(result, rows=[*result.rows[:-1], one_off]).ok            # one network is enough
    assert not replace(result, factor={**result.factor, "eprop": {**result.factor["eprop"], "gradient": 1.0}}).ok

"""The rate error is the exact quotient, rounded once."""
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from fxsim.engine.build.plan import MAX_RATE_ERROR_FRAC
from fxsim.engine.oracle.oracle import Oracle
from fxsim.model.arithmetic import RATE_FRAC, RATE_GAIN_FRAC
from fxsim.verify.random_case import Kind, arithmetic_for, random_case
from quant import QFormat, load_spec

from exact_rounding import EXACT

pytestmark = pytest.mark.core


@pytest.mark.parametrize("frac_bits", [18, MAX_RATE_ERROR_FRAC - 1, MAX_RATE_ERROR_FRAC])
@pytest.mark.parametrize("rounding", EXACT)
def test_the_exact_quotient_is_rounded_once(rounding, frac_bits):
    """Also where its format ends one or two bits above the quotient's integer part: there two roundings in a row would often give another number."""
    case = random_case(np.random.default_rng(6), "eprop", Kind(trials=(17,)))
    case = replace(case, learning=replace(case.learning, c_reg=0.013))
    spec = load_spec("q16").replace(rate_error=QFormat(32, frac_bits, rounding=rounding))
    arithmetic = arithmetic_for(case, spec)
    result = Oracle(case.network, case.learning, arithmetic, case.seed).run(arithmetic.weights_to_raw(case.network.weights), case.trials, record=True)
    gain, target = int(arithmetic.coefficients.rate_gain), int(arithmetic.coefficients.rate_target)
    rest = set()
    for counts, duration, found in zip(result.spike_counts.tolist(), case.trials.duration.tolist(), result.record["D"][0].tolist()):
        for count, D in zip(counts, found):
            exact = Fraction(gain * ((count << RATE_FRAC) - target * duration), duration**2) * Fraction(2) ** (frac_bits - RATE_FRAC - RATE_GAIN_FRAC)
            assert D == min(max(EXACT[rounding](exact), spec["rate_error"].min_raw), spec["rate_error"].max_raw)
            rest.add(exact.denominator > 4)
    assert True in rest

"""Stored coefficients against rationals: the exact coefficient of the float constants, rounded once to nearest."""
from fractions import Fraction

import numpy as np
import pytest

from fxsim.model.arithmetic import RATE_FRAC, RATE_GAIN_FRAC, Arithmetic
from fxsim.model.network import Constants, Learning
from quant import load_spec, preset_names
from quant.rounding import ROUNDINGS

pytestmark = pytest.mark.core
CONSTANTS = Constants(0.03, 0.3, np.exp(-1 / 20), np.exp(-1 / 1400), np.exp(-1 / 30), 5, np.array([0.0, 1.8, 0.7]))
LEARNING = Learning("diffusion", window=50, classification=True, k=0.77, c_reg=0.013, f_target=0.0123)


def exact_coefficients(c, learning):
    """name -> (quantity, exact values): the model's constants as they are, floats; no operation on them is rounded."""
    alpha, rho, kappa, thr, gamma, k = map(Fraction, (c.alpha, c.rho, c.kappa, c.threshold, c.gamma, learning.k))
    gain = [Fraction(float(beta)) * (1 - rho) / thr for beta in c.beta]
    return {"leak_membrane": ("decay", [1 - alpha]), "leak_adaptation": ("decay", [1 - rho]), "leak_readout": ("decay", [1 - kappa]),
            "adaptation_gain": ("adaptation_gain", gain), "adaptation_drive": ("adaptation_drive", [g * gamma for g in gain]),
            "diffusion_gain": ("diffusion_gain", [k / 9])}


@pytest.mark.parametrize("rounding", [None, "stochastic"])
@pytest.mark.parametrize("preset", preset_names())
def test_stored_coefficients_are_the_nearest_of_their_formats(preset, rounding):
    """Every preset as it is, and with formats that round stochastically: what is programmed once is rounded to nearest there, too."""
    spec = load_spec(preset)
    if rounding:
        spec = spec.changed({name: {"rounding": rounding} for name in ("decay", "adaptation_gain", "adaptation_drive", "diffusion_gain", "feedback")})
    arithmetic = Arithmetic(preset, spec, CONSTANTS, LEARNING, 100)
    for name, (quantity, values) in exact_coefficients(CONSTANTS, LEARNING).items():
        fmt = spec[quantity]
        assert fmt.rounding in ("nearest_even", "stochastic")
        found = np.atleast_1d(getattr(arithmetic.coefficients, name)).tolist()
        for value, raw in zip(values, found, strict=True):
            away = abs(min(value * 2**fmt.frac_bits, fmt.max_raw) - raw)
            assert away <= Fraction(1, 2) + Fraction(1, 1 << 20), (name, float(away))     # floats end before the widest formats do
    assert arithmetic.coefficients.rate_target == round(Fraction(LEARNING.f_target) * 2**RATE_FRAC)
    rate_gain = Fraction(LEARNING.c_reg) * LEARNING.window / (1 - Fraction(CONSTANTS.kappa))
    assert abs(arithmetic.coefficients.rate_gain - rate_gain * 2**RATE_GAIN_FRAC) <= Fraction(1, 2) + Fraction(1, 1 << 20)
    feedback = np.array([0.3, -0.3, 0.1, 1.9])
    assert (abs(arithmetic.feedback_to_raw(feedback) - feedback * 2.0 ** spec["feedback"].frac_bits).max() <= 0.5) == (spec["feedback"].max > 1.9)


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_other_roundings_are_taken_as_they_are(rounding):
    spec = load_spec("q16").changed({"feedback": {"word_bits": 16, "frac_bits": 4, "rounding": rounding}})
    found = Arithmetic("q16", spec, CONSTANTS, LEARNING, 100).feedback_to_raw(np.array([-5 / 32, 5 / 32, 7 / 64, -11 / 64])).tolist()
    assert found == {"floor": [-3, 2, 1, -3], "toward_zero": [-2, 2, 1, -2], "nearest_up": [-2, 3, 2, -3], "nearest_even": [-2, 2, 2, -3],
                     "stochastic": [-2, 2, 2, -3]}[rounding]

"""The five roundings and two overflows: equal to exact rational arithmetic, and the same on Python ints, NumPy and compiled."""
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quant.rounding import OVERFLOWS, ROUNDINGS

EXACT = {"floor": math.floor, "toward_zero": math.trunc, "nearest_even": round, "nearest_up": lambda v: math.floor(v + Fraction(1, 2))}
"""What each name promises, on a Fraction; Python's round() takes ties to even."""


def exact_stochastic(value: Fraction, s: int, r: int) -> int:
    """Up if the discarded fraction exceeds what the top min(s, 31) of the 31 random bits leave."""
    return math.floor(value + Fraction(r >> (31 - s), 1 << s) if s < 31 else value + Fraction(r, 1 << 31))


def expected(name: str, y: int, s: int, r: int, base: int) -> int:
    value = base + Fraction(y, 1 << s)
    return exact_stochastic(value, s, r) if name == "stochastic" else EXACT[name](value)


def cases(n: int = 4000):
    """y, s, r, base: int64 columns rich in ties, exact values, both signs and all shifts from 0 to 40."""
    rng = np.random.default_rng(7)
    s = rng.integers(0, 41, n)
    base = rng.integers(-9, 10, n)
    whole, half = np.int64(1) << s, (np.int64(1) << s) >> 1
    y = rng.integers(-20, 21, n) * half + rng.integers(-1, 2, n)                # ties and their neighbours
    y[::3] = rng.integers(-(1 << 50), 1 << 50, n)[::3]
    y[1::5] = (rng.integers(-20, 21, n) * whole)[1::5]                          # nothing to round
    return y, s, rng.integers(0, 1 << 31, n), base


@pytest.mark.parametrize("name", ROUNDINGS)
@given(y=st.integers(-(1 << 60), 1 << 60), s=st.integers(0, 60), r=st.integers(0, (1 << 31) - 1), base=st.integers(-(1 << 40), 1 << 40))
def test_rounding_equals_exact_rationals(name, y, s, r, base):
    assert ROUNDINGS[name](y, s, r, base) == expected(name, y, s, r, base)


@pytest.mark.parametrize("name", ROUNDINGS)
def test_rounding_equals_exact_rationals_at_ties(name):
    for y, s, r, base in zip(*(c.tolist() for c in cases())):
        assert ROUNDINGS[name](y, s, r, base) == expected(name, y, s, r, base), (y, s, r, base)


@pytest.mark.parametrize("name", ROUNDINGS)
def test_rounding_is_the_same_in_numpy(name):
    y, s, r, base = cases()
    want = [ROUNDINGS[name](*case) for case in zip(y.tolist(), s.tolist(), r.tolist(), base.tolist())]
    got = ROUNDINGS[name](y, s, r, base)
    assert got.dtype == np.int64
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("name", ROUNDINGS)
def test_rounding_is_the_same_compiled(name):
    numba = pytest.importorskip("numba")
    function = numba.njit(ROUNDINGS[name])

    @numba.njit
    def each(y, s, r, base):
        out = np.empty_like(y)
        for i in range(y.size):
            out[i] = function(y[i], s[i], r[i], base[i])
        return out

    y, s, r, base = cases()
    np.testing.assert_array_equal(each(y, s, r, base), ROUNDINGS[name](y, s, r, base))


@pytest.mark.parametrize("name", ROUNDINGS)
def test_a_separate_integer_part_changes_no_result(name):
    y, s, r, base = (c.tolist() for c in cases())
    for y, s, r, base in zip(y, s, r, base):
        assert ROUNDINGS[name](y, s, r, base) == ROUNDINGS[name](y + (base << s), s, r), (y, s, r, base)


@pytest.mark.parametrize("s", range(0, 9))
@pytest.mark.parametrize("y", [-300, -256, -255, -128, -3, -1, 0, 1, 2, 77, 128, 255, 256, 511])
def test_stochastic_rounds_up_for_exactly_the_discarded_fraction_of_all_random_numbers(y, s):
    ups = [ROUNDINGS["stochastic"](y, s, k << (31 - s)) - (y >> s) for k in range(1 << s)]
    assert sum(ups) == y % (1 << s) and set(ups) <= {0, 1}


def test_stochastic_never_moves_an_exact_value():
    for s in (0, 1, 5, 31, 32, 40):
        assert ROUNDINGS["stochastic"](-3 << s, s, (1 << 31) - 1) == -3


RANGES = [(-128, 127), (0, 255), (-2, 1), (-(1 << 31), (1 << 31) - 1), (0, (1 << 32) - 1)]


@pytest.mark.parametrize("lo, hi", RANGES)
@given(x=st.one_of(st.integers(-300, 300), st.integers(-(1 << 62), 1 << 62)))
def test_saturate_clips_and_wrap_keeps_the_low_bits(lo, hi, x):
    assert OVERFLOWS["saturate"](x, lo, hi) == sorted((lo, x, hi))[1]
    wrapped = OVERFLOWS["wrap"](x, lo, hi)
    assert lo <= wrapped <= hi and (wrapped - x) % (hi - lo + 1) == 0
    assert int(OVERFLOWS["wrap"](np.array([x]), lo, hi)[0]) == wrapped


@pytest.mark.parametrize("name", OVERFLOWS)
def test_overflow_is_the_same_compiled(name):
    numba = pytest.importorskip("numba")
    function = numba.njit(OVERFLOWS[name])
    for lo, hi in RANGES:
        for x in (lo - 1, lo, lo + 1, 0, hi - 1, hi, hi + 1, 3 * hi + 5, -(1 << 60)):
            assert function(np.int64(x), np.int64(lo), np.int64(hi)) == OVERFLOWS[name](x, lo, hi)

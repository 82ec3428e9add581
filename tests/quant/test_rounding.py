"""The rounding functions that every kernel is built from: exact, and the same on ints, NumPy arrays and compiled."""
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from quant.rounding import OVERFLOWS, ROUNDINGS, saturate, stochastic, wrap

from exact_rounding import EXACT

pytestmark = pytest.mark.core

Y, BASE, SHIFT, BITS = st.integers(-2**40, 2**40), st.integers(-2**20, 2**20), st.integers(0, 30), st.integers(0, 2**31 - 1)


@settings(max_examples=600)
@given(y=Y, base=BASE, s=SHIFT)
def test_deterministic_roundings_are_those_of_the_exact_sum(y, base, s):
    assert {*EXACT, "stochastic"} == set(ROUNDINGS)
    exact = base + Fraction(y, 2**s)
    for name, definition in EXACT.items():
        assert ROUNDINGS[name](y, s, 0, base) == definition(exact)


@settings(max_examples=600)
@given(y=Y, base=BASE, s=SHIFT)
def test_splitting_off_an_integer_part_changes_nothing(y, base, s):
    for rounding in ROUNDINGS.values():
        assert rounding(y, s, 12345, base) == rounding((base << s) + y, s, 12345)


@given(y=Y, base=BASE, s=st.integers(0, 31), r=BITS)
def test_stochastic_rounding_goes_up_for_the_right_share_of_random_words(y, base, s, r):
    rest = Fraction(y, 2**s) - math.floor(Fraction(y, 2**s))
    up = int(Fraction(r >> (31 - s), 2**s) + rest >= 1) if s else 0
    assert stochastic(y, s, r, base) == base + math.floor(Fraction(y, 2**s)) + up


@given(y=st.integers(-2**20, 2**20), s=st.integers(32, 40), r=BITS)
def test_stochastic_rounding_of_long_fractions(y, s, r):
    assert stochastic(y, s, r) - math.floor(Fraction(y, 2**s)) in (0, 1)


@settings(max_examples=100)
@given(y=st.lists(Y, min_size=1, max_size=8), base=BASE, s=SHIFT, r=BITS)
def test_numpy_arrays_round_like_integers(y, base, s, r):
    for rounding in ROUNDINGS.values():
        assert rounding(np.array(y, np.int64), s, r, base).tolist() == [rounding(v, s, r, base) for v in y]


@pytest.mark.parametrize("name", list(ROUNDINGS))
def test_compiled_rounds_like_integers(name):
    numba = pytest.importorskip("numba")
    compiled = numba.njit(ROUNDINGS[name])
    rng = np.random.default_rng(0)
    for _ in range(500):
        y, s, r, base = int(rng.integers(-2**40, 2**40)), int(rng.integers(0, 31)), int(rng.integers(2**31)), int(rng.integers(-2**20, 2**20))
        assert compiled(y, s, r, base) == ROUNDINGS[name](y, s, r, base)


@given(x=st.integers(-2**40, 2**40), bits=st.integers(2, 32), signed=st.booleans())
def test_overflow_rules(x, bits, signed):
    lo = -(1 << (bits - 1)) if signed else 0
    hi = lo + (1 << bits) - 1
    assert saturate(x, lo, hi) == min(max(x, lo), hi)
    assert lo <= wrap(x, lo, hi) <= hi and (wrap(x, lo, hi) - x) % (1 << bits) == 0
    assert set(OVERFLOWS) == {"saturate", "wrap"}

"""The oracle's numbers against rationals: whatever the binary points and magnitudes, nothing is lost before the one rounding."""
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, strategies as st

from fxsim.engine.oracle.exact import Exact, Groups, round_into
from quant import QFormat
from quant.rounding import ROUNDINGS

from exact_rounding import EXACT

pytestmark = pytest.mark.core
WIDE = st.integers(-(1 << 62), 1 << 62)
FRACS = st.integers(-20, 70)


@st.composite
def numbers(draw, size):
    """(2, size) raw values of up to 63 bits, a binary point, and a bound on them: known, looser than need be, or to be looked up."""
    bits = draw(st.integers(1, 62))
    raw = np.array(draw(st.lists(st.integers(-(1 << bits), 1 << bits), min_size=2 * size, max_size=2 * size))).reshape(2, size)
    return Exact(raw, draw(FRACS), draw(st.sampled_from([None, 1 << bits, 1 << 70])))


def rationals(exact):
    return [Fraction(int(raw)) / Fraction(2) ** exact.frac for raw in exact.raw.ravel()]


@given(a=numbers(3), b=numbers(3))
def test_sums_differences_and_products(a, b):
    x, y = rationals(a), rationals(b)
    assert rationals(a + b) == [i + j for i, j in zip(x, y)]
    assert rationals(a - b) == [i - j for i, j in zip(x, y)]
    assert rationals(a * b) == [i * j for i, j in zip(x, y)]
    assert rationals(a * b * (a - b) + b) == [i * j * (i - j) + j for i, j in zip(x, y)]


@given(a=numbers(4), b=numbers(4))
def test_what_goes_on_with_numbers_that_no_machine_word_holds(a, b):
    product, groups, condition = a * b, Groups(np.array([2, 0, 2, 2]), 3), np.array([True, False, True, True])
    x = np.array(rationals(product)).reshape(2, 4)
    assert rationals(-product) == list(-x.ravel())
    assert rationals(abs(product)) == list(abs(x.ravel()))
    assert rationals(product.positive_part()) == [max(value, 0) for value in x.ravel()]
    assert rationals(product.where(condition)) == list(np.where(condition, x, 0).ravel())
    assert rationals(product.take(np.array([3, 3, 1]))) == list(x[:, [3, 3, 1]].ravel())
    assert rationals(product[:, None, :]) == list(x.ravel())
    assert product.is_positive().ravel().tolist() == [value > 0 for value in x.ravel()]
    assert rationals(product.sum(1)) == list(x.sum(1))
    assert rationals(product.scatter(groups)) == [value for row in x for value in (row[1], Fraction(0), row[0] + row[2] + row[3])]


@given(a=numbers(2), b=numbers(2), frac=FRACS)
def test_other_binary_points(a, b, frac):
    x = rationals(a + b)
    expected = [value * Fraction(2) ** frac // 1 for value in x]
    assert (a + b).floor(frac).ravel().tolist() == expected


@pytest.mark.parametrize("overflow", ["saturate", "wrap"])
@pytest.mark.parametrize("rounding", [name for name in ROUNDINGS if name != "stochastic"])
@given(a=numbers(2), b=numbers(2), frac_bits=st.integers(-40, 40))
def test_one_rounding_whatever_the_magnitude(rounding, overflow, a, b, frac_bits):
    fmt, exact = QFormat(20, frac_bits, rounding=rounding, overflow=overflow), a * b
    if exact.frac < frac_bits or max(abs(x) for x in rationals(exact)) * Fraction(2) ** frac_bits >= 1 << 62:
        return      # results beyond int64: no engine accepts such formats
    found = [EXACT[rounding](value * Fraction(2) ** frac_bits) for value in rationals(exact)]
    full, kept = round_into(fmt, exact)
    assert full.ravel().tolist() == found and full.dtype == kept.dtype == np.int64
    assert kept.ravel().tolist() == [min(max(x, fmt.min_raw), fmt.max_raw) if overflow == "saturate" else (x - fmt.min_raw) % (1 << 20) + fmt.min_raw
                                     for x in found]


def test_random_bits_decide_beyond_machine_words_too():
    """A quarter above a stored value at a shift of 70 bits: one of four random words rounds it up."""
    fmt, up = QFormat(16, 0, rounding="stochastic"), np.array([[0, 1 << 29, 3 << 29, (1 << 31) - 1]])
    exact = Exact(np.full((1, 4), 5), 2) * Exact([[1 << 34]], 34) * Exact([[1 << 34]], 34)
    assert exact.frac == 70
    assert round_into(fmt, exact, up)[1].tolist() == [[1, 1, 2, 2]]


def test_a_result_that_no_word_holds_is_an_error_and_no_number():
    with pytest.raises(OverflowError):
        round_into(QFormat(16, 0), Exact([[1 << 62]], 0) * Exact([[4]], 0))

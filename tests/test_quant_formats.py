"""QFormat against exact rationals and against the library apytypes; what it refuses."""
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from quant import InputError, QFormat
from quant.rounding import OVERFLOWS, ROUNDINGS

EXACT = {"floor": math.floor, "toward_zero": math.trunc, "nearest_even": round, "nearest_up": lambda v: math.floor(v + Fraction(1, 2))}
R_MAX = (1 << 31) - 1


def exact_raw(fmt: QFormat, x: float, r: int) -> int:
    """The raw value that the format's names promise, in rational arithmetic."""
    value = Fraction(x) * Fraction(2) ** fmt.frac_bits
    if fmt.rounding == "stochastic":
        raw = (math.floor(value * (1 << 31)) + r) >> 31
    else:
        raw = EXACT[fmt.rounding](value)
    lo = -(1 << (fmt.word_bits - 1)) if fmt.signed else 0
    if fmt.overflow == "wrap":
        return (raw - lo) % (1 << fmt.word_bits) + lo
    return min(max(raw, lo), lo + (1 << fmt.word_bits) - 1)


formats = st.builds(QFormat, st.integers(2, 32), st.integers(-64, 64), st.booleans(), st.sampled_from(sorted(ROUNDINGS)),
                    st.sampled_from(sorted(OVERFLOWS)))
any_number = st.floats(allow_nan=False, allow_infinity=False)
near_the_grid = st.builds(lambda quarters, nudge: np.nextafter(quarters / 4.0, nudge), st.integers(-4000, 4000),
                          st.sampled_from([-math.inf, math.inf])) | st.integers(-4000, 4000).map(lambda q: q / 4.0)
"""In units of the resolution: quarters, so that every second value is a tie, and the floats next to them."""


@pytest.mark.filterwarnings("error")
@given(fmt=formats, x=any_number, r=st.integers(0, R_MAX))
@example(QFormat(16, 64, overflow="wrap"), 1e300, 0)
@example(QFormat(16, 64), -1e300, 0)
@example(QFormat(16, 64, rounding="stochastic"), 1e300, R_MAX)
@example(QFormat(16, -64, rounding="floor"), -5e-324, 0)
@example(QFormat(16, -64, rounding="stochastic"), -5e-324, 0)
@example(QFormat(16, 0, rounding="stochastic"), -(2.0**-31) - 2.0**-60, 1)
@example(QFormat(16, 0, rounding="stochastic"), -(2.0**-80), 0)
def test_quantize_equals_exact_rationals_for_any_finite_number(fmt, x, r):
    assert int(fmt.quantize(x, r)) == exact_raw(fmt, x, r)


@pytest.mark.filterwarnings("error")
@given(fmt=formats, units=near_the_grid, r=st.sampled_from([0, 1, (1 << 29) - 1, 1 << 29, (1 << 30) - 1, 1 << 30, 3 << 29, R_MAX]))
def test_quantize_equals_exact_rationals_at_ties(fmt, units, r):
    x = math.ldexp(units, -fmt.frac_bits)
    assert int(fmt.quantize(x, r)) == exact_raw(fmt, x, r)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("overflow", OVERFLOWS)
@pytest.mark.parametrize("signed", [True, False])
def test_every_mode_equals_exact_rationals_on_a_dense_grid(rounding, overflow, signed):
    fmt = QFormat(4, 2, signed, rounding, overflow)
    x = np.arange(-400, 401) / 64
    r = np.random.default_rng(0).integers(0, 1 << 31, x.size)
    raw = fmt.quantize(x, r)
    assert raw.dtype == np.int64 and raw.shape == x.shape
    assert raw.tolist() == [exact_raw(fmt, a, int(b)) for a, b in zip(x, r)]


@pytest.mark.parametrize("rounding, mode", [("floor", "TO_NEG"), ("toward_zero", "TO_ZERO"), ("nearest_even", "TIES_EVEN"),
                                            ("nearest_up", "TIES_POS")])
@pytest.mark.parametrize("overflow, handling", [("saturate", "SAT"), ("wrap", "WRAP")])
@pytest.mark.parametrize("word_bits, frac_bits", [(2, 0), (4, 4), (8, 12), (8, 4), (9, -3), (16, 11), (24, 20), (32, 30)])
def test_quantize_equals_apytypes(rounding, mode, overflow, handling, word_bits, frac_bits):
    apytypes = pytest.importorskip("apytypes")
    rng = np.random.default_rng(word_bits * 100 + frac_bits)
    fine = frac_bits + 6                                                        # six bits to round away, six to overflow
    raw = rng.integers(-(1 << (word_bits + 11)), 1 << (word_bits + 11), 600)
    raw[::2] = raw[::2] >> 5 << 5                                               # half of them ties or exact
    peer = apytypes.APyFixedArray(raw.tolist(), bits=word_bits + 13, frac_bits=fine).cast(
        bits=word_bits, frac_bits=frac_bits, quantization=getattr(apytypes.QuantizationMode, mode),
        overflow=getattr(apytypes.OverflowMode, handling))
    got = QFormat(word_bits, frac_bits, True, rounding, overflow).quantize(np.ldexp(raw.astype(float), -fine))
    np.testing.assert_array_equal(got, np.asarray(peer.to_numpy()) * 2.0**frac_bits)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("fmt", [QFormat(8, 4), QFormat(8, 4, rounding="stochastic", overflow="wrap")])
def test_not_a_number_and_infinity_are_refused(fmt, bad):
    with pytest.raises(ValueError, match="cannot quantize.*finite"):
        fmt.quantize([0.0, bad])


@pytest.mark.parametrize("bad", ["abc", None, 1j, {}, [1.0, "x"]])
def test_what_is_no_number_is_refused(bad):
    with pytest.raises((TypeError, ValueError)):
        QFormat(8, 4).quantize(bad)


@pytest.mark.parametrize("arguments, field", [
    ({"word_bits": 0}, "word_bits"), ({"word_bits": 1}, "word_bits"), ({"word_bits": -8}, "word_bits"), ({"word_bits": 33}, "word_bits"),
    ({"word_bits": 8.0}, "word_bits"), ({"word_bits": "8"}, "word_bits"), ({"word_bits": True}, "word_bits"), ({"word_bits": None}, "word_bits"),
    ({"frac_bits": 65}, "frac_bits"), ({"frac_bits": -65}, "frac_bits"), ({"frac_bits": 0.5}, "frac_bits"), ({"frac_bits": [4]}, "frac_bits"),
    ({"signed": 1}, "signed"), ({"signed": "yes"}, "signed"), ({"rounding": "up"}, "rounding"), ({"rounding": None}, "rounding"),
    ({"rounding": ["floor"]}, "rounding"), ({"overflow": "clip"}, "overflow"), ({"overflow": {}}, "overflow")])
def test_impossible_formats_are_refused_in_one_line_that_names_the_field(arguments, field):
    with pytest.raises(InputError) as error:
        QFormat(**{"word_bits": 8, "frac_bits": 4, **arguments})
    assert error.value.field == field and str(error.value).startswith(f"QFormat: {field}: found ")
    assert ", allowed: " in str(error.value) and "\n" not in str(error.value)


@given(fmt=formats)
def test_range_and_resolution_are_those_of_twos_complement(fmt):
    unit = Fraction(2) ** -fmt.frac_bits
    low = -(1 << (fmt.word_bits - 1)) if fmt.signed else 0
    assert Fraction(fmt.resolution) == unit and Fraction(fmt.min) == low * unit
    assert Fraction(fmt.max) == (low + (1 << fmt.word_bits) - 1) * unit


@given(fmt=formats, data=st.data())
def test_stored_values_survive_the_way_to_float_and_back(fmt, data):
    raw = data.draw(st.integers(fmt.min_raw, fmt.max_raw))
    value = fmt.to_float(raw)
    assert Fraction(float(value)) == raw * Fraction(2) ** -fmt.frac_bits
    assert int(fmt.quantize(value)) == raw


def test_to_float_of_an_array_is_float64_of_the_same_shape():
    value = QFormat(8, 4).to_float(np.array([[16, -8], [1, 0]]))
    assert value.dtype == np.float64 and value.tolist() == [[1.0, -0.5], [0.0625, 0.0]]


def test_stochastic_without_random_words_is_a_fixed_function_of_the_input():
    fmt, x = QFormat(16, 4, rounding="stochastic"), np.full(1000, 0.03)
    first = fmt.quantize(x)
    np.testing.assert_array_equal(first, fmt.quantize(x))
    assert set(first.tolist()) == {0, 1}


def test_stochastic_quantize_is_the_integer_rounding_of_the_same_random_words():
    rng = np.random.default_rng(3)
    y, r = rng.integers(-(1 << 20), 1 << 20, 5000), rng.integers(0, 1 << 31, 5000)
    got = QFormat(32, 0, rounding="stochastic").quantize(np.ldexp(y.astype(float), -12), r)
    np.testing.assert_array_equal(got, ROUNDINGS["stochastic"](y, 12, r))


def test_a_format_prints_itself():
    assert str(QFormat(16, 12)) == "s16.12 nearest_even"
    assert str(QFormat(8, 8, False, "stochastic", "wrap")) == "u8.8 stochastic wrap"


def test_examples_in_the_documentation_hold():
    import doctest

    from quant import formats
    result = doctest.testmod(formats)
    assert result.attempted and not result.failed

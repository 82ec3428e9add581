"""QFormat is exact: against rational arithmetic and against the library apytypes."""
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from quant import InputError, QFormat
from quant.random import element_key, random31, step_key, trial_key

from exact_rounding import EXACT

pytestmark = pytest.mark.core

FORMATS = st.builds(QFormat, st.integers(2, 32), st.integers(-20, 40), st.booleans(), st.sampled_from(list(EXACT)), st.sampled_from(["saturate", "wrap"]))
NUMBERS = st.one_of(st.floats(-1e6, 1e6), st.floats(allow_nan=False, allow_infinity=False), st.integers(-2**40, 2**40).map(lambda i: i / 2**20))


def exactly(x: float, fmt: QFormat) -> int:
    """The definition, on rationals."""
    y = Fraction(x) * Fraction(2) ** fmt.frac_bits
    raw = EXACT[fmt.rounding](y)
    if fmt.overflow == "saturate":
        return min(max(raw, fmt.min_raw), fmt.max_raw)
    return (raw - fmt.min_raw) % 2**fmt.word_bits + fmt.min_raw


@settings(max_examples=1500, deadline=None)
@given(fmt=FORMATS, x=NUMBERS)
def test_quantize_is_exact(fmt, x):
    raw = fmt.quantize(x)
    assert raw.dtype == np.int64 and int(raw) == exactly(x, fmt)


@settings(max_examples=500, deadline=None)
@given(fmt=FORMATS, raw=st.integers(-2**33, 2**33), eighth=st.integers(-8, 8))
def test_quantize_is_exact_at_and_around_ties(fmt, raw, eighth):
    x = math.ldexp(raw + eighth / 8, -fmt.frac_bits)
    assert int(fmt.quantize(x)) == exactly(x, fmt)


APYTYPES = {"floor": "TRN", "toward_zero": "TRN_ZERO", "nearest_even": "RND_CONV", "nearest_up": "RND"}     # roundings that it has, too


@settings(max_examples=300, deadline=None)
@given(word=st.integers(2, 32), frac=st.integers(-4, 28), signed=st.booleans(), rounding=st.sampled_from(list(APYTYPES)),
       overflow=st.sampled_from(["saturate", "wrap"]), x=st.floats(-3000, 3000))
def test_quantize_agrees_with_apytypes(word, frac, signed, rounding, overflow, x):
    apy = pytest.importorskip("apytypes")
    mode = getattr(apy.QuantizationMode, APYTYPES[rounding])
    over = {"saturate": apy.OverflowMode.SAT, "wrap": apy.OverflowMode.WRAP}[overflow]
    fmt = QFormat(word, frac, signed, rounding, overflow)
    wide = apy.APyFixed.from_float(x, int_bits=40, frac_bits=70)        # holds every such double to 2^-70
    if float(wide) != x:
        return
    assert int(fmt.quantize(x)) == _raw(wide.cast(int_bits=word - frac, frac_bits=frac, quantization=mode, overflow=over), word, signed, fmt, wide, mode, over)


def _raw(cast, word, signed, fmt, wide, mode, over):
    if signed:
        bits = cast.to_bits()
        return bits - 2**word if bits >= 2 ** (word - 1) else bits
    # apytypes is signed: an unsigned format is the same rounding one bit wider, then clipped or wrapped
    apy = pytest.importorskip("apytypes")
    raw = wide.cast(int_bits=90 - fmt.frac_bits, frac_bits=fmt.frac_bits, quantization=mode, overflow=apy.OverflowMode.SAT).to_bits()
    raw = raw - 2**90 if raw >= 2**89 else raw
    return min(max(raw, 0), fmt.max_raw) if over == apy.OverflowMode.SAT else raw % 2**word


def test_range_and_resolution():
    fmt = QFormat(8, 4)
    assert (fmt.min, fmt.max, fmt.resolution) == (-8.0, 7.9375, 0.0625)
    unsigned = QFormat(8, 10, signed=False)
    assert (unsigned.min, unsigned.max, unsigned.resolution) == (0.0, 255 / 1024, 2.0**-10)
    assert QFormat(4, -3).resolution == 8.0 and QFormat(4, -3).max == 56.0
    assert np.array_equal(fmt.to_float(fmt.quantize([-8, 0.0625, 7.9375])), [-8, 0.0625, 7.9375])


@given(raw=st.lists(st.integers(-128, 127), min_size=1))
def test_stored_values_round_trip(raw):
    for rounding in (*EXACT, "stochastic"):
        fmt = QFormat(8, 5, rounding=rounding)
        assert fmt.quantize(fmt.to_float(raw)).tolist() == raw


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_nan_and_infinity_are_refused(bad):
    with pytest.raises(ValueError, match="finite"):
        QFormat(16, 8).quantize([1.0, bad])


@pytest.mark.parametrize("fields, name", [
    (dict(word_bits=0, frac_bits=0), "word_bits"), (dict(word_bits=1, frac_bits=0), "word_bits"), (dict(word_bits=33, frac_bits=0), "word_bits"),
    (dict(word_bits=8.5, frac_bits=0), "word_bits"), (dict(word_bits=True, frac_bits=0), "word_bits"), (dict(word_bits="8", frac_bits=0), "word_bits"),
    (dict(word_bits=8, frac_bits=65), "frac_bits"), (dict(word_bits=8, frac_bits=None), "frac_bits"), (dict(word_bits=8, frac_bits=0, signed=1), "signed"),
    (dict(word_bits=8, frac_bits=0, rounding="nearest"), "rounding"), (dict(word_bits=8, frac_bits=0, overflow="clip"), "overflow")])
def test_impossible_formats_are_refused_by_field(fields, name):
    with pytest.raises(InputError, match=name):
        QFormat(**fields)


def test_stochastic_rounding_is_unbiased():
    fmt, n = QFormat(16, 4, rounding="stochastic"), 200_000
    bits = random31(np.uint64(trial_key(5, 1)), element_key(step_key(3, 2), np.arange(n, dtype=np.uint64)))
    for x in (0.3, -0.3, 1.03125, -7.99, 0.0):
        up = fmt.quantize(np.full(n, x), bits) - math.floor(x * 16)
        p = x * 16 - math.floor(x * 16)
        assert set(np.unique(up)) <= {0, 1}
        assert abs(up.mean() - p) <= 4.5 * math.sqrt(p * (1 - p) / n)


def test_stochastic_rounding_without_bits_is_reproducible():
    fmt = QFormat(8, 3, rounding="stochastic")
    x = np.linspace(-3, 3, 50)
    assert np.array_equal(fmt.quantize(x), fmt.quantize(x)) and len(set(fmt.quantize(np.full(50, 0.3)).tolist())) == 2


@given(fmt=FORMATS, x=NUMBERS | st.integers(-2**40, 2**40).map(lambda i: i * 2.0**-71), bits=st.integers(0, 2**31 - 1))
def test_stochastic_rounding_is_exact_for_given_bits(fmt, x, bits):
    fmt = QFormat(fmt.word_bits, fmt.frac_bits, fmt.signed, "stochastic", fmt.overflow)
    raw = (math.floor(Fraction(x) * Fraction(2) ** (fmt.frac_bits + 31)) + bits) >> 31
    clipped = min(max(raw, fmt.min_raw), fmt.max_raw) if fmt.overflow == "saturate" else (raw - fmt.min_raw) % 2**fmt.word_bits + fmt.min_raw
    assert int(fmt.quantize(x, bits)) == clipped


@pytest.mark.parametrize("x, bits, raw", [(-2.0**-80, 0, -1), (-5e-324, 0, -1), (-5e-324, 1, 0), (-(2.0**-31) - 2.0**-60, 1, -1)])
def test_stochastic_rounding_is_exact_just_below_zero(x, bits, raw):
    assert int(QFormat(16, 0, rounding="stochastic").quantize(x, bits)) == raw


def test_a_single_number_rounds_stochastically_without_bits():
    assert int(QFormat(8, 4, rounding="stochastic").quantize(0.3)) in (4, 5)


@pytest.mark.parametrize("field, value", [("rounding", ["floor"]), ("overflow", {"a": 1}), ("word_bits", [8])])
def test_a_list_or_mapping_as_a_field_is_refused(field, value):
    with pytest.raises(InputError, match=f"QFormat: {field}: found "):
        QFormat(**{"word_bits": 8, "frac_bits": 4, field: value})


@given(x=NUMBERS, word=st.integers(-1, 2**33), kind=st.sampled_from([np.uint32, np.int64, np.uint64]))
def test_random_words_are_used_right_or_refused(x, word, kind):
    """A word of 32 bits once rounded the largest number beyond its format."""
    fmt = QFormat(8, 4, rounding="stochastic")
    if not np.iinfo(kind).min <= word <= np.iinfo(kind).max:
        return
    words = np.array([word], kind)
    if 0 <= word < 2**31:
        assert fmt.min_raw <= fmt.quantize([x], random=words)[0] <= fmt.max_raw
    else:
        with pytest.raises(ValueError, match="upper 31"):
            fmt.quantize([x], random=words)


@pytest.mark.parametrize("words", [[1], [[1, 2]], [0.5, 0.5], [True, False]])
def test_random_words_of_another_shape_or_kind_are_refused(words):
    with pytest.raises(ValueError, match="random words"):
        QFormat(8, 4, rounding="stochastic").quantize([1.0, 2.0], random=words)


@pytest.mark.parametrize("rounding, expected", [("nearest_even", [1, 0, -1, 0]), ("nearest_up", [1, 0, -1, 0]), ("floor", [0, 0, -1, -1]), ("toward_zero", [0, 0, 0, 0])])
def test_what_lies_below_31_bits_of_fraction_still_decides(rounding, expected):
    """Just beside a half, by less than the words that roundings work on can tell."""
    fmt = QFormat(16, 0, rounding=rounding)
    assert fmt.quantize([0.5 + 2.0**-40, 0.5 - 2.0**-40, -0.5 - 2.0**-40, -0.5 + 2.0**-40]).tolist() == expected

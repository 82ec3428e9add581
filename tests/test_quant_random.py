"""The counter-based random bits: the same wherever they run, uniform, independent along every axis, and unbiased in rounding."""
import inspect

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quant import QFormat
from quant import random as source
from quant.quantities import INDEX
from quant.random import M32, element_key, mix32, random31, step_key, stream_key
from quant.rounding import ROUNDINGS

N = 1 << 16
WORD = st.integers(0, M32)


def words(seed=1, trial=0, quantity=0, step=0, element=0) -> np.ndarray:
    """random31 of the given counters; at most one of them is an array."""
    seed, trial, quantity, step, element = (np.asarray(v, np.uint64) for v in (seed, trial, quantity, step, element))
    return random31(stream_key(seed, trial), element_key(step_key(quantity, step), element)).astype(np.int64)


AXES = {name: words(**{name: np.arange(N)}) for name in ("seed", "trial", "quantity", "step", "element")}


@given(seed=WORD, trial=WORD, quantity=st.sampled_from(sorted(INDEX.values())), step=WORD, element=WORD)
def test_python_numpy_and_compiled_words_are_the_same(seed, trial, quantity, step, element):
    want = random31(stream_key(seed, trial), element_key(step_key(quantity, step), element))
    assert 0 <= want < 1 << 31
    assert int(words(seed, trial, quantity, step, element)) == want
    assert int(_compiled()(*(np.uint32(v) for v in (seed, trial, quantity, step, element)))) == want


_CACHE: list = []


def _compiled():
    """The source text of quant.random compiled by numba, called on uint32 words."""
    if not _CACHE:
        numba = pytest.importorskip("numba")
        space: dict = {}
        exec(compile(inspect.getsource(source), "quant.random", "exec"), space)
        for name in ("mix32", "stream_key", "step_key", "element_key", "random31"):
            space[name] = numba.njit(space[name])
        exec("def word(seed, trial, quantity, step, element):\n"
             "    return random31(stream_key(seed, trial), element_key(step_key(quantity, step), element))", space)
        _CACHE.append(numba.njit(space["word"]))
    return _CACHE[0]


def test_the_bits_are_those_that_earlier_runs_were_made_with():
    """Changing the generator changes every stored result: it must not happen by accident."""
    assert [mix32(x) for x in (0, 1, M32)] == GOLDEN_MIX
    assert [random31(stream_key(1, b), element_key(step_key(5, 10), 3)) for b in range(3)] == GOLDEN_WORDS


def test_the_mixer_is_a_bijection_that_spreads_every_bit():
    x = np.arange(N, dtype=np.uint64) * np.uint64(65521) & np.uint64(M32)
    assert np.unique(mix32(x)).size == N
    for bit in range(32):
        flipped = mix32(x) ^ mix32(x ^ np.uint64(1 << bit))
        for out in range(32):
            changed = ((flipped >> np.uint64(out)) & np.uint64(1)).mean()
            assert abs(changed - 0.5) < 6 * 0.5 / np.sqrt(N) + 0.01, (bit, out, changed)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("low_bit", [0, 8, 16, 23])
def test_words_are_uniform(axis, low_bit):
    """Chi-square of 256 cells made of eight neighbouring bits: within 5 standard deviations of 255."""
    count = np.bincount(AXES[axis] >> low_bit & 255, minlength=256)
    chi_square = ((count - N / 256) ** 2).sum() / (N / 256)
    assert abs(chi_square - 255) < 5 * np.sqrt(2 * 255)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("lag", [1, 2, 3, 7, 64, 1024])
def test_neighbours_along_every_counter_are_uncorrelated(axis, lag):
    u = AXES[axis] / 2.0**31 - 0.5
    correlation = np.mean(u[:-lag] * u[lag:]) * 12
    assert abs(correlation) < 5 / np.sqrt(N - lag)
    same = 1.0 - (((AXES[axis][:-lag, None] ^ AXES[axis][lag:, None]) >> np.arange(31)) & 1).mean(0)
    assert (np.abs(same - 0.5) < 5.5 * 0.5 / np.sqrt(N - lag)).all()


@pytest.mark.parametrize("axis", ["seed", "trial", "quantity", "step"])
def test_neighbouring_streams_are_uncorrelated_element_by_element(axis):
    element = np.arange(N)
    for k in range(4):
        a, b = (words(**{axis: v, "element": element}) / 2.0**31 - 0.5 for v in (k, k + 1))
        assert abs(np.mean(a * b) * 12) < 5 / np.sqrt(N)
        assert not np.array_equal(a, b)


def test_pairs_of_neighbours_fill_the_square():
    """Chi-square of the 16 x 16 cells of (word, next word), for elements and for steps."""
    for axis in ("element", "step", "trial"):
        pair = (AXES[axis][:-1] >> 27) * 16 + (AXES[axis][1:] >> 27)
        count = np.bincount(pair, minlength=256)
        chi_square = ((count - (N - 1) / 256) ** 2).sum() / ((N - 1) / 256)
        assert abs(chi_square - 255) < 5 * np.sqrt(2 * 255)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("y, s", [(1, 8), (77, 8), (-77, 8), (255, 8), (1, 1), (12345, 20), (-3 << 30, 36)])
def test_stochastic_rounding_is_unbiased_along_every_counter(axis, y, s):
    mean = ROUNDINGS["stochastic"](np.full(N, y), s, AXES[axis]).mean()
    fraction = y % (1 << s) / (1 << s)
    assert abs(mean - y / (1 << s)) <= 5 * np.sqrt(fraction * (1 - fraction) / N) + 1e-12


@pytest.mark.parametrize("x", [0.3, -0.3, 1 / 3, 1.999, -7.0001])
def test_stochastic_quantize_is_unbiased(x):
    fmt = QFormat(16, 6, rounding="stochastic")
    mean = fmt.to_float(fmt.quantize(np.full(4 * N, x))).mean()
    fraction = x / fmt.resolution % 1
    assert abs(mean - x) <= 5 * fmt.resolution * np.sqrt(fraction * (1 - fraction) / (4 * N))


def test_rounding_errors_of_different_quantities_are_uncorrelated():
    errors = [ROUNDINGS["stochastic"](np.full(N, 100), 8, words(quantity=q, element=np.arange(N))) - 100 / 256 for q in INDEX.values()]
    correlation = np.corrcoef(errors)
    assert np.abs(correlation - np.eye(len(errors))).max() < 5.5 / np.sqrt(N)

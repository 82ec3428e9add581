"""The integer softmax stays within its stated error bound of the exact one, and is the same compiled."""
import numpy as np
import pytest

from fxsim.softmax import EXP2, MIN_READOUT_FRAC, PROBABILITY_FRAC, exp_negative, softmax_raw

BOUND = 1.5e-7 + 2.0**-PROBABILITY_FRAC


def exact_softmax(raw: np.ndarray, frac: int) -> np.ndarray:
    e = np.exp(-np.ldexp((raw.max(-1, keepdims=True) - raw).astype(float), -frac))
    return e / e.sum(-1, keepdims=True)


def readouts(rng, classes: int, frac: int, largest: float, n: int = 3000) -> np.ndarray:
    """Random raw readouts of magnitude below ``largest``, at every scale from tiny to large, some of them equal."""
    scale = largest * 2.0 ** rng.uniform(-12, 0, (n, 1))
    raw = np.floor(np.ldexp(rng.uniform(-1, 1, (n, classes)) * scale, frac)).astype(np.int64)
    raw[::50] = raw[::50, :1]
    return raw


@pytest.mark.parametrize("classes", [2, 3, 4, 5])
@pytest.mark.parametrize("frac", range(MIN_READOUT_FRAC, 28))
def test_probabilities_are_within_the_stated_bound_of_the_exact_softmax(classes, frac):
    raw = readouts(np.random.default_rng(classes * 100 + frac), classes, frac, 8.0)
    got = softmax_raw(raw, frac) * 2.0**-PROBABILITY_FRAC
    assert np.abs(got - exact_softmax(raw, frac)).max() < BOUND
    assert (got >= 0).all() and (got <= 1).all() and np.abs(got.sum(-1) - 1).max() <= classes * 2.0**-PROBABILITY_FRAC


@pytest.mark.parametrize("frac", [2, 12, 27])
def test_far_apart_readouts_give_zero_and_one(frac):
    raw = readouts(np.random.default_rng(frac), 3, frac, 2.0 ** (31 - frac))
    raw = np.concatenate([raw, [[-(1 << 31), 0, (1 << 31) - 1], [-(1 << 31), (1 << 31) - 1, (1 << 31) - 1]]])
    got = softmax_raw(raw, frac) * 2.0**-PROBABILITY_FRAC
    assert np.abs(got - exact_softmax(raw, frac)).max() < BOUND
    assert got[-2].tolist() == pytest.approx([0, 0, 1] if frac < 27 else exact_softmax(raw[-2:-1], frac)[0], abs=BOUND)


@pytest.mark.parametrize("frac", [2, 10, 27])
def test_the_exponential_falls_and_starts_at_one(frac):
    d = np.concatenate([np.arange(5000), np.geomspace(5000, 1 << 32, 5000).astype(np.int64)])
    value = exp_negative(d, np.int64(frac), EXP2)
    assert value[0] == 1 << PROBABILITY_FRAC and (np.diff(value) <= 0).all() and (value >= 0).all()


def test_equal_readouts_share_the_probability_and_order_is_kept():
    assert softmax_raw(np.array([[5, 5, 5, 5]]), 8).tolist() == [[1 << 28] * 4]
    p = softmax_raw(np.sort(np.random.default_rng(0).integers(-1000, 1000, (200, 5)), -1), 8)
    assert (np.diff(p, axis=-1) >= 0).all()


def test_the_exponential_is_the_same_on_python_ints_and_compiled():
    numba = pytest.importorskip("numba")
    compiled = numba.njit(exp_negative)
    table = EXP2.tolist()
    rng = np.random.default_rng(1)
    for frac in (2, 13, 27):
        for d in [0, 1, 1 << 32, *rng.integers(0, 40 << frac, 300).tolist()]:
            assert compiled(np.int64(d), np.int64(frac), EXP2) == exp_negative(d, frac, table)

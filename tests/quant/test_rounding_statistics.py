"""Stochastic rounding as the simulator does it: unbiased, and each decision independent of its neighbours.

Decisions are those of fxsim.engine.oracle.exact.Numbers, which every engine equals bit for bit. Poor generators show that the tests would see
what they are there for.
"""
import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

import fxsim.engine.oracle.exact
from fxsim.engine.oracle.exact import Exact, Numbers
from quant import QFormat
from quant.random import mix32, random31, step_key, trial_key

pytestmark = pytest.mark.core

AXES = ("seeds", "trials", "steps", "elements")
SHAPE = (8, 8, 32, 256)
DIRECTIONS = [d for d in itertools.product((0, 1, -1), repeat=4) if next((x for x in d if x), 0) == 1]      # 40: to a neighbour on any axes at once


def decisions(shape, fraction, shift):
    """Seeds x trials x steps x elements: 1 where a number ``fraction`` above a stored value was rounded up, 0 where it was rounded down."""
    y, frac, out = (-3 << shift) + round(fraction * 2**shift), 4, np.empty(shape, np.int8)
    for seed in range(shape[0]):
        numbers = Numbers(SimpleNamespace(spec={"membrane": QFormat(16, frac, rounding="stochastic")}), seed)
        numbers.begin(np.arange(shape[1]))
        exact = Exact(np.full((shape[1], shape[3]), y), frac + shift)
        for numbers.t in range(shape[2]):
            out[seed, :, numbers.t] = numbers.store("membrane", exact).raw + 3
    return out


def neighbours(ups, p):
    """The smallest p-value, times the number of tests, of chi-square over the four outcomes (up or down, neighbour up or down)."""
    expected, found = np.array([(1 - p) ** 2, (1 - p) * p, p * (1 - p), p * p]), []
    for direction in DIRECTIONS:
        a = ups[tuple(slice(max(-d, 0), n - max(d, 0)) for d, n in zip(direction, ups.shape))]
        b = ups[tuple(slice(max(d, 0), n - max(-d, 0)) for d, n in zip(direction, ups.shape))]
        found.append(stats.chisquare(np.bincount((2 * a + b).ravel(), minlength=4), expected * a.size).pvalue)
    return min(found) * len(found)


def shares(ups, p):
    """As above, of the numbers of ups in each seed, trial, step and element: as scattered as those of independent decisions, around the right mean."""
    found = []
    for axis, length in enumerate(ups.shape):
        each = ups.size / length
        counts = ups.sum(tuple(i for i in range(4) if i != axis), dtype=np.int64)
        found.append(stats.chi2.sf(((counts - each * p) ** 2).sum() / (each * p * (1 - p)), length))
    return min(found) * len(found)


def serial(ups, axis, lags=32):
    """p-value of the correlations at ``lags`` distances along one axis (Box and Pierce)."""
    x = np.moveaxis(ups, axis, 0) - ups.mean()
    r = np.array([(x[:-k] * x[k:]).sum() / np.sqrt(x[:-k].size) for k in range(1, lags + 1)]) / x.var()
    return stats.chi2.sf((r**2).sum(), lags)


@pytest.mark.parametrize("shift", [1, 3, 8, 20, 31, 40])
@pytest.mark.parametrize("fraction", [1 / 256, 1 / 8, 1 / 2, 13 / 16])
def test_rounded_values_are_unbiased_in_every_seed_trial_step_and_element(fraction, shift):
    p = round(fraction * 2**shift) / 2**shift
    ups = decisions(SHAPE, fraction, shift)
    assert ((ups == 0) | (ups == 1)).all()
    if p in (0, 1):         # representable: never moved
        assert (ups == p).all()
    else:
        assert abs(ups.mean() - p) < 4 * np.sqrt(p * (1 - p) / ups.size)
        assert shares(ups, p) > 1e-3


@pytest.mark.parametrize("fraction, shift", [(1 / 2, 1), (1 / 8, 8), (13 / 16, 15), (1 / 2, 40)])
def test_neighbouring_decisions_are_independent(fraction, shift):
    assert neighbours(decisions(SHAPE, fraction, shift), fraction) > 1e-3


@pytest.mark.parametrize("axis", range(4), ids=AXES)
@pytest.mark.parametrize("fraction", [1 / 2, 1 / 8])
def test_decisions_are_not_correlated_along_an_axis(axis, fraction):
    shape = [6] * 4
    shape[axis] = 500
    assert serial(decisions(shape, fraction, 12), axis) > 1e-3


POOR = {"elements": ("element_key", lambda key, element: (key + element) & 0xFFFFFFFF), "steps": ("step_key", lambda quantity, step: quantity * 977 + step),
        "trials": ("trial_key", lambda seed, trial: trial_key(seed, trial // 2)), "seeds": ("trial_key", lambda seed, trial: trial_key(0, seed + trial))}
"""axis -> a key that does not tell all neighbours on it, or on a diagonal with it, apart."""


@pytest.mark.parametrize("axis", AXES)
def test_keys_that_neighbours_share_would_be_seen(axis, monkeypatch):
    monkeypatch.setattr(fxsim.engine.oracle.exact, *POOR[axis])
    assert neighbours(decisions(SHAPE, 1 / 8, 8), 1 / 8) < 1e-9


@pytest.mark.parametrize("axis, name, poor", [(1, "trial_key", lambda seed, trial: trial_key(seed, trial % 20)), (2, "step_key", lambda quantity, step: step_key(quantity, step % 20)),
                                              (3, "element_key", lambda key, element: mix32(key + element % 20)), (0, "trial_key", lambda seed, trial: trial_key(seed % 20, trial))])
def test_numbers_that_repeat_would_be_seen(axis, name, poor, monkeypatch):
    monkeypatch.setattr(fxsim.engine.oracle.exact, name, poor)
    shape = [6] * 4
    shape[axis] = 500
    assert serial(decisions(shape, 1 / 8, 12), axis) < 1e-9


@pytest.mark.parametrize("poor", [lambda key, element: random31(key, element) >> 1, lambda key, element: random31(key, element) | 1 << 28,
                                  lambda key, element: random31(key, element) * 255 >> 8])
def test_a_biased_generator_would_be_seen(poor, monkeypatch):
    monkeypatch.setattr(fxsim.engine.oracle.exact, "random31", poor)
    assert min(shares(decisions(SHAPE, 1 / 2, 8), 1 / 2), shares(decisions(SHAPE, 1 / 8, 8), 1 / 8)) < 1e-9

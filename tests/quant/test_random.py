"""The counter-based generator as used: uniform, independent of its neighbours, the same wherever it runs."""
import numpy as np
import pytest
from scipy import stats

from quant.random import element_key, mix32, random31, step_key, trial_key

pytestmark = pytest.mark.core


def test_trial_keys_are_odd_and_random_bits_are_the_high_ones():
    """A product with an even key would lose bits of every element's key, and its low bits depend on the low bits of both factors alone."""
    keys = [trial_key(seed, trial) for seed in range(8) for trial in range(64)]
    assert all(key & 1 for key in keys) and len(set(keys)) > 500
    assert [random31(key, 0x80000001) for key in (3, 0x40000001)] == [((key * 0x80000001) % 2**32) // 2 for key in (3, 0x40000001)]


def words(seed=1, trial=0, quantity=3, step=0, elements=range(20000)):
    return random31(np.uint64(trial_key(seed, trial)), element_key(step_key(quantity, step), np.array(elements, dtype=np.uint64))).astype(np.int64)


def test_known_values():
    """Pinned: a change here changes every stochastic result."""
    assert [mix32(x) for x in (0, 1, 2**32 - 1)] == [0, 2261973619, 2578835075]
    assert words(elements=[0, 1, 2]).tolist() == [1293709355, 312331965, 2013353469]


def test_mix32_is_a_bijection_on_a_sample():
    x = np.arange(1 << 20, dtype=np.uint64)
    assert np.unique(mix32(x)).size == x.size


@pytest.mark.parametrize("shift", [0, 8, 15, 23])
def test_words_are_uniform(shift):
    counts = np.bincount((words(elements=range(100000)) >> shift) & 255, minlength=256)
    assert stats.chisquare(counts).pvalue > 1e-4


@pytest.mark.parametrize("other", [dict(seed=2), dict(trial=1), dict(quantity=4), dict(step=1)])
def test_neighbouring_seeds_trials_quantities_and_steps_are_independent(other):
    a, b = words() >> 23, words(**other) >> 23
    table = np.histogram2d(a, b, bins=(8, 8))[0]
    assert stats.chi2_contingency(table).pvalue > 1e-4
    assert abs(np.corrcoef(words(), words(**other))[0, 1]) < 4.5 / np.sqrt(20000)


@pytest.mark.parametrize("lag", [1, 2, 7, 64])
def test_neighbouring_elements_are_independent(lag):
    x = words(elements=range(50000))
    assert abs(np.corrcoef(x[:-lag], x[lag:])[0, 1]) < 4.5 / np.sqrt(50000)


def test_successive_steps_of_one_element_are_independent():
    x = np.array([words(step=t, elements=[5])[0] for t in range(4000)])
    assert stats.chisquare(np.bincount(x >> 27, minlength=16)).pvalue > 1e-4
    assert abs(np.corrcoef(x[:-1], x[1:])[0, 1]) < 4.5 / np.sqrt(4000)


def test_no_interaction_between_trials_and_elements():
    """r(t,e) - r(t,e') - r(t',e) + r(t',e') would vanish for a sum of a trial's and an element's number."""
    a, b = words(trial=0, elements=range(4000)) / 2**31, words(trial=1, elements=range(4000)) / 2**31
    d = (a[:-1] - a[1:]) - (b[:-1] - b[1:])
    assert d.var() == pytest.approx(4 / 12, rel=0.15)


def test_all_trials_of_a_batch_are_pairwise_independent():
    x = np.array([words(trial=t, elements=range(40000)) for t in range(64)]) / 2**31
    correlation = np.corrcoef(x)[np.triu_indices(64, 1)]
    assert abs(correlation).max() < 5.5 / np.sqrt(40000)
    for a, b in zip(range(0, 62, 2), range(5, 64, 2)):
        counts = np.histogram2d(x[a], x[b], bins=(16, 16), range=((0, 1), (0, 1)))[0]
        assert stats.chisquare(counts.ravel()).pvalue > 1e-5


def test_integers_and_compiled_code_give_the_same_words():
    numba = pytest.importorskip("numba")
    from fxsim.tasks.poisson_kernel import mix32 as compiled
    rng = np.random.default_rng(1)
    for x in rng.integers(0, 2**32, 300):
        assert int(compiled(np.uint32(x))) == mix32(int(x)) == int(mix32(np.array([x], np.uint64))[0])
    assert numba.__version__

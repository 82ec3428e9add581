"""How gradients are measured against each other, and how sure one is of it."""
import numpy as np
import pytest

from fxsim.training.alignment.measures import COLUMNS, NAMES, compared, measure

pytestmark = pytest.mark.core


def test_measures_of_two_vectors():
    found = measure(np.array([3.0, 4, 0, -1]), np.array([3.0, 0, -2, 1]))
    assert {name: float(value) for name, value in found.items()} == pytest.approx(
        {"cosine": 8 / np.sqrt(26 * 14), "ratio": np.sqrt(26 / 14), "signs": 1 / 3, "bias": 8 / 14 - 1})
    opposed = compared(np.array([[-2.0, -4]]), np.array([[1.0, 2]]))
    assert opposed["cosine"] == -1 and opposed["angle"] == 180 and opposed["ratio"] == 2 and opposed["signs"] == 0 and opposed["bias"] == -3
    assert opposed["cosine_low"] is opposed["bias_high"] is None        # one group says nothing of others
    assert tuple(opposed) == COLUMNS


def test_a_gradient_that_is_zero_has_no_direction():
    something = np.ones((3, 2))
    for a, b in ((0 * something, something), (something, 0 * something)):
        assert set(compared(a, b).values()) == {None}


def test_equal_gradients_agree_without_doubt():
    gradient = np.random.default_rng(0).normal(size=(16, 50)) * 1e-30
    found = compared(gradient, gradient)
    assert all(abs(found[f"{name}{end}"] - (name != "bias")) < 1e-6 for name in NAMES for end in ("", "_low", "_high"))


@pytest.mark.parametrize("own", [0.5, 3.0])
def test_intervals_hold_what_so_many_trials_show_on_average(own):
    """Noise that both gradients share, and some that they do not, as flipped spikes make it."""
    rng = np.random.default_rng(4)
    true = rng.normal(size=200)

    def drawn():
        shared = true + 2 * rng.normal(size=(16, true.size))
        return shared + 0.3 * np.roll(true, 1) + own * rng.normal(size=shared.shape), shared
    values = [measure(*(x.mean(0) for x in drawn())) for _ in range(400)]
    intervals = [compared(*drawn()) for _ in range(60)]
    for name in NAMES:
        expected, spread = (of([float(value[name]) for value in values]) for of in (np.mean, np.std))
        low, high = (np.array([found[f"{name}{end}"] for found in intervals]) for end in ("_low", "_high"))
        assert ((low <= expected) & (expected <= high)).mean() >= 0.85, name
        assert 0.7 < (high - low).mean() / (2 * 2.13 * spread) < 2, name       # and are no wider than they have to be; 2.13: Student's t of 15

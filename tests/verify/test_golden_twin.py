"""The float twin of the simulator reproduces the golden files of the paper authors' program."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from fxsim.verify.golden import adam_bound, verify_golden

from places import GOLDEN


@pytest.mark.parametrize("engine, name", [
    *(("oracle", name) for name in ("cue_small_a_f64", "match_small_a_f64", "pattern_small_a_f64", "pattern_small_b_f64", "cue_paper_f32")),
    ("cpu", "match_small_a_f64"), ("cpu", "cue_paper_f32")])        # kernels of both float types: they are the same for all networks
def test_the_float_twin_matches_golden_vectors(engine, name):
    rows = verify_golden([GOLDEN / f"{name}.npz"], [engine])
    assert [f"{row.quantity} {row.error}" for row in rows if not row.ok] == []
    assert len(rows) >= 19 and any(row.quantity == "grad_bptt_rec" for row in rows) == (engine == "cpu")


def adam3(gradients, beta1=0.9, epsilon=1e-8, correct=True):
    """Weights after three steps at rate 1 from zero."""
    m = v = w = 0.0
    for t, g in enumerate(gradients, 1):
        m, v = beta1 * m + (1 - beta1) * g, 0.999 * v + 0.001 * g * g
        w = w - m / (1 - beta1**t if correct else 1) / (np.sqrt(v / (1 - 0.999**t)) + epsilon)
    return w


SIZES = st.floats(1e-9, 1.0)


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=3), st.lists(st.floats(-1, 1), min_size=3, max_size=3), SIZES, SIZES)
def test_adam_s_bound_holds_for_any_gradients_that_far_apart(gradients, errors, size, error):
    g = np.array(gradients) * size
    bound = adam_bound(g[0], error, 1.0, 0.0)
    assert abs(adam3(g + np.array(errors) * error) - adam3(g)) <= bound


def test_adam_s_bound_is_tight_where_a_gradient_is_far_from_zero():
    g, error = np.array([1e-3, -2e-3, 1.5e-3]), 1e-8
    bound = adam_bound(g[0], error, 1.0, 0.0)
    assert bound < 1e-3
    for wrong in (adam3(g, beta1=0.89), adam3(g, correct=False), adam3(g, epsilon=1e-6)):
        assert abs(wrong - adam3(g)) > bound
    assert 5 < adam_bound(np.zeros(()), error, 1.0, 0.0)        # of no gradient at all nothing is known

"""The permutations of the shuffled controls."""
import hashlib

import numpy as np
import pytest

from fxsim.model.permutations import step_permutations
from fxsim.model.wiring import permuted_neighbours

pytestmark = pytest.mark.core

IDS = np.array([0, 1, 7, 2**31, 2**32 - 1], dtype=np.uint32)
STEPS = np.arange(100, 130)


def test_every_row_is_a_permutation():
    p = step_permutations(3, IDS, STEPS, 56)
    assert p.shape == (5, 30, 56) and p.dtype == np.int32
    assert (np.sort(p, -1) == np.arange(56)).all()


def test_a_trial_gets_the_same_permutations_in_any_batch_and_window():
    whole = step_permutations(3, IDS, STEPS, 56)
    np.testing.assert_array_equal(step_permutations(3, IDS[[3, 1]], STEPS[5:9], 56), whole[[3, 1], 5:9])


def test_seed_trial_and_step_each_change_the_permutation():
    p = step_permutations(3, IDS, STEPS, 56)
    assert len({row.tobytes() for row in p.reshape(-1, 56)}) == 5 * 30
    assert (step_permutations(4, IDS, STEPS, 56) != p).any(-1).all()


def test_the_values_are_frozen():
    """Digest from numpy 1.26: any platform, numpy version or refactoring must give these bits."""
    p = step_permutations(42, IDS, STEPS, 25)
    assert hashlib.sha256(p.astype("<i4").tobytes()).hexdigest() == "67ccfc011e598b1d8c9e54ebefafe2003b04f4a0f4aa2c8a4a655d3c07956d4c"


def test_equal_bits_are_ordered_by_cell(monkeypatch):
    monkeypatch.setattr("fxsim.model.permutations.random31", lambda stream, counter: (stream ^ counter) * np.uint32(0))
    np.testing.assert_array_equal(step_permutations(1, IDS, STEPS, 9), np.broadcast_to(np.arange(9), (5, 30, 9)))


def test_every_cell_is_equally_likely_at_every_place():
    cells = 9
    p = step_permutations(1, np.arange(200, dtype=np.uint32), np.arange(100), cells).reshape(-1, cells)
    counts = np.stack([np.bincount(p[:, place], minlength=cells) for place in range(cells)])
    expected = len(p) / cells
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert chi_square < 64 + 5 * np.sqrt(2 * 64)    # (9 - 1)^2 degrees of freedom, five standard deviations


@pytest.mark.parametrize("shape", [(), (2, 3)])
def test_a_shuffled_field_diffuses_where_it_is_put_and_comes_back(shape):
    """Cell by cell: each value goes to its place on the permuted grid, spreads there, and what has come to a place returns to the cell it belongs to."""
    rng, cells = np.random.default_rng(5), 20
    moore, field = rng.integers(0, cells, (cells, 9)), rng.integers(0, 1000, cells)
    permutation = np.argsort(rng.random((*shape, cells)), axis=-1)
    tables = permuted_neighbours(moore, permutation)
    for index in np.ndindex(*shape):
        back = np.zeros(cells, np.int64)
        for place, cell in enumerate(permutation[index]):
            back[cell] = sum(field[permutation[index][near]] for near in moore[place])
        np.testing.assert_array_equal(field[tables[index]].sum(-1), back)

"""The float twin of the simulator reproduces the golden files of the paper authors' program."""

import pytest

from fxsim.verify.golden import verify_golden

from places import GOLDEN


@pytest.mark.parametrize("name", ["cue_small_a_f64", "match_small_a_f64", "pattern_small_a_f64", "pattern_small_b_f64", "cue_paper_f32"])
def test_the_float_twin_matches_golden_vectors(name):
    rows = verify_golden([GOLDEN / f"{name}.npz"], ["twin"])
    assert [f"{row.quantity} {row.error}" for row in rows if not row.ok] == []
    assert len(rows) >= 19

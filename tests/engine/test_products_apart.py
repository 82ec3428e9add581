"""Products of wide states are taken apart into narrower ones: the same number, in words of 32 bits."""
import ast
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from tiers import first_quick

from fxsim.engine.build.module import module_text, proof_for, proof_of
from fxsim.engine.build.plan import prove_split
from fxsim.engine.build.rewrite import expression, unparse
from fxsim.engine.build.rounded_sums import factors, products_apart
from fxsim.engine.cpu.engine import TEMPLATE, CpuEngine
from fxsim.engine.cpu.variant import Variant
from fxsim.engine.registry import make_engine
from fxsim.verify.backends import compare_results
from fxsim.verify.random_case import arithmetic_for, cut, random_case
from quant import load_spec
from quant.rounding import ROUNDINGS

from checked_kernels import load_checked, use_checked_kernels

pytestmark = pytest.mark.core
ONE_LANE = Variant(lanes=1, together=1, chunk=1, unroll=1)
STATES = {"adaptation": "a", "membrane": "V", "readout": "y", "gradient": "L", "modulator": "neighbours"}
NUMBERS = st.integers(-(1 << 40), 1 << 40)


def arithmetic_of(case, **changes):
    return arithmetic_for(case, load_spec("loihi2").changed(changes))


def drawn(rule="diffusion", steps=16):
    return cut(random_case(np.random.default_rng(21), rule), 1, steps)


@settings(max_examples=200, deadline=None)
@given(a=NUMBERS, b=NUMBERS, c=NUMBERS, base=NUMBERS, shift=st.integers(1, 30))
@pytest.mark.parametrize("y", ["-b * a", "a * b", "c + a * b", "c - a * b", "a * b + (c & 63 << 8)"])
def test_the_sum_of_both_parts_stays_the_same(y, a, b, c, base, shift):
    values = {"a": a, "b": b, "c": c, "base": base}
    tree = expression(y)
    assert "a" in factors(tree)
    below, whole = products_apart(tree, ast.Name("base", ast.Load()), shift, {"a"})
    found = [eval(unparse(part), {}, values) for part in (below, whole)]
    assert (found[1] << shift) + found[0] == (base << shift) + eval(y, {}, values)
    assert "a * " not in unparse(below) and "* a" not in unparse(below)


@pytest.mark.parametrize("rounding", first_quick(list(ROUNDINGS)))
def test_wide_states_agree_with_the_oracle_and_no_word_overflows(rounding, monkeypatch):
    use_checked_kernels(monkeypatch)
    case = drawn()
    arithmetic = arithmetic_of(case, **{quantity: {"rounding": rounding} for quantity in STATES})
    assert proof_of(arithmetic, case.network, ONE_LANE).split == {name: {argument} for name, argument in STATES.items()}
    weights = arithmetic.weights_to_raw(case.network.weights)
    expected = make_engine("oracle", case.network, case.learning, arithmetic, case.seed).run(weights, case.trials)
    engine = CpuEngine(case.network, case.learning, arithmetic, case.seed, 1, ONE_LANE)
    assert compare_results(expected, engine.run(weights, case.trials)) is None and expected.spike_counts.any()


def test_a_gradient_of_a_full_word_is_clipped_where_the_word_ends():
    """In one saturating sum of 32 bits; ties go to the even sum, of which only the last bit is looked at."""
    case = drawn()
    arithmetic, rng = arithmetic_of(case), np.random.default_rng(5)
    text = module_text(arithmetic, case.network, ONE_LANE, TEMPLATE).text
    gradient, stored = load_checked(text).gradient, load_spec("loihi2")["gradient"]
    assert "kept = ads32(G, " in text
    G, L, F = (rng.integers(-(1 << bits - 1), 1 << bits - 1, 3000).tolist() for bits in (32, 24, 16))
    ends = [(G, L, F) for G in (stored.min_raw, -1, stored.max_raw) for L in (-(1 << 23), 128, (1 << 23) - 1) for F in (-(1 << 15), 3, (1 << 15) - 1)]
    kept = [(gradient(*values, 0), values) for values in [*zip(G, L, F), *ends, *((g, 128, 1) for g in range(-4, 4))]]
    for found, (g, signal, trace) in kept:
        assert found == min(max(round(Fraction((g << 8) + signal * trace, 1 << 8)), stored.min_raw), stored.max_raw)
    assert {stored.min_raw, stored.max_raw} <= {found for found, _ in kept}


def test_products_stay_whole_where_that_saves_nothing():
    case = drawn()
    for preset, apart in (("q24", set()), ("loihi2", set(STATES))):
        arithmetic = arithmetic_for(case, load_spec(preset))
        proof, whole = proof_of(arithmetic, case.network, ONE_LANE), proof_for(arithmetic, case.network)
        assert set(proof.split) == apart and not whole.split and proof.results == whole.results
        assert all(proof.wide(name) < whole.wide(name) if name in apart else proof.ranges[name] == whole.ranges[name] for name in whole.ranges)


def test_a_part_is_not_taken_that_needs_a_wider_word():
    """Below a shift that is longer than the state itself lie all of a negative state's bits, and more."""
    case = drawn()
    arithmetic = arithmetic_for(case, load_spec("loihi2"))
    whole = proof_for(arithmetic, case.network)
    made = {"membrane": lambda V, z, current_in, current_rec, leak, rnd: V & ((1 << 50) - 1)}

    def functions(note):
        return {name: lambda *arguments, one=one: note(0, one(*arguments)) for name, one in made.items()}
    assert whole.wide("membrane") > 1 and prove_split(functions, whole, {"membrane": frozenset("V")}).split == {}


def test_a_sum_whose_clips_are_not_both_ends_of_a_word_is_clipped_in_two_steps():
    """A gradient without a sign, of 31 bits, ends where a word of 32 does, and begins at zero."""
    case = drawn()
    text = module_text(arithmetic_of(case, gradient={"word_bits": 31, "frac_bits": 20, "signed": False}), case.network, ONE_LANE, TEMPLATE).text
    gradient, largest = load_checked(text).gradient, (1 << 31) - 1
    for g, signal, trace in [(0, -(1 << 20), 3000), (largest, 1 << 20, 3000), (largest, -(1 << 20), 3000), (17, 128, 1), (16, 128, 1)]:
        assert gradient(g, signal, trace, 0) == min(max(round(Fraction((g << 8) + signal * trace, 1 << 8)), 0), largest)

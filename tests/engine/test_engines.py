"""The CPU engine and the oracle agree bit for bit, whatever the network, formats, threads and blocking."""
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st
from llvmlite import binding
from tiers import first_quick

from fxsim.engine.cpu import engine as cpu
from fxsim.engine.cpu.engine import FEW_NARROW, FULL, NARROW, CpuEngine
from fxsim.engine.cpu.lane_order import group
from fxsim.engine.cpu.variant import Variant
from fxsim.engine.registry import make_engine
from fxsim.model.arithmetic import Arithmetic
from fxsim.model.network import LAYERS
from fxsim.verify.backends import CASES_PER_SPEC, NOT_STORED, Difference, compare_engine, compare_records, compare_results, draw_cases
from fxsim.verify.random_case import RULES, Kind, arithmetic_for, cut, extreme_case, random_case, random_spec
from quant import load_spec

from checked_kernels import use_checked_kernels

SEEDS = st.integers(0, 2**32 - 1)


@pytest.mark.long
@pytest.mark.core
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(seed=196)          # a membrane potential in steps of two: a spike is less than its last bit
@example(seed=5465)
@given(seed=SEEDS)
def test_any_formats_agree_with_the_oracle_and_no_machine_word_overflows(seed, monkeypatch):
    """Random formats on the built source itself, each 32- or 64-bit operation checked."""
    use_checked_kernels(monkeypatch)
    rng = np.random.default_rng(seed)
    case = cut(random_case(rng), 1, 10)
    arithmetic = arithmetic_for(case, random_spec(rng))
    if arithmetic is None:
        return      # the interval analysis refused these formats
    weights = arithmetic.weights_to_raw(case.network.weights)
    engine = CpuEngine(case.network, case.learning, arithmetic, case.seed, 1)
    oracle = make_engine("oracle", case.network, case.learning, arithmetic, case.seed)
    expected, found = oracle.run(weights, case.trials, record=True), engine.run(weights, case.trials, record=True)
    assert compare_records(expected.record, found.record, NOT_STORED) is None
    assert compare_results(expected, found) is None
    fast = CpuEngine(case.network, case.learning, arithmetic, case.seed, 1, Variant(lanes=1, together=1, chunk=1, unroll=1))
    assert compare_results(expected, fast.run(weights, case.trials)) is None


@pytest.mark.parametrize("frac_bits, unroll", [(20, 8), (17, 2), (12, 4)])
def test_no_machine_word_overflows_where_steps_are_added_up_before_they_are_rounded(frac_bits, unroll, monkeypatch):
    """S and G of several steps at once; nothing random, as the words of a chunk's random bits are not checked."""
    use_checked_kernels(monkeypatch)
    case = cut(random_case(np.random.default_rng(21), "diffusion"), 1, 37)
    arithmetic = arithmetic_for(case, load_spec("q16").changed({"adaptation_eligibility": {"rounding": "nearest_up"}, "gradient": {"frac_bits": frac_bits}}))
    weights = arithmetic.weights_to_raw(case.network.weights)
    engine = CpuEngine(case.network, case.learning, arithmetic, case.seed, 1, Variant(lanes=1, together=1, chunk=16, unroll=unroll))
    kernels = engine.module(engine.variant(1))
    assert kernels.QUICK and kernels.PARTIAL
    expected = make_engine("oracle", case.network, case.learning, arithmetic, case.seed).run(weights, case.trials)
    assert any(gradient.any() for gradient in expected.gradients.values())
    assert compare_results(expected, engine.run(weights, case.trials)) is None


@pytest.mark.long
def test_what_is_rounded_away_is_counted_alike_where_a_spike_is_less_than_the_last_bit(monkeypatch):
    """The membrane potential in steps of two: what a spike takes from it lies below the last bit."""
    use_checked_kernels(monkeypatch)
    case = cut(random_case(np.random.default_rng(3), "eprop"), 3, 60)
    membrane = {"word_bits": 4, "frac_bits": -1, "rounding": "toward_zero"}
    arithmetic = arithmetic_for(case, load_spec("q16").changed({"membrane": membrane}))
    weights = {layer: 4 * raw for layer, raw in arithmetic.weights_to_raw(case.network.weights).items()}
    expected, found = (make_engine(name, case.network, case.learning, arithmetic, case.seed, 1).run(weights, case.trials, telemetry=True).telemetry
                       for name in ("oracle", "cpu"))
    assert expected["membrane"]["underflowed"] > 0
    assert found["membrane"] == expected["membrane"]


@pytest.mark.long
@settings(max_examples=15, deadline=None, derandomize=True)
@given(seed=SEEDS, rule=st.sampled_from(RULES))
def test_compiled_engine_agrees_bit_for_bit_on_random_networks(seed, rule):
    """Records, telemetry, gradients and counts on q16, with 1 and 2 threads."""
    case = random_case(np.random.default_rng(seed), rule)
    arithmetic = arithmetic_for(case, load_spec("q16"))
    assert compare_engine("cpu", case, arithmetic) is None


@pytest.mark.parametrize("turn, formats", first_quick(list(enumerate(["q16", "random-mixed", "loihi2", "random-floor"]))))
def test_compiled_engine_agrees_bit_for_bit_on_other_formats(turn, formats):
    """q16 on other networks, mixed roundings and overflows, the Loihi-like preset, and one rounding throughout."""
    cases = list(draw_cases((turn + 1) * CASES_PER_SPEC, seed=3))[turn * CASES_PER_SPEC:]
    assert {arithmetic.name for _, arithmetic in cases} == {formats}
    for case, arithmetic in cases:
        assert compare_engine("cpu", case, arithmetic) is None


@pytest.mark.parametrize("processor", first_quick(["without AVX-512", "of any kind"]))
def test_builds_for_other_processors_agree_with_the_oracle(processor, tmp_path):
    """Lanes have another order there. A process of its own: Numba compiles for one processor."""
    if processor == "of any kind":
        changes = {"NUMBA_CPU_NAME": "generic"}
    elif group() == 32:
        features = binding.get_host_cpu_features().flatten().split(",")
        changes = {"NUMBA_CPU_NAME": "x86-64-v3", "NUMBA_CPU_FEATURES": ",".join(f for f in features if not f.startswith("+avx512"))}
    else:
        pytest.skip("this processor has no AVX-512, so it is what the other tests run")
    done = subprocess.run([Path(sys.executable).with_name("fxsim"), "verify", "backends", "--cases", "2"], capture_output=True, text=True,
                          env={**os.environ, **changes, "FXSIM_CACHE_DIR": str(tmp_path)})
    assert done.returncode == 0 and "2 cases, 0 differ" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("variant", first_quick([
    Variant(lanes=16, together=1, chunk=8, unroll=2), Variant(lanes=32, together=1, chunk=16, unroll=1), Variant(lanes=8, side=2, together=4, chunk=4)]))
def test_results_do_not_depend_on_lanes_chunk_or_unrolling(variant):
    case = random_case(np.random.default_rng(11), "diffusion")
    arithmetic = arithmetic_for(case, load_spec("q16"))
    weights = arithmetic.weights_to_raw(case.network.weights)
    plain = CpuEngine(case.network, case.learning, arithmetic, case.seed, 1).run(weights, case.trials)
    other = CpuEngine(case.network, case.learning, arithmetic, case.seed, 2, variant).run(weights, case.trials)
    assert compare_results(plain, other) is None


LARGE_SIGNALS = {"modulator": {"frac_bits": 17}, "filtered_eligibility": {"frac_bits": 12}, "gradient": {"word_bits": 30, "frac_bits": 26}}
SMALL_GRADIENTS = {"gradient": {"word_bits": 27, "frac_bits": 20}}


@pytest.mark.parametrize("trials, changes", first_quick([(17, LARGE_SIGNALS), (5, LARGE_SIGNALS), (17, SMALL_GRADIENTS), (5, SMALL_GRADIENTS)]))
def test_gradients_that_clip_agree_where_kernels_add_them_up_without_clipping(trials, changes):
    """Products that could overflow a chunk's sums, and sums that reach the end of the gradient's format: both are seen beforehand."""
    case = random_case(np.random.default_rng(7), "diffusion")
    batch = case.trials.take(slice(0, trials))
    spec = load_spec("q16").changed(changes)
    arithmetic = arithmetic_for(case, spec)
    weights = arithmetic.weights_to_raw(case.network.weights)
    expected = make_engine("oracle", case.network, case.learning, arithmetic, case.seed).run(weights, batch, telemetry=True)
    engine = CpuEngine(case.network, case.learning, arithmetic, case.seed, 1, FEW_NARROW if trials <= FULL // 2 else NARROW)
    assert engine.module(engine.variant(trials)).QUICK
    assert expected.telemetry["gradient"]["saturated"] > 0
    assert compare_results(expected, engine.run(weights, batch)) is None


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("precision", first_quick(["q16", "float32"]))
def test_threads_that_share_the_synapses_of_few_trials_change_nothing(threads, precision, monkeypatch):
    monkeypatch.setattr(cpu, "WORTH_SHARING", 0)
    case = random_case(np.random.default_rng(12), "diffusion")
    few = case.trials.take(slice(0, 5))
    arithmetic = arithmetic_for(case, load_spec("q16")) if precision == "q16" else \
        Arithmetic(precision, None, case.network.constants, case.learning, case.trials.steps)
    weights = arithmetic.weights_to_raw(case.network.weights)
    alone, shared = (CpuEngine(case.network, case.learning, arithmetic, case.seed, n) for n in (1, threads))
    for learn in (True, False):
        assert compare_results(alone.run(weights, few, learn), shared.run(weights, few, learn)) is None


@pytest.mark.parametrize("trials, sharing", [(17, False), (5, False), (5, True)])
def test_an_engine_that_has_run_other_trials_gives_the_same(trials, sharing, monkeypatch):
    """Blocks are kept from run to run: nothing of earlier trials may be left in them."""
    if sharing:
        monkeypatch.setattr(cpu, "WORTH_SHARING", 0)
    case = random_case(np.random.default_rng(56), "shuffled_per_step")
    assert case.trials.size > trials
    arithmetic = arithmetic_for(case, load_spec("q16"))
    weights = arithmetic.weights_to_raw(case.network.weights)
    first, second = (case.trials.take(slice(start, start + trials)) for start in (0, case.trials.size - trials))
    engine = CpuEngine(case.network, case.learning, arithmetic, case.seed, 2)
    before = engine.run(weights, first)
    for learn in (True, False, True):
        fresh = CpuEngine(case.network, case.learning, arithmetic, case.seed, 2)
        assert compare_results(fresh.run(weights, second, learn), engine.run(weights, second, learn)) is None
    assert compare_results(before, engine.run(weights, first)) is None
    assert any(gradient.any() for gradient in before.gradients.values())


def test_a_trials_result_does_not_depend_on_its_batch():
    case = random_case(np.random.default_rng(5), "diffusion")
    arithmetic = arithmetic_for(case, load_spec("loihi2"))
    weights = arithmetic.weights_to_raw(case.network.weights)
    oracle = make_engine("oracle", case.network, case.learning, arithmetic, case.seed)
    whole = oracle.run(weights, case.trials)
    parts = [oracle.run(weights, case.trials.take(slice(b, b + 1))) for b in range(case.trials.size)]
    for layer in LAYERS:
        assert np.array_equal(whole.gradients[layer], sum(p.gradients[layer] for p in parts))


@pytest.mark.core
@pytest.mark.parametrize("precision, tolerance", [("float64", 1e-12), ("float32", 2e-4)])
def test_float_engines_agree(precision, tolerance):
    """Sums are taken in another order, so floats agree to rounding only."""
    case = random_case(np.random.default_rng(2), "diffusion")
    arithmetic = Arithmetic(precision, None, case.network.constants, case.learning, case.trials.steps)
    weights = arithmetic.weights_to_raw(case.network.weights)
    a, b = (make_engine(name, case.network, case.learning, arithmetic).run(weights, case.trials) for name in ("oracle", "cpu"))
    assert np.array_equal(a.spike_counts, b.spike_counts)
    for layer in LAYERS:
        assert np.allclose(a.gradients[layer], b.gradients[layer], rtol=0, atol=tolerance * abs(a.gradients[layer]).max())


def test_float_results_do_not_depend_on_threads():
    case = random_case(np.random.default_rng(2), "diffusion")
    arithmetic = Arithmetic("float32", None, case.network.constants, case.learning, case.trials.steps)
    weights = arithmetic.weights_to_raw(case.network.weights)
    a, b = (CpuEngine(case.network, case.learning, arithmetic, 0, threads).run(weights, case.trials) for threads in (1, 2))
    assert all(np.array_equal(a.gradients[layer], b.gradients[layer]) for layer in LAYERS)


def test_a_difference_is_found_and_placed():
    a = {"V": np.zeros((4, 2, 3)), "z": np.zeros((4, 2, 3))}
    b = {"V": a["V"].copy(), "z": a["z"].copy()}
    b["V"][3, 0, 1], b["z"][2, 1, 0] = 7, 1
    assert compare_records(a, b) == Difference("z", 2, 1, (0,), 0.0, 1.0)


def test_a_record_is_compared_whole():
    """One that lacks a quantity, or has one too many, is a difference."""
    a = {"V": np.zeros((4, 2, 3)), "z": np.zeros((4, 2, 3)), "E": np.zeros((4, 2, 3))}
    assert compare_records(a, dict(a)) is None
    for name in a:
        less = {other: values for other, values in a.items() if other != name}
        assert compare_records(a, less).quantity == compare_records(less, a).quantity == name
    assert compare_records(a, {"V": a["V"], "z": a["z"]}, NOT_STORED) is None
    assert compare_records(a, {"V": a["V"], "E": a["E"]}, NOT_STORED).quantity == "z"


BITS29 = {"word_bits": 29, "frac_bits": 22}


@pytest.mark.parametrize("precision, changes, inputs", [
    ("q16", {}, 64), ("loihi2", {}, 64), ("q16", {"weight_in": BITS29, "weight_rec": BITS29}, 100)])
def test_no_machine_word_overflows_where_all_words_are_at_their_ends(precision, changes, inputs, monkeypatch):
    """Saturated weights, every input at every step; as many inputs as most builds are proved for, and 100 whose sum takes more than 32 bits."""
    use_checked_kernels(monkeypatch)
    case = cut(extreme_case(np.random.default_rng(11), "diffusion", Kind(trials=(2,)), inputs), 1, 8)
    arithmetic = arithmetic_for(case, load_spec(precision).changed(changes))
    weights = arithmetic.weights_to_raw(case.network.weights)
    assert inputs * abs(weights["in"]).max() >= 1 << 33 or not changes
    engine = CpuEngine(case.network, case.learning, arithmetic, case.seed, 1)
    expected = make_engine("oracle", case.network, case.learning, arithmetic, case.seed).run(weights, case.trials, record=True)
    assert compare_records(expected.record, engine.run(weights, case.trials, record=True).record, NOT_STORED) is None
    fast = CpuEngine(case.network, case.learning, arithmetic, case.seed, 1, Variant(lanes=1, together=1, chunk=1, unroll=1))
    assert compare_results(expected, fast.run(weights, case.trials)) is None


def test_kernels_round_the_rate_error_once(monkeypatch):
    """Its format ends just above the quotient's last whole bit: half of all negative values depend on what lies below."""
    use_checked_kernels(monkeypatch)
    case = cut(random_case(np.random.default_rng(11), "eprop", Kind(trials=(5,), outputs=(1,), steps=(20, 21))), 2, 20)
    case = replace(case, learning=replace(case.learning, c_reg=1e-4))
    arithmetic = arithmetic_for(case, load_spec("q16").changed({"rate_error": {"word_bits": 32, "frac_bits": 37, "rounding": "toward_zero"}}))
    weights = arithmetic.weights_to_raw(case.network.weights)
    expected = make_engine("oracle", case.network, case.learning, arithmetic, case.seed).run(weights, case.trials, record=True)
    engine = CpuEngine(case.network, case.learning, arithmetic, case.seed, 1)
    assert len(np.unique(expected.record["D"])) > 2
    assert compare_records(expected.record, engine.run(weights, case.trials, record=True).record, NOT_STORED) is None

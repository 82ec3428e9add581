"""Backpropagation through time on the CPU: the gradients of the authors' program and of PyTorch, whatever the threads, blocks, segments and padding."""
import importlib.util
from dataclasses import replace

import numpy as np
import pytest

from fxsim.engine.bptt.engine import MANY, BpttEngine
from fxsim.engine.bptt.segments import MIB, segment_steps
from fxsim.engine.cpu.engine import CpuEngine
from fxsim.engine.registry import make_engine
from fxsim.errors import InputError
from fxsim.model.arithmetic import make_arithmetic
from fxsim.model.network import LAYERS, Trials
from fxsim.verify.golden import relative_error
from fxsim.verify.golden_case import load_golden
from fxsim.verify.random_case import random_case

import places

pytestmark = pytest.mark.core
GOLDEN = sorted(places.GOLDEN.glob("*_f64.npz"))


def run(case, trials=None, precision="float64", learn=True, **how):
    """(result, layer -> mean gradient in model units)"""
    learning, trials = replace(case.learning, rule="bptt"), trials or case.trials
    arithmetic = make_arithmetic(precision, case.network, learning, trials.steps)
    result = BpttEngine(case.network, learning, arithmetic, **{"threads": 1, **how}).run(arithmetic.weights_to_raw(case.network.weights), trials, learn)
    return result, arithmetic.gradient_to_model(result.gradients, trials.size) if learn else None


def drawn(number):
    return random_case(np.random.default_rng(number))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_gradients(path):
    case = load_golden(path)
    _, gradients = run(case)
    for layer in LAYERS:
        dense = case.network.topology.synapses(layer).dense(gradients[layer])
        assert relative_error(dense, case.gradients["bptt"][layer]) < 1e-9, layer


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs PyTorch")
def test_random_networks_have_the_gradients_of_pytorch():
    from fxsim.reference import ReferenceEngine
    active = 0
    for number in range(40):
        case = drawn(number)
        ours, gradients = run(case)
        theirs = ReferenceEngine(case.network, replace(case.learning, rule="bptt"), "float64").run(case.network.weights, case.trials)
        assert np.array_equal(ours.spike_counts, theirs.spike_counts) and np.allclose(ours.readout, theirs.readout, rtol=1e-12, atol=1e-14)
        for layer in LAYERS:
            scale = np.abs(theirs.gradients[layer]).max(initial=1e-300)
            assert np.abs(gradients[layer] - theirs.gradients[layer]).max(initial=0) <= 1e-9 * scale, (number, layer)
            active += scale > 1e-6
    assert active > 90


def lively(size):
    """A case of so many trials whose recurrent weights learn."""
    return next(case for case in map(drawn, range(200)) if case.trials.size == size and np.abs(run(case)[1]["rec"]).max(initial=0) > 0)


def test_threads_and_segments_change_no_bit():
    case = lively(33)
    (one, gradients), T, n = run(case), case.trials.steps, case.network.topology.n
    tape, state = MANY.lanes * n * 9, MANY.lanes * n * 29       # a little less than it takes
    for how in ({"threads": 3}, {"memory_mib": (tape * T / 2 + 2 * state) / MIB}, {"threads": 2, "memory_mib": 2 * (tape * T / 3 + 3 * state) / MIB}):
        result, other = run(case, **how)
        assert np.array_equal(result.readout, one.readout) and np.array_equal(result.spike_counts, one.spike_counts)
        for layer in LAYERS:
            assert np.array_equal(other[layer], gradients[layer]), how


def test_forward_everything_is_as_on_the_cpu_engine():
    case = lively(17)
    learning = replace(case.learning, rule="eprop")
    arithmetic = make_arithmetic("float64", case.network, learning, case.trials.steps)
    theirs = CpuEngine(case.network, learning, arithmetic).run(arithmetic.weights_to_raw(case.network.weights), case.trials, False)
    for result in (run(case)[0], run(case, learn=False)[0]):
        assert np.array_equal(result.readout, theirs.readout) and np.array_equal(result.spike_counts, theirs.spike_counts)


@pytest.mark.long
def test_the_gradient_of_a_batch_is_the_mean_over_its_trials():
    case = lively(17)
    _, batch = run(case)
    single = [run(case, case.trials.take(slice(b, b + 1)))[1] for b in range(case.trials.size)]
    for layer in LAYERS:
        assert np.allclose(batch[layer], np.mean([g[layer] for g in single], 0), rtol=1e-12, atol=1e-15) and np.abs(batch[layer]).max() > 0


def test_front_padding_with_silence_changes_no_gradient():
    case = lively(5)
    t = case.trials
    padded = Trials(np.concatenate([np.zeros((t.size, 13, t.x.shape[2]), np.uint8), t.x], 1), t.target, t.duration, t.ids)
    (_, plain), (_, longer) = run(case), run(case, padded)
    for layer in LAYERS:
        assert np.allclose(plain[layer], longer[layer], rtol=1e-12, atol=1e-18)


@pytest.mark.long
def test_float32_is_near():
    near = 0
    for case in (case for case in map(drawn, range(60)) if case.trials.size <= 5):
        (wide, gradients), (narrow, other) = run(case), run(case, precision="float32")
        if np.array_equal(wide.spike_counts, narrow.spike_counts):      # a spike that rounding moves changes all that follows
            near += all(relative_error(other[layer], gradients[layer]) < 1e-3 for layer in LAYERS)
    assert near >= 20


def test_segments_fit_the_memory_or_are_refused_in_one_line():
    assert segment_steps(1000, 512, 4096, None, 2) == segment_steps(1000, 512, 4096, 1, 2) == 1000
    steps = segment_steps(1000, 512, 4096, 0.5, 2)
    assert steps == 500 and 2 * (steps * 512 + 4096) <= MIB / 2
    with pytest.raises(InputError, match=r"learning.memory_mib.*0.01.*at least 0.167") as refused:
        segment_steps(1000, 512, 4096, 0.01, 2)
    assert "\n" not in str(refused.value)
    assert segment_steps(1000, 512, 4096, 0.18, 2) == 125


def test_other_engines_refuse_the_rule():
    case = drawn(0)
    learning = replace(case.learning, rule="bptt")
    with pytest.raises(InputError, match="oracle with rule bptt.*auto or cpu"):
        make_engine("oracle", case.network, learning, make_arithmetic("float64", case.network, learning, case.trials.steps))

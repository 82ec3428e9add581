"""Backpropagation through time on the CPU: the gradients of the authors' program and of PyTorch, whatever the threads, batches and padding."""
import importlib.util
from dataclasses import replace

import numpy as np
import pytest

from fxsim.engine.bptt.engine import BpttEngine
from fxsim.model.network import LAYERS, Trials
from fxsim.verify.golden import relative_error
from fxsim.verify.golden_case import load_golden
from fxsim.verify.random_case import random_case

import places

pytestmark = pytest.mark.core
GOLDEN = sorted(places.GOLDEN.glob("*_f64.npz"))


def run(case, threads=1, dtype="float64", trials=None, learn=True):
    engine = BpttEngine(case.network, replace(case.learning, rule="bptt"), dtype, threads)
    return engine.run(case.network.weights, trials or case.trials, learn)


def drawn(number):
    return random_case(np.random.default_rng(number))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_gradients(path):
    case = load_golden(path)
    gradients = run(case).gradients
    for layer in LAYERS:
        dense = case.network.topology.synapses(layer).dense(gradients[layer])
        assert relative_error(dense, case.gradients["bptt"][layer]) < 1e-9, layer


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs PyTorch")
def test_random_networks_have_the_gradients_of_pytorch():
    from fxsim.reference import ReferenceEngine
    active = 0
    for number in range(40):
        case = drawn(number)
        ours = run(case)
        theirs = ReferenceEngine(case.network, replace(case.learning, rule="bptt"), "float64").run(case.network.weights, case.trials)
        assert np.array_equal(ours.spike_counts, theirs.spike_counts) and np.allclose(ours.readout, theirs.readout, rtol=1e-12, atol=1e-14)
        for layer in LAYERS:
            scale = np.abs(theirs.gradients[layer]).max(initial=1e-300)
            assert np.abs(ours.gradients[layer] - theirs.gradients[layer]).max(initial=0) <= 1e-9 * scale, (number, layer)
            active += scale > 1e-6
    assert active > 90


def test_threads_change_no_bit_and_learning_no_readout():
    case = drawn(4)
    one, three, plain = run(case), run(case, threads=3), run(case, learn=False)
    for layer in LAYERS:
        assert np.array_equal(one.gradients[layer], three.gradients[layer])
    assert plain.gradients is None and np.array_equal(plain.readout, three.readout) and np.array_equal(plain.spike_counts, three.spike_counts)


def test_the_gradient_of_a_batch_is_the_mean_over_its_trials():
    case = next(case for case in map(drawn, range(50)) if case.trials.size == 17)
    batch = run(case).gradients
    single = [run(case, trials=case.trials.take(slice(b, b + 1))).gradients for b in range(case.trials.size)]
    for layer in LAYERS:
        assert np.allclose(batch[layer], np.mean([g[layer] for g in single], 0), rtol=1e-12, atol=1e-15) and np.abs(batch[layer]).max() > 0


def test_front_padding_with_silence_changes_no_gradient():
    case = drawn(7)
    t = case.trials
    padded = Trials(np.concatenate([np.zeros((t.size, 13, t.x.shape[2]), np.uint8), t.x], 1), t.target, t.duration, t.ids)
    plain, longer = run(case).gradients, run(case, trials=padded).gradients
    for layer in LAYERS:
        assert np.allclose(plain[layer], longer[layer], rtol=1e-12, atol=1e-18)


def test_float32_is_near():
    near = 0
    for number in range(10):
        case = drawn(number)
        wide, narrow = run(case), run(case, dtype="float32")
        if np.array_equal(wide.spike_counts, narrow.spike_counts):      # a spike that rounding moves changes all that follows
            near += all(relative_error(narrow.gradients[layer], wide.gradients[layer]) < 1e-3 for layer in LAYERS)
    assert near >= 7

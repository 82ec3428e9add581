"""Quantisation-aware training: forward the oracle's integers, back what autograd makes of them where roundings are passed straight through."""
import importlib.util
from dataclasses import replace

import numpy as np
import pytest

from fxsim.engine.bptt.engine import BpttEngine
from fxsim.engine.oracle.oracle import Oracle
from fxsim.errors import InputError
from fxsim.model.arithmetic import make_arithmetic
from fxsim.model.network import LAYERS
from fxsim.verify.random_case import Kind, random_case
from quant import load_spec

pytestmark = pytest.mark.core
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs PyTorch")
TIGHT = {"membrane": {"word_bits": 9, "frac_bits": 8}, "adaptation": {"word_bits": 8, "frac_bits": 8, "signed": False},
         "readout": {"word_bits": 8, "frac_bits": 9}}        # clipped now and then


def drawn(number):
    return random_case(np.random.default_rng(number), kind=Kind(trials=(1, 3, 5), steps=(8, 50)))


def run(case, precision, **how):
    learning = replace(case.learning, rule="bptt")
    arithmetic = make_arithmetic(precision, case.network, learning, case.trials.steps, case.seed)
    engine = BpttEngine(case.network, learning, arithmetic, case.seed, 1, **how)
    raw = arithmetic.weights_to_raw(case.network.weights)
    return engine.run(raw, case.trials), arithmetic, raw


def recorded(case, arithmetic, raw):
    """What the oracle's integers did: name -> (B, T, ...) scaled, and its result."""
    result = Oracle(case.network, replace(case.learning, rule="eprop"), arithmetic, case.seed).run(raw, case.trials, record=True)
    names = {"V": "membrane", "a": "adaptation", "H": "pseudo_derivative", "y": "readout"}
    by_trial = {name: np.moveaxis(result.record[name], 0, 1) for name in (*names, "z")}
    spec = arithmetic.spec
    open_ = {name: (by_trial[name] > spec[names[name]].min_raw) & (by_trial[name] < spec[names[name]].max_raw) for name in ("V", "y")}
    open_["a"] = by_trial["a"] < spec["adaptation"].max_raw      # never negative
    scaled = {name: arithmetic.to_scaled(quantity, by_trial[name]) for name, quantity in names.items()}
    return {**scaled, "z": by_trial["z"].astype(float)}, open_, result


def autograd(case, arithmetic, raw):
    """Gradients by scaled weights, summed over trials, times S: autograd on the equations, each value replaced by the recorded one."""
    import torch
    path, open_, _ = recorded(case, arithmetic, raw)
    as_tensor = lambda a: torch.tensor(np.asarray(a, np.float64))       # noqa: E731
    path, open_ = {k: as_tensor(v) for k, v in path.items()}, {k: as_tensor(v) for k, v in open_.items()}
    topo, co, trials, learning = case.network.topology, arithmetic.coefficients, case.trials, case.learning
    weights = {layer: as_tensor(arithmetic.to_scaled(f"weight_{layer}", raw[layer])).requires_grad_() for layer in LAYERS}
    dense = {layer: torch.zeros(s.n_pre, s.n_post, dtype=torch.float64).index_put((torch.tensor(s.pre).long(), torch.tensor(s.post).long()), weights[layer])
             for layer in LAYERS for s in [topo.synapses(layer)]}
    leak_m, leak_a, leak_k = (float(arithmetic.to_scaled("decay", c)) for c in (co.leak_membrane, co.leak_adaptation, co.leak_readout))
    gain = as_tensor(arithmetic.to_scaled("adaptation_gain", co.adaptation_gain))

    def put_in(name, t, exact, share=1.0):
        return path[name][:, t] + share * (exact - exact.detach())

    x, zero = as_tensor(trials.x), torch.zeros_like(path["V"][:, 0])
    V, a, z, y, zs, ys = zero, zero, zero, torch.zeros_like(path["y"][:, 0]), [], []
    for t in range(trials.steps):
        V = put_in("V", t, (1 - leak_m) * V + x[:, t] @ dense["in"] + z @ dense["rec"] - z, open_["V"][:, t])
        a = put_in("a", t, (1 - leak_a) * a + z, open_["a"][:, t])
        z = put_in("z", t, V - gain * a, case.network.constants.gamma * path["H"][:, t])
        y = put_in("y", t, (1 - leak_k) * y + z @ dense["out"], open_["y"][:, t])
        zs.append(z)
        ys.append(y)
    window, target = torch.stack(ys, 1)[:, -learning.window:], as_tensor(trials.target)
    if learning.classification:
        task = -(target * torch.log_softmax(window, -1)).sum()
    else:
        task = 0.5 * (window - as_tensor(arithmetic.to_scaled("readout", arithmetic.target_to_raw(trials.target)))).square().sum()
    f = torch.stack(zs, 1).sum(1) / as_tensor(trials.duration)[:, None]
    loss = task + learning.window * 0.5 * learning.c_reg * (f - learning.f_target).square().sum()
    return {layer: g.numpy() for layer, g in zip(LAYERS, torch.autograd.grad(loss, list(weights.values())))}


@pytest.mark.long
@needs_torch
@pytest.mark.parametrize("precision", ["q16", "tight"])
def test_the_gradient_is_that_of_the_integers_with_roundings_passed_straight_through(precision):
    spec = load_spec("q16").changed(TIGHT) if precision == "tight" else load_spec(precision)
    active, clipped, numbers = 0, 0, iter(range(100))
    while active < 12:
        case = drawn(next(numbers))
        result, arithmetic, raw = run(case, spec, kind="float64")
        expected = autograd(case, arithmetic, raw)
        _, open_, oracle = recorded(case, arithmetic, raw)
        assert np.array_equal(result.readout, oracle.readout) and np.array_equal(result.spike_counts, oracle.spike_counts)
        clipped += sum(int((flags == 0).sum()) for flags in open_.values())
        for layer in LAYERS:
            scale = np.abs(expected[layer]).max(initial=1e-300)
            assert np.abs(result.gradients[layer] - expected[layer]).max(initial=0) <= 1e-9 * scale, layer
            active += scale > 1e-3
    assert precision != "tight" or clipped > 100


@pytest.mark.long
@needs_torch
def test_with_more_bits_the_gradient_becomes_that_of_floats():
    """By autograd on the oracle's integers, which the engine equals: no kernel to compile."""
    from fxsim.reference import ReferenceEngine
    errors = {"q16": [], "q24": [], "q32": []}
    for case in map(drawn, range(12)):
        learning = replace(case.learning, rule="bptt")
        exact = ReferenceEngine(case.network, learning, "float64").run(case.network.weights, case.trials).gradients["in"]
        for precision, found in errors.items():
            arithmetic = make_arithmetic(precision, case.network, learning, case.trials.steps, case.seed)
            sums = autograd(case, arithmetic, arithmetic.weights_to_raw(case.network.weights))
            found.append(np.abs(arithmetic.gradient_to_model(sums, case.trials.size)["in"] - exact).max() / np.abs(exact).max(initial=1e-300))
    q16, q24, q32 = (np.median(found) for found in errors.values())
    assert q16 > 16 * q24 and q24 > 16 * q32 and q32 < 1e-5, (q16, q24, q32)


@pytest.mark.long
def test_float32_goes_back_over_the_same_integers():
    case = next(case for case in map(drawn, range(60)) if np.abs(run(case, "q16")[0].gradients["rec"]).max(initial=0) > 0)
    (narrow, _, _), (wide, _, _) = run(case, "q16"), run(case, "q16", kind="float64")
    assert np.array_equal(narrow.readout, wide.readout)
    for layer in LAYERS:
        assert np.allclose(narrow.gradients[layer], wide.gradients[layer], rtol=1e-3, atol=1e-4 * np.abs(wide.gradients[layer]).max())


@pytest.mark.parametrize("quantity", ["membrane", "readout", "weight_rec"])
def test_formats_that_wrap_are_refused_in_one_line(quantity):
    with pytest.raises(InputError, match=f"{quantity}.overflow.*wrap with rule bptt.*saturate") as refused:
        run(drawn(0), load_spec("q16").changed({quantity: {"overflow": "wrap"}}))
    assert "\n" not in str(refused.value)

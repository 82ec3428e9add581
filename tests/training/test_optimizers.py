"""Optimizers: Adam against PyTorch, integer SGD against exact rationals, rounding into weights, restoring."""
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from fxsim.model.arithmetic import Arithmetic
from fxsim.model.network import LAYERS, Constants, Learning
from fxsim.training.optimizers import Adam, AdaMax, Sgd, make_optimizer, round_sum
from quant import QFormat, load_spec
from quant.rounding import ROUNDINGS

from exact_rounding import EXACT

pytestmark = pytest.mark.core

LEARNING = Learning("diffusion", window=50, classification=True, c_reg=0.01)
CONSTANTS = Constants(0.03, 0.3, np.exp(-1 / 20), np.exp(-1 / 1400), np.exp(-1 / 20), 5, np.array([0.0, 1.8]))
SIZE = {"in": 40, "rec": 30, "out": 7}


def arithmetic(spec=None, name="float64"):
    return Arithmetic(spec.name if spec else name, spec, CONSTANTS, LEARNING, 100, seed=3)


def weights(scale=0.02):
    rng = np.random.default_rng(1)
    return {layer: scale * rng.standard_normal(n) for layer, n in SIZE.items()}


def gradients(ar, seed=0, size=2000):
    rng = np.random.default_rng(seed)
    return {layer: rng.integers(-size, size, n) if ar.spec else rng.standard_normal(n).astype(ar.dtype) for layer, n in SIZE.items()}


def with_shadows(name):
    spec = load_spec(name)
    return spec.replace("shadowed", **{f"shadow_{layer}": QFormat(24, spec[f"weight_{layer}"].frac_bits + 12) for layer in LAYERS})


def test_adam_is_pytorch_s_adam():
    torch = pytest.importorskip("torch")
    ar, start = arithmetic(), weights()
    ours = Adam(ar, start, rate=0.005)
    theirs = {layer: torch.nn.Parameter(torch.tensor(w)) for layer, w in start.items()}
    optimizer = torch.optim.Adam(theirs.values(), lr=0.005)
    for update in range(5):
        raw = gradients(ar, update)
        for layer, g in ar.gradient_to_model(raw, 4).items():
            theirs[layer].grad = torch.tensor(g)
        optimizer.step()
        ours.step(raw, 4)
    for layer, w in ar.weights_to_model(ours.weights).items():
        np.testing.assert_allclose(w, theirs[layer].detach().numpy(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("optimizer", ["adam", "adamax", "sgd"])
def test_no_gradient_moves_no_weight(optimizer, rounding):
    """Whatever the rounding: a round trip through model units that lost half a bit would drift under floor."""
    spec = load_spec("w8s16")
    spec = spec.replace(**{f"weight_{layer}": QFormat(8, 6, rounding=rounding) for layer in LAYERS})
    ar = arithmetic(spec)
    opt = {"adam": lambda: Adam(ar, weights(), 0.01), "adamax": lambda: AdaMax(ar, weights(), -6, 3, 8), "sgd": lambda: Sgd(ar, weights(), -8)}[optimizer]()
    before = {layer: w.copy() for layer, w in opt.weights.items()}
    for _ in range(3):
        opt.step({layer: np.zeros(n, np.int64) for layer, n in SIZE.items()}, 4)
    for layer in LAYERS:
        np.testing.assert_array_equal(opt.weights[layer], before[layer])


@pytest.mark.parametrize("rounding", [name for name in ROUNDINGS if name != "stochastic"])
@pytest.mark.parametrize("log2_rate", [-70, -20, -7, 0, 12, 40])
def test_integer_sgd_is_the_exact_difference_rounded_once(rounding, log2_rate):
    spec = load_spec("q16")
    spec = spec.replace(**{f"weight_{layer}": QFormat(16, 13, rounding=rounding) for layer in LAYERS})
    ar = arithmetic(spec)
    opt = Sgd(ar, weights(), log2_rate)
    old, raw = {layer: w.copy() for layer, w in opt.weights.items()}, gradients(ar, size=1 << 33)
    new = opt.step(raw, 4)
    nearest = EXACT[rounding]
    for layer in LAYERS:
        frac = spec["gradient_out" if layer == "out" else "gradient"].frac_bits
        for w, g, found in zip(old[layer].tolist(), raw[layer].tolist(), new[layer].tolist()):
            exact = Fraction(w) - Fraction(g) * Fraction(2) ** (log2_rate - frac + 13)
            assert found == min(max(nearest(exact), -32768), 32767)


@pytest.mark.parametrize("rounding", [name for name in ROUNDINGS if name != "stochastic"])
@pytest.mark.parametrize("size", [3, 1000, 1 << 33, 1 << 45])
def test_integer_adamax_is_the_exact_step_rounded_once(rounding, size):
    """Against rationals, the definition written down again: leaks that end at zero, a power of two in place of the maximum."""
    spec = load_spec("q16")
    spec = spec.replace(**{f"weight_{layer}": QFormat(16, 13, rounding=rounding) for layer in LAYERS})
    ar = arithmetic(spec)
    opt, beta1, beta2, limit = AdaMax(ar, weights(), -5, 3, 6), 3, 6, (1 << 39) - 1
    m, u = ({layer: [0] * n for layer, n in SIZE.items()} for _ in range(2))
    nearest = EXACT[rounding]
    moved = 0
    for update in range(4):
        old, raw = {layer: w.tolist() for layer, w in opt.weights.items()}, gradients(ar, update, size)
        new = opt.step(raw, 4)
        for layer in LAYERS:
            rate = Fraction(2) ** (-5 + round(np.log2(ar.weight_scale[layer])) + 13)
            for i, g in enumerate(raw[layer].tolist()):
                g, before = min(max(g, -limit), limit), m[layer][i]
                m[layer][i] = before - (1 if before > 0 else -1) * -(-abs(before) // 2**beta1) + g
                u[layer][i] = max(u[layer][i] + -u[layer][i] // 2**beta2, abs(g))
                exact = old[layer][i] - rate * m[layer][i] / 2 ** (beta1 + u[layer][i].bit_length())
                assert new[layer][i] == min(max(nearest(exact), -32768), 32767)
                moved += new[layer][i] != old[layer][i]
    assert moved > 100


def test_adamax_converges_to_its_float_twin_and_steps_are_bounded():
    fine = load_spec("q16").replace(**{f"weight_{layer}": QFormat(32, 26) for layer in LAYERS})
    fixed, twin = AdaMax(arithmetic(fine), weights(), -6, 3, 8), AdaMax(arithmetic(), weights(), -6, 3, 8)
    for update in range(20):
        raw = {layer: g << 12 for layer, g in gradients(fixed.masters.arithmetic, update).items()}
        before = twin.weights
        fixed.step(raw, 4)
        twin.step({layer: g.astype(np.float64) for layer, g in raw.items()}, 4)
        for layer in LAYERS:
            assert np.abs(twin.weights[layer] - before[layer]).max() <= 2.0 ** twin.log2_rate[layer]
            scaled = fixed.masters.arithmetic.to_scaled(f"weight_{layer}", fixed.weights[layer])
            np.testing.assert_allclose(scaled, twin.weights[layer], atol=(update + 1) * 2.0**-25)


def test_adamax_forgets_what_has_ended():
    """Its moments leak to zero, so that weights come to rest, and gradients of any size move them at the same pace again."""
    opt = AdaMax(arithmetic(load_spec("q16")), weights(), -6, 3, 8)
    nothing = {layer: np.zeros(n, np.int64) for layer, n in SIZE.items()}
    opt.step({layer: np.full(n, 1 << 20) for layer, n in SIZE.items()}, 4)
    for _ in range(4500):
        opt.step(nothing, 4)
    assert all((opt.m[layer] == 0).all() and (opt.u[layer] == 0).all() for layer in LAYERS)


def test_wide_and_narrow_integers_round_alike():
    """round_sum leaves int64 for Python integers when a shift is large; both must mean the same."""
    fmt, random = load_spec("q16")["weight_in"], arithmetic(load_spec("q16")).weight_random("weight_in", 5, 100)
    base, change = np.arange(-50, 50), np.arange(100) * 77_777_777 - 4_000_000_000
    narrow = round_sum(fmt, base, change, 21, random)
    wide = round_sum(fmt, base, change.astype(object) << 42, 63, random)
    np.testing.assert_array_equal(narrow, wide)


FINE = {"word_bits": 24, "frac_bits": 20, "rounding": "stochastic"}


def moves_of_three_eighths(total):
    """Whether 64 draws of 3/8 were made anew for each weight: with the same bits at every update it would move always or never."""
    assert total.mean() == pytest.approx(24, abs=2) and 5 < total.min() and total.max() < 45
    assert total.std() == pytest.approx(np.sqrt(64 * 3 / 8 * 5 / 8), rel=0.35)


def test_every_update_rounds_with_new_bits():
    """A stored gradient of 3 that changes a weight by 3/8 of its unit."""
    spec = load_spec("q16").changed({f"weight_{layer}": FINE for layer in LAYERS})
    opt = Sgd(arithmetic(spec), {layer: np.zeros(n) for layer, n in SIZE.items()}, spec["gradient"].frac_bits - 20 - 3)
    for _ in range(64):
        opt.step({layer: np.full(n, -3) for layer, n in SIZE.items()}, 4)
    moves_of_three_eighths(np.concatenate(list(opt.weights.values())))


def test_stored_weights_are_rounded_from_their_shadows_with_new_bits():
    """3/8 of a stored unit that rests in the shadow: at each update three of eight weights are stored as one unit, other ones every time."""
    spec = load_spec("q16").changed({f"weight_{layer}": FINE for layer in LAYERS})
    spec = spec.replace(**{f"shadow_{layer}": QFormat(27, 23) for layer in LAYERS})
    opt, total = Sgd(arithmetic(spec), {layer: np.zeros(n) for layer, n in SIZE.items()}, -10), np.zeros(sum(SIZE.values()), np.int64)
    opt.masters.write({layer: np.full(n, 3) for layer, n in SIZE.items()}, 0)
    for _ in range(64):
        opt.step({layer: np.zeros(n, np.int64) for layer, n in SIZE.items()}, 4)
        total += np.concatenate(list(opt.weights.values()))
    moves_of_three_eighths(total)


@pytest.mark.parametrize("rounding, share", [("stochastic", 1 / 3), ("nearest_even", 0)])
def test_stored_weights_above_shadows_at_rest(rounding, share):
    """Without a gradient. At random, of fractions p that are spread evenly 2 p (1 - p) change from one update to the next, on average a third."""
    spec = load_spec("loihi2")
    spec = spec.changed({f"weight_{layer}": {"rounding": rounding} for layer in LAYERS})
    spec = spec.changed({f"shadow_{layer}": {"word_bits": 16, "rounding": "nearest_even"} for layer in LAYERS})
    opt = AdaMax(arithmetic(spec), weights(0.5), -6, 3, 8)
    changed = []
    for _ in range(200):
        before = np.concatenate(list(opt.weights.values()))
        opt.step({layer: np.zeros(n, np.int64) for layer, n in SIZE.items()}, 4)
        changed.append((np.concatenate(list(opt.weights.values())) != before).mean())
    assert np.mean(changed) == pytest.approx(share, abs=0.04)


def test_stochastic_weights_are_unbiased_and_keyed_by_the_update():
    ar = arithmetic(load_spec("q16"))
    base, change = np.zeros(200_000, np.int64), np.full(200_000, 3)

    def rounded(update):
        return round_sum(ar.spec["weight_in"], base, change, 3, ar.weight_random("weight_in", update, base.size))

    first = rounded(1)     # 3/8 of a unit
    assert first.mean() == pytest.approx(3 / 8, abs=5 * np.sqrt(3 / 8 * 5 / 8 / 200_000))
    assert (first != rounded(2)).any()
    np.testing.assert_array_equal(first, rounded(1))


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_shadow_weights_gather_what_the_stored_weights_cannot_hold(optimizer):
    spec = with_shadows("w8s16")
    nearest = {f"weight_{layer}": QFormat(8, spec[f"weight_{layer}"].frac_bits) for layer in LAYERS}
    shadowed, bare = spec.replace(**nearest), load_spec("w8s16").replace(**nearest)
    moved = {}
    for name, formats in {"shadowed": shadowed, "bare": bare}.items():
        ar = arithmetic(formats)
        opt = Adam(ar, weights(), 1e-5) if optimizer == "adam" else Sgd(ar, weights(), -6)
        before = {layer: w.copy() for layer, w in opt.weights.items()}
        for _ in range(300):
            opt.step({layer: np.full(n, 1 << 10) for layer, n in SIZE.items()}, 4)
        moved[name] = sum(np.abs(opt.weights[layer] - before[layer]).sum() for layer in LAYERS)
        assert all(np.abs(w).max() <= 128 for w in opt.weights.values())
    assert moved["bare"] == 0 and moved["shadowed"] > 0


@pytest.mark.parametrize("formats", [None, "w8s16", "shadowed"])
@pytest.mark.parametrize("settings", [SimpleNamespace(name="adam", rate=0.01, beta1=0.9, beta2=0.999, epsilon=1e-8),
                                      SimpleNamespace(name="sgd", log2_rate=-10),
                                      SimpleNamespace(name="adamax", log2_rate=-5, beta1_shift=3, beta2_shift=8)], ids=lambda s: s.name)
def test_restored_optimizer_goes_on_to_the_same_bits(settings, formats):
    ar = arithmetic(with_shadows("w8s16") if formats == "shadowed" else load_spec(formats) if formats else None, "float32")
    straight, first = make_optimizer(settings, ar, weights()), make_optimizer(settings, ar, weights())
    for update in range(6):
        straight.step(gradients(ar, update), 4)
    for update in range(3):
        first.step(gradients(ar, update), 4)
    second = make_optimizer(settings, ar, weights(scale=1.0))
    second.restore({name: np.copy(array) for name, array in first.state().items()})
    for update in range(3, 6):
        second.step(gradients(ar, update), 4)
    for layer in LAYERS:
        np.testing.assert_array_equal(second.weights[layer], straight.weights[layer])


def test_float_weights_keep_their_type():
    ar = arithmetic(name="float32")
    for opt in (Adam(ar, weights(), 0.01), AdaMax(ar, weights(), -4, 3, 8), Sgd(ar, weights(), -4)):
        assert {w.dtype for w in opt.step(gradients(ar), 4).values()} == {np.dtype(np.float32)}

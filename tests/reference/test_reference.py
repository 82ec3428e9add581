"""The PyTorch reference: held against the golden vectors, and its engine against itself."""
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs PyTorch: pip install 'fxsim[reference]'")

from fxsim.model.network import LAYERS, Trials
from fxsim.reference import ReferenceEngine, ReferenceModel, gradients
from fxsim.verify.golden import golden_table, relative_error, verify_golden
from fxsim.verify.golden_case import load_golden

import places

GOLDEN = sorted(places.GOLDEN.glob("*.npz"))
RULES = ("eprop", "diffusion", "shuffled_fixed", "shuffled_per_step", "bptt")


@pytest.fixture(scope="module")
def case():
    return load_golden(places.GOLDEN / "cue_small_a_f64.npz")


def _short(trials: Trials, steps: int, window: int) -> Trials:
    """The last steps of each trial, with trial durations that differ."""
    duration = steps - np.arange(trials.size)
    return Trials(trials.x[:, -steps:], trials.target[:, -window:], duration, trials.ids)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_reference_reproduces_the_golden_file(path):
    rows = verify_golden([path], ["reference"])
    assert all(row.ok for row in rows), golden_table(rows)
    quantities = {row.quantity for row in rows}
    assert {"v", "r", "z", "y", "grad_bptt_rec", "grad_diffusion_shuffled_fixed_in", "adam3_diffusion_out"} <= quantities


def test_float64_reproduces_far_inside_the_tolerance(case):
    assert max(row.error for row in verify_golden([case.path], ["reference"])) < 1e-13


@pytest.mark.parametrize("rule", RULES)
def test_gradient_of_a_batch_is_the_mean_over_its_trials(case, rule):
    learning = replace(case.learning, rule=rule, window=40)
    trials, model = _short(case.trials, 200, 40), ReferenceModel(case.network)
    batch = gradients(model, trials, learning, seed=5)
    single = [gradients(model, trials.take(slice(b, b + 1)), learning, seed=5) for b in range(trials.size)]
    for layer in LAYERS:
        mean = np.mean([g[layer].numpy() for g in single], 0)
        assert np.abs(mean).max() > 0
        assert relative_error(batch[layer].numpy(), mean) < 1e-12


@pytest.mark.parametrize("rule", RULES)
def test_front_padding_with_silence_changes_no_gradient(case, rule):
    """The permutations of shuffled_per_step are keyed by the step, so they move along with the padding."""
    learning = replace(case.learning, rule=rule, window=40)
    trials, model = _short(case.trials, 150, 40), ReferenceModel(case.network)
    padded = replace(trials, x=np.pad(trials.x, ((0, 0), (30, 0), (0, 0))))
    found, expected = gradients(model, padded, learning), gradients(model, trials, learning)
    for layer in LAYERS:
        same = relative_error(found[layer].numpy(), expected[layer].numpy()) < 1e-12
        assert same or (rule == "shuffled_per_step" and layer != "out")


def test_shuffling_every_step_alike_is_shuffled_fixed(case, monkeypatch):
    monkeypatch.setattr("fxsim.reference.signal.step_permutations",
                        lambda seed, ids, steps, cells: np.broadcast_to(case.network.permutation, (len(ids), len(steps), cells)))
    model = ReferenceModel(case.network)
    found = gradients(model, case.trials, replace(case.learning, rule="shuffled_per_step"))
    expected = gradients(model, case.trials, replace(case.learning, rule="shuffled_fixed"))
    for layer in LAYERS:
        np.testing.assert_array_equal(found[layer], expected[layer])


def test_shuffling_matters_and_depends_on_the_seed(case):
    model = ReferenceModel(case.network)
    learning = replace(case.learning, rule="shuffled_per_step")
    found = [gradients(model, case.trials, learning, seed)["rec"].numpy() for seed in (0, 1)]
    found += [gradients(model, case.trials, replace(case.learning, rule=rule))["rec"].numpy() for rule in ("diffusion", "shuffled_fixed")]
    for i in range(len(found)):
        for j in range(i):
            assert relative_error(found[i], found[j]) > 1e-3


def test_readout_gradient_of_bptt_is_the_slope_of_the_loss(case):
    """The readout weights reach the loss without passing a spike, so finite differences must agree."""
    import torch

    from fxsim.reference.gradients import bptt_loss

    learning = replace(case.learning, rule="bptt")
    model = ReferenceModel(case.network)
    slope = gradients(model, case.trials, learning)["out"].numpy()
    for index in range(slope.size):
        losses = []
        for step in (1e-5, -1e-5):
            weights = {layer: values.copy() for layer, values in case.network.weights.items()}
            weights["out"][index] += step
            model.set_weights(weights)
            with torch.no_grad():
                losses.append(float(bptt_loss(model, model(model.tensor(case.trials.x), record=()), case.trials, learning)))
        assert (losses[0] - losses[1]) / 2e-5 == pytest.approx(slope[index], rel=1e-6, abs=1e-10)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_engine_answers_in_the_units_of_the_training_loop(case, dtype):
    engine = ReferenceEngine(case.network, case.learning, dtype)
    result = engine.run(case.network.weights, case.trials)
    S = case.learning.window
    assert result.readout.dtype == np.float64 and result.spike_counts.dtype == np.int64
    assert relative_error(result.readout, case.trajectories["y"][:, -S:]) < 1e-4
    np.testing.assert_array_equal(result.spike_counts, case.trajectories["z"].sum(1, dtype=np.int64))
    for layer in LAYERS:
        assert result.gradients[layer].dtype == np.float64
        dense = case.network.topology.synapses(layer).dense(result.gradients[layer])
        assert relative_error(dense, case.gradients["diffusion"][layer]) < 1e-4


@pytest.mark.parametrize("rule", ["diffusion", "shuffled_per_step", "bptt"])
def test_engine_runs_a_large_batch_in_parts(case, rule, monkeypatch):
    learning = replace(case.learning, rule=rule, window=40)
    trials = _short(case.trials, 150, 40)
    whole = ReferenceEngine(case.network, learning, "float64").run(case.network.weights, trials)
    monkeypatch.setattr("fxsim.reference.engine.CHUNK", 3)
    parts = ReferenceEngine(case.network, learning, "float64").run(case.network.weights, trials)
    assert relative_error(parts.readout, whole.readout) < 1e-12
    np.testing.assert_array_equal(parts.spike_counts, whole.spike_counts)
    for layer in LAYERS:
        assert relative_error(parts.gradients[layer], whole.gradients[layer]) < 1e-12


def test_engine_takes_the_weights_of_each_call_and_learns_only_when_asked(case):
    engine = ReferenceEngine(case.network, case.learning, "float64")
    silent = engine.run({layer: 0 * w for layer, w in case.network.weights.items()}, case.trials, learn=False)
    assert silent.spike_counts.sum() == 0 and silent.gradients is None
    assert engine.run(case.network.weights, case.trials, learn=False).spike_counts.sum() > 0

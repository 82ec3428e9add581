"""The training loop: what it leaves, that runs pair, that it stops, and that Adam learns on every backend."""
import importlib.util
import subprocess
import sys

import numpy as np
import pytest

from fxsim.model.network import LAYERS
from fxsim.training.loop import Training

from tiny import SHORT, tiny

pytestmark = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs PyTorch: pip install 'fxsim[reference]'")


def run(*changes, **kwargs):
    training = Training(tiny(*changes))
    training.run(**kwargs)
    return training


def curve(training, split, column):
    return [row[column] for row in training.result.curves if row["split"] == split]


@pytest.fixture(scope="module")
def trained():
    return run("iterations=5", "evaluation.every=2")


def test_evaluations_come_at_every_interval_and_at_the_end(trained):
    assert curve(trained, "eval", "iteration") == [0, 2, 4, 5]
    assert curve(trained, "train", "iteration") == [0, 1, 2, 3, 4]


def test_rows_are_complete(trained):
    for row in trained.result.curves:
        assert row["task"] == "delayed_match" and row["precision"] == "float32" and row["nmse"] is None
        assert row["loss"] > 0 and 0 <= row["accuracy"] <= 1 and row["rate_hz"] >= 0
    assert list(trained.result.frame["seconds"]) == sorted(trained.result.frame["seconds"])
    assert {row["iteration"] for row in trained.result.telemetry} == {0, 5}


@pytest.mark.parametrize("when, iterations", [("off", []), ("ends", [0, 5]), ("always", [0, 2, 4, 5])])
def test_telemetry_is_counted_when_the_configuration_says(when, iterations):
    telemetry = run(*SHORT, "engine=oracle", "iterations=5", "evaluation.every=2", f"evaluation.telemetry={when}").result.telemetry
    assert list(dict.fromkeys(row["iteration"] for row in telemetry)) == iterations


def test_weights_move_and_are_kept_as_stored_and_in_model_units(trained):
    weights = trained.result.weights
    for layer in LAYERS:
        assert (weights[f"initial_{layer}"] != weights[f"final_{layer}"]).any()
        scale = trained.arithmetic.weight_scale[layer]
        np.testing.assert_allclose(weights[f"raw_final_{layer}"], weights[f"final_{layer}"] * scale, rtol=1e-6)


def test_same_seed_gives_the_same_run_on_any_thread_count(trained):
    again = run("iterations=5", "evaluation.every=2", "threads=1")
    assert curve(again, "eval", "loss") == curve(trained, "eval", "loss")
    for name, values in trained.result.weights.items():
        np.testing.assert_array_equal(values, again.result.weights[name])


def test_runs_pair_across_rules_and_precisions(trained):
    """Same seed: same initial weights (up to their format) and the same trials."""
    other = run("iterations=1", "precision=q16", "learning.rule=eprop")
    for layer in LAYERS:
        np.testing.assert_allclose(other.result.weights[f"initial_{layer}"] * other.arithmetic.weight_scale[layer],
                                   trained.result.weights[f"initial_{layer}"] * other.arithmetic.weight_scale[layer], atol=2.0**-13)
    np.testing.assert_array_equal(other.task.training_trials(3).x, trained.task.training_trials(3).x)
    np.testing.assert_array_equal(other.evaluation_trials.target, trained.evaluation_trials.target)


def test_fixed_point_telemetry_names_formats(trained):
    rows = run("iterations=1", "precision=q16").result.telemetry
    membrane = next(row for row in rows if row["quantity"] == "membrane")
    assert (membrane["word_bits"], membrane["frac_bits"], membrane["rounding"]) == (16, 11, "nearest_up")
    assert membrane["stored"] > 0 and 0 < membrane["max_abs"]


def test_a_confirmed_criterion_stops_the_run():
    stopped = run("iterations=8", "evaluation.every=2", "evaluation.stop=true", "evaluation.accuracy=0.01")
    assert stopped.result.stopped and stopped.iteration == 0 and curve(stopped, "eval", "iteration") == [0]


def test_a_criterion_that_is_not_confirmed_does_not_stop(monkeypatch):
    training = Training(tiny("iterations=4", "evaluation.every=2", "evaluation.stop=true", "evaluation.accuracy=0.01"))
    asked = []
    monkeypatch.setattr(Training, "_meets", lambda self, row: "seconds" in row)      # the evaluation set does, fresh trials do not
    draw = training.task.confirmation_trials
    monkeypatch.setattr(type(training.task), "confirmation_trials", lambda self, index: asked.append(index) or draw(index))
    assert not training.run().stopped and training.iteration == 4
    assert asked == [0, 6, 12]      # one refusal each, never the same test batch twice


def test_the_oracle_trains_to_the_same_bits_as_the_cpu_engine():
    runs = [run("iterations=2", "precision=q16", f"engine={engine}", "batch_size=3", "evaluation.batch_size=4") for engine in ("cpu", "oracle")]
    assert curve(runs[0], "eval", "loss") == curve(runs[1], "eval", "loss")
    assert runs[0].result.telemetry == runs[1].result.telemetry
    for name, values in runs[0].result.weights.items():
        np.testing.assert_array_equal(values, runs[1].result.weights[name])


def test_bptt_trains_as_on_the_reference():
    pytest.importorskip("torch")
    trainings = [run("iterations=3", "learning.rule=bptt", "precision=float64", "evaluation.telemetry=off", f"engine={engine}") for engine in ("auto", "reference")]
    assert [t.engine.name for t in trainings] == ["cpu", "reference"]
    ours, theirs = (t.result.weights for t in trainings)
    assert (ours["initial_rec"] != ours["final_rec"]).any()
    for name in ("initial_in", "final_in", "final_rec", "final_out"):
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-6, atol=1e-9)


def test_bptt_in_fixed_point_moves_float_copies_of_the_weights_and_runs_on_their_rounding():
    training = run("iterations=3", "learning.rule=bptt", "precision=q16", "evaluation.telemetry=off")
    assert training.engine.name == "cpu"
    masters, weights = training.optimizer.masters.raw, training.result.weights
    for layer, copy in masters.items():
        fmt = training.arithmetic.spec[f"weight_{layer}"]
        assert copy.dtype == np.float64 and (copy / fmt.resolution % 1 != 0).any() and fmt.min <= copy.min() <= copy.max() <= fmt.max
        assert (np.abs(weights[f"raw_final_{layer}"] - copy / fmt.resolution) < 1).all()       # rounded, at random in this precision
    assert (weights["initial_rec"] != weights["final_rec"]).any()


def test_a_copy_of_a_weight_stays_within_the_format():
    training = Training(tiny("learning.rule=bptt", "precision=q16"))
    weights = training.optimizer.weights
    training.optimizer.masters.move({layer: np.full(w.size, 1e6) for layer, w in weights.items()}, 1)
    for layer, stored in training.optimizer.weights.items():
        assert (stored == training.arithmetic.spec[f"weight_{layer}"].max_raw).all()


@pytest.mark.parametrize("optimizer", ["{name: sgd, log2_rate: -6}", "{name: adamax, log2_rate: -4}"])
def test_integer_optimizers_train(optimizer):
    training = run("iterations=2", "precision=q16", f"learning.optimizer={optimizer}")
    assert (training.result.weights["raw_initial_rec"] != training.result.weights["raw_final_rec"]).any()


def test_to_train_imports_no_compiler_and_no_library_that_only_some_runs_take():
    code = "import sys, fxsim.training.loop; print([m for m in ('numba', 'scipy', 'torch', 'pandas', 'matplotlib') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"

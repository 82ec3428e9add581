"""Stock processes: what they cannot express is named, and mode loihi_lif is what they do, spike for spike."""
from dataclasses import replace

import numpy as np
import pytest

import fxsim
from fxsim.model.network import LAYERS
from fxsim.model.topology import build_network, learning_of
from lava_backend.package import Package, load_package, masters_of, save_package
from lava_backend.runtime.availability import why_not
from lava_backend.stock.loihi_lif import approximated, leaky_integral, obstacles, oracle_of, settings
from lava_backend.stock.package import run_stock, stock_package
from lava_backend.studies.proof import prove
from lava_backend.studies.stock import stock_training, trained_package
from quant import InputError, QFormat, load_spec

from tiny import tiny_changes

needs_lava = pytest.mark.skipif(why_not() is not None, reason=f"Lava cannot run here: {why_not()}")
SHORT = ["task.fixation=5", "task.cue=30", "task.delay=20", "task.decision=20", "task.window=10", "engine=oracle", "batch_size=2",
         "evaluation.batch_size=3", "iterations=2", "network.gains={input: 3}", "network.connectivity=full"]


def config(*changes):
    return fxsim.load_config("delayed_match", tiny_changes(*SHORT, "precision=q16", *changes))


@pytest.fixture(scope="module")
def full():
    """An untrained network of the paper's neurons."""
    c = config()
    network, spec = build_network(c), load_spec("q16")
    bare = Package(c.name, spec, network, learning_of(c), c.seed, c.task.steps, {}, {}, config=c)
    weights = bare.arithmetic.weights_to_raw(network.weights)
    return replace(bare, weights=weights, masters=masters_of(spec, weights))


def lively(package):
    """The same with larger weights of both signs, so that neurons spike and clip."""
    rng = np.random.default_rng(3)
    weights = {layer: rng.integers(-60, 128, raw.size) for layer, raw in package.weights.items()}
    return replace(package, weights=weights, masters=masters_of(package.spec, weights))


def test_one_neuron_by_hand():
    """Lava's formula with plain integers: magnitude shifted, so towards zero; current wraps; potential clips."""
    assert leaky_integral(np.array([1000, -1000, 0]), np.array([0, 0, 64]), 200).tolist() == [(1000 * 3896) >> 12, -((1000 * 3896) >> 12), 64]
    assert leaky_integral(np.array([(1 << 23) - 1]), np.array([1 << 22]), 0).tolist() == [(1 << 23) - 1]
    assert leaky_integral(np.array([0]), np.array([(1 << 23) + 5]), 0).tolist() == [-(1 << 23) + 5]


def test_what_stock_processes_cannot_express_is_named(full):
    assert obstacles(full)[:4] == ["subtractive reset", "input and readout without delay", "adaptive threshold", "refractory period"]
    with pytest.raises(InputError, match="adaptive threshold, refractory period, wide formats .*weight_in 16 bits.*--approximate"):
        stock_package(full, approximate=False)
    simple = replace(full.network, constants=replace(full.network.constants, refractory=0, beta=np.zeros(12)))
    assert obstacles(replace(full, network=simple, spec=load_spec("loihi2"))) == ["subtractive reset", "input and readout without delay"]


def test_approximation_rounds_weights_to_the_nearest(full):
    stock = stock_package(full, approximate=True)
    assert stock.neuron == "loihi_lif" and stock.network.constants.refractory == 0 and not stock.network.constants.beta.any()
    for layer in LAYERS:
        fine, coarse = full.spec[f"weight_{layer}"].to_float(full.weights[layer]), stock.spec[f"weight_{layer}"].to_float(stock.weights[layer])
        inside = np.abs(fine) < stock.spec[f"weight_{layer}"].max
        assert np.abs(fine - coarse)[inside].max() <= 2.0 ** -(stock.spec[f"weight_{layer}"].frac_bits + 1)


@pytest.mark.parametrize("name, fmt", [("weight_in", QFormat(9, 6)), ("weight_rec", QFormat(8, 0)), ("membrane", QFormat(16, 11)),
                                       ("decay", QFormat(16, 19, False)), ("readout", QFormat(24, 30))])
def test_formats_that_stock_processes_do_not_have_are_refused(full, name, fmt):
    stock = approximated(full)
    with pytest.raises(InputError, match=name if name != "readout" else "weight_out.frac_bits"):
        settings(replace(stock, spec=stock.spec.replace(**{name: fmt})))


def test_neuron_mode_travels_with_the_package(full, tmp_path):
    save_package(approximated(full), tmp_path / "p")
    loaded = load_package(tmp_path / "p")
    assert loaded.neuron == "loihi_lif" and settings(loaded) == settings(approximated(full))
    assert "proc.lif.process" in (tmp_path / "p" / "run.py").read_text()


def test_training_in_the_mode_that_deploys(tmp_path):
    training = stock_training(config("learning.rule=eprop"), tmp_path)
    training.run()
    package = trained_package(training)
    assert obstacles(package)[2:] == [] and settings(package).vth == 4096
    assert any((training.result.weights[f"raw_initial_{layer}"] != package.weights[layer]).any() for layer in LAYERS)
    again = oracle_of(package).run(package.weights, training.evaluation_trials, learn=False)
    assert np.array_equal(again.spike_counts, training.engine.run(package.weights, training.evaluation_trials, learn=False).spike_counts)


@needs_lava
def test_stock_network_equals_the_mode_spike_for_spike(full):
    package = lively(approximated(full))
    report = run_stock(package, trials=2, check=True)
    assert report.difference is None and report.compared > 2 * 12 * package.steps
    assert report.rows[0]["rate_hz"] > 20


@needs_lava
def test_check_of_stock_processes_finds_a_difference(full, monkeypatch):
    package = lively(approximated(full))
    from lava_backend.stock import package as stock
    other, session = replace(package, weights={**package.weights, "rec": -package.weights["rec"]}), stock.Session
    monkeypatch.setattr(stock, "Session", lambda given, *rest: session(other, *rest))
    assert run_stock(package, trials=1, check=True).difference.quantity == "z"


@needs_lava
def test_training_on_lava_gives_the_curve_of_the_simulator(tmp_path):
    found = prove(config("learning.optimizer={name: sgd, log2_rate: -2}"), tmp_path, lambda text: None)
    assert found["curves_equal"] and found["weights_equal"] and found["weights_changed"] > 50
    assert {path.name for path in tmp_path.iterdir()} == {"curves.csv", "curves.png", "proof.json"}

"""The three-factor engine: what it cannot express is named, and its simulator is what Lava's engine does, bit for bit."""
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from tiers import first_quick

import fxsim
from fxsim.cli.main import main
from fxsim.config.learning import AdamConfig, SgdConfig
from fxsim.model.arithmetic import Arithmetic
from fxsim.model.network import LAYERS, Synapses
from fxsim.training.loop import Training
from fxsim.verify.random_case import random_case
from lava_backend.deployment import EngineChecker, weight_difference
from lava_backend.package import bare_package, load_package, package_of_run, package_of_training, save_package
from lava_backend.runtime.availability import why_not
from lava_backend.runtime.session import Session
from lava_backend.three_factor.rule import Gathered, Product, Rule, engine_package, nearest_product, obstacles, rules_of, without_regularisation
from lava_backend.three_factor.simulator import Connection, EngineSimulator
from quant import InputError, QFormat, load_spec

from places import TESTS
from tiny import tiny_changes

needs_lava = pytest.mark.skipif(why_not() is not None, reason=f"Lava cannot run here: {why_not()}")
ENGINE = ["task.fixation=5", "task.cue=20", "task.delay=10", "task.decision=20", "task.window=16", "precision=loihi_engine", "engine=oracle",
          "batch_size=2", "evaluation.batch_size=3", "iterations=1", "network.gains={input: 3}", "learning.rule=eprop",
          "learning.optimizer={name: sgd, log2_rate: -5}"]


def config(*changes):
    return fxsim.load_config("delayed_match", tiny_changes(*ENGINE, *changes))


def cli(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def run_directory(tmp_path_factory):
    out = tmp_path_factory.mktemp("engine") / "run"
    fxsim.train(config(), out)
    return out


@pytest.fixture(scope="module")
def package():
    return engine_package(package_of_training(Training(config("learning.c_reg=0"))), 8)


# ---- the rule ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("factors", [("x1", "y2"), ("d", "y2"), ("t", "y1"), ("d",), ("t",)])
def test_coefficients_are_expressed_to_one_percent_or_refused(factors):
    for gain in -0.9 * 2.0 ** -np.arange(3, 11):
        product = nearest_product("rate", factors, gain)
        assert product.gain == pytest.approx(gain, rel=0.015) and 0 <= product.exponent < 16 and -7 <= product.mantissa < 0
    with pytest.raises(InputError, match="^three-factor engine: rate: found -1e-12"):
        nearest_product("rate", factors, -1e-12)


def test_rule_text_is_lavas_syntax():
    assert Product(("t", "y1"), -3, 2, (1, 5)).text == "-3*2^-5*u0*t*y1*(x2+1)*(x2+5)"
    rule = Rule(20, 8, 0, {"w": (Product(("x1", "y2"), 4, 7), Product(("t",), -1, 0))})
    assert rule.text("w") == "4*2^0*u0*x1*y2-1*2^-7*u0*t" and rule.text("d") is None


def test_one_synapse_by_hand():
    """w 10, tag 5, signal 8: -7 t y1 = -280, >> 5 is -9 (floor of -8.75), in 128ths; the first numbers of Lava's seed 2 decide the rounding."""
    one = Synapses(np.zeros(1, np.int32), np.zeros(1, np.int32), 1, 1)
    connection = Connection(Rule(10, 32, 7, {"w": (Product(("t", "y1"), -7, 0),), "t": (Product(("x1", "y2"), 1, 3),)}), one, np.array([10]))
    connection.rest()
    connection.t[:] = 5
    connection.learn(np.ones(1), {"y1": np.array([8]), "y2": np.array([40])})
    random = np.random.default_rng(2).random(2)[1]
    assert connection.x1[0] == 32 and connection.w[0] == 9 + (random < 1 - 9 / 128)
    assert connection.t[0] == 5 + 10 and (32 * 40 >> 3 << 3) == 10 * 128
    for _ in range(9):
        connection.learn(np.ones(1), {"y1": np.array([-128]), "y2": np.array([127])})
    assert connection.x1[0] == 127 and connection.t[0] == 255        # trace and tag are full


@pytest.mark.parametrize("random, lowest", [(0.5, -256), (0.999, -257)])
def test_an_empty_tag_is_rounded_down_by_one_random_number_in_128(random, lowest):
    """The sum that is carried ends at -32769 = -256 * 128 - 1, and Lava's tags at -257."""
    one = Synapses(np.zeros(1, np.int32), np.zeros(1, np.int32), 1, 1)
    connection = Connection(Rule(10, 127, 7, {"t": (Product(("x1", "y2"), -7, 5),)}), one, np.array([0]))
    connection.rest()
    connection.synapse_random = SimpleNamespace(random=lambda: random)
    for _ in range(20):
        connection.learn(np.ones(1), {"y1": np.array([0]), "y2": np.array([127])})
    assert connection.t[0] == lowest


def test_signal_is_gathered_and_the_last_step_is_sent(package):
    gathered, fmt = Gathered(package, "learning_signal"), package.spec["learning_signal"]
    gathered.rest()
    sent = [gathered.step(t, np.array([t, 100, -128])) for t in range(package.steps)]
    for t, values in enumerate(sent):
        ends = (package.steps - 1 - t) % 8 == 0
        assert ends == bool(values.any())
        if ends and t >= 8:
            assert values.tolist() == [np.round(np.clip(np.mean(range(t - 7, t + 1)), fmt.min_raw, fmt.max_raw)), 100, -128]


# ---- what it cannot express ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("change, name", [
    (lambda p: replace(p, learning=replace(p.learning, c_reg=0.1)), "firing-rate regularisation"),
    (lambda p: replace(p, optimizer=AdamConfig(name="adam")), "optimizer adam"),
    (lambda p: replace(p, spec=p.spec.replace(weight_in=QFormat(16, 12))), "weight_in of 16 bits signed"),
    (lambda p: replace(p, spec=p.spec.replace(trace=QFormat(7, 4))), "trace of 7 bits signed"),
    (lambda p: replace(p, spec=p.spec.replace(learning_signal=QFormat(9, 7))), "learning_signal of 9 bits signed"),
    (lambda p: replace(p, spec=p.spec.replace(shadow_in=QFormat(24, 20))), "shadow_in"),
    (lambda p: replace(p, network=replace(p.network, constants=replace(p.network.constants, beta=np.linspace(1, 2, 12)))), "different strengths"),
])
def test_what_the_engine_cannot_express_is_named(package, change, name):
    assert obstacles(package) == []
    changed = change(replace(package, neuron="model"))
    assert name in ", ".join(obstacles(changed))
    with pytest.raises(InputError, match="--engine: found"):
        engine_package(changed, 1)


def test_coefficients_out_of_reach_and_wrong_periods_are_refused(package):
    with pytest.raises(InputError, match="log2_rate"):
        rules_of(replace(package, optimizer=SgdConfig(name="sgd", log2_rate=-40)))
    with pytest.raises(InputError, match="trace.frac_bits: found 7"):
        rules_of(replace(package, spec=package.spec.replace(trace=QFormat(7, 7, signed=False))))
    for period in (0, 3, 32):
        with pytest.raises(InputError, match=f"--period: found {period}, allowed: a power of two up to the window of 16"):
            engine_package(package, period)


def test_export_refuses_in_one_line_and_drops_on_request(run_directory, tmp_path):
    refused = cli("export", "lava", run_directory, tmp_path / "p", "--engine")
    assert refused.exit_code == 2 and len(refused.stderr.strip().splitlines()) == 1 and "firing-rate regularisation" in refused.stderr
    assert cli("export", "lava", run_directory, tmp_path / "p", "--engine", "--stock").exit_code == 2
    assert "--period: found 4, allowed: 1" in cli("export", "lava", run_directory, tmp_path / "p", "--period", 4).stderr
    done = cli("export", "lava", run_directory, tmp_path / "p", "--engine", "--approximate", "--period", 4)
    assert done.exit_code == 0 and "dropped: firing-rate regularisation" in done.output
    package = load_package(tmp_path / "p")
    assert (package.neuron, package.period, package.learning.c_reg) == ("three_factor", 4, 0.0)
    assert rules_of(package) == rules_of(engine_package(without_regularisation(package_of_run(run_directory))[0], 4))
    meta = yaml.safe_load((tmp_path / "p" / "package.yaml").read_text())
    (tmp_path / "p" / "package.yaml").write_text(yaml.safe_dump({**meta, "period": 3}))
    with pytest.raises(InputError, match="period: found 3, allowed: a power of two"):
        load_package(tmp_path / "p")


def test_package_of_a_training_is_that_of_its_run(run_directory):
    training = Training(config())
    training.run()
    direct, from_run = package_of_training(training), package_of_run(run_directory)
    assert direct.updates == from_run.updates == 1 and direct.config == from_run.config and direct.spec.formats == from_run.spec.formats
    for layer in LAYERS:
        assert np.array_equal(direct.weights[layer], from_run.weights[layer]) and np.array_equal(direct.masters[layer], from_run.masters[layer])
    with pytest.raises(InputError, match="precision: found float32, allowed: a fixed-point precision"):
        package_of_training(Training(config("precision=float32")))


# ---- the simulator -------------------------------------------------------------------------------------------------
def test_evaluation_changes_nothing_and_equals_trials_one_by_one(package):
    simulator, trials = EngineSimulator(package), package.task().evaluation_trials()
    before = {layer: w.copy() for layer, w in simulator.weights.items()}
    together, again, one_by_one = simulator.evaluate(trials), simulator.evaluate(trials), simulator.run(trials, learn=False)
    assert np.array_equal(together.readout, one_by_one.readout) and np.array_equal(together.readout, again.readout) and together.readout.any()
    assert all(np.array_equal(before[layer], simulator.weights[layer]) for layer in LAYERS)
    simulator.run(trials)
    assert all((before[layer] != simulator.weights[layer]).any() for layer in LAYERS)


def drawn(number, rule, adapts, period, log2_rate):
    """A small random network for the engine, lively enough that traces, tags and weights reach their bounds."""
    case = random_case(np.random.default_rng(number), rule)
    constants = replace(case.network.constants, beta=np.where(np.arange(case.network.topology.n) % 2 == 0, 1.5, 0.0) * adapts)
    network, learning = replace(case.network, constants=constants), replace(case.learning, c_reg=0.0, window=case.trials.steps)
    arithmetic = Arithmetic("loihi_engine", load_spec("loihi_engine"), constants, learning, case.trials.steps, case.seed)
    bare = bare_package("random", network, learning, arithmetic, arithmetic.weights_to_raw(network.weights))
    T, target = case.trials.steps, case.trials.target
    trials = replace(case.trials, target=np.repeat(target[:, :1], T, 1)).take(slice(3))
    return engine_package(replace(bare, optimizer=SgdConfig(name="sgd", log2_rate=log2_rate)), period), trials


@needs_lava
def test_lavas_engine_at_the_bounds_of_all_its_numbers():
    """1200 steps of Lava's model alone, synapses full and empty, and rounding that a small network hardly ever meets."""
    done = subprocess.run([sys.executable, TESTS / "lava_backend/engine_corners.py", "1200"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout.split() == ["1200", "w", "d", "t"], done.stdout + done.stderr


@needs_lava
@pytest.mark.parametrize("number, rule, adapts, period, log2_rate", first_quick([
    (1, "eprop", False, 1, -4), (4, "eprop", True, 4, -7), (7, "diffusion", True, 1, -9)]))
def test_lava_learns_what_the_simulator_says(number, rule, adapts, period, log2_rate):
    """Every weight, tag, delay variable, trace and neuron state of every step, absent synapses at zero, over trials that learn or not."""
    package, trials = drawn(number, rule, adapts, period, log2_rate)
    checker, seen = EngineChecker(package), {}
    with Session(package, 60) as lava:
        for learn in (True, False, True):
            compare = checker.begin(trials, learn)

            def keep(trial, found, compare=compare):
                compare(trial, found)
                for name, values in found.items():
                    seen.setdefault(name, set()).update(np.unique(values).tolist())
            result = lava.run(trials, learn, update=True, on_record=keep)
            assert checker.finish(result) is None
            assert weight_difference(checker.updated(trials.size), lava.weights) is None
    topology = package.network.topology
    assert topology.syn_in.size < topology.n_in * topology.n and topology.syn_rec.size < topology.n * (topology.n - 1)
    assert all((lava.weights[layer] != package.weights[layer]).any() for layer in LAYERS)
    assert len(seen["tag_in"]) > 10 and len(seen["tag_rec"]) > 10 and (len(seen["delay_in"]) > 2) == adapts
    assert {"V", "z", "H", "y", "err", "L", "trace_in", "weight_out"} <= set(seen) and checker.compared > 10_000


@needs_lava
def test_check_finds_one_weight_that_differs(package, tmp_path, monkeypatch):
    from lava_backend import deployment
    wrong = {**package.weights, "in": package.weights["in"] + (np.arange(package.weights["in"].size) == 0)}
    session = deployment.Session
    monkeypatch.setattr(deployment, "Session", lambda given, *rest: session(replace(given, weights=wrong), *rest))
    save_package(package, tmp_path / "p")
    found = cli("lava", "run", tmp_path / "p", "--learn", "--check", "--trials", 1)
    assert found.exit_code == 1 and "differs from the simulator: weight_in, step 0" in found.output


@pytest.mark.long
@needs_lava
def test_study_writes_curves_of_all_and_lava_agrees(tmp_path):
    changes = [word for change in tiny_changes(*ENGINE, "learning.c_reg=0", "iterations=3", "evaluation.every=2") for word in ("--set", change)]
    done = cli("lava", "engine", "delayed_match", *changes, "--period", 4, "--lava-updates", 2, "--out", tmp_path / "out")
    assert done.exit_code == 0 and "equal to the simulator" in done.output, done.output
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"curves.csv", "curves.png", "curves.svg", "engine.json", "package"}
    learned = load_package(tmp_path / "out" / "package")
    assert learned.updates == 3 and learned.period == 4
    rows = (tmp_path / "out" / "curves.csv").read_text().splitlines()
    assert {row.split(",")[0] for row in rows[1:]} == {"float32", "fixed", "engine", "lava"}
    trained = {network: [row.split(",")[5:] for row in rows if row.startswith(f"{network},") and ",train," in row] for network in ("engine", "lava")}
    assert [row[:-1] for row in trained["engine"][:2]] == [row[:-1] for row in trained["lava"]]

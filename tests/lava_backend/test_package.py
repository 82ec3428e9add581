"""Packages: what a run becomes, what is refused, and that Lava learns as the simulator does, bit for bit."""
import ast
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

import fxsim
from fxsim.cli.main import main
from fxsim.config.learning import SgdConfig
from fxsim.engine.oracle.oracle import Oracle
from fxsim.engine.registry import make_engine
from fxsim.model.network import LAYERS
from fxsim.training.loop import Training
from fxsim.verify.backends import verify_backends
from lava_backend.deployment import Checker, run_package
from lava_backend.package import SCRIPTS, load_package, masters_of, package_of_run, save_package
from lava_backend.runtime.availability import why_not
from quant import InputError

from places import ROOT
from tiny import tiny_changes

needs_lava = pytest.mark.skipif(why_not() is not None, reason=f"Lava cannot run here: {why_not()}")
SHORT = ["task.fixation=5", "task.cue=30", "task.delay=20", "task.decision=20", "task.window=10", "precision=q16", "engine=oracle",
         "batch_size=2", "evaluation.batch_size=3", "iterations=1", "network.gains={input: 3}"]


def train(out, name="delayed_match", *changes):
    base = tiny_changes() if name == "delayed_match" else [c for c in tiny_changes() if not c.startswith("task.")]
    short = SHORT if name == "delayed_match" else [c for c in SHORT if not c.startswith("task.")]
    fxsim.train(fxsim.load_config(name, [*base, *short, *changes]), out)
    return out


@pytest.fixture(scope="module")
def run_directory(tmp_path_factory):
    return train(tmp_path_factory.mktemp("lava") / "run")


@pytest.fixture(scope="module")
def exported(run_directory, tmp_path_factory):
    out = tmp_path_factory.mktemp("lava") / "package"
    result = cli("export", "lava", run_directory, out)
    assert result.exit_code == 0, result.output
    return out


def cli(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


@pytest.mark.parametrize("learn", [True, False])
def test_a_check_misses_no_variable_that_processes_do_not_report(exported, learn):
    """What Lava's processes would leave is taken from the simulator, less one variable, or less all that learning has."""
    package = load_package(exported)
    trials, oracle = package.task().training_trials(0), Oracle(package.network, package.learning, package.arithmetic, package.seed)
    whole = oracle.run(package.weights, trials.take(slice(0, 1)), learn, record=True).record
    forward = {"V", "a", "r", "z", "y"}
    assert set(whole) == (forward | {"X", "H", "E", "U", "F", "Esum", "G", "Z", "Gout", "err", "L", "M", "D"} if learn else forward)
    for lacking in [set(), *({name} for name in whole), *([set(whole) - forward] if learn else [])]:
        checker = Checker(package)
        checker.begin(trials, learn)(0, {name: values for name, values in whole.items() if name not in lacking})
        assert (checker.difference is not None) == bool(lacking)


def test_export_writes_plain_files_that_load_to_the_same_package(run_directory, exported):
    assert {path.name for path in exported.iterdir()} == {"package.yaml", "arrays.npz", "run.py"}
    assert yaml.safe_load((exported / "package.yaml").read_text())["provenance"]["weights"] == "final"
    package, direct = load_package(exported), package_of_run(run_directory)
    with np.load(run_directory / "weights.npz") as stored:
        for layer in LAYERS:
            np.testing.assert_array_equal(package.weights[layer], stored[f"raw_final_{layer}"])
    assert (package.updates, package.steps, package.spec.formats) == (1, direct.steps, direct.spec.formats)
    assert package.learning == direct.learning and package.config == direct.config
    a, b = direct.arithmetic.coefficients, package.arithmetic.coefficients
    assert a.leak_membrane == b.leak_membrane and np.array_equal(a.adaptation_drive, b.adaptation_drive)


def test_initial_weights_are_those_of_an_untrained_run(run_directory):
    package = package_of_run(run_directory, "initial")
    config = package.config
    untrained = Training(config.changed({"engine": "oracle"})).optimizer.weights
    assert package.updates == 0 and all(np.array_equal(package.weights[layer], untrained[layer]) for layer in LAYERS)


def test_shadow_weights_travel_as_masters(run_directory, tmp_path):
    package = package_of_run(run_directory)
    fmt = package.spec["weight_in"]
    spec = package.spec.replace(**{f"shadow_{layer}": replace(package.spec[f"weight_{layer}"], word_bits=24,
                                                              frac_bits=package.spec[f"weight_{layer}"].frac_bits + 8) for layer in LAYERS})
    masters = {layer: (raw << 8) + 3 for layer, raw in package.weights.items()}
    save_package(replace(package, spec=spec, masters=masters), tmp_path / "p")
    loaded = load_package(tmp_path / "p")
    assert loaded.spec["shadow_in"].frac_bits == fmt.frac_bits + 8
    assert all(np.array_equal(loaded.make_optimizer().masters.raw[layer], masters[layer]) for layer in LAYERS)


def test_float_run_is_refused(tmp_path):
    train(tmp_path / "float", "delayed_match", "precision=float32")
    with pytest.raises(InputError, match="precision: found float32, allowed: a fixed-point precision"):
        package_of_run(tmp_path / "float")


def change_yaml(directory, **changes):
    data = yaml.safe_load((directory / "package.yaml").read_text())
    (directory / "package.yaml").write_text(yaml.safe_dump({**data, **changes}))


def change_arrays(directory, **changes):
    with np.load(directory / "arrays.npz") as arrays:
        changed = {**arrays, **changes}
    np.savez(directory / "arrays.npz", **changed)


@pytest.mark.parametrize("break_it, words", [
    (lambda d: (d / "package.yaml").unlink(), "No such file"),
    (lambda d: (d / "package.yaml").write_text("[1, 2"), "invalid YAML"),
    (lambda d: change_yaml(d, version=2), "kind, version"),
    (lambda d: change_yaml(d, steps=-1), "steps: found -1"),
    (lambda d: change_yaml(d, precision={"name": "x"}), "quantities"),
    (lambda d: change_yaml(d, learning={"rule": "bptt", "window": 1, "classification": True, "k": 0.5, "c_reg": 0, "f_target": 0.01}), "bptt"),
    (lambda d: change_yaml(d, optimizer={"name": "lbfgs"}), "optimizer.name: found lbfgs"),
    (lambda d: change_yaml(d, sizes={"neurons": 12, "inputs": 80, "outputs": 2, "grid": [1, 1]}), "sizes.grid"),
    (lambda d: (d / "arrays.npz").write_bytes(b"PK"), "arrays.npz"),
    (lambda d: change_arrays(d, weight_in=np.zeros(3)), "weight_in"),
    (lambda d: change_arrays(d, weight_out=np.full(12, 1 << 40)), "weight's format"),
    (lambda d: change_arrays(d, cell=np.zeros(12, np.int64)), "cell"),
    (lambda d: change_arrays(d, pre_in=np.array([object()], object)), "pre_in"),
])
def test_broken_package_is_refused_in_one_line(exported, tmp_path, break_it, words):
    for path in exported.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    break_it(tmp_path)
    result = cli("lava", "run", tmp_path)
    assert result.exit_code == 2 and len(result.stderr.strip().splitlines()) == 1 and words in result.stderr, result.stderr


@needs_lava
def test_random_networks_agree_bit_for_bit():
    """Every state variable of every step, all roundings and overflows."""
    reports = verify_backends(cases=2, seed=8, engines=("oracle", "lava"))
    assert len(reports) == 2 and [str(r.difference) for r in reports if r.difference] == []


@needs_lava
def test_random_formats_agree_bit_for_bit():
    from fxsim.verify.backends import compare_engine
    from fxsim.verify.random_case import arithmetic_for, random_case, random_spec
    rng, done = np.random.default_rng(12), 0
    while done < 2:
        case = random_case(rng)
        arithmetic = arithmetic_for(case, random_spec(rng))
        if arithmetic is not None:
            assert compare_engine("lava", case, arithmetic) is None
            done += 1


@needs_lava
@pytest.mark.parametrize("name, changes", [
    ("delayed_match", ["learning.optimizer={name: sgd, log2_rate: -2}"]),
    ("delayed_match", ["learning.optimizer={name: adamax, log2_rate: -4}", "precision=loihi2"]),
    ("cue_accumulation", ["task.cues=2", "task.silence=5", "task.cue=20", "task.delay=30", "task.window=10", "learning.rule=eprop"]),
    ("pattern_generation", ["task.duration=60", "task.channels=10", "network.n_alif=0", "network.n_lif=12", "precision=w8s16",
                            "learning.optimizer={name: sgd, log2_rate: -3}", "learning.rule=eprop"]),
])
def test_learning_on_lava_equals_the_simulator_and_goes_on_as_the_run(name, changes, tmp_path):
    """A run of one update, exported, learns on for two: every state, and the weights of a run of three (sgd has no other state)."""
    package = package_of_run(train(tmp_path / "run", name, *changes))
    report = run_package(package, trials=4, learn=True, check=True)
    assert report.difference is None and report.compared > 10_000 and report.package.updates == 3
    assert any((report.package.weights[layer] != package.weights[layer]).any() for layer in LAYERS)
    if package.optimizer.name == "sgd":
        longer = Training(package.config.changed({"iterations": 3}))
        longer.run()
        assert all(np.array_equal(longer.optimizer.weights[layer], report.package.weights[layer]) for layer in LAYERS)


@needs_lava
def test_one_neuron_without_recurrent_synapses(tmp_path):
    package = package_of_run(train(tmp_path / "run", "delayed_match", "network.n_lif=1", "network.n_alif=0", "network.grid=[1, 1]"))
    assert package.network.topology.syn_rec.size == 0
    assert run_package(package, trials=2, learn=True, check=True).difference is None


@needs_lava
def test_processes_update_shadow_weights(run_directory):
    package = package_of_run(run_directory)
    wide = {f"shadow_{layer}": replace(package.spec[f"weight_{layer}"], word_bits=24, frac_bits=package.spec[f"weight_{layer}"].frac_bits + 8)
            for layer in LAYERS}
    spec = package.spec.replace(**wide)
    package = replace(package, spec=spec, masters=masters_of(spec, package.weights), optimizer=SgdConfig(name="sgd", log2_rate=-3))
    report = run_package(package, trials=4, learn=True, check=True)
    assert report.difference is None and (report.package.masters["in"] & 255).any()


@needs_lava
def test_a_network_trained_outside_learns_on_in_lava_with_what_was_left_of_its_sensors(tmp_path):
    """Weights of a float run, programmed in loihi2, tuned there with dead channels and integer adamax, and on."""
    outside = train(tmp_path / "outside", "delayed_match", "precision=float32")
    package = package_of_run(train(tmp_path / "tuned", "delayed_match", "precision=loihi2", "learning.rule=diffusion", "task.sensors={dead: 0.5}",
                                   "learning.optimizer={name: adamax, log2_rate: -5}", f"initial={{path: {outside}, feedback: readout}}"))
    assert package.config.task.sensors.dead == 0.5
    report = run_package(package, trials=4, learn=True, check=True)
    assert report.difference is None and any((report.package.weights[layer] != package.weights[layer]).any() for layer in LAYERS)


@needs_lava
def test_command_runs_checks_and_saves(exported, tmp_path):
    result = cli("lava", "run", exported, "--trials", 2, "--learn", "--check", "--save", tmp_path / "after")
    assert result.exit_code == 0 and "equal to the simulator" in result.output and "after 1 updates" in result.output, result.output
    assert load_package(tmp_path / "after").updates == 2


@needs_lava
@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_command_is_one_line_and_leaves_nothing(exported, tmp_path, number, status):
    command = subprocess.Popen([sys.executable, "-c", "from fxsim.cli.main import main; main()", "lava", "run", str(exported), "--learn", "--trials", "500"],
                               env={**os.environ, "TMPDIR": str(tmp_path)}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 30
    while not list(tmp_path.glob("fxsim-lava-*/log.txt")) and time.monotonic() < until:
        time.sleep(0.02)
    command.send_signal(number)
    _, said = command.communicate(timeout=30)
    assert command.returncode == status and said.strip().splitlines() == [f"interrupted by {number.name}; Lava and all its processes are stopped"]
    assert list(tmp_path.iterdir()) == []


@needs_lava
def test_check_finds_a_flipped_weight(exported, monkeypatch):
    """The comparison sees a difference: Lava gets one weight that the simulator does not have."""
    from lava_backend import deployment
    package = load_package(exported)
    wrong = {**package.weights, "in": package.weights["in"] + (np.arange(package.weights["in"].size) == 0)}
    session = deployment.Session
    monkeypatch.setattr(deployment, "Session", lambda given, *rest: session(replace(given, weights=wrong), *rest))
    report = run_package(package, trials=3, check=True)
    assert report.difference is not None and report.difference.quantity in ("V", "z", "a")


@needs_lava
def test_script_of_the_package_runs_alone(exported, tmp_path):
    done = subprocess.run([sys.executable, exported / "run.py", "2"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    package = load_package(exported)
    trials = package.task().evaluation_trials().take(slice(2))
    counts = make_engine("oracle", package.network, package.learning, package.arithmetic, package.seed).run(package.weights, trials).spike_counts
    assert [line.split(":")[1].split()[0] for line in done.stdout.splitlines()[:2]] == [str(n) for n in counts.sum(1)]


@needs_lava
@pytest.mark.parametrize("script", sorted(SCRIPTS.values()))
def test_scripts_of_packages_import_what_exists(script):
    body = ast.parse((ROOT / "lava_backend" / script).read_text()).body
    imports = [ast.unparse(node) for node in body if isinstance(node, ast.ImportFrom) and node.module.startswith("lava_backend")]
    assert len(imports) >= 2
    done = subprocess.run([sys.executable, "-c", "\n".join(imports)], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr

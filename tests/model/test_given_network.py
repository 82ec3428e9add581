"""Runs in a network that a file gives: the file is the whole network, on every engine, in sweeps, resumed, moved and exported; what it cannot be is one line."""
import importlib.util
import signal
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

import fxsim
from fxsim.cli.main import main
from fxsim.engine.registry import make_engine
from fxsim.errors import InputError
from fxsim.model.arithmetic import make_arithmetic
from fxsim.model.given.stored import load_network, save_network
from fxsim.model.network import LAYERS, Learning, Trials
from fxsim.report.network_picture import described, fan_in, fed_back
from fxsim.training.initial import network_of, network_of_run, pinned
from fxsim.training.interrupts import Interrupted
from fxsim.training.loop import Training
from fxsim.training.runs import default_directory
from fxsim.verify.backends import compare_results

from checkpointed import quick, raising, same_runs

pytestmark = pytest.mark.core
RNG = np.random.default_rng(5)
M, N = 80, 9


def own(outputs=2, **changes):
    """Sparse, without places, LIF and ALIF neurons in any order, a strength for each."""
    rec = RNG.normal(0, 0.3, (N, N)) * (1 - np.eye(N)) * (RNG.random((N, N)) < 0.5)
    return fxsim.make_network(RNG.normal(0, 0.9, (M, N)) * (RNG.random((M, N)) < 0.4), rec, RNG.normal(0, 0.3, (N, outputs)), beta=RNG.choice([0, 0.7, 2.0], N),
                              feedback=RNG.normal(0, 0.3, (N, outputs)) * (RNG.random((N, 1)) < 0.5), refractory=2, **changes)


PLACED = {"cells": np.arange(N)[::-1], "grid": (3, 4)}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    for name, network in (("own", own()), ("placed", own(**PLACED))):
        save_network(network, folder / f"{name}.npz")
    return folder


def given(path, *changes):
    return quick(f"network={{from: {path}}}", "learning.rule=eprop", "iterations=3", *changes)


def same_network(a, b):
    assert a.topology.placed == b.topology.placed and a.topology.grid == b.topology.grid and vars(a.constants).keys() == vars(b.constants).keys()
    arrays = [(vars(a.constants)[name], vars(b.constants)[name]) for name in vars(a.constants)]
    arrays += [(getattr(a.topology.synapses(layer), end), getattr(b.topology.synapses(layer), end)) for layer in LAYERS for end in ("pre", "post", "n_pre", "n_post")]
    arrays += [(a.topology.cell, b.topology.cell), (a.feedback, b.feedback), (a.permutation, b.permutation), *((a.weights[layer], b.weights[layer]) for layer in LAYERS)]
    for one, other in arrays:
        np.testing.assert_array_equal(one, other)


# ---- the file is the network -----------------------------------------------------------------------------------------
def test_networks_come_back_from_their_files(files):
    for network in (own(), own(**PLACED), own(outputs=20)):
        save_network(network, files / "again.npz")
        same_network(load_network(files / "again.npz"), network)


@pytest.mark.parametrize("rule", ["diffusion", "shuffled_fixed"])
def test_a_drawn_network_that_a_file_gives_trains_to_the_same_bits(rule, tmp_path):
    config = quick(f"learning.rule={rule}", "iterations=3")
    save_network(network_of(config), tmp_path / "drawn.npz")
    drawn, begun = (Training(c).run() for c in (config, config.changed({"network": {"from": str(tmp_path / "drawn.npz")}})))
    for name, values in drawn.weights.items():
        np.testing.assert_array_equal(begun.weights[name], values)
    assert any((drawn.weights[f"final_{layer}"] != drawn.weights[f"initial_{layer}"]).any() for layer in LAYERS)


def test_nothing_diffuses_without_places(files):
    for rule in ("diffusion", "shuffled_per_step"):
        with pytest.raises(InputError, match=f"learning.rule: found {rule} in a network without places, allowed: eprop or bptt, or cells on a grid"):
            Training(given(files / "own.npz", f"learning.rule={rule}"))
    assert Training(given(files / "placed.npz", "learning.rule=diffusion")).run().curves


@pytest.mark.long
@pytest.mark.parametrize("name, rule", [("own", "eprop"), ("placed", "diffusion")])
def test_engines_agree_on_it_and_on_twenty_readouts(name, rule, files):
    network, B, T, S, K = own(20, **(PLACED if name == "placed" else {})), 3, 30, 12, 20
    trials = Trials((RNG.random((B, T, M)) < 0.1).astype(np.uint8), np.eye(K)[RNG.integers(0, K, B)][:, None].repeat(S, 1), np.full(B, T), np.arange(B, dtype=np.uint32))
    arithmetic = make_arithmetic("q16", network, learning := Learning(rule, S, True, 0.75, 0.01, 0.01), T)
    oracle, cpu = (make_engine(engine, network, learning, arithmetic).run(arithmetic.weights_to_raw(network.weights), trials) for engine in ("oracle", "cpu"))
    assert compare_results(oracle, cpu) is None and oracle.spike_counts.sum() > 20
    assert all(np.abs(gradient).max() > 0 for gradient in oracle.gradients.values())


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs PyTorch (extra reference)")
def test_the_pytorch_reference_learns_in_it(files):
    twin, reference = (Training(given(files / "own.npz", "precision=float64", f"engine={engine}")) for engine in ("oracle", "reference"))
    trials = twin.task.training_trials(0)
    for training in (twin, reference):
        training.update(trials)
    for layer in LAYERS:
        np.testing.assert_allclose(*(t.arithmetic.weights_to_model(t.optimizer.weights)[layer] for t in (twin, reference)), atol=1e-9)


def test_a_package_for_lava_holds_it(files, tmp_path):
    from lava_backend.package import load_package, package_of_run, save_package
    fxsim.train(given(files / "own.npz"), tmp_path / "run")
    package = package_of_run(tmp_path / "run")
    save_package(package, tmp_path / "package")
    loaded = load_package(tmp_path / "package").network
    same_network(loaded, package.network.with_weights(loaded.weights))
    text = (tmp_path / "package" / "package.yaml").read_text()
    assert "grid: null" in text and "rule: eprop" in text
    (tmp_path / "package" / "package.yaml").write_text(text.replace("rule: eprop", "rule: diffusion", 1))
    with pytest.raises(InputError, match="learning.rule: found diffusion in a network without places"):
        load_package(tmp_path / "package")


@pytest.mark.skipif(importlib.util.find_spec("nir") is None, reason="package nir is not installed (extra nir)")
def test_nir_keeps_it_in_its_metadata(files, tmp_path):
    from lava_backend.nir import export_nir, import_nir
    fxsim.train(given(files / "own.npz"), tmp_path / "run")
    export_nir(tmp_path / "run", tmp_path / "net.nir", lossy=True)
    same_network(import_nir(tmp_path / "net.nir").network, network_of_run(tmp_path / "run")[0])
    with pytest.raises(InputError, match="network: found n_lif"):
        import_nir(tmp_path / "net.nir", quick())
    with pytest.raises(InputError, match="network.from: found a file beside tau_m"):
        import_nir(tmp_path / "net.nir", changes=["network.tau_m=10"])


# ---- identity --------------------------------------------------------------------------------------------------------
def test_it_goes_on_to_the_same_bits_and_in_no_other_network(files, tmp_path):
    copy = tmp_path / "net.npz"
    copy.write_bytes((files / "own.npz").read_bytes())
    config = given(copy, "iterations=6")
    fxsim.train(config, tmp_path / "whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Training, "update", raising(signal.SIGTERM, Training.update, 4))
        with pytest.raises(Interrupted):
            fxsim.train(config, tmp_path / "run")
    moved = copy.rename(tmp_path / "moved.npz")
    with pytest.raises(InputError, match=f"{copy}: network.from: found No such file"):
        fxsim.train(config, tmp_path / "run", resume=True)
    save_network(own(), copy)
    with pytest.raises(InputError, match="network.sha256: found a run with [0-9a-f]{64}, wanted [0-9a-f]{64}"):
        fxsim.train(config, tmp_path / "run", resume=True)
    with pytest.raises(InputError, match=f"{copy}: network.sha256: found"):
        fxsim.train(fxsim.load_config(tmp_path / "run" / "config.yaml"), tmp_path / "run", resume=True)
    fxsim.train(given(moved, "iterations=6"), tmp_path / "run", resume=True)        # the same network elsewhere
    same_runs(tmp_path / "whole", tmp_path / "run")


def test_a_run_is_whole_without_the_file_and_other_runs_begin_with_it(files, tmp_path):
    copy = tmp_path / "net.npz"
    copy.write_bytes((files / "placed.npz").read_bytes())
    fxsim.train(given(copy), tmp_path / "run")
    copy.unlink()
    (tmp_path / "run").rename(tmp_path / "moved")
    found = network_of_run(tmp_path / "moved")[0]
    assert len(fxsim.evaluate(tmp_path / "moved", ["q16", "w8s16"], trials=2).rows) == 2
    begun = network_of(given(files / "placed.npz", f"initial={tmp_path / 'moved'}"))
    same_network(begun, found)
    with pytest.raises(InputError, match="moved: places: found True, allowed: False, as in the file of network.from"):
        network_of(given(files / "own.npz", f"initial={tmp_path / 'moved'}"))
    with pytest.raises(InputError, match=r"moved: layer in: found 80 x 9, allowed: 80 x 12"):
        network_of(quick(f"initial={tmp_path / 'moved'}"))
    bare = tmp_path / "bare.npz"
    np.savez(bare, **{f"final_{layer}": found.weights[layer] for layer in LAYERS})
    same_network(network_of(given(files / "placed.npz", f"initial={bare}")), found)


def test_in_a_study_the_content_is_what_counts(files, tmp_path):
    from fxsim.config import dump_config
    from fxsim.study.plan import parse_study, plan
    for seed in (3, 4):
        (tmp_path / f"net-{seed}.npz").write_bytes((files / "own.npz").read_bytes())
    (tmp_path / "base.yaml").write_text(dump_config(quick("learning.rule=eprop")))
    study = {"name": "given", "base": str(tmp_path / "base.yaml"), "seeds": [3, 4], "blocks": [
        {"name": "a", "set": {"network": {"from": "net-{seed}.npz"}}}, {"name": "b", "set": {"network": {"from": "net-3.npz"}}}, {"name": "c"},
        {"name": "d", "grid": {"network": [{"from": "net-3.npz"}, {"from": str(files / "placed.npz")}]}}]}
    runs = plan(parse_study(study, "s"), str(tmp_path / "s.yaml"))
    planned = {(p.block, p.config.seed): p for p in runs}
    assert planned["a", 4].config.network.path == str(tmp_path / "net-4.npz")
    assert planned["a", 4].folder == planned["b", 4].folder != planned["c", 4].folder and len({p.folder for p in runs if p.block == "d"}) == 4
    assert planned["a", 3].config == pinned(planned["a", 3].config)
    assert default_directory(planned["a", 3].config).endswith("-s3-in-net-3")


def test_a_configuration_with_it_extends_another(files, tmp_path):
    (tmp_path / "mine.yaml").write_text(f"extends: delayed_match\nname: mine\nnetwork: {{from: {files / 'own.npz'}}}\n")
    config = fxsim.load_config(tmp_path / "mine.yaml")
    assert config.network.path == str(files / "own.npz") and fxsim.config.build_config(config.model_dump(mode="json"), "again") == config


# ---- the command and the picture ----------------------------------------------------------------------------------------
def test_the_command_saves_draws_and_describes(files, tmp_path):
    def call(*words):
        return CliRunner().invoke(main, ["network", *map(str, words)])
    small = ["--set", "network.n_lif=6", "--set", "network.n_alif=6", "--set", "network.grid=[4,4]"]
    done = call("delayed_match", *small, "--save", tmp_path / "net.npz", "--picture", tmp_path / "net.png")
    assert done.exit_code == 0 and "80 inputs, 6 LIF and 6 ALIF neurons on 4 x 4 cells, 2 outputs; synapses: 96 input" in done.output
    same_network(load_network(tmp_path / "net.npz"), network_of(fxsim.load_config("delayed_match", small[1::2])))
    assert (tmp_path / "net.png").read_bytes().startswith(b"\x89PNG")
    fxsim.train(given(files / "own.npz"), tmp_path / "run")
    for weights in ("initial", "final"):
        assert call(tmp_path / "run", "--weights", weights, "--save", tmp_path / "net.npz").exit_code == 0       # what fxsim wrote it replaces
        same_network(load_network(tmp_path / "net.npz"), network_of_run(tmp_path / "run", weights)[0])
    (tmp_path / "other").write_bytes(b"mine")
    for words, line in (((tmp_path / "run", "--save", tmp_path / "other"), "did not write"), ((tmp_path / "run", "--set", "seed=3"), "--set"),
                        (("delayed_match", "--weights", "final"), "--weights"), (("delayed_match", "--picture", tmp_path / "a.gif"), "--picture")):
        refused = call(*words)
        assert refused.exit_code == 2 and line in refused.output and (tmp_path / "other").read_bytes() == b"mine"


def test_what_the_picture_counts():
    ring = np.roll(np.eye(4), 1, axis=1)
    network = fxsim.make_network(np.ones((3, 4)), ring, np.array([[1.0], [0], [0], [2]]), beta=[0, 0, 1, 1])
    assert fan_in(network)["input"].tolist() == [3] * 4 and fan_in(network)["recurrent"].tolist() == [1] * 4
    assert fed_back(network).tolist() == [True, False, False, True]
    assert described(network) == ("3 inputs, 2 LIF and 2 ALIF neurons without places, 1 outputs; synapses: 12 input, 4 recurrent, 2 readout; 2 neurons get feedback")


def test_reports_of_comparisons_show_it(files, tmp_path):
    page = fxsim.compare([given(files / "own.npz", "evaluation.telemetry=off", "iterations=1")], ["eprop"], ["q16"], [0], tmp_path / "out", jobs=1)
    assert (tmp_path / "out/figures/network_delayed_match.png").stat().st_size > 3000 and "figures/network_delayed_match.svg" in page.read_text()


# ---- what a file cannot be ----------------------------------------------------------------------------------------------
BAD = [("threshold", np.full(N, 0.03), "threshold: found shape \\(9,\\), allowed: shape \\(\\): one number for all neurons"), ("alpha", np.full(N, 0.9), "alpha: found shape"),
       ("beta", np.full(N, -1.0), "beta: found -1.0, allowed: numbers from 0"), ("beta", np.full(N, np.nan), "beta: found 9 values that are NaN"), ("beta", np.zeros(3), "beta: found shape"),
       ("weight_rec", None, "weight_rec: found nothing"), ("weight_in", np.zeros(3), "weight_in: found shape \\(3,\\)"), ("weight_out", np.full(18, np.inf), "weight_out: found 18 values"),
       ("weight_out", np.full(18, 1e31), "weight_out: found 1e\\+31"), ("weight_out", np.zeros(18, "U3"), "weight_out: found <U3"), ("feedback", np.zeros((2, N)), "feedback: found shape"),
       ("feedback", np.full((N, 2), np.nan), "feedback"), ("refractory", np.array(10**5), "refractory: found 100000"), ("refractory", np.array(1.5), "refractory: found float64"),
       ("sizes", np.array([81, N, 2]), "layer in: found 81 x 9, allowed: 80 x 9, as network and task say"), ("sizes", np.array([M, N, 1]), "pre_out, post_out: found indices outside"),
       ("sizes", np.array([M, 2**40, 2]), "sizes: found"), ("sizes", np.array([M, 2**30, 2]), "beta: found shape"), ("pre_rec", 0, "pre_rec, post_rec: found"),
       ("grid", np.array([3, 3]), "cell: found nothing"), ("cell", np.arange(N), "grid: found nothing"), ("gamma", np.array(0.0), "gamma: found 0.0")]


@pytest.mark.parametrize("name, value, line", BAD)
def test_a_bad_file_is_refused_by_array(name, value, line, files, tmp_path):
    with np.load(files / "own.npz") as stored:
        arrays = dict(stored)
    arrays.pop(name, None)
    if value is not None:
        arrays[name] = np.sort(np.arange(len(arrays["post_rec"])) % N) if np.ndim(value) == 0 and value == 0 and name == "pre_rec" else value
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(InputError, match=f"bad.npz: {line}") as refused:
        network_of(given(tmp_path / "bad.npz"))
    assert "\n" not in str(refused.value)


def test_autapses_in_a_file_and_files_that_are_none(files, tmp_path):
    network = own()
    ones = fxsim.model.network.Synapses.from_mask(np.eye(N, dtype=bool))
    save_network(replace(network, topology=replace(network.topology, syn_rec=ones), weights={**network.weights, "rec": np.ones(N)}), tmp_path / "self.npz")
    for path, line in ((tmp_path / "self.npz", "pre_rec, post_rec: found neuron 0 connected to itself"), (tmp_path / "none.npz", "network.from: found No such file"),
                       (tmp_path, "network.from: found a directory"), (__file__, "found no npz archive")):
        with pytest.raises(InputError, match=line):
            network_of(given(path))


@pytest.mark.parametrize("change, line", [("network.from=FILE", "network.from: found a file beside n_lif, "), ("network={from: FILE, tau_m: 3}", "network.from: found a file beside tau_m, allowed: the file alone"),
                                          ("network={from: FILE, cells: 3}", "network.cells: found an unknown key, allowed: one of from, sha256"), ("network={from: [1]}", "network.from"),
                                          ("network={from: FILE, sha256: abc}", "network.sha256: found 'abc', allowed: 64 hexadecimal digits")])
def test_a_bad_section_is_refused_by_field(change, line, files):
    with pytest.raises(InputError, match=line):
        quick(change.replace("FILE", str(files / "own.npz")))

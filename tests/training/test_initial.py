"""Runs that begin with a given network: it comes whole, whatever file it was in, and what does not fit is refused by name."""
import importlib.util
import signal
from pathlib import Path

import numpy as np
import pytest

import fxsim
from fxsim.config import dump_config
from fxsim.errors import InputError
from fxsim.model.network import LAYERS
from fxsim.training.initial import network_of, network_of_run, pinned
from fxsim.training.interrupts import Interrupted
from fxsim.training.loop import Training
from fxsim.training.runs import default_directory
from quant.rounding import ROUNDINGS

from checkpointed import quick, raising, same_runs

pytestmark = pytest.mark.core
TORCH, NIR = (importlib.util.find_spec(name) is not None for name in ("torch", "nir"))


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A trained run in float64, of a seed that no run below has."""
    directory = tmp_path_factory.mktemp("source") / "run"
    fxsim.train(quick("seed=77", "precision=float64", "iterations=3"), directory)
    return directory


def begun(path, *changes):
    return quick(f"initial={path}", "iterations=2", *changes)


def same_network(first, second):
    assert first.topology.grid == second.topology.grid
    pairs = [(vars(first.constants)[name], vars(second.constants)[name]) for name in vars(first.constants)]
    pairs += [(getattr(first.topology.synapses(layer), end), getattr(second.topology.synapses(layer), end)) for layer in LAYERS for end in ("pre", "post")]
    pairs += [(first.weights[layer], second.weights[layer]) for layer in LAYERS]
    for a, b in [*pairs, (first.topology.cell, second.topology.cell), (first.feedback, second.feedback), (first.permutation, second.permutation)]:
        np.testing.assert_array_equal(a, b)


def test_a_run_brings_its_whole_network_with_it(source):
    expected, config = network_of_run(source)
    for path in (source, source / "weights.npz"):
        same_network(network_of(begun(path, "seed=5")), expected)
    assert (expected.weights["out"] != Training(config).network.weights["out"]).any()      # trained, not drawn
    drawn = Training(quick("seed=5")).network
    assert not np.array_equal(drawn.topology.cell, expected.topology.cell)


def test_a_network_goes_from_run_to_run(source, tmp_path):
    fxsim.train(begun(source, "seed=5"), tmp_path / "second")
    second, _ = network_of_run(tmp_path / "second")
    same_network(network_of(begun(tmp_path / "second", "seed=6")), second)
    first, _ = network_of_run(source)
    assert np.array_equal(second.feedback, first.feedback) and np.array_equal(second.topology.cell, first.topology.cell)


@pytest.mark.skipif(not NIR, reason="package nir is not installed (extra nir)")
def test_nir_files_and_exports_of_begun_runs(source, tmp_path):
    from lava_backend.nir import export_nir, import_nir
    from lava_backend.package import package_of_run
    export_nir(source, tmp_path / "net.nir", lossy=True)
    expected, _ = network_of_run(source)
    same_network(network_of(begun(tmp_path / "net.nir", "seed=5")), expected)
    fxsim.train(begun(tmp_path / "net.nir", "seed=5"), tmp_path / "second")
    export_nir(tmp_path / "second", tmp_path / "second.nir", lossy=True)
    second, _ = network_of_run(tmp_path / "second")
    same_network(import_nir(tmp_path / "second.nir").network, second)
    assert np.array_equal(package_of_run(tmp_path / "second").network.topology.cell, expected.topology.cell)


def test_bare_weights_belong_to_the_connections_that_are_drawn(tmp_path):
    drawn = Training(quick()).network
    given = {f"final_{layer}": np.arange(w.size) / 100 for layer, w in drawn.weights.items()}
    np.savez(tmp_path / "bare.npz", **given)
    network = network_of(begun(tmp_path / "bare.npz"))
    assert np.array_equal(network.topology.syn_rec.pre, drawn.topology.syn_rec.pre)
    assert np.array_equal(network.weights["rec"], given["final_rec"])
    assert np.array_equal(network.feedback, drawn.topology.syn_out.dense(given["final_out"]))        # Symmetric: the readout weights it begins with


def test_feedback_is_the_given_one_or_the_given_readout(source):
    network, _ = network_of_run(source)
    assert np.array_equal(network_of(begun(source)).feedback, network.feedback)
    readout = network_of(begun(f"{{path: {source}, feedback: readout}}")).feedback
    assert np.array_equal(readout, network.topology.syn_out.dense(network.weights["out"])) and (readout != network.feedback).any()


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_stored_weights_come_back_as_they_were(rounding, tmp_path):
    formats = [f"formats.weight_{layer}={{rounding: {rounding}, word_bits: 12}}" for layer in LAYERS]
    fxsim.train(quick("seed=77", "iterations=3", *formats), tmp_path / "run")
    again = Training(begun(tmp_path / "run", *formats))
    with np.load(tmp_path / "run" / "weights.npz") as stored:
        for layer in LAYERS:
            assert (again.optimizer.weights[layer] == stored[f"raw_final_{layer}"]).all()


@pytest.mark.parametrize("changes", [
    ["learning.rule=eprop"], ["learning.rule=shuffled_fixed"], ["learning.rule=shuffled_per_step"], ["precision=float64"], ["precision=loihi2"],
    ["learning.optimizer={name: adamax}"], ["learning.optimizer={name: sgd}", "precision=w8s16"], ["engine=reference", "precision=float64"],
    ["learning.rule=bptt", "engine=reference", "precision=float64"],
    ["formats.shadow_in={word_bits: 24, frac_bits: 20}", "formats.weight_in={word_bits: 6}", "learning.optimizer={name: adamax}"]])
def test_it_trains_with_every_rule_precision_and_optimizer(changes, source):
    if "engine=reference" in changes and not TORCH:
        pytest.skip("needs PyTorch")
    training = Training(begun(source, *changes))
    given, _ = network_of_run(source)
    first = training.result.weights["initial_in"]
    half = training.arithmetic.spec["weight_in"].resolution / training.arithmetic.weight_scale["in"] if training.arithmetic.spec else 1e-12
    assert np.abs(first - given.weights["in"]).max() <= half
    if "formats.shadow_in" in changes[0]:       # the wide copy holds what the weights cannot
        fine = training.optimizer.masters.raw["in"] * 2.0**-20 / training.arithmetic.weight_scale["in"]
        assert np.abs(fine - given.weights["in"]).max() < half / 1000 < np.abs(first - given.weights["in"]).max()
    result = training.run()
    assert any((result.weights[f"final_{layer}"] != result.weights[f"initial_{layer}"]).any() for layer in LAYERS)


# ---- identity --------------------------------------------------------------------------------------------------------
def test_a_begun_run_goes_on_to_the_same_bits_and_from_no_other_weights(source, tmp_path):
    copy = tmp_path / "given.npz"
    copy.write_bytes((source / "weights.npz").read_bytes())
    config = quick(f"initial={copy}")
    fxsim.train(config, tmp_path / "whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Training, "update", raising(signal.SIGTERM, Training.update, 5))
        with pytest.raises(Interrupted):
            fxsim.train(config, tmp_path / "run")
    moved = copy.rename(tmp_path / "moved.npz")
    with pytest.raises(InputError, match=f"{copy}: initial: found No such file"):
        fxsim.train(config, tmp_path / "run", resume=True)
    with np.load(moved) as stored:
        np.savez(copy, **{**stored, "final_in": 2 * stored["final_in"]})
    with pytest.raises(InputError, match="initial.sha256: found a run with [0-9a-f]{64}, wanted [0-9a-f]{64}"):
        fxsim.train(config, tmp_path / "run", resume=True)
    with pytest.raises(InputError, match=f"{copy}: initial.sha256: found"):
        fxsim.load_config(tmp_path / "run" / "config.yaml") and fxsim.train(fxsim.load_config(tmp_path / "run" / "config.yaml"), tmp_path / "run", resume=True)
    fxsim.train(quick(f"initial={moved}"), tmp_path / "run", resume=True)        # the same weights elsewhere
    same_runs(tmp_path / "whole", tmp_path / "run")
    with pytest.raises(InputError, match="initial.sha256: found a run with None"):
        (tmp_path / "plain").mkdir()
        (tmp_path / "plain" / "config.yaml").write_text(dump_config(quick()))
        fxsim.train(quick(f"initial={moved}"), tmp_path / "plain")


def test_names_of_directories_say_where_a_run_began(source):
    assert default_directory(begun(source)).endswith("-s1-from-run") and "-from-" not in default_directory(quick())


def test_in_a_study_the_content_is_what_counts(source, tmp_path):
    from fxsim.study.plan import parse_study, plan
    for seed in (3, 4):
        (tmp_path / f"given-{seed}.npz").write_bytes((source / "weights.npz").read_bytes())
    study = {"name": "begun", "base": str(tmp_path / "base.yaml"), "seeds": [3, 4],
             "blocks": [{"name": "a", "set": {"initial": "given-{seed}.npz"}}, {"name": "b", "set": {"initial": "given-3.npz"}},
                        {"name": "c"}, {"name": "d", "set": {"initial": {"path": "given-4.npz", "feedback": "readout"}}}]}
    (tmp_path / "base.yaml").write_text(dump_config(quick()))
    planned = {(p.block, p.config.seed): p for p in plan(parse_study(study, str(tmp_path / "s.yaml")), str(tmp_path / "s.yaml"))}
    assert Path(planned["a", 4].config.initial.path) == tmp_path / "given-4.npz"
    assert planned["a", 4].folder == planned["b", 4].folder != planned["c", 4].folder != planned["d", 4].folder
    assert planned["a", 3].config == pinned(planned["a", 3].config)


# ---- what does not fit -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("change, line", [
    ("task.channels=21", "layer in: found 80 x 12, allowed: 84 x 12, as network and task say"),
    ("network.n_lif=7", "layer in: found 80 x 12, allowed: 80 x 13, as network and task say"),
    ("network.grid=[4,5]", r"grid: found \[4, 4\], allowed: \[4, 5\], as network.grid says"),
    ("network.n_lif=5 network.n_alif=7", "beta: found 6 neurons that adapt, with up to 1.8, allowed: 7 with 1.8, as"),
    ("network.threshold=0.04", "threshold: found 0.03, allowed: 0.04, as network.threshold says"),
    ("network.tau_m=10", "alpha: found 0.951229425, allowed: 0.904837418, as network.tau_m says"),
    ("network.refractory=1", "refractory: found 5, allowed: 1, as network.refractory says")])
def test_what_does_not_fit_is_refused_by_name_and_size(change, line, source):
    with pytest.raises(InputError, match=f"{source}: {line}"):
        Training(begun(source, *change.split()))


@pytest.mark.parametrize("name, value, line", [
    ("final_rec", np.nan, "final_rec: found 1 values that are NaN or infinite"), ("final_out", None, "final_out: found nothing"),
    ("final_in", np.zeros(3), "final_in: found shape \\(3,\\), allowed: "), ("pre_rec", -1, "pre_rec, post_rec: found indices outside the layer"),
    ("alpha", 2.0, "alpha: found 2.0, allowed: a number from 0.0"), ("cell", 10**6, "cell: found repeated or outside indices"),
    ("sizes", 0, "sizes: found \\[0, 12, 2\\]"), ("refractory", -1, "refractory: found -1")])
def test_damaged_weights_are_refused_by_name(name, value, line, source, tmp_path):
    with np.load(source / "weights.npz") as stored:
        arrays = dict(stored)
    if value is None:
        del arrays[name]
    elif np.ndim(value):
        arrays[name] = value
    else:
        arrays[name] = arrays[name].copy()
        arrays[name].reshape(-1)[0] = value
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(InputError, match=f"bad.npz: {line}"):
        network_of(begun(tmp_path / "bad.npz"))


def test_other_files_and_unfinished_runs_are_refused(source, tmp_path):
    (tmp_path / "weights.pt").write_bytes(b"")
    with pytest.raises(InputError, match="weights.pt: initial: found a file that ends in .pt, allowed: a run directory, or a file that ends in npz"):
        network_of(begun(tmp_path / "weights.pt"))
    with pytest.raises(InputError, match="manifest.json: initial: found No such file"):
        network_of(begun(tmp_path))
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(InputError, match="manifest.json: finished: found no true"):
        network_of(begun(tmp_path))
    with pytest.raises(InputError, match="initial.sha256: found '12', allowed: 64 hexadecimal digits"):
        begun(f"{{path: {source}, sha256: '12'}}")

"""The fit check: hand-made networks whose needs can be counted."""
import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from fxsim.cli.commands.chips import CHIPS
from fxsim.cli.main import main
from fxsim.hardware.cores import units_of
from fxsim.hardware.fit import CORE_ROWS, ROWS, Design, check_fit
from fxsim.hardware.limits import Limit, chip_names, left_out, load_limits
from fxsim.model.arithmetic import Arithmetic
from fxsim.model.network import Constants, Learning, Network, Synapses, Topology
from fxsim.training.runs import train_in
from lava_backend.package import bare_package, save_package
from quant import InputError, load_spec

from tiny import SHORT, tiny, tiny_changes

pytestmark = pytest.mark.core


def ring(n=6, spec="loihi2", rule="eprop", refractory=5, beta=0.0):
    """n neurons in a row of cells, each driven by its left neighbour and by one input; all read out once."""
    circle = np.zeros((n, n), bool)
    circle[np.arange(n), (np.arange(n) + 1) % n] = True
    topology = Topology((1, n), np.arange(n, dtype=np.int32), Synapses.from_mask(np.ones((1, n), bool)), Synapses.from_mask(circle),
                        Synapses.from_mask(np.ones((n, 1), bool)))
    weights = {layer: np.zeros(topology.synapses(layer).size) for layer in ("in", "rec", "out")}
    network = Network(Constants(0.03, 0.3, 0.95, 0.999, 0.95, refractory, np.full(n, beta)), topology, weights, np.ones((n, 1)), np.arange(n))
    return Design("ring", network, load_spec(spec), Learning(rule, 5, False))


def package(design):
    arithmetic = Arithmetic(design.spec.name, design.spec, design.network.constants, design.learning, 10)
    return bare_package("ring", design.network, design.learning, arithmetic, arithmetic.weights_to_raw(design.network.weights))


def limits(**values):
    table = load_limits("loihi2")
    return {**table, **{name: Limit(value, "given", "test") for name, value in values.items()}}


def needed(fit):
    return {need.name: need.needed for need in fit.needs}


def test_everything_in_one_core():
    fit = check_fit(ring(), "loihi2")
    found = needed(fit)
    assert fit.fits and fit.cores == 1
    assert found["neurons in a core"] == 7                          # 6 and a readout
    assert found["synapse memory in a core"] == 18 * (8 + 13)       # 6 of each layer, weight and index
    assert found["input axons of a core"] == 7                      # an input and 6 neurons
    assert found["output axons of a core"] == 6                     # each neuron to this core once
    assert found["synapses of the chip"] == 18 and found["bits of a weight"] == 8


def test_cores_are_filled_and_the_binding_limit_is_named():
    fit = check_fit(ring(), "loihi2", limits=limits(neurons_per_core=3))
    assert fit.cores == 3 and fit.binding == "neurons in a core" and needed(fit)["neurons in a core"] == 3
    # cores {0,1,2} {3,4,5} {readout}: the first core reaches itself by 0 and 1, the second by 2, the readout's by all three
    assert needed(fit)["output axons of a core"] == 2 + 1 + 3
    fit = check_fit(ring(), "loihi2", limits=limits(axons_in_per_core=6))
    assert fit.binding == "input axons of a core"


def test_a_neuron_that_fits_no_core():
    fit = check_fit(ring(), "loihi2", limits=limits(axons_in_per_core=5))
    assert fit.cores is None and not fit.fits


def test_learning_needs_state_and_graded_messages():
    inference, learning = check_fit(ring(), "loihi1"), check_fit(ring(), "loihi1", learning=True)
    assert needed(learning)["synapse memory in a core"] > needed(inference)["synapse memory in a core"]
    assert not learning.fits and any(line.startswith("bits of a message: a chip with graded spikes") for line in learning.advice)
    assert needed(check_fit(ring(rule="diffusion"), "loihi2", learning=True))["neurons in a core"] == 7 + 6


def test_wide_weights_are_named_with_what_to_change():
    fit = check_fit(ring(spec="q16"), "loihi2")
    assert not fit.fits and any("bits of a weight" in line and "loihi2" in line for line in fit.advice)


def test_every_limit_has_a_provenance_and_unknown_ones_no_value():
    assert set(chip_names()) == set(CHIPS)
    for chip in chip_names():
        assert left_out(chip) and set(load_limits(chip)) <= {*ROWS, *CORE_ROWS, "index_bits"}
        for name, limit in load_limits(chip).items():
            assert limit.source and limit.status in ("published", "unverified", "assumed", "unknown"), name
            assert (limit.value is None) == (limit.status == "unknown"), name


# ---- chips without cores, and cores whose memory holds everything ----------------------------------------------------------
def test_reckon_takes_what_its_words_hold():
    fit = check_fit(ring(spec="reckon", refractory=0), "reckon")
    assert fit.fits and fit.cores == 0 and not fit.exceeded
    assert needed(fit)["neurons"] == 6 and needed(fit)["input channels"] == 1 and "bits of a trace" not in needed(fit)
    wide = check_fit(ring(n=300, spec="q16", beta=1.0), "reckon", learning=True)
    assert {need.name: (need.needed, need.limit.value) for need in wide.exceeded} == {
        "neurons": (300, 256), "neurons with an adaptive threshold": (300, 0), "refractory steps": (5, 0), "bits of a weight": (16, 8), "bits of a decay": (16, 12),
        "fraction bits of a decay": (19, 15), "bits of a trace": (15, 12), "bits of a readout's trace": (15, 10), "bits of a pseudo-derivative": (16, 5),
        "bits of state in a synapse": (16 + 15 + 31 + 31, 0)}
    assert any(line.startswith("neurons with an adaptive threshold: network.n_alif=0") for line in wide.advice)
    assert "cells that diffuse" in {need.name for need in check_fit(ring(spec="reckon", rule="diffusion"), "reckon", learning=True).exceeded}


def test_xylo_infers_and_does_not_learn():
    design = ring(n=70, spec="xylo", refractory=0)
    assert check_fit(design, "xylo").fits
    assert [need.name for need in check_fit(design, "xylo", learning=True).exceeded] == ["synapses that learn"]
    hub = Synapses.from_mask(np.r_[np.ones((1, 70), bool), np.zeros((69, 70), bool)])
    topology = Topology((1, 70), np.arange(70, dtype=np.int32), design.network.topology.syn_in, hub, design.network.topology.syn_out)
    full = Design("hub", Network(design.network.constants, topology, {}, design.network.feedback, np.arange(70)), design.spec, design.learning)
    assert [(need.name, need.needed) for need in check_fit(full, "xylo").exceeded] == [("recurrent fan-out of a neuron", 70)]


def test_a_core_of_spinnaker2_holds_states_and_synapses():
    design = ring(spec="spinnaker2", beta=1.0)
    fit = check_fit(design, "spinnaker2")
    synapses, states = 18 * (16 + 16), 6 * (32 + 3 + 32) + 32               # weight and index; V, refractory count, a; y
    assert fit.fits and fit.cores == 1 and needed(fit)["memory of a core"] == synapses + states
    units = units_of(design.network, design.spec, design.learning, False, 16)
    assert units.state.tolist() == [67] * 6 + [32]
    table = {**load_limits("spinnaker2"), "memory_bits_per_core": Limit(400, "given", "test")}
    fit = check_fit(design, "spinnaker2", limits=table)
    assert fit.cores == 3 and fit.binding == "memory of a core"              # (67 + 2 * 32) * 3 = 393, twice, and the readout: 32 + 6 * 32
    tight = check_fit(design, "spinnaker2", limits={**table, "memory_bits_per_core": Limit(350, "given", "test")})
    assert tight.cores == 4 and needed(tight)["memory of a core"] == 2 * 131        # a third neuron fits with its synapses, not with its state
    assert check_fit(design, "spinnaker2", limits={**table, "memory_bits_per_core": Limit(120, "given", "test")}).cores is None


def test_command_and_limits_file(tmp_path):
    save_package(package(ring()), tmp_path / "p")
    (tmp_path / "limits.yaml").write_text(yaml.safe_dump({"loihi2": {"axons_in_per_core": {"value": 3}}}))
    fine = CliRunner().invoke(main, ["fit", str(tmp_path / "p"), "--chip", "loihi1", "--chip", "loihi2"])
    assert fine.exit_code == 0 and "unknown: not public" in fine.output and "limits met; 1 core, bound by" in fine.output, fine.output
    tight = CliRunner().invoke(main, ["fit", str(tmp_path / "p"), "--chip", "loihi2", "--limits", str(tmp_path / "limits.yaml")])
    assert tight.exit_code == 1 and "TOO MUCH" in tight.output and "lower fan-in" in tight.output, tight.output


@pytest.mark.parametrize("content", ["{loihi3: {}}", "{loihi2: {wings: 3}}", "{loihi2: {weight_bits: {value: -1}}}", "[", "3"])
def test_bad_limits_file_is_refused(tmp_path, content):
    (tmp_path / "limits.yaml").write_text(content)
    with pytest.raises(InputError):
        load_limits("loihi2", tmp_path / "limits.yaml")


def test_packages_runs_and_configurations_are_held_alike(tmp_path):
    """Exit status 0 if one chip of those asked for fits, 1 if none, 2 for what is refused."""
    changes = [*SHORT, "precision=xylo", "network.n_lif=8", "network.n_alif=0", "network.refractory=0"]
    words = [word for change in tiny_changes(*changes) for word in ("--set", change)]
    none, one = (CliRunner().invoke(main, ["fit", "delayed_match", *chips, *words]) for chips in (["--chip", "xylo"], ["--chip", "xylo", "--chip", "reckon"]))
    assert none.exit_code == 1 and "does not fit: 1 of 10 limits exceeded; bound by input channels" in none.output, none.output
    assert one.exit_code == 0 and "reckon, xylo, inference" in one.output and "fits: all 9 limits met" in one.output
    as_json = CliRunner().invoke(main, ["fit", "delayed_match", "--chip", "reckon", "--json", *words, "--set", "precision=reckon"])
    (found,) = yaml.safe_load(as_json.output)
    assert as_json.exit_code == 0 and found["fits"] and found["precision"] == "reckon" and found["cores"] == 0
    train_in(tmp_path / "run", tiny(*SHORT, "precision=q16", "engine=oracle", "iterations=0", "evaluation.telemetry=off"))
    run = CliRunner().invoke(main, ["fit", str(tmp_path / "run"), "--chip", "spinnaker2", "--learn"])
    assert run.exit_code == 0 and "spinnaker2, q16, learning" in run.output and "fits: all 9 limits met; 1 core" in run.output, run.output
    save_package(package(ring()), tmp_path / "p")
    for arguments, message in ((["delayed_match"], "precision: found float32, allowed: a fixed-point precision"), (["delayed_matsch"], "delayed_matsch"),
                               ([str(tmp_path / "p"), "--set", "precision=q16"], "--set: found precision=q16"),
                               (["delayed_match", "--set", "precision=q16", "--set", "learning.rule=bptt", "--learn"], "bptt with --learn")):
        refused = CliRunner().invoke(main, ["fit", *arguments])
        assert refused.exit_code == 2 and message in refused.output and len(refused.output.strip().splitlines()) == 1, refused.output

"""The fit check: hand-made networks whose needs can be counted."""
import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from fxsim.cli.main import main
from fxsim.model.arithmetic import Arithmetic
from fxsim.model.network import Constants, Learning, Network, Synapses, Topology
from lava_backend.fit import Limit, check_fit, load_limits
from lava_backend.package import bare_package, save_package
from quant import InputError, load_spec


def package(n=6, spec="loihi2", rule="eprop"):
    """A ring: n neurons in a row of cells, each driven by its left neighbour and by one input; all read out once."""
    ring = np.zeros((n, n), bool)
    ring[np.arange(n), (np.arange(n) + 1) % n] = True
    topology = Topology((1, n), np.arange(n, dtype=np.int32), Synapses.from_mask(np.ones((1, n), bool)), Synapses.from_mask(ring),
                        Synapses.from_mask(np.ones((n, 1), bool)))
    weights = {layer: np.zeros(topology.synapses(layer).size) for layer in ("in", "rec", "out")}
    network = Network(Constants(0.03, 0.3, 0.95, 0.999, 0.95, 5, np.zeros(n)), topology, weights, np.ones((n, 1)), np.arange(n))
    learning = Learning(rule, 5, False)
    arithmetic = Arithmetic(spec, load_spec(spec), network.constants, learning, 10)
    return bare_package("ring", network, learning, arithmetic, arithmetic.weights_to_raw(weights))


def limits(**values):
    table = load_limits("loihi2")
    return {**table, **{name: Limit(value, "given", "test") for name, value in values.items()}}


def needed(fit):
    return {need.name: need.needed for need in fit.needs}


def test_everything_in_one_core():
    fit = check_fit(package(), "loihi2")
    found = needed(fit)
    assert fit.fits and fit.cores == 1
    assert found["neurons in a core"] == 7                          # 6 and a readout
    assert found["synapse memory in a core"] == 18 * (8 + 13)       # 6 of each layer, weight and index
    assert found["input axons of a core"] == 7                      # an input and 6 neurons
    assert found["output axons of a core"] == 6                     # each neuron to this core once
    assert found["synapses of the chip"] == 18 and found["bits of a weight"] == 8


def test_cores_are_filled_and_the_binding_limit_is_named():
    fit = check_fit(package(), "loihi2", limits=limits(neurons_per_core=3))
    assert fit.cores == 3 and fit.binding == "neurons in a core" and needed(fit)["neurons in a core"] == 3
    # cores {0,1,2} {3,4,5} {readout}: the first core reaches itself by 0 and 1, the second by 2, the readout's by all three
    assert needed(fit)["output axons of a core"] == 2 + 1 + 3
    fit = check_fit(package(), "loihi2", limits=limits(axons_in_per_core=6))
    assert fit.binding == "input axons of a core"


def test_a_neuron_that_fits_no_core():
    fit = check_fit(package(), "loihi2", limits=limits(axons_in_per_core=5))
    assert fit.cores is None and not fit.fits


def test_learning_needs_state_and_graded_messages():
    inference, learning = check_fit(package(), "loihi1"), check_fit(package(), "loihi1", learning=True)
    assert needed(learning)["synapse memory in a core"] > needed(inference)["synapse memory in a core"]
    assert not learning.fits and any(line.startswith("bits of a message: a chip with graded spikes") for line in learning.advice)
    assert needed(check_fit(package(rule="diffusion"), "loihi2", learning=True))["neurons in a core"] == 7 + 6


def test_wide_weights_are_named_with_what_to_change():
    fit = check_fit(package(spec="q16"), "loihi2")
    assert not fit.fits and any("bits of a weight" in line and "loihi2" in line for line in fit.advice)


def test_every_limit_has_a_provenance_and_unknown_ones_no_value():
    for chip in ("loihi1", "loihi2"):
        for name, limit in load_limits(chip).items():
            assert limit.source and limit.status in ("published", "unverified", "assumed", "unknown"), name
            assert (limit.value is None) == (limit.status == "unknown"), name


def test_command_and_limits_file(tmp_path):
    save_package(package(), tmp_path / "p")
    (tmp_path / "limits.yaml").write_text(yaml.safe_dump({"loihi2": {"axons_in_per_core": {"value": 3}}}))
    fine = CliRunner().invoke(main, ["lava", "fit", str(tmp_path / "p")])
    assert fine.exit_code == 0 and "unknown: not public" in fine.output and "fits: 1 core," in fine.output, fine.output
    tight = CliRunner().invoke(main, ["lava", "fit", str(tmp_path / "p"), "--chip", "loihi2", "--limits", str(tmp_path / "limits.yaml")])
    assert tight.exit_code == 1 and "TOO MUCH" in tight.output and "lower fan-in" in tight.output, tight.output


@pytest.mark.parametrize("content", ["{loihi3: {}}", "{loihi2: {wings: 3}}", "{loihi2: {weight_bits: {value: -1}}}", "[", "3"])
def test_bad_limits_file_is_refused(tmp_path, content):
    (tmp_path / "limits.yaml").write_text(content)
    with pytest.raises(InputError):
        load_limits("loihi2", tmp_path / "limits.yaml")



"""NIR files: the round trip is exact, what NIR cannot say is refused by name, an independent reader computes the same."""
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from fxsim.cli.main import main
from fxsim.config.io import override
from fxsim.engine.oracle.exact import Numbers, Real
from fxsim.engine.oracle.oracle import Oracle, Readout, Somata
from fxsim.errors import InputError
from fxsim.model.arithmetic import Arithmetic
from fxsim.model.network import LAYERS, Trials
from fxsim.model.topology import build_network, learning_of
from fxsim.training.initial import network_of_run
from fxsim.training.runs import train_in

from tiny import SHORT, tiny

nir = pytest.importorskip("nir", reason="package nir is not installed (extra nir)")
from lava_backend.nir import Imported, evaluate, export_nir, graph_of, import_nir  # noqa: E402

CHANGES = {key: value for key, _, value in (change.partition("=") for change in SHORT)}


def short(**changes):
    return tiny().changed({**{key: int(value) for key, value in CHANGES.items()}, "engine": "oracle", "network.gains.input": 8.0, **changes})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("nir") / "run"
    train_in(directory, short(precision="q16"))
    return directory


@pytest.mark.parametrize("when", ["initial", "final"])
def test_a_run_comes_back_to_the_bit(run, tmp_path, when):
    path = tmp_path / "net.nir"
    export_nir(run, path, lossy=True, when=when)
    expected, config = network_of_run(run, when)
    found = import_nir(path)
    assert found.config == config and found.changed == ()
    for layer in LAYERS:
        assert np.array_equal(found.network.weights[layer], expected.weights[layer])
        for name in ("pre", "post"):
            assert np.array_equal(getattr(found.network.topology.synapses(layer), name), getattr(expected.topology.synapses(layer), name))
    for name, value in vars(expected.constants).items():
        assert np.array_equal(getattr(found.network.constants, name), value), name


def test_an_imported_network_computes_what_the_run_measured(run, tmp_path):
    path = tmp_path / "net.nir"
    export_nir(run, path, lossy=True)
    last = (run / "curves.csv").read_text().splitlines()[-1].split(",")
    assert "eval" in last
    measured = evaluate(import_nir(path))
    assert repr(measured["loss"]) in last and repr(measured["rate_hz"]) in last and measured["rate_hz"] > 0


def test_what_nir_cannot_say_is_refused_by_name(run, tmp_path):
    result = CliRunner().invoke(main, ["export", "nir", str(run), str(tmp_path / "net.nir")])
    assert result.exit_code == 2 and not (tmp_path / "net.nir").exists()
    for name in ("subtractive reset", "adaptive threshold of 6 neurons", "refractory period of 5 steps", "fixed-point formats of q16"):
        assert name in result.output


def test_the_commands_export_and_evaluate(run, tmp_path):
    path = str(tmp_path / "net.nir")
    assert CliRunner().invoke(main, ["export", "nir", str(run), path, "--lossy-ok"]).exit_code == 0
    result = CliRunner().invoke(main, ["import", "nir", path, "--set", "precision=float64"])
    assert result.exit_code == 0 and "float64: loss" in result.output


def written(tmp_path, change=lambda graph: None):
    config = short()
    graph = graph_of(build_network(config), config)
    change(graph)
    nir.write(tmp_path / "net.nir", graph)
    return tmp_path / "net.nir"


@pytest.mark.parametrize("field, change", [
    ("neurons.tau", lambda g: g.nodes["neurons"].tau.__setitem__(0, 1.0)),
    ("neurons.v_threshold", lambda g: g.nodes["neurons"].v_threshold.__imul__(2)),
    ("readout.tau", lambda g: g.nodes["readout"].tau.__imul__(1e300)), ("neurons.tau", lambda g: g.nodes["neurons"].tau.__imul__(1e14)),
    ("neurons.v_threshold", lambda g: g.nodes["neurons"].v_threshold.__imul__(1e-300)),
    ("neurons.v_reset", lambda g: g.nodes["neurons"].v_reset.__iadd__(0.5)),
    ("readout.r", lambda g: g.nodes["readout"].r.__imul__(2)),
    ("w_rec.weight", lambda g: g.nodes["w_rec"].weight.__iadd__(np.eye(12))),
    ("nodes", lambda g: g.edges.remove(("w_rec", "neurons"))),
])
def test_a_graph_that_fxsim_cannot_run_is_refused_by_field(tmp_path, field, change):
    with pytest.raises(InputError) as refused:
        import_nir(written(tmp_path, change))
    assert refused.value.field == field


def test_changed_constants_of_the_neurons_are_what_is_evaluated(run, tmp_path):
    """The network of the file with the constants that were given: the same as one that is built from that configuration."""
    path, changes = tmp_path / "net.nir", ["network.refractory=0", "network.tau_m=5", "network.threshold=0.01", "network.beta=0", "network.tau_out=7", "precision=float64"]
    export_nir(run, path, lossy=True, when="initial")
    config = override(network_of_run(run)[1], changes)
    expected = evaluate(Imported(build_network(config).with_weights(import_nir(path).network.weights), config, ()))
    plain, changed = evaluate(import_nir(path, changes=["precision=float64"])), import_nir(path, changes=changes)
    assert evaluate(changed) == expected != plain
    assert "network.refractory is 0, not 5" in changed.changed and len(changed.changed) == 5
    assert evaluate(import_nir(path, config)) == expected       # --config says the same


def test_given_constants_replace_those_of_a_graph_of_others(tmp_path):
    path, config = written(tmp_path, lambda graph: graph.metadata.clear()), short(**{"network.tau_m": 9.0})
    plain = import_nir(path, config, lossy=True)
    assert plain.network.constants.alpha == np.exp(-1 / 20) and plain.network.constants.refractory == 0
    assert "of the file, not of the configuration: network.tau_m, network.beta, network.refractory" in plain.changed
    given = import_nir(path, config, lossy=True, changes=["network.tau_m=9", "network.refractory=3"])
    assert given.network.constants.alpha == np.exp(-1 / 9) and given.network.constants.refractory == 3 and not given.network.constants.beta.any()


@pytest.mark.parametrize("change, word", [("network.n_lif=5", "network.n_lif"), ("network.gains.input=3", "gains"), ("network.connectivity=full", "connectivity"),
                                          ("learning.k=0.5", "learning.k"), ("iterations=3", "iterations"), ("network.gamma=1", "gamma"), ("batch_size=3", "batch_size"),
                                          ("evaluation.every=7", "evaluation.every"), ("engine=reference", "reference")])
def test_what_the_file_fixes_or_an_evaluation_ignores_is_refused_by_name(run, tmp_path, change, word):
    export_nir(run, tmp_path / "net.nir", lossy=True)
    with pytest.raises(InputError, match=word):
        import_nir(tmp_path / "net.nir", changes=[change])


def test_a_configuration_with_other_synapses_is_refused_by_field(run, tmp_path):
    export_nir(run, tmp_path / "net.nir", lossy=True)
    with pytest.raises(InputError, match="network.sigma: found 0.5, allowed: 0.012, as in"):
        import_nir(tmp_path / "net.nir", short(**{"network.sigma": 0.5}))


def test_a_file_that_is_no_nir_file_is_one_line(tmp_path):
    (tmp_path / "net.nir").write_bytes(b"not HDF5")
    result = CliRunner().invoke(main, ["import", "nir", str(tmp_path / "net.nir")])
    assert result.exit_code == 2 and len(result.output.strip().splitlines()) == 1


def test_a_graph_of_others_needs_a_task_and_takes_its_own_weights(tmp_path):
    path, config = written(tmp_path, lambda graph: graph.metadata.clear()), short()
    with pytest.raises(InputError, match="--config"):
        import_nir(path)
    with pytest.raises(InputError, match="v_reset"):
        import_nir(path, config)
    found, base = import_nir(path, config, lossy=True).network, build_network(config)
    for layer in LAYERS:
        assert np.array_equal(found.topology.synapses(layer).dense(found.weights[layer]), base.topology.synapses(layer).dense(base.weights[layer]))
    assert found.constants.refractory == 0 and not found.constants.beta.any()


class ResetToZero(Somata):
    """The neurons that the file describes: LIF that is set to v_reset = 0 by a spike."""

    def integrate(self, current_in, current_rec):
        self.before = self.z
        V = self.V - self.leak_membrane * self.V + current_rec + current_in
        self.distance = V - self.one
        self.z = self.distance.is_positive().astype(np.int64)
        self.V, self.count = Real(np.where(self.z == 1, 0.0, V.raw)), self.count + self.z
        return self.z


class NirOracle(Oracle):
    def neurons(self, numbers: Numbers):
        return ResetToZero(numbers, self.network), Readout(numbers, self.network, self.learning)


STEPS = 300


@pytest.fixture(scope="module")
def euler(tmp_path_factory):
    """A file, the spikes that go into it, and what the float64 oracle says of its neurons with Euler steps: decay 1 - dt/tau where
    fxsim has exp(-dt/tau)."""
    config = short(**{"network.n_lif": 12, "network.n_alif": 0, "network.refractory": 0, "network.gains.recurrent": 2.0,
                       "network.gains.input": 1.0})       # small steps: a threshold that is 1 % off gives other spikes
    base = build_network(config)
    constants = replace(base.constants, alpha=1 - 1 / config.network.tau_m, kappa=1 - 1 / config.network.tau_out, refractory=0)
    network = replace(base, constants=constants)
    path = tmp_path_factory.mktemp("euler") / "net.nir"
    nir.write(path, graph_of(network, config))
    x = (np.random.default_rng(0).random((1, STEPS, base.topology.n_in)) < 0.1).astype(np.uint8)
    arithmetic = Arithmetic("float64", None, network.constants, learning_of(config), STEPS)
    trials = Trials(x, np.zeros((1, 5, 2)), np.array([STEPS]), np.zeros(1, np.uint32))
    record = NirOracle(network, learning_of(config), arithmetic).run(arithmetic.weights_to_raw(network.weights), trials, learn=False, record=True).record
    assert record["z"].sum() > 20 and np.abs(record["y"]).max() > 0.1
    return path, x, record["z"], record["V"] * config.network.threshold, record["y"]


def norse_steps(model, x, dtype):
    """Norse's output and state after each step."""
    import torch
    state = None
    for x_t in x.swapaxes(0, 1):
        with torch.no_grad():
            output, state = model(torch.from_numpy(x_t).to(dtype), state)
        yield output.numpy(), state


def test_norse_reads_the_file_and_fires_the_same_spikes(euler):
    """Norse's own reader takes all but LI, in float32."""
    norse = pytest.importorskip("norse.torch", reason="norse is not installed (extra dev, Python 3.10)")
    import torch
    path, x, z, v, _ = euler
    model = norse.from_nir(nir.read(path), ignore_warnings=True, dt=1e-3)
    states = [(state.cache["neurons"].numpy(), state.state["neurons"][0].v.numpy()) for _, state in norse_steps(model, x, torch.float32)]
    assert np.array_equal(np.stack([spikes for spikes, _ in states]), z)
    assert np.abs(np.stack([membrane for _, membrane in states]) - v).max() < 1e-6


def test_norse_runs_the_whole_file_readout_included_in_float64(euler):
    """nirtorch wires the graph, Norse's cells compute it: the reader of Norse itself has no LI."""
    norse, nirtorch = (pytest.importorskip(name, reason="norse is not installed (extra dev, Python 3.10)") for name in ("norse.torch", "nirtorch"))
    import torch
    path, x, z, v, y = euler

    def parameters(node, *names):
        return {"tau_mem_inv": 1 / torch.from_numpy(node.tau), **{new: torch.from_numpy(getattr(node, old)) for new, old in names}}

    model = nirtorch.nir_to_torch(path, {
        nir.LIF: lambda node: norse.LIFBoxCell(norse.LIFBoxParameters(
            **parameters(node, ("v_leak", "v_leak"), ("v_th", "v_threshold"), ("v_reset", "v_reset"))), dt=1e-3),
        nir.LI: lambda node: norse.LIBoxCell(norse.LIBoxParameters(**parameters(node, ("v_leak", "v_leak"))), dt=1e-3)}, dtype=torch.float64)
    steps = [(output, state["neurons_prev_output"].numpy(), state["neurons"].v.numpy()) for output, state in norse_steps(model, x, torch.float64)]
    readout, spikes, membrane = (np.stack(values) for values in zip(*steps))
    assert readout.dtype == np.float64 and np.array_equal(spikes, z)
    assert np.abs(membrane - v).max() < 1e-13 and np.abs(readout - y).max() < 1e-13

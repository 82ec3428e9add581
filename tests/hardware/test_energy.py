"""Spikes, NeuroBench's metrics and energies against sums made by hand."""
import json

import numpy as np
import pytest
from click.testing import CliRunner

import fxsim
from fxsim.cli.main import main
from fxsim.engine.registry import make_engine
from fxsim.errors import InputError
from fxsim.hardware.activity import evaluation_trials, measure_activity
from fxsim.hardware.cost import cost, delivery, estimates
from fxsim.hardware.energy import Energy, access, addition, computing, moving, price, product, table
from fxsim.hardware.operations import (
    ADD,
    DIVIDE,
    ELIGIBILITY,
    END,
    FORWARD,
    MULTIPLY,
    WINDOW,
    WIRES,
    Counted,
    Operation,
    batch_sums,
    count,
    onto_adapting,
    weight_updates,
)
from fxsim.model.arithmetic import make_arithmetic
from fxsim.model.network import LAYERS
from fxsim.model.topology import build_network, learning_of
from fxsim.training.initial import network_of_run
from fxsim.training.runs import train_in

from tiny import SHORT, tiny, tiny_changes

pytestmark = pytest.mark.core
SGD = "learning.optimizer={name: sgd, log2_rate: -6}"


def near(found, low, high):
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-9)


# ---- prices ------------------------------------------------------------------------------------------------------------
def test_every_row_has_a_source_a_year_and_a_range():
    rows = [row for part in ("operations", "accesses", "chips", "static") for row in table()[part]]
    assert len(rows) >= 15
    for row in rows:
        assert row["source"] in table()["sources"] and 2010 < row["year"] < 2030 and 0 < row["low"] <= row["high"]
    assert {row["source"] for row in rows} == set(table()["sources"])


def test_rows_are_met_and_widths_between_and_beyond_them_follow_the_rules():
    for bits, pJ in ((8, 0.03), (16, 0.05), (32, 0.1), (12, 0.04), (24, 0.075), (4, 0.015), (64, 0.2)):
        near(addition(bits), pJ, pJ)
    near(product(8, 8), 64 * 3.1 / 1024, 0.2)
    near(product(32, 32), 3.1, 1024 * 0.2 / 64)
    near(product(16, 4), 64 * 3.1 / 1024, 0.2)
    near(access(64, 8192), 10, 10)
    near(access(16, 32768), 2.5, 5)
    near(access(64, 100), 10, 10)
    near(access(64, 10**9), 10, 100)
    near(access(64, np.sqrt(32768 * 2**20)), 10, np.sqrt(20 * 100))


def test_kinds_of_operations_have_their_prices():
    near(price(Operation(ADD, (16, 9), 17, 1), False), *[addition(17).low] * 2)
    near(price(Operation(MULTIPLY, (16, 8), 23, 1), False), 128 * 3.1 / 1024, 128 * 0.2 / 64)
    near(price(Operation(WIRES, (32, 4), 28, 1), False), 0, 0.1)
    near(price(Operation(DIVIDE, (40, 16), 20, 1), False), 20 * 0.05, 20 * 0.05)
    near(price(Operation(MULTIPLY, (32, 32), 32, 1), True), 3.7, 3.7)
    near(price(Operation(ADD, (32, 32), 32, 1), True), 0.9, 0.9)
    assert price(Operation(ADD, (64, 64), 64, 1), True) is None
    counted = Counted("", [Operation(ADD, (8, 8), 8, 10), Operation(WIRES, (8, 8), 8, 10)], [Operation(ADD, (8, 8), 8, 2)], 2, [(8, 3.0), (16, 1.0)])
    near(computing(counted, False), 12 * 0.03, 22 * 0.03)
    near(moving(counted, 32768), 40 / 64 * 10, 40 / 64 * 20)
    assert computing(Counted("", [Operation(ADD, (64, 64), 64, 1)], [], 0, []), True) is None


def test_products_have_the_bits_of_their_operands():
    """q16, words with a sign: the leak's 15 bits are 16, adaptation's unsigned 16 bits 17, its gain's 12 bits 13."""
    config = tiny("precision=q16")
    network = build_network(config)
    forward, eligibility, *_ = count(config, network)
    products = {phase: [(o.bits, o.result, o.count) for o in phase_.operations if o.kind == MULTIPLY] for phase, phase_ in ((1, forward), (2, eligibility))}
    assert ((16, 17), 32, 6) in products[1] and ((13, 17), 29, 6) in products[1] and ((16, 16), 31, 12) in products[1]      # leak a, gain a, leak V
    assert ((18, 13), 30, onto_adapting(network)) in products[2]                                         # drive E: proved to be less than E's word
    assert {o.kind for o in forward.operations} == {ADD, MULTIPLY, WIRES}
    (floats, *_) = count(tiny("precision=float32"), network)
    assert all(o.bits == (32,) * len(o.bits) and o.result == 32 for o in floats.operations) and not floats.rounded
    assert sum(o.count for o in floats.operations if o.kind == MULTIPLY) == sum(o.count for o in forward.operations if o.kind == MULTIPLY)


def bits_moved(counted):
    return sum(bits * times for bits, times in counted.words)


@pytest.mark.parametrize("rule", ["eprop", "diffusion"])
def test_accesses_are_the_words_of_each_phase(rule):
    """q16: words of 16 bits, of 15 those of traces and U, of 31 those of sums."""
    config = tiny("precision=q16", f"learning.rule={rule}", "batch_size=4", SGD)
    network = build_network(config)
    t, moved = network.topology, {c.phase: bits_moved(c) for c in count(config, network)}
    n, m, K, adapting, synapses, out = 12, t.n_in, 2, 6, t.syn_in.size + t.syn_rec.size, t.syn_out.size
    onto = sum(int((t.synapses(layer).post >= 6).sum()) for layer in ("in", "rec"))
    assert moved[FORWARD] == 2 * (n * (16 + 3) + adapting * 16 + K * 16)                                # V and the refractory count; a; y
    assert moved[ELIGIBILITY] == 3 * 15 * (n + m) + 2 * 15 * n + 16 * (n + synapses) + 2 * (16 + 31) * synapses + 2 * 15 * onto    # X; Z; H; F and S; U
    signal = 10 * 16 * t.n_cells if rule == "diffusion" else 16 * n
    assert moved[WINDOW] == 16 * n * K + signal + 16 * synapses + 16 * synapses + 2 * 31 * synapses + 15 * n + 2 * 31 * out         # B; M or L; L; F; G; Z; Gout
    assert moved[END] == 16 * (n + synapses) + 31 * synapses + 2 * 31 * synapses                         # D; S; G
    assert bits_moved(batch_sums(config, network)) == (2 * 33 + 31) * (synapses + out)                   # a sum of four is 2 bits longer
    assert bits_moved(weight_updates(config, network)) == (33 + 2 * 16) * (synapses + out)
    adamax = config.changed({"learning.optimizer": {"name": "adamax", "log2_rate": -6}})
    moments = 33 + adamax.learning.optimizer.beta1_shift + 32
    assert bits_moved(weight_updates(adamax, network)) == (33 + 4 * (moments // 2) + 2 * 16) * (synapses + out)
    unregularised = {c.phase: c for c in count(config.changed({"learning.c_reg": 0}), network)}[END]
    assert not unregularised.operations and not unregularised.words


# ---- what was measured -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("precision", ["w4s8", "float32"])
def test_metrics_are_those_of_dense_arrays(precision):
    """Counted anew, step by step, with full matrices of zeros and ones, as NeuroBench does it."""
    config = tiny(f"precision={precision}", "network.gains={input: 8}")
    network, trials = build_network(config), evaluation_trials(config, 3)
    assert trials.size == 3
    arithmetic = make_arithmetic(config.resolved_precision(), network, learning_of(config), trials.steps, config.seed)
    stored = arithmetic.weights_to_raw(network.weights)
    z = make_engine("oracle", network, learning_of(config), arithmetic, config.seed).run(stored, trials, learn=False, record=True).record["z"]      # (T, B, n)
    ones = {layer: (network.topology.synapses(layer).dense(stored[layer]) != 0).astype(float) for layer in LAYERS}
    there = {layer: network.topology.synapses(layer).dense(np.ones(stored[layer].size)) for layer in LAYERS}
    x = trials.x.transpose(1, 0, 2)
    found = measure_activity(config, network, trials)
    effective = (x @ ones["in"]).sum() + (z @ ones["rec"]).sum() + (z @ ones["out"]).sum()
    assert z.sum() > 10 and found.spikes == pytest.approx(z.sum() / 3) and found.input_spikes == pytest.approx(x.sum() / 3)
    assert found.synaptic_operations == pytest.approx({"Dense": trials.steps * sum(m.size for m in ones.values()), "Effective_ACs": effective / 3, "Effective_MACs": 0})
    assert found.delivered == pytest.approx({"in": (x @ there["in"]).sum() / 3, "rec": (z @ there["rec"]).sum() / 3, "out": (z @ there["out"]).sum() / 3})
    assert found.connection_sparsity == pytest.approx(1 - sum(m.sum() for m in ones.values()) / sum(m.size for m in ones.values()))
    assert found.activation_sparsity == pytest.approx(1 - z.mean())
    weights = sum(m.sum() for m in there.values())
    bits = {"w4s8": 4 * weights + 12 * (8 + 3) + 6 * 8 + 2 * 8, "float32": 32 * weights + 12 * (32 + 3) + 6 * 32 + 2 * 32}
    assert found.footprint == bits[precision] / 8


# ---- together ------------------------------------------------------------------------------------------------------------
def test_energies_are_the_sums_of_their_parts():
    config = tiny("precision=q16", SGD, "batch_size=4")
    network = build_network(config)
    activity = measure_activity(config, network, evaluation_trials(config, 2))
    inference, learning, update = estimates(config, network, activity, 8192.0)
    phases = count(config, network)
    sent = delivery(config, network, activity)
    assert sum(o.count for o in sent.operations) == pytest.approx(sum(activity.delivered.values()))
    fan_in = {layer: round(network.topology.synapses(layer).size / network.topology.synapses(layer).n_post) for layer in LAYERS}
    assert bits_moved(sent) == pytest.approx(sum(activity.delivered[layer] * (16 + 2 * (16 + fan_in[layer].bit_length())) for layer in LAYERS))
    near(inference.energy, *[getattr((computing(phases[0], False) + moving(phases[0], 8192)) * activity.steps + computing(sent, False) + moving(sent, 8192), end)
                             for end in ("low", "high")])
    assert inference.memory.low < inference.energy.low < inference.energy.high < learning.energy.low
    weights = weight_updates(config, network)
    size = sum(network.topology.synapses(layer).size for layer in LAYERS)
    assert sum(o.count for o in weights.operations if o.kind == ADD) == 3 * size and sum(o.count for o in weights.rounded) == weights.random == size
    assert update.energy.low == pytest.approx(4 * learning.energy.low + computing(weights, False).low + moving(weights, 8192.0).low)
    adam = config.changed({"learning.optimizer": {"name": "adam"}})
    without = estimates(adam, network, activity, 8192.0)
    assert weight_updates(adam, network) is None and without[2].energy.low == pytest.approx(4 * without[1].energy.low)
    shadowed = tiny("precision=q16", SGD, "formats.shadow_in.word_bits=24")
    assert sum(o.count for o in weight_updates(shadowed, network).operations) > sum(o.count for o in weights.operations)
    adamax = tiny("precision=q16", "learning.optimizer={name: adamax, log2_rate: -6}")
    assert sum(o.count for o in weight_updates(adamax, network).operations if o.kind == ADD) == 18 * size


def test_a_run_is_measured_with_its_trained_weights_and_a_configuration_with_its_initial_ones(tmp_path):
    config = tiny(*SHORT, "precision=q16", "engine=oracle", "iterations=2", "evaluation.telemetry=off", "learning.optimizer={name: adam, rate: 0.3}")
    train_in(tmp_path / "run", config)
    of_run, of_config = fxsim.cost(tmp_path / "run", trials=2), cost("delayed_match", ["q16"], tiny_changes(*SHORT), 2)
    assert of_run.measured_on.startswith("trained weights of the run") and "initial weights" in of_config.measured_on and "not trained" in of_config.measured_on
    network, own = network_of_run(tmp_path / "run")
    assert of_run.precisions[0].precision == "q16" and of_run.precisions[0].activity == measure_activity(own, network, evaluation_trials(own, 2))
    initial = measure_activity(own, network_of_run(tmp_path / "run", "initial")[0], evaluation_trials(own, 2))
    assert initial == of_config.precisions[0].activity != of_run.precisions[0].activity


def test_what_has_no_row_is_not_estimated_and_the_three_kinds_stay_apart():
    found = cost("delayed_match", ["float64", "float32", "w4s8"], tiny_changes(*SHORT), 1)
    double, single, narrow = found.precisions
    assert double.inference is double.learning is double.update is None and double.activity.spikes >= 0
    assert single.inference.energy.low > narrow.inference.energy.high > 0 and single.operations is None and len(narrow.operations) == 4
    data = json.loads(json.dumps(found.to_dict()))
    assert set(data["precisions"]["w4s8"]) == {"learns", "counted", "measured", "estimated_pJ"}
    assert data["precisions"]["float64"]["estimated_pJ"] == dict.fromkeys(("inference_trial", "learning_trial", "update"))
    assert set(data["precisions"]["w4s8"]["estimated_pJ"]["update"]["energy"]) == {"low", "high"}
    assert any("static power" in text for text in data["without"]) and data["published"]["chips"][0]["source"] in data["published"]["sources"]


def test_command_prints_tables_that_say_what_they_are():
    changes = [word for change in tiny_changes(*SHORT) for word in ("--set", change)]
    result = CliRunner().invoke(main, ["cost", "delayed_match", "--precisions", "float32,q16", "--trials", "1", *changes])
    assert result.exit_code == 0, result.output
    headings = [line.split(":")[0] for line in result.output.splitlines() if line.startswith(("counted", "measured", "estimated", "published", "not in"))]
    assert headings == ["counted", "counted", "measured", "measured", "estimated", "published, for orientation", "published", "not in the estimates"]
    rows = [line.split() for line in result.output.splitlines()]
    assert ["q16", "cell", "0", "16", "0", "0", "16"] in rows and "initial weights of the configuration, not trained" in result.output
    assert "update of 2 trials, without adam" in result.output
    as_json = CliRunner().invoke(main, ["cost", "delayed_match", "--precisions", "q16", "--trials", "1", "--json", *changes])
    assert json.loads(as_json.output)["precisions"]["q16"]["measured"]["trials"] == 1


@pytest.mark.parametrize("arguments, message", [
    ({"changes": ["learning.rule=bptt"]}, "learning.rule: found bptt, which no chip runs"), ({"precisions": ["q16", "q16"]}, "each precision once"),
    ({"precisions": ["q17"]}, "q17"), ({"precisions": ["float32"], "changes": ["formats.membrane.word_bits=9"]}, "formats.membrane.word_bits: found float32"),
    ({"trials": 0}, "at least one trial")])
def test_bad_input_is_one_line(arguments, message):
    with pytest.raises(InputError, match=message):
        cost("delayed_match", **{"precisions": ["q16"], **arguments})


def test_hardware_that_does_not_learn_has_no_energy_of_learning():
    changes = [word for change in tiny_changes(*SHORT) for word in ("--set", change)]
    result = CliRunner().invoke(main, ["cost", "delayed_match", "--precisions", "xylo", "--trials", "1", *changes])
    (row,) = [line for line in result.output.splitlines() if line.startswith("xylo") and "does not learn" in line]
    assert result.exit_code == 0 and row.count("does not learn") == 3 and row.count(" to ") == 2, result.output
    (xylo,) = cost("delayed_match", ["xylo"], tiny_changes(*SHORT), 1).precisions
    assert xylo.learning is xylo.update is None and xylo.inference.energy.low > 0 and not xylo.learns
    nothing = CliRunner().invoke(main, ["cost", "delayed_match", "--precisions", ""])
    assert nothing.exit_code == 2 and "--precisions: found nothing" in nothing.output


def test_changes_of_formats_hold_for_fixed_point(tmp_path):
    found = cost("delayed_match", ["float32", "q16"], [*tiny_changes(*SHORT), "formats.membrane.word_bits=10"], 1)
    assert [c.memory.lif_neuron.state for c in found.precisions] == [3 * 32 + 3, 10 + 15 + 15 + 3]


def test_a_directory_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="manifest.json"):
        cost(tmp_path)
    assert Energy(1, 2) + Energy(3, 4) == Energy(4, 6)

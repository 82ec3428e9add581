"""What a precision costs: memory and operations against sums made by hand."""
import pytest
from click.testing import CliRunner

from fxsim.cli.main import main
from fxsim.config import load_config
from fxsim.engine.build.module import proof_for
from fxsim.errors import InputError
from fxsim.model.arithmetic import make_arithmetic
from fxsim.model.topology import build_network, learning_of
from fxsim.study.cost import ELIGIBILITY, FORWARD, WINDOW, memory, operations, updates
from quant import load_spec

pytestmark = pytest.mark.core


def case(*changes):
    config = load_config("delayed_match", list(changes))
    return config, build_network(config)


def test_memory_is_the_sum_of_the_words():
    config, network = case("precision=loihi2", "formats.shadow_in.word_bits=16")
    m, t = memory(config, network), network.topology
    assert m.lif_neuron == 24 + 8 + 8 + 3 + 2 * 8 and m.alif_neuron == m.lif_neuron + 24        # V, X, Z, refractory counter, B; a
    onto_in, onto_rec = 8 + 32 + 16 + 31 + 16, 8 + 32 + 16 + 31                                 # weight, G, F, sum of E; shadow
    assert m.synapse_onto_lif == pytest.approx((onto_in * t.syn_in.size + onto_rec * t.syn_rec.size) / (t.syn_in.size + t.syn_rec.size))
    assert m.synapse_onto_alif == m.synapse_onto_lif + 16 and m.cell == 24 and m.input_channel == 8
    alif_posts = sum(int((t.synapses(layer).post >= 50).sum()) for layer in ("in", "rec"))
    total = (100 * m.lif_neuron + 50 * 24 + onto_in * t.syn_in.size + onto_rec * t.syn_rec.size + 16 * alif_posts + 40 * t.syn_out.size
             + 8 * t.n_in + 24 * t.n_cells)
    assert m.total_bytes == pytest.approx(total / 8)
    assert memory(config.changed({"learning.rule": "eprop"}), network).cell == 0


def test_floats_take_their_word_everywhere():
    config, network = case("precision=float32")
    m = memory(config, network)
    assert (m.alif_neuron, m.synapse_onto_alif, m.readout_synapse) == (3 * 32 + 3 + 2 * 32 + 32, 5 * 32, 2 * 32)


def test_random_words_are_one_for_each_value_stored_stochastically():
    config, network = case("precision=q16", *(f"formats.{q}.rounding=stochastic" for q in ("membrane", "adaptation", "readout", "eligibility", "modulator")),
                           *(f"formats.{q}.rounding=nearest_even" for q in ("trace", "readout_trace", "filtered_eligibility", "adaptation_eligibility",
                                                                            "eligibility_sum", "error", "gradient", "gradient_out")))
    words = {o.phase: o.random_words for o in operations(config, network)}
    synapses = network.topology.syn_in.size + network.topology.syn_rec.size
    assert words == {FORWARD: 100 + 50 + 2, ELIGIBILITY: synapses, WINDOW: network.topology.n_cells}


def test_operations_grow_with_the_words_and_count_what_the_updates_do():
    config, network = case("precision=q16")
    arithmetic = make_arithmetic("q16", network, learning_of(config), 1100)
    assert len(proof_for(arithmetic, network).ranges["direct"]) == 2            # sum + B err
    found = {o.phase: o for o in operations(config, network)}
    one = {o.phase: o for o in operations(config.changed({"learning.rule": "eprop"}), network)}
    assert found[FORWARD] == one[FORWARD] and found[ELIGIBILITY] == one[ELIGIBILITY] and found[WINDOW].total > one[WINDOW].total
    wide = {o.phase: o for o in operations(config.changed({"precision": "q24"}), network)}
    assert wide[ELIGIBILITY].by_width[64] > found[ELIGIBILITY].by_width[64]
    per_synapse = updates(network, True, True)[ELIGIBILITY]
    assert per_synapse["eligibility"] == network.topology.syn_in.size + network.topology.syn_rec.size > per_synapse["adaptation_eligibility"] > 0
    with pytest.raises(InputError, match="fixed-point"):
        operations(config.changed({"precision": "float32"}), network)


def test_command_prints_every_precision():
    result = CliRunner().invoke(main, ["cost", "pattern_generation", "--precisions", "float32,q16"])
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert [line.split()[0] for line in lines if line] == ["precision", "float32", "q16", "precision", "q16", "q16", "q16"]
    assert f"{load_spec('q16')['modulator'].word_bits} bits" in lines[2]

"""What a precision costs: memory and operations against sums made by hand."""
from dataclasses import astuple

import numpy as np
import pytest

from fxsim.config import load_config
from fxsim.engine.build.module import proof_for
from fxsim.engine.build.plan import word_bits
from fxsim.errors import InputError
from fxsim.hardware.memory import Kept, memory
from fxsim.hardware.operations import ELIGIBILITY, END, FORWARD, WINDOW, operations, updates
from fxsim.model.arithmetic import make_arithmetic
from fxsim.model.topology import build_network, learning_of
from fxsim.training.optimizers import make_optimizer

pytestmark = pytest.mark.core
STATES = ("membrane", "adaptation", "trace", "pseudo_derivative", "eligibility", "adaptation_eligibility", "filtered_eligibility", "readout", "readout_trace", "error",
          "modulator", "gradient", "gradient_out", "eligibility_sum")


def case(*changes):
    config = load_config("delayed_match", list(changes))
    return config, build_network(config)


def test_memory_is_the_sum_of_the_words():
    config, network = case("precision=loihi2", "formats.shadow_in.word_bits=16", "learning.optimizer={name: sgd, log2_rate: -6}", "batch_size=1")
    m, t = memory(config, network), network.topology
    assert m.lif_neuron == Kept(2 * 8, 24 + 8 + 8 + 3) and m.alif_neuron == m.lif_neuron + Kept(state=24)       # B; V, X, Z, refractory counter; a
    share = t.syn_in.size / (t.syn_in.size + t.syn_rec.size)
    onto_lif = Kept(8, 16, 32 + 31, 16 * share)                                         # weight; F; G, sum of E; shadow of input weights
    assert astuple(m.synapse_onto_lif) == pytest.approx(astuple(onto_lif))
    assert m.synapse_onto_alif == m.synapse_onto_lif + Kept(state=16) and m.cell == Kept(state=24) and m.input_channel == Kept(state=8)
    assert m.readout_synapse == Kept(8, 0, 32) and m.readout == Kept(state=24)
    alif_posts = sum(int((t.synapses(layer).post >= 50).sum()) for layer in ("in", "rec"))
    plastic = t.syn_in.size + t.syn_rec.size
    total = Kept(100 * 16 + 8 * (plastic + t.syn_out.size), 100 * 43 + 50 * 24 + 16 * plastic + 16 * alif_posts + 8 * t.n_in + 24 * t.n_cells + 24 * t.n_out,
                 63 * plastic + 32 * t.syn_out.size, 16 * t.syn_in.size)
    assert astuple(m.network) == pytest.approx(astuple(total)) and m.network.total == pytest.approx(sum(astuple(total)))
    assert memory(config.changed({"learning.rule": "eprop"}), network).cell.total == 0


def test_q16_is_16_bit_state_with_31_bit_accumulators():
    """62 of the 94 bits of a synapse are sums: of the gradient and of E."""
    config, network = case("precision=q16", "learning.optimizer={name: sgd, log2_rate: -6}", "batch_size=1")
    m = memory(config, network)
    assert m.synapse_onto_lif == Kept(16, 16, 62) and m.synapse_onto_lif.total == 94


@pytest.mark.parametrize("optimizer, batch, summed, moments", [
    ("{name: sgd, log2_rate: -6}", 64, 37, 0), ("{name: adam, rate: 0.01}", 64, 37, 128), ("{name: adamax, log2_rate: -6, beta1_shift: 3, beta2_shift: 8}", 64, 37, 37 + 3 + 36),
    ("{name: adamax, log2_rate: -6, beta1_shift: 5, beta2_shift: 8}", 4096, 43, 45 + 39), ("{name: adamax, log2_rate: -6, beta1_shift: 0, beta2_shift: 8}", 1, 0, 31 + 30)])
def test_optimizers_keep_their_moments_and_batches_their_sum(optimizer, batch, summed, moments):
    """AdaMax: a leaky sum of gradients and a leaky maximum of their magnitudes, which end at 40 bits; the leak lets the sum reach 2^beta1_shift gradients."""
    config, network = case("precision=q16", f"learning.optimizer={optimizer}", f"batch_size={batch}")
    m = memory(config, network)
    assert m.synapse_onto_lif == Kept(16, 16, 62 + summed, moments) and m.readout_synapse == Kept(16, 0, 31 + summed, moments)


def test_no_moment_of_adamax_outgrows_its_word():
    config = load_config("delayed_match", ["precision=q16", "learning.optimizer={name: adamax, log2_rate: -6, beta1_shift: 3, beta2_shift: 8}"])
    network = build_network(config)
    opt = make_optimizer(config.learning.optimizer, make_arithmetic("q16", network, learning_of(config), 1100), network.weights)
    full = {layer: np.full(w.size, -(1 << 30) * config.batch_size) for layer, w in network.weights.items()}
    for _ in range(200):
        opt.step(full, config.batch_size)
    m, u = opt.m["in"].min(), opt.u["in"].max()
    assert word_bits(int(m), 0) <= 37 + 3 and int(u).bit_length() <= 37 and word_bits(int(m), 0) > 37


def test_floats_take_their_word_everywhere():
    config, network = case("precision=float32")
    m = memory(config, network)
    assert m.alif_neuron.total == 3 * 32 + 3 + 2 * 32 + 32
    assert m.synapse_onto_alif == Kept(32, 2 * 32, 3 * 32, 128) and m.readout_synapse == Kept(32, 0, 2 * 32, 128)
    adamax = memory(config.changed({"learning.optimizer": {"name": "adamax", "log2_rate": -6}}), network)
    assert adamax.synapse_onto_lif.optimizer == 64


def test_random_words_are_one_for_each_value_stored_stochastically():
    config, network = case("precision=q16", *(f"formats.{q}.rounding=stochastic" for q in ("membrane", "adaptation", "readout", "eligibility", "modulator")),
                           *(f"formats.{q}.rounding=nearest_even" for q in ("trace", "readout_trace", "filtered_eligibility", "adaptation_eligibility",
                                                                            "eligibility_sum", "error", "gradient", "gradient_out")))
    words = {o.phase: o.random_words for o in operations(config, network)}
    synapses = network.topology.syn_in.size + network.topology.syn_rec.size
    assert words == {FORWARD: 100 + 50 + 2, ELIGIBILITY: synapses, WINDOW: network.topology.n_cells, END: 0}


@pytest.mark.parametrize("precision", ["q16", "q24"])
def test_operations_do_not_depend_on_the_rounding_that_a_preset_has(precision):
    """At equal rounding: what a rounding takes as an expression is no operation, only one rounding for each value."""
    config, network = case(f"precision={precision}")
    rounded = [config.changed({f"formats.{q}.rounding": rounding for q in STATES}) for rounding in ("floor", "nearest_up", "nearest_even", "stochastic")]
    found = [operations(c, network) for c in rounded]
    assert all([(o.by_width, o.result_bits) for o in one] == [(o.by_width, o.result_bits) for o in found[0]] for one in found)
    floor, up, even, stochastic = ([(o.roundings, o.random_words) for o in one] for one in found)
    assert floor[:3] == [(0, 0)] * 3 and up == even and all(words == rounds > 0 for rounds, words in stochastic[:3])
    assert [rounds for rounds, _ in up] == [rounds for rounds, _ in stochastic]


def test_operations_grow_with_the_words_and_count_what_the_updates_do():
    config, network = case("precision=q16")
    arithmetic = make_arithmetic("q16", network, learning_of(config), 1100)
    assert len(proof_for(arithmetic, network).ranges["direct"]) == 2            # sum + B err
    found = {o.phase: o for o in operations(config, network)}
    one = {o.phase: o for o in operations(config.changed({"learning.rule": "eprop"}), network)}
    assert found[FORWARD] == one[FORWARD] and found[ELIGIBILITY] == one[ELIGIBILITY] and found[WINDOW].total > one[WINDOW].total
    wide = {o.phase: o for o in operations(config.changed({"precision": "q24"}), network)}
    assert wide[ELIGIBILITY].by_width[64] > found[ELIGIBILITY].by_width[64]
    assert 1.2 * found[ELIGIBILITY].total > wide[ELIGIBILITY].total and wide[ELIGIBILITY].result_bits > 1.5 * found[ELIGIBILITY].result_bits
    per_synapse = updates(network, True, True)[ELIGIBILITY]
    assert per_synapse["eligibility"] == network.topology.syn_in.size + network.topology.syn_rec.size > per_synapse["adaptation_eligibility"] > 0
    with pytest.raises(InputError, match="fixed-point"):
        operations(config.changed({"precision": "float32"}), network)

"""What a precision costs: bits of memory of each neuron and synapse, and integer operations of each step.

Operations are counted by running the update functions of :mod:`fxsim.model.steps`, as the kernels are built from them, on intervals: each addition,
subtraction, product, shift, comparison, minimum and maximum is one, whatever its width; the width is that of the signed word that
its result needs. Random words of stochastic rounding are counted by themselves (two operations each: a product and a shift).
Left out: the delivery of spikes, an addition for each spike and synapse, and softmax, one per window step.
"""
from __future__ import annotations

from dataclasses import dataclass

from fxsim.config import Config
from fxsim.engine.build.module import proof_for
from fxsim.engine.build.plan import word_bits
from fxsim.errors import InputError
from fxsim.model.arithmetic import make_arithmetic
from fxsim.model.network import Network
from fxsim.model.steps import STORES
from fxsim.model.topology import learning_of
from fxsim.tasks import make_task
from fxsim.training.initial import network_of
from fxsim.training.optimizers import GRADIENTS

WIDTHS = (16, 32, 64)
FORWARD, ELIGIBILITY, WINDOW = "forward, every step", "eligibility, every step", "learning signal and gradients, steps of the window"
PHASES = (FORWARD, ELIGIBILITY, WINDOW)


@dataclass(frozen=True)
class Memory:
    """Bits that are kept from step to step. A synapse: its weight, eligibilities and gradient; shadow weights too, where there are any."""

    lif_neuron: float
    alif_neuron: float
    synapse_onto_lif: float
    synapse_onto_alif: float
    readout_synapse: float
    input_channel: float
    cell: float
    total_bytes: float


@dataclass(frozen=True)
class Operations:
    """Of one trial at a step. ``by_width``: WIDTHS -> operations whose result needs a word of at most that many bits."""

    phase: str
    by_width: dict[int, float]
    random_words: float

    @property
    def total(self) -> float:
        return sum(self.by_width.values())


def updates(network: Network, diffuses: bool, classification: bool) -> dict[str, dict[str, int]]:
    """phase -> update function -> how often it runs in a step."""
    topology, alif = network.topology, network.constants.beta > 0
    lines, synapses = topology.n + topology.n_in, topology.syn_in.size + topology.syn_rec.size
    onto_alif = sum(int(alif[topology.synapses(layer).post].sum()) for layer in ("in", "rec"))
    return {
        FORWARD: {"refractory": topology.n, "adaptation": int(alif.sum()), "membrane": topology.n, "distance": int(alif.sum()),
                  "distance_lif": int((~alif).sum()), "readout": topology.n_out},
        ELIGIBILITY: {"trace": lines, "pseudo_derivative": int(alif.sum()), "pseudo_derivative_lif": int((~alif).sum()),
                      "readout_trace": topology.n, "eligibility": synapses,
                      "filtered_eligibility": synapses, "eligibility_sum": synapses, "adaptation_eligibility": onto_alif},
        WINDOW: {("error_classification" if classification else "error_regression"): topology.n_out, "direct": topology.n * topology.n_out,
                 ("modulator" if diffuses else "learning_signal"): topology.n_cells if diffuses else topology.n, "gradient": synapses,
                 "gradient_out": topology.syn_out.size},
    }


def operations(config: Config, network: Network) -> list[Operations]:
    """Integer operations of each phase. InputError for a float precision."""
    learning = learning_of(config)
    arithmetic = make_arithmetic(config.resolved_precision(), network, learning, make_task(config).steps, config.seed)
    if arithmetic.spec is None:
        raise InputError(config.name, "precision", arithmetic.name, "a fixed-point precision")
    proof, out = proof_for(arithmetic, network), []
    for phase, counts in updates(network, learning.diffuses, learning.classification).items():
        by_width, random_words = dict.fromkeys(WIDTHS, 0.0), 0.0
        for name, count in counts.items():
            for low, high in proof.ranges[name].values():
                by_width[next(w for w in WIDTHS if word_bits(low, high) <= w)] += count
            quantity = STORES.get(name, name)
            stochastic = quantity in arithmetic.spec.formats and arithmetic.spec[quantity].rounding == "stochastic"
            random_words += count * stochastic
            if name == "modulator":
                by_width[32] += 8 * count       # the sum over the neighbourhood
        out.append(Operations(phase, by_width, random_words))
    return out


def memory(config: Config, network: Network) -> Memory:
    """Bits of state; a float has the bits of its type everywhere."""
    numbers, topology = config.resolved_precision(), network.topology

    def bits(*quantities: str) -> int:
        if isinstance(numbers, str):
            return int(numbers.removeprefix("float")) * len(quantities)
        return sum(numbers[q].word_bits for q in quantities)

    def weight(layer: str) -> int:
        shadow = not isinstance(numbers, str) and f"shadow_{layer}" in numbers.formats
        return bits(f"weight_{layer}", GRADIENTS[layer], *([f"shadow_{layer}"] if shadow else []))

    diffuses = learning_of(config).diffuses
    neuron = bits("membrane", "trace", "readout_trace") + max(1, network.constants.refractory).bit_length() + topology.n_out * bits("feedback")
    synapse = {layer: weight(layer) + bits("filtered_eligibility", "eligibility_sum") for layer in ("in", "rec")}
    alif = network.constants.beta > 0
    onto = {kind: sum(int((alif[topology.synapses(layer).post] == kind).sum()) for layer in ("in", "rec")) for kind in (False, True)}
    mean = sum(synapse[layer] * topology.synapses(layer).size for layer in synapse) / max(1, sum(onto.values()))
    cell = bits("modulator") if diffuses else 0
    total = (neuron * topology.n + bits("adaptation") * int(alif.sum()) + mean * sum(onto.values()) + bits("adaptation_eligibility") * onto[True]
             + weight("out") * topology.syn_out.size + bits("trace") * topology.n_in + cell * topology.n_cells)
    return Memory(neuron, neuron + bits("adaptation"), mean, mean + bits("adaptation_eligibility"), weight("out"), bits("trace"), cell, total / 8)


def tables(config: Config, precisions: list[str]) -> tuple[list[list[str]], list[list[str]]]:
    """Rows of text, headed: memory of each precision, and operations of the fixed ones."""
    network = network_of(config)
    memories = [["precision", "LIF neuron", "ALIF neuron", "synapse onto LIF", "onto ALIF", "readout synapse", "input channel", "cell",
                 "whole network"]]
    counts = [["precision", "phase", "operations", *(f"<= {w} bits" for w in WIDTHS), "random words"]]
    for precision in precisions:
        changed = config.changed({"precision": precision})
        m = memory(changed, network)
        values = (m.lif_neuron, m.alif_neuron, m.synapse_onto_lif, m.synapse_onto_alif, m.readout_synapse, m.input_channel, m.cell)
        memories.append([precision, *(f"{value:.0f} bits" for value in values), f"{m.total_bytes / 1024:.1f} KiB"])
        if not precision.startswith("float"):
            counts += [[precision, o.phase, f"{o.total:.0f}", *(f"{o.by_width[w]:.0f}" for w in WIDTHS), f"{o.random_words:.0f}"]
                       for o in operations(changed, network)]
    return memories, counts

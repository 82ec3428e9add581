"""Bits of memory of each neuron and synapse, told apart by what they are for: weights, state from step to step, accumulators (sums over a trial and
over a batch), and what the optimizer keeps. A preset called 16-bit has 16-bit state and 31-bit accumulators.
"""
from __future__ import annotations

from dataclasses import astuple, dataclass

from fxsim.config import Config
from fxsim.config.learning import AdamConfig, SgdConfig
from fxsim.model.network import Network
from fxsim.model.topology import learning_of
from fxsim.training.optimizers import GRADIENTS, LARGEST_SUM
from quant import PrecisionSpec


@dataclass(frozen=True)
class Kept:
    """Bits that are kept from step to step, by what they are for."""

    weights: float = 0.0
    state: float = 0.0
    accumulators: float = 0.0       # G and the sum of E over a trial; the sum of G over a batch of several trials
    optimizer: float = 0.0          # moments and shadow weights

    @property
    def total(self) -> float:
        return self.weights + self.state + self.accumulators + self.optimizer

    def __add__(self, other: Kept) -> Kept:
        return Kept(*(a + b for a, b in zip(astuple(self), astuple(other))))

    def __mul__(self, count: float) -> Kept:
        return Kept(*(value * count for value in astuple(self)))


@dataclass(frozen=True)
class Memory:
    """What is kept for each neuron and synapse, and for the whole network. Feedback weights are the neuron's."""

    lif_neuron: Kept
    alif_neuron: Kept
    synapse_onto_lif: Kept          # mean of input and recurrent synapses
    synapse_onto_alif: Kept
    readout_synapse: Kept
    readout: Kept
    input_channel: Kept
    cell: Kept
    network: Kept


class Words:
    """Bits of quantities in a precision, formats or the name of a float type: a float has the bits of its type everywhere."""

    def __init__(self, numbers: PrecisionSpec | str):
        self.numbers = numbers

    @property
    def fixed(self) -> bool:
        return not isinstance(self.numbers, str)

    @property
    def learns(self) -> bool:
        """Whether hardware of these words learns."""
        return isinstance(self.numbers, str) or self.numbers.learns

    def __call__(self, *quantities: str) -> int:
        if isinstance(self.numbers, str):
            return int(self.numbers.removeprefix("float")) * len(quantities)
        return sum(self.numbers[q].word_bits for q in quantities)

    def shadow(self, layer: str) -> int:
        """Bits of the wider copy that the optimizer updates; 0 where there is none."""
        return self(f"shadow_{layer}") if not isinstance(self.numbers, str) and f"shadow_{layer}" in self.numbers.formats else 0

    def batch_sum(self, layer: str, batch: int) -> int:
        """Bits of a gradient summed over a batch; 0 for a batch of one trial."""
        return 0 if batch == 1 else self(GRADIENTS[layer]) + ((batch - 1).bit_length() if self.fixed else 0)


def moment_bits(config: Config, words: Words, layer: str) -> int:
    """Bits of the optimizer's moments of one synapse."""
    settings = config.learning.optimizer
    if isinstance(settings, SgdConfig):
        return 0
    if isinstance(settings, AdamConfig):
        return 2 * 64               # float64 on the host, whatever the precision
    if not words.fixed:
        return 2 * words(GRADIENTS[layer])
    g = min(words.batch_sum(layer, config.batch_size) or words(GRADIENTS[layer]), LARGEST_SUM.bit_length())
    return g + settings.beta1_shift + g - 1     # the leaky sum of gradients, and the leaky maximum of their magnitudes


def refractory_bits(network: Network) -> int:
    """Bits of the count of steps until a neuron may spike again."""
    return max(1, network.constants.refractory).bit_length()


def memory(config: Config, network: Network) -> Memory:
    """Bits of each kind."""
    words, topology = Words(config.resolved_precision()), network.topology

    def synapse(layer: str, *state: str, sums: tuple[str, ...] = ()) -> Kept:
        return Kept(words(f"weight_{layer}"), words(*state), words(*sums, GRADIENTS[layer]) + words.batch_sum(layer, config.batch_size),
                    words.shadow(layer) + moment_bits(config, words, layer))

    alif = network.constants.beta > 0
    neuron = Kept(topology.n_out * words("feedback"), words("membrane", "trace", "readout_trace") + refractory_bits(network))
    synapses = {layer: synapse(layer, "filtered_eligibility", sums=("eligibility_sum",)) for layer in ("in", "rec")}
    sizes = {layer: topology.synapses(layer).size for layer in synapses}
    onto_alif = sum(int(alif[topology.synapses(layer).post].sum()) for layer in synapses)
    every = sum((synapses[layer] * sizes[layer] for layer in synapses), Kept())
    mean, adaptation, U = every * (1 / max(1, sum(sizes.values()))), Kept(state=words("adaptation")), Kept(state=words("adaptation_eligibility"))
    out, channel, cell = synapse("out"), Kept(state=words("trace")), Kept(state=words("modulator") if learning_of(config).diffuses else 0)
    readout = Kept(state=words("readout"))
    total = (neuron * topology.n + adaptation * int(alif.sum()) + every + U * onto_alif + out * topology.syn_out.size + readout * topology.n_out
             + channel * topology.n_in + cell * topology.n_cells)
    return Memory(neuron, neuron + adaptation, mean, mean + U, out, readout, channel, cell, total)


def inference_bits(network: Network, words: Words) -> int:
    """Weights of the connections that there are, and the state of neurons and readouts, without learning."""
    topology, adapting = network.topology, int((network.constants.beta > 0).sum())
    weights = sum(words(f"weight_{layer}") * topology.synapses(layer).size for layer in ("in", "rec", "out"))
    return weights + topology.n * (words("membrane") + refractory_bits(network)) + adapting * words("adaptation") + topology.n_out * words("readout")

"""What a precision costs: bits of memory of each neuron and synapse, and integer operations of each step.

Memory is told apart by what it is for: weights, state from step to step, accumulators (sums over a trial and over a batch), and what the
optimizer keeps. A preset called 16-bit has 16-bit state and 31-bit accumulators.

Operations are counted by running the update functions of :mod:`fxsim.model.steps`, as the kernels are built from them, on intervals: each addition,
subtraction, product, shift, comparison, minimum and maximum is one. They are counted with every format rounding down, which is to drop bits, so that
precisions are compared at equal rounding; a rounding is counted by itself, once for each value that is rounded otherwise, as hardware does
it: an increment, a carry that a random word is added to (whose generator is not counted), whatever it takes as a branch-free expression. The width is
that of the signed word that a result needs; ``result_bits`` weights each operation by it. Left out: the delivery of spikes, an addition for each
spike and synapse, and softmax, one per window step.
"""
from __future__ import annotations

from dataclasses import astuple, dataclass, fields, replace

from fxsim.config import Config
from fxsim.config.learning import AdamConfig, SgdConfig
from fxsim.engine.build.module import proof_for
from fxsim.engine.build.plan import sites, word_bits
from fxsim.errors import InputError
from fxsim.model.arithmetic import make_arithmetic
from fxsim.model.network import Network
from fxsim.model.steps import STORES
from fxsim.model.topology import learning_of
from fxsim.tasks import make_task
from fxsim.training.initial import network_of
from fxsim.training.optimizers import GRADIENTS, LARGEST_SUM
from quant.interval import Interval

WIDTHS = (16, 32, 64)
FORWARD, ELIGIBILITY, WINDOW = "forward, every step", "eligibility, every step", "learning signal and gradients, steps of the window"
PHASES = (FORWARD, ELIGIBILITY, WINDOW)


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
    input_channel: Kept
    cell: Kept
    network: Kept


@dataclass(frozen=True)
class Operations:
    """Of one trial at a step, rounding down. ``by_width``: WIDTHS -> operations whose result needs a word of at most that many bits."""

    phase: str
    by_width: dict[int, float]
    result_bits: float              # of all results together
    roundings: float                # values that are rounded otherwise
    random_words: float             # of them with random bits

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
    spec, places, out = arithmetic.spec, sites(arithmetic.spec, learning.diffuses), []
    arithmetic.spec = spec.replace(spec.name, **{name: replace(fmt, rounding="floor") for name, fmt in spec.formats.items()})
    proof = proof_for(arithmetic, network)
    for phase, counts in updates(network, learning.diffuses, learning.classification).items():
        by_width, result_bits, rounded = dict.fromkeys(WIDTHS, 0.0), 0.0, {True: 0.0, False: 0.0}
        for name, count in counts.items():
            ranges = list(proof.ranges[name].values())
            if name == "modulator":
                nine = Interval(spec[name].min_raw, spec[name].max_raw) * 9
                ranges += [(nine.lo, nine.hi)] * 8          # the sum over the neighbourhood
            for low, high in ranges:
                by_width[next(w for w in WIDTHS if word_bits(low, high) <= w)] += count
                result_bits += count * word_bits(low, high)
            quantity = STORES.get(name, name)
            if name in places and quantity in spec.formats and places[name].shift > 0 and spec[quantity].rounding != "floor":
                rounded[spec[quantity].rounding == "stochastic"] += count
        out.append(Operations(phase, by_width, result_bits, sum(rounded.values()), rounded[True]))
    return out


def optimizer_bits(config: Config, gradient: int) -> int:
    """Bits of the moments of one synapse. ``gradient``: bits of a gradient summed over a batch; 0 for floats."""
    settings = config.learning.optimizer
    if isinstance(settings, SgdConfig):
        return 0
    if isinstance(settings, AdamConfig):
        return 2 * 64               # float64 on the host, whatever the precision
    if not gradient:
        return 2 * int(str(config.resolved_precision()).removeprefix("float"))
    g = min(gradient, LARGEST_SUM.bit_length())
    return g + settings.beta1_shift + g - 1     # the leaky sum of gradients, and the leaky maximum of their magnitudes


def memory(config: Config, network: Network) -> Memory:
    """Bits of each kind; a float has the bits of its type everywhere."""
    numbers, topology = config.resolved_precision(), network.topology

    def bits(*quantities: str) -> int:
        if isinstance(numbers, str):
            return int(numbers.removeprefix("float")) * len(quantities)
        return sum(numbers[q].word_bits for q in quantities)

    def synapse(layer: str, *state: str, sums: tuple[str, ...] = ()) -> Kept:
        gradient, fixed = bits(GRADIENTS[layer]), not isinstance(numbers, str)
        batch = gradient + ((config.batch_size - 1).bit_length() if fixed else 0)
        shadow = bits(f"shadow_{layer}") if not isinstance(numbers, str) and f"shadow_{layer}" in numbers.formats else 0
        return Kept(bits(f"weight_{layer}"), bits(*state), bits(*sums) + gradient + (batch if config.batch_size > 1 else 0),
                    shadow + optimizer_bits(config, batch if fixed else 0))

    alif = network.constants.beta > 0
    neuron = Kept(topology.n_out * bits("feedback"), bits("membrane", "trace", "readout_trace") + max(1, network.constants.refractory).bit_length())
    synapses = {layer: synapse(layer, "filtered_eligibility", sums=("eligibility_sum",)) for layer in ("in", "rec")}
    sizes = {layer: topology.synapses(layer).size for layer in synapses}
    onto_alif = sum(int(alif[topology.synapses(layer).post].sum()) for layer in synapses)
    every = sum((synapses[layer] * sizes[layer] for layer in synapses), Kept())
    mean, adaptation, U = every * (1 / max(1, sum(sizes.values()))), Kept(state=bits("adaptation")), Kept(state=bits("adaptation_eligibility"))
    out, channel, cell = synapse("out"), Kept(state=bits("trace")), Kept(state=bits("modulator") if learning_of(config).diffuses else 0)
    total = (neuron * topology.n + adaptation * int(alif.sum()) + every + U * onto_alif + out * topology.syn_out.size + channel * topology.n_in
             + cell * topology.n_cells)
    return Memory(neuron, neuron + adaptation, mean, mean + U, out, channel, cell, total)


def tables(config: Config, precisions: list[str]) -> tuple[list[list[str]], list[list[str]]]:
    """Rows of text, headed: memory of each precision, and operations of the fixed ones."""
    if config.learning.rule == "bptt":
        raise InputError(config.name, "learning.rule", "bptt, which no chip runs", "another rule")
    network = network_of(config)
    memories = [["precision", "bits of", *(field.name for field in fields(Kept)), "all"]]
    counts = [["precision", "phase", "operations", *(f"<= {w} bits" for w in WIDTHS), "bits of results", "roundings", "random words"]]
    for precision in precisions:
        changed = config.changed({"precision": precision})
        for what, kept in vars(memory(changed, network)).items():
            unit, scale = ("KiB", 8 * 1024) if what == "network" else ("", 1)
            memories.append([precision, f"{what.replace('_', ' ')} {unit}".strip(),
                             *(f"{value / scale:.{1 if unit else 0}f}" for value in (*astuple(kept), kept.total))])
        if not precision.startswith("float"):
            counts += [[precision, o.phase, f"{o.total:.0f}", *(f"{o.by_width[w]:.0f}" for w in WIDTHS), f"{o.result_bits:.0f}", f"{o.roundings:.0f}",
                        f"{o.random_words:.0f}"] for o in operations(changed, network)]
    return memories, counts

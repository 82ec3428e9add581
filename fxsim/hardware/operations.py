"""Operations and memory accesses of each step, counted.

The update functions of :mod:`fxsim.model.steps` run, as the kernels are built from them, on intervals: each addition, subtraction, product, shift,
comparison, minimum and maximum is one operation, and the intervals give the bits of its operands. They are counted with every format rounding down,
which is to drop bits, so that precisions are compared at equal rounding; a rounding is counted by itself, once for each value that is rounded
otherwise, as hardware does it: an increment, a carry that a random word is added to (whose generator is not counted), whatever it takes as a
branch-free expression. Left out: softmax, one per window step. The delivery of spikes depends on the spikes: :mod:`fxsim.hardware.cost`.

Accesses are words of memory that are read or written, if synapses are visited row by row, those of one presynaptic line together: the line's trace
stays in a register, what belongs to the postsynaptic neuron (H, L) is read for each synapse, and a state is read and written once in a step.
"""
from __future__ import annotations

import ast
import copy
from dataclasses import dataclass, replace
from typing import Any, Iterable

from fxsim.config import Config
from fxsim.config.learning import AdamConfig, SgdConfig
from fxsim.engine.build.arithmetic_text import update_trees
from fxsim.engine.build.module import proof_for
from fxsim.engine.build.plan import Proof, sites, word_bits
from fxsim.engine.build.rewrite import Operations as Visitor, called, functions
from fxsim.errors import InputError
from fxsim.model import steps
from fxsim.model.arithmetic import make_arithmetic
from fxsim.model.network import Learning, Network
from fxsim.model.steps import STORES
from fxsim.model.topology import learning_of
from fxsim.tasks import make_task
from fxsim.training.optimizers import GRADIENTS
from quant import PrecisionSpec
from quant.interval import Interval

from .memory import Words, moment_bits, refractory_bits

WIDTHS = (16, 32, 64)
FORWARD, ELIGIBILITY, WINDOW, END = ("forward, every step", "eligibility, every step", "learning signal and gradients, steps of the window",
                                     "rate regularisation, end of the trial")
PHASES = (FORWARD, ELIGIBILITY, WINDOW, END)
ADD, MULTIPLY, WIRES, DIVIDE = "add", "multiply", "wires", "divide"
"""Kinds: additions, subtractions, comparisons, minima, maxima, magnitudes; products; shifts by a constant and masks, which are wires; quotients."""
KINDS: dict[type, str] = {ast.Mult: MULTIPLY, ast.LShift: WIRES, ast.RShift: WIRES, ast.BitAnd: WIRES, ast.FloorDiv: DIVIDE, ast.Div: DIVIDE}


@dataclass(frozen=True)
class Operation:
    """Operations of one kind and width. ``bits``: of the operands, words with a sign, or of a float type; ``result``: of what comes out."""

    kind: str
    bits: tuple[int, ...]
    result: int
    count: float


@dataclass(frozen=True)
class Counted:
    """Of one trial at a step of a phase. ``rounded``: values that are rounded otherwise than down, as additions to words; ``random``: how many of
    them take random bits; ``words``: (bits, reads and writes)."""

    phase: str
    operations: list[Operation]
    rounded: list[Operation]
    random: float
    words: list[tuple[int, float]]


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


def onto_adapting(network: Network) -> int:
    """Input and recurrent synapses onto neurons with an adaptive threshold."""
    alif = network.constants.beta > 0
    return sum(int(alif[network.topology.synapses(layer).post].sum()) for layer in ("in", "rec"))


def updates(network: Network, diffuses: bool, classification: bool, regularised: bool = True) -> dict[str, dict[str, int]]:
    """phase -> update function -> how often it runs in a step."""
    topology, alif = network.topology, network.constants.beta > 0
    lines, synapses = topology.n + topology.n_in, topology.syn_in.size + topology.syn_rec.size
    return {
        FORWARD: {"refractory": topology.n, "adaptation": int(alif.sum()), "membrane": topology.n, "distance": int(alif.sum()),
                  "distance_lif": int((~alif).sum()), "readout": topology.n_out},
        ELIGIBILITY: {"trace": lines, "pseudo_derivative": int(alif.sum()), "pseudo_derivative_lif": int((~alif).sum()),
                      "readout_trace": topology.n, "eligibility": synapses,
                      "filtered_eligibility": synapses, "eligibility_sum": synapses, "adaptation_eligibility": onto_adapting(network)},
        WINDOW: {("error_classification" if classification else "error_regression"): topology.n_out, "direct": topology.n * topology.n_out,
                 ("modulator" if diffuses else "learning_signal"): topology.n_cells if diffuses else topology.n, "gradient": synapses,
                 "gradient_out": topology.syn_out.size},
        END: {"rate_error": topology.n, "gradient_rate": synapses} if regularised else {},
    }


class Kinds(Visitor):
    """Notes kind and bits of each operation of one update function. ``values``: argument -> limits, ``ranges``: operation -> limits."""

    def __init__(self, values: dict[str, tuple[int, int]], ranges: dict[int, tuple[int, int]], floating: int):
        super().__init__()
        self.values, self.ranges, self.floating, self.found = values, ranges, floating, list[Operation]()

    def operation(self, node: Any, number: int) -> Any:
        call = called(node)
        operands = node.args if call else [node.operand] if isinstance(node, ast.UnaryOp) else [node.left, node.right]
        kind = ADD if call or isinstance(node, ast.UnaryOp) else KINDS.get(type(node.op), ADD)
        node.limits = self.ranges.get(number, (0, 0))
        self.found.append(Operation(kind, tuple(self._bits(x) for x in operands), self.floating or word_bits(*node.limits), 1.0))
        return node

    def _bits(self, node: Any) -> int:
        if self.floating:
            return self.floating
        return word_bits(*((node.value, node.value) if isinstance(node, ast.Constant) else node.limits))

    def visit_Name(self, node: Any) -> Any:
        node.limits = self.values.get(node.id, (0, 0))
        return node

    def visit_Assign(self, node: Any) -> Any:
        self.generic_visit(node)
        self.values[node.targets[0].id] = getattr(node.value, "limits", (0, 0))
        return node


def operations_of(update: str, tree: ast.FunctionDef, proof: Proof | None, floating: int) -> list[Operation]:
    """One run of an update function."""
    values: dict[str, tuple[int, int]] = {}
    if proof:
        names = [argument.arg for argument in functions(steps)[update].args.args]
        values = {name: (value.lo, value.hi) for name, value in zip(names, proof.arguments[update], strict=True)}
    visitor = Kinds(values, proof.ranges[update] if proof else {}, floating)
    visitor.visit(copy.deepcopy(tree))
    return visitor.found


def count(config: Config, network: Network) -> list[Counted]:
    """Every phase of a step; in floats, too, where each operation has the bits of the type."""
    learning, numbers = learning_of(config), config.resolved_precision()
    arithmetic = make_arithmetic(numbers, network, learning, make_task(config).steps, config.seed)
    words, spec, proof, down = Words(numbers), arithmetic.spec, None, None
    if spec:
        down = spec.replace(spec.name, **{name: replace(fmt, rounding="floor") for name, fmt in spec.formats.items()})
        arithmetic.spec = down
        proof = proof_for(arithmetic, network)
    trees, floating = update_trees(down, learning.diffuses), 0 if words.fixed else words("membrane")
    counts, accessed, out = updates(network, learning.diffuses, learning.classification, learning.c_reg > 0), accesses(network, learning, words), []
    for phase, functions_run in counts.items():
        operations, rounded, random = [], [], 0.0
        for name, times in functions_run.items():
            operations += [replace(o, count=times) for o in operations_of(name, trees[name], proof, floating)]
            if name == "modulator":         # the sum over the neighbourhood
                bits = floating or _bits_of(Interval(down["modulator"].min_raw, down["modulator"].max_raw) * 9 if down else Interval(0, 0))
                operations += [Operation(ADD, (bits, bits), bits, times)] * 8
            rounding = _rounding(spec, name, learning.diffuses)
            if rounding:
                bits = words(STORES.get(name, name))
                rounded.append(Operation(ADD, (bits, bits), bits, times))
                random += times * (rounding == "stochastic")
        out.append(Counted(phase, operations, rounded, random, accessed[phase]))
    return out


def _bits_of(values: Interval) -> int:
    return word_bits(values.lo, values.hi)


def _rounding(spec: PrecisionSpec | None, update: str, diffuses: bool) -> str:
    """How an update rounds its value, if it does and not down; empty otherwise."""
    quantity = STORES.get(update, update)
    if spec is None or quantity not in spec.formats:
        return ""
    places = sites(spec, diffuses)
    rounding = spec[quantity].rounding
    return rounding if update in places and places[update].shift > 0 and rounding != "floor" else ""


def operations(config: Config, network: Network) -> list[Operations]:
    """Integer operations of each phase, added up. InputError for a float precision."""
    numbers = config.resolved_precision()
    if isinstance(numbers, str):
        raise InputError(config.name, "precision", numbers, "a fixed-point precision")
    return [summed(counted) for counted in count(config, network)]


def summed(counted: Counted) -> Operations:
    """A phase's operations by the width of their results."""
    by_width = dict.fromkeys(WIDTHS, 0.0)
    for o in counted.operations:
        by_width[next(w for w in WIDTHS if o.result <= w)] += o.count
    bits, rounded = sum(o.result * o.count for o in counted.operations), sum(o.count for o in counted.rounded)
    return Operations(counted.phase, by_width, bits, rounded, counted.random)


def accesses(network: Network, learning: Learning, words: Words) -> dict[str, list[tuple[int, float]]]:
    """phase -> (bits of a word, how often such words are read or written in a step), see above."""
    topology, adapting = network.topology, int((network.constants.beta > 0).sum())
    n, lines, synapses, K = topology.n, topology.n + topology.n_in, topology.syn_in.size + topology.syn_rec.size, topology.n_out
    signal = "modulator" if learning.diffuses else "learning_signal"
    grid = (words(signal), 10.0 * topology.n_cells if learning.diffuses else 1.0 * n)      # of a neighbourhood nine are read, one is written
    V, F, S, G = (words(name) for name in ("membrane", "filtered_eligibility", "eligibility_sum", "gradient"))
    return {
        FORWARD: [(refractory_bits(network), 2.0 * n), (V, 2.0 * n), (words("adaptation"), 2.0 * adapting), (words("readout"), 2.0 * K)],
        ELIGIBILITY: [(words("trace"), 3.0 * lines), (words("readout_trace"), 2.0 * n), (words("pseudo_derivative"), 1.0 * n + synapses),
                      (F, 2.0 * synapses), (S, 2.0 * synapses), (words("adaptation_eligibility"), 2.0 * onto_adapting(network))],
        WINDOW: [(words("feedback"), 1.0 * n * K), grid, (words(signal), 1.0 * synapses), (F, 1.0 * synapses), (G, 2.0 * synapses),
                 (words("readout_trace"), 1.0 * n), (words("gradient_out"), 2.0 * topology.syn_out.size)],
        END: [(words("rate_error"), 1.0 * n + synapses), (S, 1.0 * synapses), (G, 2.0 * synapses)] if learning.c_reg > 0 else [],
    }


# ---- once a trial, once an update ------------------------------------------------------------------------------------------
def batch_sums(config: Config, network: Network) -> Counted:
    """What a trial's gradients take to join the batch's sum; nothing for batches of one trial."""
    words, operations, accessed = Words(config.resolved_precision()), [], []
    for layer in GRADIENTS:
        bits, size = words.batch_sum(layer, config.batch_size), network.topology.synapses(layer).size
        if bits:
            operations.append(Operation(ADD, (bits, words(GRADIENTS[layer])), bits, size))
            accessed += [(bits, 2.0 * size), (words(GRADIENTS[layer]), 1.0 * size)]
    return Counted("sum over the batch, end of the trial", operations, [], 0.0, accessed)


def weight_updates(config: Config, network: Network) -> Counted | None:
    """One update of all weights by an optimizer that is on the chip, counted by hand from fxsim/training/optimizers.py; None for adam, which is on
    the host."""
    settings, words = config.learning.optimizer, Words(config.resolved_precision())
    if isinstance(settings, AdamConfig):
        return None
    operations, rounded, accessed, random = list[Operation](), list[Operation](), list[tuple[int, float]](), 0.0
    for layer in GRADIENTS:
        size, g = network.topology.synapses(layer).size, words.batch_sum(layer, config.batch_size) or words(GRADIENTS[layer])
        shadow, weight, moments = words.shadow(layer), words(f"weight_{layer}"), moment_bits(config, words, layer)
        master = shadow or weight
        for kind, bits, times in _steps_of(isinstance(settings, SgdConfig), words.fixed, g, max(g, moments // 2), master, bool(shadow)):
            operations.append(Operation(kind, (bits, bits), bits, times * size))
        for quantity in (f"shadow_{layer}", f"weight_{layer}"):
            if isinstance(words.numbers, PrecisionSpec) and quantity in words.numbers.formats and words.numbers[quantity].rounding != "floor":
                rounded.append(Operation(ADD, (words(quantity),) * 2, words(quantity), size))
                random += size * (words.numbers[quantity].rounding == "stochastic")
        accessed += [(g, 1.0 * size), (moments // 2, 4.0 * size), (master, 2.0 * size), *([(weight, 1.0 * size)] if shadow else [])]
    return Counted("weights, each update", operations, rounded, random, accessed)


def _steps_of(sgd: bool, fixed: bool, gradient: int, moment: int, master: int, shadow: bool) -> Iterable[tuple[str, int, int]]:
    """(kind, bits, how often for a weight). Clips are a minimum and a maximum."""
    if not fixed:
        yield ADD, master, 1 if sgd else 8
        yield MULTIPLY, master, 1 if sgd else 2
        return
    if not sgd:     # clip g; |M|, + 2^s - 1, >>, sign, M - leak, + g;  u + 2^s - 1, >>, u - leak, |g|, max;  its leading bit, M << by it, clip
        yield ADD, moment, 15
        yield WIRES, moment, 2
    yield WIRES, max(gradient, moment), 1
    yield ADD, master + 1, 3        # the change, clip
    if shadow:
        yield WIRES, master, 1
        yield ADD, master, 2

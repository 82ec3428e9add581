"""Binary points and ranges of one build: which shift each term of each update takes, and how large each result can get."""
from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Callable, Mapping

import numpy as np

from fxsim.engine.interface import given
from fxsim.model import steps
from fxsim.model.arithmetic import RATE_FRAC, RATE_GAIN_FRAC, Arithmetic
from fxsim.model.network import Network
from fxsim.model.softmax import MAX_READOUT_FRAC, MIN_READOUT_FRAC, PROBABILITY_FRAC
from quant import InputError, PrecisionSpec
from quant.interval import Interval

USUAL_STEPS, USUAL_RATE_GAIN = 1 << 12, 1 << 24
USUAL_DIFFUSION_GAIN = 0.1        # k/9; sums of 9 cells of 16 bits times it fit 32 bits
MAX_RATE_ERROR_FRAC = RATE_FRAC + RATE_GAIN_FRAC - 1      # so that the quotient's whole bits go at least as far as half of the last one
PARTIAL_STEPS = 4       # of E, of any neuron, that are proved to join the sum S at once


@dataclass(frozen=True)
class Site:
    """One update's binary points. ``shift``: s, from y to the stored value; terms: name -> fraction bits of the term."""

    name: str
    quantity: str
    frac: int
    fine: int
    terms: dict[str, int]

    def __hash__(self) -> int:
        return hash((self.name, self.quantity, self.frac, self.fine, *self.terms.items()))

    @property
    def shift(self) -> int:
        return self.fine - self.frac


def sites(spec: PrecisionSpec, diffuses: bool) -> dict[str, Site]:
    """Binary points of every update, derived from steps.TERMS and the formats."""
    frac = {name: fmt.frac_bits for name, fmt in spec.formats.items()}
    frac |= {"probability": PROBABILITY_FRAC, "excess": RATE_FRAC + RATE_GAIN_FRAC + 1,
             "signal": frac["modulator" if diffuses else "learning_signal"]}
    table: dict[str, Site] = {}
    for name, terms in steps.TERMS.items():
        points = {term: sum(frac[q] for q in quantities) for term, quantities in terms.items()}
        quantity = steps.STORES.get(name, name)
        if name in steps.EXACT:
            frac[name] = max(points.values())
        table[name] = Site(name, quantity, frac[quantity], max(frac[quantity], *points.values()), points)
    return table


class Ranges:
    """Intervals that the arguments of the update functions can take, for one network and arithmetic."""

    def __init__(self, arithmetic: Arithmetic, network: Network):
        self.spec, self.arithmetic, self.network = given(arithmetic.spec), arithmetic, network

    def of(self, quantity: str) -> Interval:
        """Everything the format can hold."""
        fmt = self.spec[quantity]
        return Interval(fmt.min_raw, fmt.max_raw)

    def current(self, layer: str) -> Interval:
        """A sum of as many weights as the largest fan-in."""
        synapses = self.network.topology.synapses(layer)
        fan_in = int(np.bincount(synapses.post, minlength=1).max(initial=0))
        return self.of(f"weight_{layer}") * _power_of_two(max(fan_in, 64))

    def joint_current(self) -> Interval:
        """A sum of input and recurrent weights; of input weights alone, too."""
        return self.current("in") + self.current("rec")

    def sum_of(self, E: Interval) -> Interval:
        """What the sum of E can reach within a trial, each term rounded into the sum's format."""
        finer = self.spec["eligibility"].frac_bits - self.spec["eligibility_sum"].frac_bits
        largest = max(abs(E.lo), abs(E.hi)) + 1
        reach = _power_of_two(max(self.arithmetic.steps, USUAL_STEPS)) * ((largest >> finer) + 1 if finer > 0 else largest << -finer)
        whole = self.of("eligibility_sum")
        return Interval(max(whole.lo, -reach), min(whole.hi, reach))

    def up_to(self, quantity: str, value: int | np.ndarray) -> Interval:
        """From 0 to a coefficient's largest value, coarsely, so that most networks share one build."""
        if quantity == "diffusion_gain" and value <= (largest := int(USUAL_DIFFUSION_GAIN * 2**self.spec[quantity].frac_bits)):
            return Interval(0, largest)
        usual = {"adaptation_gain": 12, "adaptation_drive": 13}.get(quantity, 15)   # bits of raw values at the paper's constants in 16-bit formats
        bits = max(usual, 3 * -(-int(np.max(value, initial=0)).bit_length() // 3))
        return Interval(0, min((1 << bits) - 1, self.spec[quantity].max_raw))

    def rates(self) -> tuple[Interval, ...]:
        """Arguments of the rate error: coarsely, so that most networks share one build, unless that could overflow 64 bits."""
        co, T = self.arithmetic.coefficients, self.arithmetic.steps
        target, gain = int(co.rate_target), int(co.rate_gain)
        if T <= USUAL_STEPS and target <= 1 << RATE_FRAC and gain <= USUAL_RATE_GAIN:
            T, target, gain = USUAL_STEPS, 1 << RATE_FRAC, USUAL_RATE_GAIN
        return Interval(0, T), Interval(1, T), Interval(0, target), Interval(0, gain), Interval(0, (1 << 31) - 1)

    def arguments(self, exact: dict[str, Interval]) -> dict[str, tuple]:
        """Arguments of every update function; ``exact`` holds the results of those met so far."""
        co, rule, bit, rnd = self.arithmetic.coefficients, self.arithmetic.learning, Interval(0, 1), Interval(0, (1 << 31) - 1)
        leak_m, leak_a, leak_k = (self.up_to("decay", leak) for leak in (co.leak_membrane, co.leak_adaptation, co.leak_readout))
        signal = self.of("modulator" if rule.diffuses else "learning_signal")
        R = Interval(0, _power_of_two(max(self.network.constants.refractory, 64)))
        outputs = 1 if self.network.topology.n_out == 1 else _power_of_two(max(self.network.topology.n_out, 4))
        error = exact.get("error_classification" if rule.classification else "error_regression", self.of("error"))
        E = exact.get("eligibility", self.of("eligibility"))
        return {
            "refractory": (R, bit, R),
            "adaptation": (self.of("adaptation"), bit, leak_a, rnd),
            "membrane": (self.of("membrane"), bit, self.joint_current(), self.current("rec"), leak_m, rnd),
            "trace": (self.of("trace"), bit, leak_m, rnd),
            "distance": (self.of("membrane"), self.of("adaptation"), self.up_to("adaptation_gain", co.adaptation_gain)),
            "pseudo_derivative": (exact.get("distance"), bit, rnd),
            "distance_lif": (self.of("membrane"),),
            "pseudo_derivative_lif": (exact.get("distance_lif"), rnd),
            "readout_trace": (self.of("readout_trace"), bit, leak_k, rnd),
            "eligibility": (exact.get("pseudo_derivative"), self.of("trace"), self.of("adaptation_eligibility"), rnd),
            "filtered_eligibility": (self.of("filtered_eligibility"), E, leak_k, rnd),
            "adaptation_eligibility": (self.of("adaptation_eligibility"), E, self.up_to("adaptation_drive", co.adaptation_drive), leak_a, rnd),
            "eligibility_sum": (self.sum_of(E), E * PARTIAL_STEPS, rnd),
            "gradient": (self.of("gradient"), signal, self.of("filtered_eligibility"), rnd),
            "error_classification": (Interval(0, 1 << PROBABILITY_FRAC), bit, rnd),
            "error_regression": (self.of("readout"), self.of("readout"), rnd),
            "direct": (self.of("feedback") * error * (outputs - 1), self.of("feedback"), error),
            "learning_signal": (exact.get("direct"), rnd),
            "modulator": (self.of("modulator") * 9, exact.get("direct"), self.up_to("diffusion_gain", co.diffusion_gain), rnd),
            "readout": (self.of("readout"), self.current("out"), leak_k, rnd),
            "gradient_out": (self.of("gradient_out"), self.of("error"), self.of("readout_trace"), rnd),
            "rate_error": self.rates(),
            "gradient_rate": (self.of("gradient"), self.of("rate_error"), self.of("eligibility_sum"), rnd),
        }


def _pieces(state: Interval) -> list[Interval]:
    """Values from zero on cut at the powers of two: the x of a piece are of one size, so that x - leak x is known to be positive."""
    if state.lo != 0:
        return [state]
    ends = [0, *((1 << bits) - 1 for bits in range(1, state.hi.bit_length())), state.hi]
    return [Interval(low, high) for low, high in zip([0, *(end + 1 for end in ends)], ends) if low <= high]


def _power_of_two(value: int) -> int:
    """The next one: sizes enter coarsely, so that most networks share one build."""
    return 1 << (value - 1).bit_length()


@dataclass
class Proof:
    """What the interval analysis found. ``ranges``: update function -> operation -> (lowest, highest) value;
    ``results``: update function -> the values that it returns; ``arguments``: update function -> the values that it is given;
    ``lif``: E of LIF neurons, whose U is zero; ``split``: update function -> arguments whose products are taken apart."""

    ranges: dict[str, dict[int, tuple[int, int]]]
    results: dict[str, Interval]
    arguments: dict[str, tuple[Interval, ...]]
    lif: Interval
    split: dict[str, frozenset[str]] = field(default_factory=dict)

    def bits(self, name: str) -> int:
        """Width of the signed word that holds every intermediate of an update function."""
        return max((word_bits(low, high) for low, high in self.ranges[name].values()), default=2)

    def wide(self, name: str) -> int:
        """How many of its operations need words of more than 32 bits."""
        return sum(word_bits(low, high) > 32 for low, high in self.ranges[name].values())


def prove(make_functions: Callable[[Callable], dict], arithmetic: Arithmetic, network: Network) -> Proof:
    """Ranges of all intermediates of all update functions.

    ``make_functions``: given ``note(number, value)``, the update functions for plain Python integers, which report
    every operation to it. They run on intervals, so what holds here holds for all inputs. Raises InputError, naming
    the quantity, if 64 bits are not enough.
    """
    spec, rule = given(arithmetic.spec), arithmetic.learning
    if rule.classification and not MIN_READOUT_FRAC <= spec["readout"].frac_bits <= MAX_READOUT_FRAC:
        raise InputError(spec.name, "quantities.readout.frac_bits", spec["readout"].frac_bits,
                         f"{MIN_READOUT_FRAC} to {MAX_READOUT_FRAC} for a softmax readout")
    if spec["rate_error"].frac_bits > MAX_RATE_ERROR_FRAC:
        raise InputError(spec.name, "quantities.rate_error.frac_bits", spec["rate_error"].frac_bits, f"at most {MAX_RATE_ERROR_FRAC}")
    notes = _Notes()
    made, ranges, proof = make_functions(notes.note), Ranges(arithmetic, network), Proof({}, {}, {}, Interval(0, 0))
    for name in ranges.arguments({}):
        arguments = ranges.arguments(proof.results)[name]
        proof.results[name], proof.ranges[name] = notes.of(made[name], arguments)
        proof.arguments[name] = arguments
        widest = max([proof.bits(name), *(word_bits(a.lo, a.hi) for a in arguments)])
        if widest > 63:
            quantity = steps.STORES.get(name, name)
            raise InputError(spec.name, f"quantities.{quantity}", f"formats whose intermediates need {widest} bits",
                             "at most 63: fewer word or fraction bits for " + ", ".join(_operands(name)))
    H, X, _, rnd = proof.arguments["eligibility"]
    proof.lif, _ = notes.of(made["eligibility"], (H, X, Interval(0, 0), rnd))
    return proof


def prove_split(make_functions: Callable[[Callable], dict], proof: Proof, split: Mapping[str, frozenset[str]]) -> Proof:
    """The proof of functions that give the same but take products apart where fewer operations need more than 32 bits then, and none more than
    any did before.

    ``make_functions``: see :func:`prove`; ``split``: function -> arguments that may be taken apart.
    """
    notes = _Notes()
    made, found = make_functions(notes.note), replace(proof, ranges=dict(proof.ranges), split={})
    for name, arguments in split.items():
        _, found.ranges[name] = notes.of(made[name], proof.arguments[name])
        if found.wide(name) < proof.wide(name) and found.bits(name) <= proof.bits(name):
            found.split[name] = arguments
        else:
            found.ranges[name] = proof.ranges[name]
    return found


class _Notes:
    """What operations report."""

    def __init__(self) -> None:
        self.noted: dict[int, tuple[int, int]] = {}

    def note(self, number: int, value: Interval | int) -> Interval | int:
        """Take the value of an operation, and give it back."""
        value_ = Interval.of(value)
        low, high = self.noted.get(number, (value_.lo, value_.hi))
        self.noted[number] = (min(low, value_.lo), max(high, value_.hi))
        return value

    def of(self, function: Callable, arguments: tuple[Interval, ...]) -> tuple[Interval, dict[int, tuple[int, int]]]:
        """What a function returns, and what its operations reported."""
        self.noted = {}
        results = [Interval.of(function(piece, *arguments[1:])) for piece in _pieces(arguments[0])]
        return Interval(min(r.lo for r in results), max(r.hi for r in results)), self.noted


def partial_steps(arithmetic: Arithmetic, proof: Proof, unroll: int) -> tuple[int, int]:
    """How many values of E, a power of two up to ``unroll``, can be added up in 16 bits before they join S, to the same result: S then
    neither rounds nor clips. For ALIF neurons, and for LIF neurons, whose E are smaller; 0 for none."""
    spec = given(arithmetic.spec)
    site, fmt = sites(spec, arithmetic.learning.diffuses)["eligibility_sum"], spec["eligibility_sum"]
    S, proved = proof.arguments["eligibility_sum"][:2]

    def exact(sum: Interval) -> bool:
        total = S + (sum << site.fine - site.terms["drive"])
        return proved.lo <= sum.lo and sum.hi <= proved.hi and word_bits(sum.lo, sum.hi) <= 16 \
            and fmt.min_raw <= total.lo and total.hi <= fmt.max_raw

    if site.shift:
        return 0, 0
    alif, lif = (max((n for n in (2, 4, 8) if n <= unroll and exact(E * n)), default=0) for E in (proof.results["eligibility"], proof.lif))
    return (alif, lif) if alif else (0, 0)


@dataclass(frozen=True)
class QuickGradient:
    """How kernels may add up L F over a few steps before they round, and see beforehand whether a sum could be clipped.

    The rounded terms are (L F + 2**(shift-1)) >> shift = (L F - d) >> shift, d being what is left over: the remainder of L F by 2**shift
    that is nearest to zero, which words of 16 bits tell. So their sum is (sum of L F - sum of d) >> shift, exactly: products of pairs of
    steps in words of 32 bits, remainders in 16. Nothing overflows where the sum of |L| over the steps is at most ``most``. No sum is clipped
    in a chunk of steps before which |G| <= limit - slope A, A being the sum of |L| over the chunk.
    """

    shift: int
    most: int
    slope: int
    limit: int


def quick_gradient(arithmetic: Arithmetic, proof: Proof, part: int, chunk: int) -> QuickGradient | None:
    """For ``part`` steps rounded together, in chunks of ``chunk``, where products are of 16-bit words and lose 2 to 12 bits to sums of
    17 to 31, rounded to nearest-up; None for other formats."""
    spec = given(arithmetic.spec)
    site, fmt = sites(spec, arithmetic.learning.diffuses)["gradient"], spec["gradient"]
    G, L, F = proof.arguments["gradient"][:3]
    if fmt.rounding != "nearest_up" or site.fine != site.terms["task"] or not 2 <= site.shift <= 12:
        return None
    if not 16 < word_bits(G.lo, G.hi) < 32 or word_bits(L.lo, L.hi) > 16 or word_bits(F.lo, F.hi) > 16 or part % 2:
        return None
    largest, left = max(abs(F.lo), abs(F.hi)), part << site.shift - 1
    if left >= 1 << 15:
        return None
    slope = -(-largest >> site.shift)
    return QuickGradient(site.shift, ((1 << 31) - 1 - left) // largest, slope, min(G.hi, -G.lo) - chunk)


def word_bits(low: int, high: int) -> int:
    """Width of the narrowest signed word that holds both."""
    return max(high.bit_length(), (-low - 1).bit_length()) + 1


def _operands(name: str) -> list[str]:
    named = [q for quantities in steps.TERMS.get(name, {}).values() for q in quantities]
    return sorted(set(named) | {steps.STORES.get(name, name)})

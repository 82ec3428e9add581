"""Binary points and machine words of one build: which shift each term of each update takes, and how wide it gets."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from quant import InputError, PrecisionSpec
from quant.interval import Interval, Watch

from .. import steps
from ..arithmetic import RATE_FRAC, RATE_GAIN_FRAC, Arithmetic
from ..network import Network
from ..softmax import MAX_READOUT_FRAC, MIN_READOUT_FRAC, PROBABILITY_FRAC


@dataclass(frozen=True)
class Site:
    """One update's binary points. ``shift``: s, from y to the stored value; terms: name -> fraction bits of the term."""

    name: str
    quantity: str
    frac: int
    fine: int
    terms: dict[str, int]

    @property
    def shift(self) -> int:
        return self.fine - self.frac


def sites(spec: PrecisionSpec, diffuses: bool) -> dict[str, Site]:
    """Binary points of every update, derived from steps.TERMS and the formats."""
    frac = {name: fmt.frac_bits for name, fmt in spec.formats.items()}
    frac |= {"probability": PROBABILITY_FRAC, "excess": RATE_FRAC + RATE_GAIN_FRAC,
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
        self.spec, self.arithmetic, self.network = arithmetic.spec, arithmetic, network

    def of(self, quantity: str) -> Interval:
        """Everything the format can hold."""
        fmt = self.spec[quantity]
        return Interval(fmt.min_raw, fmt.max_raw)

    def current(self, layer: str) -> Interval:
        """A sum of as many weights as the largest fan-in."""
        synapses = self.network.topology.synapses(layer)
        fan_in = max(1, int(np.bincount(synapses.post, minlength=1).max(initial=0)))
        return self.of(f"weight_{layer}") * fan_in

    @staticmethod
    def up_to(value) -> Interval:
        """From 0 to a coefficient's largest value."""
        return Interval(0, int(np.max(value, initial=0)))

    def arguments(self, exact: dict[str, Interval]) -> dict[str, tuple]:
        """Arguments of every update function; ``exact`` holds the ranges of aligned sums met so far."""
        co, rule, bit, rnd = self.arithmetic.coefficients, self.arithmetic.learning, Interval(0, 1), Interval(0, (1 << 31) - 1)
        leak_m, leak_a, leak_k = map(self.up_to, (co.leak_membrane, co.leak_adaptation, co.leak_readout))
        label_or_target = bit if rule.classification else self.of("readout")
        signal = self.of("modulator" if rule.diffuses else "learning_signal")
        T = self.arithmetic.steps
        R = self.network.constants.refractory
        r = Interval(0, max(1, R))
        return {
            "refractory": (r, bit, Interval(R, R)),
            "adaptation": (self.of("adaptation"), bit, leak_a, rnd),
            "membrane": (self.of("membrane"), bit, self.current("in"), self.current("rec"), leak_m, rnd),
            "trace": (self.of("trace"), bit, leak_m, rnd),
            "distance": (self.of("membrane"), self.of("adaptation"), self.up_to(co.adaptation_gain)),
            "pseudo_derivative": (exact.get("distance"), bit, rnd),
            "readout_trace": (self.of("readout_trace"), bit, leak_k, rnd),
            "eligibility": (exact.get("H"), self.of("trace"), self.of("adaptation_eligibility"), rnd),
            "filtered_eligibility": (self.of("filtered_eligibility"), self.of("eligibility"), leak_k, rnd),
            "adaptation_eligibility": (self.of("adaptation_eligibility"), self.of("eligibility"), self.up_to(co.adaptation_drive), leak_a, rnd),
            "eligibility_sum": (self.of("eligibility_sum"), self.of("eligibility"), rnd),
            "gradient": (self.of("gradient"), signal, self.of("filtered_eligibility"), rnd),
            "direct": (self.of("feedback") * self.of("error") * (self.network.topology.n_out - 1), self.of("feedback"), self.of("error")),
            "learning_signal": (exact.get("direct"), rnd),
            "modulator": (self.of("modulator") * 9, exact.get("direct"), self.up_to(co.diffusion_gain), rnd),
            "readout": (self.of("readout"), self.current("out"), leak_k, rnd),
            "error_classification": (Interval(0, 1 << PROBABILITY_FRAC), bit, rnd),
            "error_regression": (self.of("readout"), label_or_target, rnd),
            "gradient_out": (self.of("gradient_out"), self.of("error"), self.of("readout_trace"), rnd),
            "rate_error": (Interval(0, T), Interval(1, T), self.up_to(co.rate_target), self.up_to(co.rate_gain), rnd),
            "gradient_rate": (self.of("gradient"), self.of("rate_error"), self.of("eligibility_sum"), rnd),
        }


def machine_words(functions: dict, arithmetic: Arithmetic, network: Network) -> dict[str, int]:
    """Bits of the machine word (32 or 64) that each group of update functions needs.

    ``functions``: the update functions built for plain Python integers. They run on intervals: this proves that no
    intermediate of any update overflows. Raises InputError, naming the quantity, if 64 bits are not enough.
    """
    spec, rule = arithmetic.spec, arithmetic.learning
    if rule.classification and not MIN_READOUT_FRAC <= spec["readout"].frac_bits <= MAX_READOUT_FRAC:
        raise InputError(spec.name, "quantities.readout.frac_bits", spec["readout"].frac_bits,
                         f"{MIN_READOUT_FRAC} to {MAX_READOUT_FRAC} for a softmax readout")
    ranges, exact, words = Ranges(arithmetic, network), {}, {}
    for group, names in steps.GROUPS.items():
        words[group] = 32
        for name in names:
            arguments = ranges.arguments(exact)[name]
            with Watch() as watch:
                for argument in arguments:
                    watch.note(argument)
                result = functions[name](*arguments)
            if name in steps.EXACT:
                exact[name] = result
            if name == "pseudo_derivative":
                exact["H"] = result
            if not watch.fits(63):
                quantity = steps.STORES.get(name, name)
                raise InputError(spec.name, f"quantities.{quantity}", f"formats whose intermediates need {_bits(watch)} bits",
                                 "at most 63: fewer word or fraction bits for " + ", ".join(_operands(name)))
            if not watch.fits(32) or group == "wide":
                words[group] = 64
    return words


def _bits(watch: Watch) -> int:
    return max(watch.high.bit_length(), (-watch.low - 1).bit_length()) + 1


def _operands(name: str) -> list[str]:
    named = [q for quantities in steps.TERMS.get(name, {}).values() for q in quantities]
    return sorted(set(named) | {steps.STORES.get(name, name)})

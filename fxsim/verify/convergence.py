"""Fixed point against its float64 twin as fraction bits grow: the error must fall, about twofold per bit, under every rule.

The formats are those of preset q32 with the same number of bits cut off every word, so ranges stay and only resolution
changes; networks in which a value leaves its range are left out. They run free from the same weights and trials, with a learning
window of several steps, so that what spreads and what is summed takes part. A spike that flips makes a jump that no resolution
repairs, so the rate is fitted over networks and widths without a flip.
"""
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Sequence

import numpy as np

from fxsim.engine.interface import given
from fxsim.engine.oracle.oracle import Oracle
from fxsim.model.arithmetic import Arithmetic
from fxsim.model.network import LAYERS
from quant import PrecisionSpec, load_spec
from quant.quantities import QUANTITIES

from .random_case import RULES, RandomCase, cut, random_case

CUTS = (16, 14, 12, 10, 8, 6, 4, 2, 0)
NEEDED_FACTOR = 1.6     # per bit; exact halving is 2
LARGEST_ERROR = {"membrane": 1e-6, "readout": 1e-5, "gradient": 1e-5}     # at full width, of any network
COMPARED = tuple(LARGEST_ERROR)
STEPS = 40              # of a trial, at most
WINDOW = 8              # steps at least


@dataclass(frozen=True)
class ConvergenceRow:
    """Errors of one rule at one width, each max |fixed - float64| / max |float64|; the median over networks without flipped spikes, and the
    largest."""

    rule: str
    membrane_frac_bits: int
    networks: int           # without a flipped spike, of all
    total: int
    flipped_spikes: int
    membrane: float
    readout: float
    gradient: float
    largest: dict[str, float]


@dataclass(frozen=True)
class Convergence:
    """The table, and the factor by which each rule's errors fall per fraction bit (least squares in log2), rule -> quantity -> factor."""

    rows: list[ConvergenceRow]
    factor: dict[str, dict[str, float]]

    @property
    def ok(self) -> bool:
        """Whether all errors fall, and the largest of any network is small where words are widest."""
        widest = [row.largest for row in self.rows if row.membrane_frac_bits == max(r.membrane_frac_bits for r in self.rows)]
        return all(factor >= NEEDED_FACTOR for of_rule in self.factor.values() for factor in of_rule.values()) \
            and all(largest[q] <= LARGEST_ERROR[q] for largest in widest for q in COMPARED)


def cut_spec(cut: int) -> PrecisionSpec:
    """q32 with ``cut`` bits less in every word and every fraction."""
    base = load_spec("q32")
    return base.replace(f"q32-{cut}", **{q: replace(base[q], word_bits=base[q].word_bits - cut, frac_bits=base[q].frac_bits - cut)
                                         for q in QUANTITIES})


def verify_convergence(networks: int = 4, seed: int = 0, cuts: Sequence[int] = CUTS) -> Convergence:
    """Run ``networks`` random networks at every width under every rule. ``cuts``: bits less than the widest words have, 0 among them."""
    rows: list[ConvergenceRow] = []
    factor: dict[str, dict[str, float]] = {}
    for rule in RULES:
        found = _rows(rule, networks, seed, cuts)
        usable = [row for row in found if row.networks]
        factor[rule] = {q: float(2.0 ** -np.polyfit([r.membrane_frac_bits for r in usable], np.log2([getattr(r, q) for r in usable]), 1)[0])
                        if len(usable) > 2 else 0.0 for q in COMPARED}
        rows += found
    return Convergence(rows, factor)


def _rows(rule: str, networks: int, seed: int, cuts: Sequence[int]) -> list[ConvergenceRow]:
    """The rows of one rule, narrowest words first."""
    rng = np.random.default_rng(seed)
    cases: list[RandomCase] = []
    while len(cases) < networks:
        case = _with_window(random_case(rng, rule))
        if _within_range(case):
            cases.append(case)
    exact = [_run(case, Arithmetic("float64", None, case.network.constants, case.learning, case.trials.steps)) for case in cases]
    rows = []
    for bits in cuts:
        spec = cut_spec(bits)
        found = [_run(c, Arithmetic(spec.name, spec, c.network.constants, c.learning, c.trials.steps, c.seed)) for c in cases]
        flips = [int((a["spikes"] != b["spikes"]).sum()) for a, b in zip(exact, found, strict=True)]
        error = {q: [_relative(a[q], b[q]) for a, b, flip in zip(exact, found, flips, strict=True) if not flip] for q in COMPARED}
        median = {q: float(np.median(values)) if values else float("nan") for q, values in error.items()}
        largest = {q: max(values, default=float("nan")) for q, values in error.items()}
        rows.append(ConvergenceRow(rule, spec["membrane"].frac_bits, flips.count(0), networks, sum(flips), largest=largest, **median))
    return rows


def _with_window(case: RandomCase) -> RandomCase:
    """Two short trials of the case, with a learning window of WINDOW steps or more."""
    case = cut(case, 2, STEPS)
    trials, window = case.trials, max(case.learning.window, min(WINDOW, case.trials.steps))
    target = np.repeat(trials.target[:, :1], window, 1) if window > case.learning.window else trials.target
    return replace(case, learning=replace(case.learning, window=window), trials=replace(trials, target=target))


def _within_range(case: RandomCase) -> bool:
    """Whether nothing saturates, and something is learned: more bits mend no value that is beyond its format."""
    spec = cut_spec(0)
    arithmetic = Arithmetic(spec.name, spec, case.network.constants, case.learning, case.trials.steps, case.seed)
    weights = arithmetic.weights_to_raw(case.network.weights)
    result = Oracle(case.network, case.learning, arithmetic, case.seed).run(weights, case.trials, telemetry=True)
    return not any(row["saturated"] for row in given(result.telemetry).values()) and all(g.any() for g in given(result.gradients).values())


def _run(case: RandomCase, arithmetic: Arithmetic) -> dict[str, np.ndarray]:
    result = Oracle(case.network, case.learning, arithmetic, case.seed).run(
        arithmetic.weights_to_raw(case.network.weights), case.trials, record=True)
    gradient = arithmetic.gradient_to_model(given(result.gradients), case.trials.size)
    record = given(result.record)
    return {"spikes": record["z"].astype(np.int64), "membrane": arithmetic.to_scaled("membrane", record["V"]),
            "readout": result.readout, "gradient": np.concatenate([gradient[layer] for layer in LAYERS])}


def _relative(exact: np.ndarray, found: np.ndarray) -> float:
    """Floored at one double-precision rounding, so that the logarithm exists."""
    return float(max(np.abs(exact - found).max() / max(np.abs(exact).max(), 1e-300), 2.0**-52))

"""Fixed point against its float64 twin as fraction bits grow: the error must fall, about twofold per bit.

The formats are those of preset q32 with the same number of bits cut off every word, so ranges stay and only resolution
changes. Networks run free from the same weights and trials; a spike that flips makes a jump that no resolution repairs, so the
rate is fitted over networks and widths without a flip.
"""
from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fxsim.engine.interface import given
from fxsim.engine.oracle.oracle import Oracle
from fxsim.model.arithmetic import Arithmetic
from fxsim.model.network import LAYERS
from quant import PrecisionSpec, load_spec
from quant.quantities import QUANTITIES

from .random_case import RandomCase, random_case

CUTS = (16, 14, 12, 10, 8, 6, 4, 2, 0)
NEEDED_FACTOR = 1.6     # per bit; exact halving is 2


@dataclass(frozen=True)
class ConvergenceRow:
    """Errors at one width, each max |fixed - float64| / max |float64|; the median over networks without flipped spikes."""

    membrane_frac_bits: int
    networks: int           # without a flipped spike, of all
    total: int
    flipped_spikes: int
    membrane: float
    readout: float
    gradient: float


@dataclass(frozen=True)
class Convergence:
    """The table, and the factor by which the gradient error falls per fraction bit (least squares in log2)."""

    rows: list[ConvergenceRow]
    factor: dict[str, float]

    @property
    def ok(self) -> bool:
        return all(factor >= NEEDED_FACTOR for factor in self.factor.values())


def cut_spec(cut: int) -> PrecisionSpec:
    """q32 with ``cut`` bits less in every word and every fraction."""
    base = load_spec("q32")
    return base.replace(f"q32-{cut}", **{q: replace(base[q], word_bits=base[q].word_bits - cut, frac_bits=base[q].frac_bits - cut)
                                         for q in QUANTITIES})


def verify_convergence(networks: int = 8, seed: int = 0) -> Convergence:
    """Run ``networks`` random networks at every width."""
    rng = np.random.default_rng(seed)
    cases = [random_case(rng) for _ in range(networks)]
    cases = [replace(c, trials=c.trials.take(slice(0, 3))) for c in cases]
    exact = [_run(case, Arithmetic("float64", None, case.network.constants, case.learning, case.trials.steps)) for case in cases]
    rows = []
    for cut in CUTS:
        spec = cut_spec(cut)
        found = [_run(c, Arithmetic(spec.name, spec, c.network.constants, c.learning, c.trials.steps, c.seed)) for c in cases]
        flips = [int((a["spikes"] != b["spikes"]).sum()) for a, b in zip(exact, found, strict=True)]
        error = {q: [_relative(a[q], b[q]) for a, b, flip in zip(exact, found, flips, strict=True) if not flip]
                 for q in ("membrane", "readout", "gradient")}
        median = {q: float(np.median(values)) if values else float("nan") for q, values in error.items()}
        rows.append(ConvergenceRow(spec["membrane"].frac_bits, flips.count(0), networks, sum(flips), **median))
    usable = [row for row in rows if row.networks]
    factor = {q: float(2.0 ** -np.polyfit([r.membrane_frac_bits for r in usable], np.log2([getattr(r, q) for r in usable]), 1)[0])
              if len(usable) > 2 else 0.0 for q in ("membrane", "readout", "gradient")}
    return Convergence(rows, factor)


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

"""Hold the float implementations of the model against golden files.

Errors, per array:

    relative           max |found - golden| / max |golden|     (max |found - golden| where golden is all zero)
    of the bound       max (|found - golden| / bound)          (weights after Adam in float32, see :func:`adam_bound`)

Tolerances: a float64 case 1e-9 relative throughout; a float32 case 1e-4 relative, weights after Adam 1 of the bound.

Trajectories run free: nothing is forced back onto the golden path, so one spike that differs shows in all that follows.
"""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterable, Optional, Protocol

import numpy as np

from fxsim.engine.interface import given
from fxsim.errors import InputError

from .golden_case import GoldenCase, load_golden

TOLERANCE = {"float64": 1e-9, "float32": 1e-4}
STEPS, BETA2, EPSILON = 3, 0.999, 1e-8      # of the golden files' Adam; beta1 is 0.9
LARGEST_STEP = 1.004        # of the rate: |m| <= LARGEST_STEP sqrt(v) after bias correction, in three steps
ULP = 2.0**-23              # of float32, relative
OPERATIONS = 8              # of a step, each rounded


class Implementation(Protocol):
    """What an implementation of the model must answer. Matrices are dense (pre, post), rules have their golden names."""

    def trajectories(self, case: GoldenCase) -> dict[str, np.ndarray]:
        """v, a, A, r, z (B, T, n) and y (B, T, K), at the initial weights."""
        ...

    def gradients(self, case: GoldenCase, rule: str) -> Optional[dict[str, np.ndarray]]:
        """layer -> mean gradient at the initial weights; None if the implementation does not know the rule."""
        ...

    def adam3(self, case: GoldenCase, rule: str) -> Optional[dict[str, np.ndarray]]:
        """layer -> weights after 3 Adam steps on the case's batch; None if it does not know the rule."""
        ...


def _reference() -> Implementation:
    from .reference_adapter import ReferenceAdapter  # imports torch

    return ReferenceAdapter()


def _twin(engine: str) -> Implementation:
    from .twin_adapter import TwinAdapter

    return TwinAdapter(engine)


IMPLEMENTATIONS: dict[str, Callable[[], Implementation]] = {"reference": _reference, "oracle": lambda: _twin("oracle"), "cpu": lambda: _twin("cpu")}
"""Everything that can be verified: name -> constructor, which imports what it needs. Engines: the float twin of fixed-point runs on them."""
DEFAULT = ("reference", "oracle")       # the CPU engine's float kernels take a minute to compile


@dataclass(frozen=True)
class Row:
    """One array of one file, as one implementation reproduced it."""

    file: str
    implementation: str
    quantity: str
    error: float
    measure: str        # "relative" or "of the bound"
    tolerance: float
    note: str = ""      # how many spikes differ

    @property
    def ok(self) -> bool:
        return self.error <= self.tolerance


def verify_golden(paths: Iterable[str | Path], implementations: Iterable[str] = DEFAULT) -> list[Row]:
    """One row per quantity, implementation and file. Raises InputError for a bad file or an unknown implementation."""
    names = list(implementations)
    for name in names:
        if name not in IMPLEMENTATIONS:
            raise InputError("verify golden", "implementation", name, ", ".join(IMPLEMENTATIONS))
    cases = [load_golden(path) for path in paths]       # all files are checked before any long run
    built = {name: IMPLEMENTATIONS[name]() for name in names}
    return [row for case in cases for name, implementation in built.items() for row in verify_case(case, name, implementation)]


def verify_case(case: GoldenCase, name: str, implementation: Implementation) -> list[Row]:
    """The rows of one file and one implementation."""
    tolerance = TOLERANCE[case.dtype]
    found = implementation.trajectories(case)
    rows = [Row(case.path, name, quantity, relative_error(found[quantity], golden), "relative", tolerance,
                _spike_note(found[quantity], golden) if quantity == "z" else "")
            for quantity, golden in case.trajectories.items()]
    gradients = {rule: implementation.gradients(case, rule) for rule in case.gradients}
    for rule, golden in case.gradients.items():
        matrices = gradients[rule]
        if matrices is not None:
            rows += [Row(case.path, name, f"grad_{rule}_{layer}", relative_error(matrices[layer], golden[layer]), "relative", tolerance)
                     for layer in golden]
    for rule, golden in case.adam3.items():
        matrices = implementation.adam3(case, rule)
        if matrices is not None:
            bounds = _adam_bounds(case, rule, given(gradients[rule])) if case.dtype == "float32" else None
            rows += [_adam_row(case, name, f"adam3_{rule}_{layer}", matrices[layer], golden[layer], bounds[layer] if bounds else None)
                     for layer in golden]
    return rows


def relative_error(found: np.ndarray, golden: np.ndarray) -> float:
    """max |found - golden| / max |golden|; the absolute difference where golden is all zero; infinite for NaN or another shape."""
    difference, scale = max_difference(found, golden), np.max(np.abs(golden), initial=0.0)
    return float(difference / scale) if scale > 0 else difference


def max_difference(found: np.ndarray, golden: np.ndarray) -> float:
    """max |found - golden|, infinite if the shapes differ or ``found`` holds NaN or infinity."""
    if found.shape != golden.shape or not np.isfinite(found).all():
        return float("inf")
    return float(np.max(np.abs(found.astype(np.float64) - golden.astype(np.float64)), initial=0.0))


def adam_bound(gradient: np.ndarray, error: float, rate: float, largest_weight: float) -> np.ndarray:
    """How far weights after three Adam steps in float32 can be apart if gradients differ by ``error`` at most; shape of ``gradient``.

    Adam divides a gradient by its own size, so it turns that of a gradient near zero, noise and all, into a step. A step is
    rate m / (s + epsilon) with m a mean and s = sqrt(v) a root mean square of the gradients so far. Both follow their gradients: they
    differ by ``error`` at most, and steps by (1 + LARGEST_STEP) error / (s + epsilon); and by two whole steps at most. ``gradient`` is
    the first one, which alone makes s at least sqrt(share) |gradient|. Beside that, each weight is rounded in each step, on both sides.
    """
    steps = np.zeros(gradient.shape)
    for t in range(1, STEPS + 1):
        share = BETA2 ** (t - 1) * (1 - BETA2) / (1 - BETA2**t)
        size = np.sqrt(share) * np.abs(gradient.astype(np.float64)) + EPSILON
        steps += np.minimum((1 + LARGEST_STEP) * error / size, 2 * LARGEST_STEP) + OPERATIONS * ULP
    return rate * steps + STEPS * ULP * largest_weight


def _adam_bounds(case: GoldenCase, rule: str, found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """layer -> bound. The gradients' error is twice what it is at the initial weights: the files do not have those of the later steps."""
    return {layer: adam_bound(golden, 2 * max_difference(found[layer], golden), case.rate, float(np.abs(case.adam3[rule][layer]).max()))
            for layer, golden in case.gradients[rule].items()}


def _adam_row(case: GoldenCase, name: str, quantity: str, found: np.ndarray, golden: np.ndarray, bound: np.ndarray | None) -> Row:
    if bound is None:
        return Row(case.path, name, quantity, relative_error(found, golden), "relative", TOLERANCE[case.dtype])
    if found.shape != golden.shape:
        return Row(case.path, name, quantity, float("inf"), "of the bound", 1.0)
    return Row(case.path, name, quantity, max_difference(found / bound, golden / bound), "of the bound", 1.0)


def _spike_note(found: np.ndarray, golden: np.ndarray) -> str:
    return f"{int(np.sum(found != golden))} differing spikes, golden has {int(golden.sum())}"


def golden_table(rows: list[Row]) -> str:
    """The rows as text, one line each under a heading."""
    lines = [("file", "implementation", "quantity", "error", "tolerance", "", "note")]
    lines += [(Path(row.file).name, row.implementation, row.quantity, f"{row.error:.2e}", f"{row.tolerance:.0e} {row.measure}",
               "ok" if row.ok else "FAIL", row.note) for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines)]
    return "\n".join("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip() for line in lines)

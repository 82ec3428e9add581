"""Hold the float implementations of the model against golden files.

Errors, per array:

    relative           max |found - golden| / max |golden|     (max |found - golden| where golden is all zero)
    of the rate        max |found - golden| / learning rate    (weights after Adam in float32: Adam turns the sign of a
                                                                gradient that is nearly zero, noise and all, into a step)

Tolerances: a float64 case 1e-9 relative throughout; a float32 case 1e-4 relative, weights after Adam 1e-3 of the rate.

Trajectories run free: nothing is forced back onto the golden path, so one spike that differs shows in all that follows.
"""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterable, Optional, Protocol

import numpy as np

from fxsim.errors import InputError

from .golden_case import GoldenCase, load_golden

TOLERANCE = {"float64": 1e-9, "float32": 1e-4}
ADAM_TOLERANCE_FLOAT32 = 1e-3       # of the learning rate


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


def _twin() -> Implementation:
    from .twin_adapter import TwinAdapter  # compiles kernels

    return TwinAdapter()


IMPLEMENTATIONS: dict[str, Callable[[], Implementation]] = {"reference": _reference, "twin": _twin}
"""Everything that can be verified, and by default is: name -> constructor, which imports what it needs."""


@dataclass(frozen=True)
class Row:
    """One array of one file, as one implementation reproduced it."""

    file: str
    implementation: str
    quantity: str
    error: float
    measure: str        # "relative" or "of the rate"
    tolerance: float
    note: str = ""      # how many spikes differ

    @property
    def ok(self) -> bool:
        return self.error <= self.tolerance


def verify_golden(paths: Iterable[str | Path], implementations: Iterable[str] = tuple(IMPLEMENTATIONS)) -> list[Row]:
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
    for rule, golden in case.gradients.items():
        matrices = implementation.gradients(case, rule)
        if matrices is not None:
            rows += [Row(case.path, name, f"grad_{rule}_{layer}", relative_error(matrices[layer], golden[layer]), "relative", tolerance)
                     for layer in golden]
    for rule, golden in case.adam3.items():
        matrices = implementation.adam3(case, rule)
        if matrices is not None:
            rows += [_adam_row(case, name, f"adam3_{rule}_{layer}", matrices[layer], golden[layer]) for layer in golden]
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


def _adam_row(case: GoldenCase, name: str, quantity: str, found: np.ndarray, golden: np.ndarray) -> Row:
    if case.dtype == "float32":
        return Row(case.path, name, quantity, max_difference(found, golden) / case.rate, "of the rate", ADAM_TOLERANCE_FLOAT32)
    return Row(case.path, name, quantity, relative_error(found, golden), "relative", TOLERANCE[case.dtype])


def _spike_note(found: np.ndarray, golden: np.ndarray) -> str:
    return f"{int(np.sum(found != golden))} differing spikes, golden has {int(golden.sum())}"


def golden_table(rows: list[Row]) -> str:
    """The rows as text, one line each under a heading."""
    lines = [("file", "implementation", "quantity", "error", "tolerance", "", "note")]
    lines += [(Path(row.file).name, row.implementation, row.quantity, f"{row.error:.2e}", f"{row.tolerance:.0e} {row.measure}",
               "ok" if row.ok else "FAIL", row.note) for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines)]
    return "\n".join("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip() for line in lines)

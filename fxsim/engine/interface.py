"""What every engine offers: run trials, give back readouts, spike counts and raw gradients."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from fxsim.model.network import Trials

T = TypeVar("T")


@dataclass(frozen=True)
class Result:
    """What one batch of B trials produced (n neurons, K outputs, S window steps, T steps)."""

    readout: np.ndarray                         # (B, S, K) float64, y in the window, model units
    spike_counts: np.ndarray                    # (B, n) int64
    gradients: dict[str, np.ndarray] | None     # layer -> (n_syn,) stored gradients summed over trials; None without learning
    telemetry: dict[str, dict] | None           # quantity -> counters, see fxsim.model.telemetry
    record: dict[str, np.ndarray] | None        # quantity -> (steps, B, ...) stored values, every step


def given(value: T | None) -> T:
    """What a run was asked for, so that it is there: ``given(result.gradients)`` of one that learned."""
    assert value is not None
    return value


def require_steps(trials: Trials, built_for: int) -> None:
    """Raises ValueError for trials longer than an engine was built for: the ranges of its sums hold up to there."""
    if trials.steps > built_for:
        raise ValueError(f"{trials.steps} steps, built for at most {built_for}")


class Engine(Protocol):
    """An engine is built for a network, a rule and an arithmetic; weights and trials come with each run."""

    name: str

    def run(self, weights: dict[str, np.ndarray], trials: Trials, learn: bool = True,
            telemetry: bool = False, record: bool = False) -> Result:
        """Run B trials from rest. ``weights``: layer -> (n_syn,) stored values, see Arithmetic.weights_to_raw.

        learn       compute gradients (eligibility, learning signal)
        telemetry   count saturation, underflow and stalled leaks per quantity
        record      keep every state variable of every step (small networks only)
        """
        ...

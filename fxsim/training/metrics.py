"""What a learning curve shows, computed from the readout in the window and the spike counts.

B trials, S window steps, K outputs, n neurons. Readouts and targets are in model units, float64.
"""
from __future__ import annotations

from typing import Any, Mapping, Protocol

import numpy as np

from fxsim.errors import InputError
from fxsim.model.network import Trials


class Measured(Protocol):
    """What is measured of a run, whatever ran it."""

    @property
    def readout(self) -> np.ndarray: ...            # (B, S, K)
    @property
    def spike_counts(self) -> np.ndarray: ...       # (B, n)


def cross_entropy(readout: np.ndarray, target: np.ndarray) -> float:
    """Mean over trials and window of -log softmax(y)_label. Both arguments (B, S, K); ``target`` is one-hot."""
    shifted = readout - readout.max(-1, keepdims=True)
    log_probability = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return float(-(target * log_probability).sum(-1).mean())


def accuracy(readout: np.ndarray, target: np.ndarray) -> float:
    """Share of trials whose largest readout, summed over the window, is that of the label. Both arguments (B, S, K)."""
    return float((readout.sum(1).argmax(-1) == target[:, -1].argmax(-1)).mean())


def squared_error(readout: np.ndarray, target: np.ndarray) -> float:
    """Mean over trials, window and outputs of (y - y*)^2 / 2, whose derivative is the readout error."""
    return float(0.5 * np.square(readout - target).mean())


def normalised_squared_error(readout: np.ndarray, target: np.ndarray) -> float:
    """nMSE = sum (y* - y)^2 / sum y*^2."""
    return float(np.square(target - readout).sum() / np.square(target).sum())


def mean_rate(spike_counts: np.ndarray, duration: np.ndarray) -> float:
    """Mean firing rate in Hz over trials and neurons: spikes (B, n) per trial duration (B,) in steps of 1 ms."""
    return float(1000 * (spike_counts / duration[:, None]).mean())


def measure(result: Measured, trials: Trials, classification: bool) -> dict[str, float | None]:
    """loss, accuracy, nmse and rate_hz of one forward pass; what the task does not have is None.

    """
    y, target = result.readout, trials.target
    rate = mean_rate(result.spike_counts, trials.duration)
    if classification:
        return {"loss": cross_entropy(y, target), "accuracy": accuracy(y, target), "nmse": None, "rate_hz": rate}
    return {"loss": squared_error(y, target), "accuracy": None, "nmse": normalised_squared_error(y, target), "rate_hz": rate}


def require_finite(source: object, values: Mapping[str, Any], when: str) -> None:
    """InputError that names the first number or array with NaN or infinity in it; None and text are passed over."""
    for name, value in values.items():
        if value is None or isinstance(value, str):
            continue
        finite = np.isfinite(value)
        if not finite.all():
            raise InputError(source, name, f"{np.asarray(value)[~finite].flat[0]} {when}",
                             "finite numbers: a smaller learning rate, less extreme parameters, or precision float64")

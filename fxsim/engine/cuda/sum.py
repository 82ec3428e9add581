"""Sums over trials on the device. Importing this module needs numba.cuda; the engine imports it when it first runs."""
from __future__ import annotations

import numpy as np
from numba import cuda


@cuda.jit
def sum_trials(trials: int, size: int, rows: np.ndarray, total: np.ndarray) -> None:
    """total[e] = sum over trials b of rows[b size + e], in the order of the trials: float sums do not depend on the schedule."""
    for e in range(cuda.grid(1), size, cuda.gridsize(1)):
        sum = total[e]
        for b in range(trials):
            sum += rows[b * size + e]
        total[e] = sum


@cuda.jit
def spread_trials(trials: int, steps: int, channels: int, lanes: int, x: np.ndarray, spread: np.ndarray) -> None:
    """spread (groups, steps, channels, lanes) = x (trials, steps, channels), the last trial repeated."""
    for i in range(cuda.grid(1), -(-trials // lanes) * lanes * steps, cuda.gridsize(1)):
        lane, row = i % lanes, i // lanes
        trial = min(row // steps * lanes + lane, trials - 1)
        for channel in range(channels):
            spread[(row * channels + channel) * lanes + lane] = x[(trial * steps + row % steps) * channels + channel]

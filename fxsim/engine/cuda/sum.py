"""Sums over trials on the device. Importing this module needs numba.cuda; the engine imports it when it first runs."""
from __future__ import annotations

import numpy as np
from numba import cuda


@cuda.jit
def sum_trials(trials: int, size: int, rows: np.ndarray, total: np.ndarray) -> None:
    """total[e] = sum over trials b of rows[b size + e], in the order of the trials: float sums do not depend on the schedule."""
    for e in range(cuda.grid(1), size, cuda.gridsize(1)):
        for b in range(trials):
            total[e] += rows[b * size + e]

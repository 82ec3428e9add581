"""Trials side by side: the layout that the CPU kernels read."""
from __future__ import annotations

import numba as nb
import numpy as np

TILE = 256      # elements of each trial at a time: what is written stays in the nearest cache


@nb.njit(cache=True, nogil=True)
def _interleave(values, lanes, count):
    trials, size = values.shape
    for start in range(0, size, TILE):
        for b in range(trials):
            for i in range(start, min(start + TILE, size)):
                lanes[i * count + b] = values[b, i]


def interleaved(values: np.ndarray, dtype, count: int) -> np.ndarray:
    """(B, ...) values as (... count,), flat: B of ``count`` lanes are used, the others zero."""
    values = np.ascontiguousarray(values, dtype).reshape(len(values), -1)
    out = np.zeros(values.shape[1] * count, dtype)
    _interleave(values, out, count)
    return out

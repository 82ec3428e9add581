"""The compiled part of :mod:`fxsim.tasks.poisson`; importing it imports Numba."""
from __future__ import annotations

import numba as nb
import numpy as np

from fxsim.files.machine_code import folder_digest, kept

U32, U64 = np.uint32, np.uint64


@nb.njit(nogil=True, forceinline=True)
def mix32(x: np.uint32) -> np.uint32:
    """quant.random.mix32 on machine words."""
    x = U32(x ^ (x >> U32(16)))
    x = U32(x * U32(0x21F0AAAD))
    x = U32(x ^ (x >> U32(15)))
    x = U32(x * U32(0x735A2D97))
    return U32(x ^ (x >> U32(15)))


@kept(folder_digest(__file__), nogil=True)
def fill(key: np.uint32, trial_ids: np.ndarray, thresholds: np.ndarray, starts: np.ndarray, stops: np.ndarray, per_population: int,
         spikes: np.ndarray) -> None:
    """Set spikes[b, t, c] where the hash falls below the threshold of its segment and population; silence is skipped."""
    for b in range(spikes.shape[0]):
        trial = mix32(U32(mix32(key) + trial_ids[b]))
        for q in range(starts.shape[1]):
            for p in range(thresholds.shape[2]):
                if thresholds[b, q, p] == 0:
                    continue
                highest = U32(thresholds[b, q, p] - U64(1))     # of a hash that spikes: in 32 bits, so that channels are side by side in registers
                first = p * per_population
                for t in range(starts[b, q], stops[b, q]):
                    step = mix32(U32(trial + U32(t)))
                    row = spikes[b, t, first:first + per_population]
                    for c in range(per_population):
                        row[c] = mix32(U32(step ^ U32(first + c))) <= highest

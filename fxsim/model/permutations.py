"""Permutations of the ``shuffled_per_step`` control: a fresh one for every (trial, step), drawn by counter.

Every implementation of the model takes them from here, so that they shuffle alike whatever the batch, the order of the
trials or the machine.
"""
from __future__ import annotations

import numpy as np

from quant.random import M32, element_key, random31, step_key, trial_key

STREAM = 0x50455226  # a quantity number far from those of the number formats: its own random bits


def step_permutations(seed: int, trial_ids: np.ndarray, steps: np.ndarray, n_cells: int) -> np.ndarray:
    """One permutation p of the grid cells per trial and step.

    Each cell draws 31 random bits from (seed, trial, step, cell); p lists the cells in ascending order of their bits,
    equal bits in order of the cell.

    Args:
        seed: of the run.
        trial_ids: (B,) identity of each trial in the run, see :class:`fxsim.model.network.Trials`.
        steps: (S,) time steps, counted from the first step of the trial, its front padding included.
        n_cells: cells of the grid.

    Returns:
        (B, S, n_cells) int32, a permutation of 0 .. n_cells-1 in each row.
    """
    trials = np.asarray(trial_ids).astype(np.uint64)
    times = np.asarray(steps).astype(np.uint64)
    stream = trial_key(int(seed) & M32, trials).astype(np.uint32)
    at_step = step_key(STREAM, times).astype(np.uint32)
    counter = element_key(at_step[:, None], np.arange(n_cells, dtype=np.uint32))
    bits = random31(stream[:, None, None], counter)
    # Bits and cell in one word: all words differ, so that any sort gives the one stable order.
    ranked = np.sort(bits.astype(np.int64) << 32 | np.arange(n_cells), axis=-1)
    return (ranked & M32).astype(np.int32)

"""Poisson input spikes: in every step of 1 ms a channel spikes with probability rate * dt.

A spike is a hash of (key, trial id, step, channel), so batches can be drawn in any order and size and give the same trials
on every machine.
"""
from __future__ import annotations

import numpy as np

DT = 1e-3       # s per step


def poisson_spikes(key: int, trial_ids: np.ndarray, rates: np.ndarray, starts: np.ndarray, stops: np.ndarray,
                   channels_per_population: int, steps: int) -> np.ndarray:
    """(B, steps, P * channels) uint8 spikes of P populations.

    key             32-bit key of the run's inputs
    trial_ids       (B,) uint32
    rates           (B, Q, P) Hz in each of Q time segments
    starts, stops   (B, Q) steps of the segments [start, stop); outside all segments there is silence
    """
    from .poisson_kernel import fill  # imports numba
    thresholds = np.round(np.clip(np.asarray(rates, np.float64) * DT, 0, 1) * 2.0**32).astype(np.uint64)
    spikes = np.zeros((trial_ids.size, steps, thresholds.shape[2] * channels_per_population), np.uint8)
    fill(np.uint32(key), trial_ids.astype(np.uint32), thresholds, starts.astype(np.int64), stops.astype(np.int64),
         channels_per_population, spikes)
    return spikes

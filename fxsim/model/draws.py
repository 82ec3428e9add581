"""Random streams of a run: one independent generator per purpose, so that one choice never disturbs another."""
from __future__ import annotations

import zlib

import numpy as np


def generator(seed: int, purpose: str) -> np.random.Generator:
    """A counter-based (Philox) generator keyed by the run's seed and what it is for."""
    return np.random.Generator(np.random.Philox(key=[seed, zlib.crc32(purpose.encode())]))


def key32(seed: int, purpose: str) -> int:
    """A 32-bit key for hashes, of the run's seed and what it is for."""
    return int(generator(seed, purpose).integers(0, 2**32))

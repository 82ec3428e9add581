"""Words of the CUDA kernel under Numba's simulator: Python integers that are checked to fit, so nothing can wrap unseen."""
from __future__ import annotations

from types import SimpleNamespace
from typing import SupportsInt

import numpy as np

FLOATS = SimpleNamespace(float32=np.float32, float64=np.float64)


def I32(x: SupportsInt) -> int:
    """A signed 32-bit word. OverflowError if x does not fit."""
    return _checked(int(x), 32)


def I64(x: SupportsInt) -> int:
    """A signed 64-bit word. OverflowError if x does not fit."""
    return _checked(int(x), 64)


def U32(x: SupportsInt) -> int:
    """An unsigned 32-bit word; wraps, as the hash needs it to."""
    return int(x) & 0xFFFFFFFF


def _checked(x: int, bits: int) -> int:
    if not -(1 << (bits - 1)) <= x < 1 << (bits - 1):
        raise OverflowError(f"{x} does not fit a signed word of {bits} bits")
    return x

"""Trials side by side: the layout that the CPU kernels read."""
from __future__ import annotations

import sys

import numba as nb
import numpy as np

from fxsim.files.machine_code import folder_digest, kept

WORD = 8        # bytes of a machine word
HALVES, QUARTERS, BYTES = (np.uint64(mask) for mask in (0xFFFFFFFF, 0x0000FFFF0000FFFF, 0x00FF00FF00FF00FF))


@nb.njit
def _exchanged(x: np.uint64, y: np.uint64, mask: np.uint64, bits: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Two words, the parts of x outside of the mask and those of y inside exchanged; ``bits``: from a part to the next."""
    return x & mask | (y & mask) << bits, x >> bits & mask | y & ~mask


@kept(folder_digest(__file__), nogil=True)
def _interleave_bytes(values: np.ndarray, lanes: np.ndarray, words: int) -> None:
    """Eight trials at a time: their words of eight bytes are a square that is transposed in three exchanges."""
    trials, size = values.shape
    four, two, one, none = np.uint64(32), np.uint64(16), np.uint64(8), np.uint64(0)
    for first in range(0, trials, WORD):
        for i in range(size):
            a = values[first, i]
            b = values[first + 1, i] if first + 1 < trials else none
            c = values[first + 2, i] if first + 2 < trials else none
            d = values[first + 3, i] if first + 3 < trials else none
            e = values[first + 4, i] if first + 4 < trials else none
            f = values[first + 5, i] if first + 5 < trials else none
            g = values[first + 6, i] if first + 6 < trials else none
            h = values[first + 7, i] if first + 7 < trials else none
            (a, e), (b, f) = _exchanged(a, e, HALVES, four), _exchanged(b, f, HALVES, four)
            (c, g), (d, h) = _exchanged(c, g, HALVES, four), _exchanged(d, h, HALVES, four)
            (a, c), (b, d) = _exchanged(a, c, QUARTERS, two), _exchanged(b, d, QUARTERS, two)
            (e, g), (f, h) = _exchanged(e, g, QUARTERS, two), _exchanged(f, h, QUARTERS, two)
            (a, b), (c, d) = _exchanged(a, b, BYTES, one), _exchanged(c, d, BYTES, one)
            (e, f), (g, h) = _exchanged(e, f, BYTES, one), _exchanged(g, h, BYTES, one)
            o = i * WORD * words + first // WORD
            lanes[o] = a
            lanes[o + words] = b
            lanes[o + 2 * words] = c
            lanes[o + 3 * words] = d
            lanes[o + 4 * words] = e
            lanes[o + 5 * words] = f
            lanes[o + 6 * words] = g
            lanes[o + 7 * words] = h


def interleave(values: np.ndarray, out: np.ndarray, count: int) -> None:
    """(B, ...) values as (... count,), flat: B of ``count`` lanes are written (or a few more, zeros), in the type of ``out``."""
    values = np.ascontiguousarray(values, out.dtype).reshape(len(values), -1)
    if values.itemsize == 1 and count % WORD == 0 and values.shape[1] % WORD == 0 and values.ctypes.data % WORD == 0 and sys.byteorder == "little":
        _interleave_bytes(values.view(np.uint64), out.view(np.uint64), count // WORD)
    else:
        out.reshape(-1, count)[:, :len(values)] = values.T

"""Integer softmax, defined once.

exp(-d) = 2**-(d log2 e): the whole part of the exponent shifts, its fraction looks up a table of 1024 intervals of
2**-x with 30 fraction bits and interpolates linearly. Error bound, relative: interpolation 2**-20 (ln 2)**2 / 8 = 5.8e-8,
table and multiplier rounding below 4e-9 each at |y| < 8; so each probability is within 1.5e-7 of the exact softmax of
the stored readouts, plus 2**-30 from the final division. The caller rounds the result once, into the error's format.

The scalar functions are plain integer arithmetic on Python ints, NumPy arrays and compiled int64 alike.
"""
from __future__ import annotations

import numpy as np

from quant.interval import Integers

PROBABILITY_FRAC = 30           # fraction bits of exponentials and probabilities
LOG2E_FRAC = 28
LOG2E = 387270501               # round(log2(e) * 2**28)
TABLE_BITS = 10
REST_BITS = PROBABILITY_FRAC - TABLE_BITS
EXP2 = np.array([round(2.0 ** (PROBABILITY_FRAC - i / 1024)) for i in range(1025)], np.int64)
MIN_READOUT_FRAC, MAX_READOUT_FRAC = 2, 63 - LOG2E_FRAC     # shifts between 0 and 63 bits


def exp_negative(d: Integers, frac: Integers, table: np.ndarray) -> Integers:
    """exp(-d * 2**-frac) with 30 fraction bits, for integer d >= 0 and frac from 2 to 35."""
    u = d * LOG2E
    whole = u >> (frac + LOG2E_FRAC)
    part = (u >> (frac + LOG2E_FRAC - PROBABILITY_FRAC)) & ((1 << PROBABILITY_FRAC) - 1)
    i = part >> REST_BITS
    value = table[i] - (((table[i] - table[i + 1]) * (part & ((1 << REST_BITS) - 1))) >> REST_BITS)
    return value >> ((whole < 31) * whole + (whole >= 31) * 31)


def softmax_raw(y: np.ndarray, frac: int) -> np.ndarray:
    """Softmax over the last axis of raw readouts with ``frac`` fraction bits: raw probabilities, 30 fraction bits."""
    p = exp_negative(y.max(-1, keepdims=True) - y, np.int64(frac), EXP2)
    return (p << np.int64(PROBABILITY_FRAC)) // p.sum(-1, keepdims=True)

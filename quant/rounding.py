"""Rounding and overflow of integers, defined once.

Every function here is one expression of branch-free plain arithmetic: it means the same on Python ints, on NumPy int64
arrays and, compiled, in the CPU and CUDA kernels, whose builder re-uses this very source text. Its operations are those
that :mod:`quant.interval` knows; docs/extending.md lists them.

A rounding takes the exact number ``base + y / 2**s`` (s >= 0) and returns an integer. Keeping the integer part
``base`` apart changes no result; it lets a kernel round "state + small change" without a word wide enough for the
state's fraction bits. ``r`` holds 31 uniform random bits; only ``stochastic`` reads it.
"""
from __future__ import annotations

from .interval import Integers


def floor(y: Integers, s: Integers, r: Integers, base: Integers = 0) -> Integers:
    """Towards minus infinity."""
    return base + (y >> s)


def toward_zero(y: Integers, s: Integers, r: Integers, base: Integers = 0) -> Integers:
    """Truncation of the magnitude."""
    return base + ((y + (base + (y >> s) < 0) * ((1 << s) - 1)) >> s)


def nearest_up(y: Integers, s: Integers, r: Integers, base: Integers = 0) -> Integers:
    """To nearest, ties towards plus infinity."""
    return base + ((y + ((1 << s) >> 1)) >> s)


def nearest_even(y: Integers, s: Integers, r: Integers, base: Integers = 0) -> Integers:
    """To nearest, ties to the even raw value (IEEE's rule)."""
    return base + ((y + ((1 << s) >> 1) - (s > 0) * (1 - ((base + (y >> s)) & 1))) >> s)


def stochastic(y: Integers, s: Integers, r: Integers, base: Integers = 0) -> Integers:
    """Up with a probability equal to the discarded fraction.

    For s > 31 the random number has 31 significant bits: the bias is below 2^-31 of a result unit.
    """
    return base + ((y + ((r >> (s < 31) * (31 - s)) << (s > 31) * (s - 31))) >> s)


def saturate(x: Integers, lo: Integers, hi: Integers) -> Integers:
    """Clip to [lo, hi]."""
    return min(max(x, lo), hi)


def wrap(x: Integers, lo: Integers, hi: Integers) -> Integers:
    """Two's complement wrap-around into [lo, hi]; hi - lo + 1 is a power of two."""
    return ((x - lo) & (hi - lo)) + lo


ROUNDINGS = {f.__name__: f for f in (floor, toward_zero, nearest_even, nearest_up, stochastic)}
OVERFLOWS = {f.__name__: f for f in (saturate, wrap)}

"""Exact, self-aligning numbers, and the one place where they are rounded into a format.

``Exact`` is an array of fixed-point numbers whose sums and products lose nothing: binary points are aligned by the class,
so no shift is written by hand, and where 64 bits are not enough Python's integers go on. ``Numbers`` reads stored values as
such numbers and stores results: the only rounding.
Axes: trial first, then neuron, synapse, output or cell.
"""
from __future__ import annotations

from typing import Any, Callable

import numpy as np
from numpy.typing import ArrayLike

from fxsim.model.arithmetic import Arithmetic
from fxsim.model.telemetry import Counters
from quant.formats import QFormat
from quant.quantities import INDEX
from quant.random import element_key, random31, step_key, trial_key
from quant.rounding import OVERFLOWS, ROUNDINGS

Watch = Callable[[str, np.ndarray], None]
LARGEST = (1 << 63) - 1      # what int64 holds
KEY_BLOCK = 16      # steps whose keys of random bits are made at a time


class Groups:
    """Which entries of an axis add up to which result: ``index`` (size of the axis,) has values 0 .. size-1."""

    def __init__(self, index: np.ndarray, size: int):
        self.index, self.size = np.asarray(index, np.int64), size
        self.order = None if (np.diff(self.index) >= 0).all() else np.argsort(self.index, kind="stable")
        ordered = self.index if self.order is None else self.index[self.order]
        self.starts = np.flatnonzero(np.diff(ordered, prepend=-1))
        self.targets = ordered[self.starts]         # results that have at least one entry
        self.largest = int(np.bincount(self.index, minlength=1).max())      # entries of one result


def largest(raw: np.ndarray) -> int:
    """The largest magnitude of an array of integers, as a Python integer."""
    return max(-int(raw.min()), int(raw.max())) if raw.size else 0


class Exact:
    """An array of exact fixed-point numbers ``raw * 2**-frac``; + - * lose nothing.

    raw     int64, or Python's integers where a result could need more bits
    most    no magnitude of raw is larger (None: to be looked up). What formats can hold is known without looking at the
            numbers, so that this costs nothing where words are narrow
    """

    def __init__(self, raw: Any, frac: int, most: int | None = None):
        self.raw = raw if isinstance(raw, np.ndarray) and raw.dtype == object else np.asarray(raw, np.int64)
        self.frac, self._most = frac, most

    @property
    def most(self) -> int:
        if self._most is None:
            self._most = largest(self.raw)
        return self._most

    def within(self, bound: Callable[[int], int]) -> Exact:
        """The same numbers, as Python's integers if ``bound(largest magnitude)``, which a result can reach, does not fit int64."""
        if self.raw.dtype != object and bound(self.most) > LARGEST and bound(largest(self.raw)) > LARGEST:
            return Exact(self.raw.astype(object), self.frac, self._most)
        return self

    def at(self, frac: int) -> np.ndarray:
        """Raw values at a finer or equal binary point."""
        if frac == self.frac:
            return self.raw
        wide = self.within(lambda most: most << frac - self.frac).raw
        return wide << (frac - self.frac if wide.dtype == object else np.int64(frac - self.frac))

    def _aligned(self, other: Exact) -> tuple[np.ndarray, np.ndarray, int, int]:
        """Both at the finer binary point, that point, and what the magnitude of their sum or difference can reach."""
        frac = max(self.frac, other.frac)
        up, up_other = frac - self.frac, frac - other.frac
        most = (self.most << up) + (other.most << up_other)
        if most > LARGEST:
            most = (largest(self.raw) << up) + (largest(other.raw) << up_other)
        if most > LARGEST:
            return self.raw.astype(object) << up, other.raw.astype(object) << up_other, frac, most
        return self.at(frac), other.at(frac), frac, most

    def __add__(self, other: Exact) -> Exact:
        a, b, frac, most = self._aligned(other)
        return Exact(a + b, frac, most)

    def __sub__(self, other: Exact) -> Exact:
        a, b, frac, most = self._aligned(other)
        return Exact(a - b, frac, most)

    def __mul__(self, other: Exact) -> Exact:
        most, a = self.most * other.most, self.raw
        if most > LARGEST:
            most = largest(self.raw) * largest(other.raw)
        if most > LARGEST:
            a = a.astype(object)
        return Exact(a * other.raw, self.frac + other.frac, most)

    def __getitem__(self, index: Any) -> Exact:
        return Exact(self.raw[index], self.frac, self._most)

    def take(self, index: np.ndarray) -> Exact:
        """Entries ``index`` of the last axis."""
        return type(self)(self.raw.take(index, -1), self.frac, self._most)

    def __neg__(self) -> Exact:
        return Exact(-self.raw, self.frac, self._most)

    def sum(self, axis: int) -> Exact:
        count = self.raw.shape[axis]
        return Exact(self.within(lambda most: most * count).raw.sum(axis), self.frac, self.most * count)

    def floor(self, frac: int) -> np.ndarray:
        """Raw values at another binary point, rounded down if it is coarser."""
        return self.at(frac) if frac >= self.frac else self.raw >> self.frac - frac

    def __abs__(self) -> Exact:
        return Exact(abs(self.raw), self.frac, self._most)

    def positive_part(self) -> Exact:
        return Exact(np.maximum(self.raw, 0), self.frac, self._most)

    def is_positive(self) -> np.ndarray:
        return self.raw > 0

    def where(self, condition: np.ndarray) -> Exact:
        return Exact(np.where(condition, self.raw, 0), self.frac, self._most)

    def scatter(self, groups: Groups) -> Exact:
        """Sums of the last axis' entries that share a group, one per group."""
        values = self.within(lambda most: most * groups.largest).raw
        out = np.zeros((*values.shape[:-1], groups.size), values.dtype)
        if groups.starts.size:
            out[..., groups.targets] = np.add.reduceat(values if groups.order is None else values[..., groups.order], groups.starts, -1)
        return Exact(out, self.frac, self.most * groups.largest)


class Real(Exact):
    """The same operations on floats; the binary point has no meaning."""

    def __init__(self, raw: ArrayLike, frac: int = 0, most: int | None = None):
        self.raw, self.frac, self._most = np.asarray(raw), 0, None

    def __add__(self, other: Exact) -> Real:
        return Real(self.raw + other.raw)

    def __sub__(self, other: Exact) -> Real:
        return Real(self.raw - other.raw)

    def __mul__(self, other: Exact) -> Real:
        return Real(self.raw * other.raw)

    def __neg__(self) -> Real:
        return Real(-self.raw)

    def __getitem__(self, index: Any) -> Real:
        return Real(self.raw[index])

    def sum(self, axis: int) -> Real:
        return Real(self.raw.sum(axis))

    def __abs__(self) -> Real:
        return Real(abs(self.raw))

    def positive_part(self) -> Real:
        return Real(np.maximum(self.raw, 0))

    def where(self, condition: np.ndarray) -> Real:
        return Real(np.where(condition, self.raw, self.raw.dtype.type(0)))

    def scatter(self, groups: Groups) -> Real:
        out = np.zeros((*self.raw.shape[:-1], groups.size), self.raw.dtype)
        where: Any = (..., groups.index)            # NumPy's types know no ellipsis here
        np.add.at(out, where, self.raw)     # one after the other: float sums depend on the order
        return Real(out)


def round_into(fmt: QFormat, exact: Exact, random: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Round an exact number once into ``fmt``: raw values before and after its overflow rule.

    ``random``: 31-bit words where fmt rounds stochastically.
    """
    shift = exact.frac - fmt.frac_bits
    raw = exact.at(max(exact.frac, fmt.frac_bits))
    if shift > 0:
        raw = exact.within(lambda most: most + (1 << shift)).raw      # roundings add up to a unit of the result
        rounding = ROUNDINGS[fmt.rounding]
        if raw.dtype == object:     # one by one: what a comparison of arrays gives takes no factor beyond machine words
            raw = np.asarray(np.frompyfunc(lambda y, r: rounding(y, shift, r), 2, 1)(raw, 0 if random is None else random.astype(object)))
        else:
            raw = rounding(raw, shift, random)
    if fmt.overflow == "saturate":
        kept = np.minimum(np.maximum(raw, fmt.min_raw), fmt.max_raw)
    else:
        kept = OVERFLOWS["wrap"](raw, fmt.min_raw, fmt.max_raw)
    return raw.astype(np.int64, copy=False), kept.astype(np.int64, copy=False)      # no format that an engine accepts has results beyond int64


class Numbers:
    """Stored values in, one rounding out, for the trials that are under way.

    t         the step whose random bits are next
    streams   (B,) random stream of each trial
    counters  telemetry table (see fxsim.model.telemetry), or None
    watch     is shown each quantity and its new stored values, of what telemetry counts; or None
    """

    def __init__(self, arithmetic: Arithmetic, seed: int):
        self.arithmetic, self.spec, self.seed = arithmetic, arithmetic.spec, seed
        self.counters: np.ndarray | None = None
        self.watch: Watch | None = None
        self._keys: dict[tuple[int, int], tuple[int, np.ndarray]] = {}
        self.t, self.streams = 0, np.zeros(0, np.uint32)

    def begin(self, trial_ids: np.ndarray) -> None:
        """Trials with these ids, (B,) uint32, start."""
        self.t, self.streams = 0, np.asarray(trial_key(self.seed, np.asarray(trial_ids).astype(np.uint64))).astype(np.uint32)

    def value(self, quantity: str, raw: ArrayLike) -> Exact:
        """Stored values as exact numbers."""
        if not self.spec:
            return Real(np.asarray(raw, self.arithmetic.dtype))
        fmt = self.spec[quantity]
        return Exact(raw, fmt.frac_bits, max(-fmt.min_raw, fmt.max_raw))

    def number(self, raw: ArrayLike, frac: int = 0) -> Exact:
        """Integers (spikes, counts, table values) as exact numbers with ``frac`` fraction bits; floats are taken as they are."""
        return Exact(raw, frac) if self.spec else Real(np.asarray(raw).astype(self.arithmetic.dtype))

    def zero(self, quantity: str, size: int) -> Exact:
        """The state (B, size) that every trial starts from."""
        return self.value(quantity, np.zeros((self.streams.size, size), self.arithmetic.dtype))

    def store(self, quantity: str, exact: Exact, *start: Exact, less: Exact | None = None, count: np.ndarray | None = None) -> Exact:
        """Round an exact number into the quantity's format: the only rounding there is.

        start   terms that the new state starts from (old state, whole drives): telemetry calls a state stalled if it
                should change but rounds to where it started. What is less than a stored unit in a term is part of the change
        less    a term that is taken from them
        count   which elements telemetry counts (default: all)
        """
        if not self.spec:
            new = self.value(quantity, exact.raw.astype(self.arithmetic.dtype))
            full = new.raw
        else:
            fmt, random = self.spec[quantity], None
            if fmt.rounding == "stochastic":
                random = random31(self.streams[:, None], self._element_keys(INDEX[quantity], exact.raw.shape[-1])).astype(np.int64)
            full, kept = round_into(fmt, exact, random)
            new = self.value(quantity, kept)
        if self.watch is not None:
            self.watch(quantity, new.raw if count is None else new.raw[..., count])
        if self.counters is not None:
            self._count(self.counters[INDEX[quantity]], quantity, exact, start, less, full, new.raw, slice(None) if count is None else count)
        return new

    def _element_keys(self, quantity: int, size: int) -> np.ndarray:
        """(size,) keys of the elements of a quantity at this step. They are the same in all trials; a block of steps is made at a time."""
        block, kept = self.t // KEY_BLOCK, self._keys.get((quantity, size))
        if kept is None or kept[0] != block:
            steps = step_key(quantity, np.arange(block * KEY_BLOCK, (block + 1) * KEY_BLOCK, dtype=np.uint64)).astype(np.uint32)
            kept = self._keys[quantity, size] = block, element_key(steps[:, None], np.arange(size, dtype=np.uint32))
        return kept[1][self.t % KEY_BLOCK]

    def _count(self, row: np.ndarray, quantity: str, exact: Exact, start: tuple[Exact, ...], less: Exact | None, full: np.ndarray, kept: np.ndarray,
               which: np.ndarray | slice) -> None:
        full, kept = np.broadcast_to(full, exact.raw.shape)[..., which], kept[..., which]
        row[Counters.STORED] += full.size
        row[Counters.LARGEST] = max(row[Counters.LARGEST], abs(full).max(initial=0))
        if not self.spec:
            return
        frac = self.spec[quantity].frac_bits
        begin = sum((np.broadcast_to(term.floor(frac), exact.raw.shape) for term in start), np.zeros(exact.raw.shape, np.int64))
        if less is not None:
            begin = begin - less.floor(frac)
        changed = ((exact - Exact(begin, frac)).raw != 0)[..., which]
        begin = begin[..., which]
        row[Counters.SATURATED] += (full != kept).sum()
        row[Counters.UNDERFLOWED] += (changed & (begin == 0) & (full == 0)).sum()
        row[Counters.STALLED] += (changed & (begin != 0) & (full == begin)).sum()

"""Interval arithmetic over integers: proves how large the intermediates of integer code can get.

Run the very code of an update on ``Interval`` arguments: every operation's result covers whatever inputs within the
intervals can produce.
"""
from __future__ import annotations

from typing import Any, Callable, TypeAlias

Integers: TypeAlias = Any       # what the same integer code runs on: Python ints, NumPy integers and arrays, Interval, words of a machine


class Interval:
    """All integers from lo to hi."""

    __slots__ = ("lo", "hi")

    def __init__(self, lo: int, hi: int):
        self.lo, self.hi = int(lo), int(hi)
        if self.lo > self.hi:
            raise ValueError(f"an interval from {lo} to {hi} holds nothing, and would prove anything")

    @staticmethod
    def of(x: Interval | int) -> Interval:
        return x if isinstance(x, Interval) else Interval(x, x)

    @classmethod
    def _corners(cls, a: Interval | int, b: Interval | int, operation: Callable[[int, int], int]) -> Interval:
        a, b = cls.of(a), cls.of(b)
        values = [operation(x, y) for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
        return cls(min(values), max(values))

    def __add__(self, other: Interval | int) -> Interval:
        return self._corners(self, other, lambda x, y: x + y)

    def __sub__(self, other: Interval | int) -> Interval:
        return self._corners(self, other, lambda x, y: x - y)

    def __rsub__(self, other: Interval | int) -> Interval:
        return self.of(other) - self

    def __mul__(self, other: Interval | int) -> Interval:
        return self._corners(self, other, lambda x, y: x * y)

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> Interval:
        return Interval(-self.hi, -self.lo)

    def __lshift__(self, s: Interval | int) -> Interval:
        return self._corners(self, s, lambda x, y: x << y)

    def __rshift__(self, s: Interval | int) -> Interval:
        return self._corners(self, s, lambda x, y: x >> y)

    def __floordiv__(self, other: Interval | int) -> Interval:
        other = self.of(other)
        if other.lo <= 0 <= other.hi:
            raise ZeroDivisionError(f"{self} // {other}")
        return self._corners(self, other, lambda x, y: x // y)

    def __and__(self, mask: int) -> Interval:
        """With a constant mask >= 0 whose bits are contiguous from bit 0."""
        return Interval(self.lo, self.hi) if 0 <= self.lo and self.hi <= mask else Interval(0, mask)

    def __abs__(self) -> Interval:
        return Interval(0 if self.lo <= 0 <= self.hi else min(abs(self.lo), abs(self.hi)), max(abs(self.lo), abs(self.hi)))

    def __lt__(self, other: Interval | int) -> Interval:
        return Interval(int(self.hi < Interval.of(other).lo), int(self.lo < Interval.of(other).hi))

    def __gt__(self, other: Interval | int) -> Interval:
        return Interval.of(other) < self

    def __bool__(self) -> bool:
        raise TypeError("an interval has no truth value: code with branches is not proven by running one of them")

    def __repr__(self) -> str:
        return f"[{self.lo}, {self.hi}]"


def interval_max(a: Interval | int, b: Interval | int) -> Interval:
    """max() on intervals."""
    return Interval._corners(a, b, max)


def interval_min(a: Interval | int, b: Interval | int) -> Interval:
    """min() on intervals."""
    return Interval._corners(a, b, min)

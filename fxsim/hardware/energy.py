"""Prices of counted operations and accesses: an estimate, from the rows of energies.yaml and from these rules for what has no row.

    addition            between rows, a straight line over bits; beyond them, in proportion to bits
    product             in proportion to the product of the operands' bits, as the array of a multiplier grows; low and high are the rows' least and
                        largest energies per product of bits
    quotient            as many additions of the divisor's bits as the result has bits
    wires               shifts by a constant and masks: nothing, to an addition of that width
    float operation     a row of exactly that type, or there is no estimate
    access              in proportion to bits of the word: low, of a memory as small as the smallest row; high, of one memory of all that the network
                        keeps, between rows a straight line of logarithms, beyond the largest row that row. A write costs what a read does

Each is a range, and ranges are added end by end.
"""
from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Iterable

import numpy as np

from quant.files import parse_yaml

from .operations import DIVIDE, MULTIPLY, WIRES, Counted, Operation

ACCESS_BITS = 64        # of the rows of accesses


@dataclass(frozen=True)
class Energy:
    """A range, in pJ."""

    low: float = 0.0
    high: float = 0.0

    def __add__(self, other: Energy) -> Energy:
        return Energy(self.low + other.low, self.high + other.high)

    def __mul__(self, count: float) -> Energy:
        return Energy(self.low * count, self.high * count)


@cache
def table() -> dict[str, Any]:
    """energies.yaml: sources, operations, accesses, chips, static."""
    return dict(parse_yaml(resources.files("fxsim.hardware").joinpath("energies.yaml").read_text(encoding="utf-8"), "energies.yaml"))


def _rows(operation: str) -> list[dict[str, Any]]:
    return [row for row in table()["operations"] if row["operation"] == operation]


def addition(bits: int) -> Energy:
    """Of integers."""
    rows = _rows("integer add")
    widths = [row["bits"] for row in rows]
    nearest = min(max(bits, widths[0]), widths[-1])
    return Energy(*(float(np.interp(nearest, widths, [row[end] for row in rows])) for end in ("low", "high"))) * (bits / nearest)


def product(first: int, second: int) -> Energy:
    """Of integers."""
    rows = _rows("integer multiply")
    per_bits = [row[end] / row["bits"] ** 2 for row in rows for end in ("low", "high")]
    return Energy(min(per_bits), max(per_bits)) * (first * second)


def floating(kind: str, bits: int) -> Energy | None:
    """Of a float type; None for one that the table does not have."""
    row = next((row for row in _rows({MULTIPLY: "float multiply", DIVIDE: "float divide"}.get(kind, "float add")) if row["bits"] == bits), None)
    return Energy(row["low"], row["high"]) if row else None


def price(operation: Operation, floats: bool) -> Energy | None:
    """Of one operation. None where the table has no row that says it."""
    widest = max(operation.bits)
    if floats:
        return Energy() if operation.kind == WIRES else floating(operation.kind, widest)
    if operation.kind == MULTIPLY:
        return product(operation.bits[0], operation.bits[-1])
    if operation.kind == DIVIDE:
        return addition(operation.bits[-1]) * operation.result
    one = addition(max(widest, operation.result))
    return Energy(0.0, one.high) if operation.kind == WIRES else one


def access(bits: int, kept_bytes: float) -> Energy:
    """Of one word of ``bits``, of a network that keeps so many bytes."""
    rows = table()["accesses"]
    largest = float(np.exp(np.interp(np.log(max(kept_bytes, 1.0)), np.log([row["bytes"] for row in rows]), np.log([row["high"] for row in rows]))))
    return Energy(rows[0]["low"], largest) * (bits / ACCESS_BITS)


def computing(counted: Counted, floats: bool) -> Energy | None:
    """A phase's operations and roundings; None if one of them has no price."""
    return total(None if (one := price(o, floats)) is None else one * o.count for o in (*counted.operations, *counted.rounded))


def moving(counted: Counted, kept_bytes: float) -> Energy:
    """A phase's accesses."""
    return sum((access(bits, kept_bytes) * times for bits, times in counted.words), Energy())


def total(energies: Iterable[Energy | None]) -> Energy | None:
    """Their sum; None if one of them is."""
    found = Energy()
    for energy in energies:
        if energy is None:
            return None
        found += energy
    return found

"""Where precision is lost: counters per quantity, filled by the engines on request."""
from __future__ import annotations

import numpy as np

from quant import PrecisionSpec
from quant.quantities import INDEX


class Counters:
    """An (n_quantities, WIDTH) table; columns below.

    stored       values that were rounded into the format
    saturated    of these, values outside the format (clipped, or wrapped)
    underflowed  new values that were not zero exactly and became zero
    stalled      non-zero states whose exact change was not zero and rounded to none (leaks that stop)
    largest      largest magnitude before clipping, in stored units
    """

    STORED, SATURATED, UNDERFLOWED, STALLED, LARGEST = range(5)
    WIDTH = 5

    def __init__(self, table: np.ndarray, spec: PrecisionSpec | None):
        self.table, self.spec = table, spec

    @classmethod
    def total(cls, tables: list[np.ndarray], spec: PrecisionSpec | None) -> Counters:
        """Sum of several tables (maximum where a maximum is kept)."""
        total = np.sum(tables, axis=0)
        total[:, cls.LARGEST] = np.max([t[:, cls.LARGEST] for t in tables], axis=0)
        return cls(total, spec)

    def report(self) -> dict[str, dict]:
        """quantity -> {stored, saturated, underflowed, stalled, max_abs}; max_abs: share of the format's maximum, or for
        floats the largest scaled value."""
        out = {}
        for name, row in INDEX.items():
            values = self.table[row]
            if values[self.STORED]:
                limit = self.spec[name].max_raw if self.spec else 1.0
                out[name] = {"stored": int(values[0]), "saturated": int(values[1]), "underflowed": int(values[2]),
                             "stalled": int(values[3]), "max_abs": float(values[self.LARGEST]) / limit}
        return out

"""Trials as an array, (B, T, m) of 0 and 1."""
from __future__ import annotations

import numpy as np

from .facts import VALUES, Digest, Spikes
from .sources import Source, error


class Dense:
    """The same as :class:`fxsim.tasks.recordings.events.Events`, of steps that are there already."""

    names = ("spikes", "spikes")

    def __init__(self, source: Source):
        self.source, self._spikes = source, source.sliced("spikes", "iub", "array of 0 and 1", (None, None, None))
        self.size, self.steps, self.channels = self._spikes.shape

    def look(self, digest: Digest) -> Spikes:
        """One pass over the file. Raises InputError for values that are none."""
        rows, count = max(1, VALUES // max(1, self.steps * self.channels)), 0
        for first in range(0, self.size, rows):
            part = self._spikes[first:first + rows]
            digest.update(part)
            wrong = (part != 0) & (part != 1)
            if wrong.any():
                at = np.argwhere(wrong)[0]
                raise error(self.source, "spikes", f"{part[tuple(at)]} in trial {first + at[0]}", "0 and 1")
            count += int(np.count_nonzero(part))
        return Spikes(count, self.channels, 0, np.full(self.size, self.steps, np.int64))

    def own_steps(self, durations: np.ndarray) -> np.ndarray:
        """(B,) durations, which are steps, float64."""
        return durations.astype(np.float64)

    def require_own(self, own: np.ndarray, last: np.ndarray) -> None:
        """Raises InputError for a trial that is longer than its array."""
        over = np.flatnonzero(own > last)
        if over.size:
            raise error(self.source, "durations", f"{own[over[0]]} steps of trial {over[0]}", f"at most the {last[over[0]]} of spikes")

    def put(self, x: np.ndarray, index: int, group: int) -> None:
        """Spikes of the first len(x) steps of a trial into ``x``, (own, inputs) uint8 zeros."""
        spikes = self._spikes[index][:x.shape[0]] != 0
        x[:] = spikes if group == 1 else np.logical_or.reduceat(spikes, np.arange(0, self.channels, group), axis=1)

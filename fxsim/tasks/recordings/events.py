"""Trials as events: times and units, a stretch or a list of variable length for each trial."""
from __future__ import annotations

from typing import Iterator

import numpy as np

from .facts import LATEST, NEARLY, Clock, Digest, Spikes
from .sources import Hdf5, Rows, Source, error

PIECE = 1 << 20         # events that a check holds at a time
LISTS = 64              # trials that it holds, where they are lists
TIMES, UNITS = "non-negative times, finite numbers", "whole numbers from 0"


class Events:
    """(times, units) of each of ``size`` trials, of whatever types they are stored in."""

    def __init__(self, source: Source, clock: Clock):
        self.source, self.clock, self.lists = source, clock, isinstance(source, Hdf5)
        self.names = ("spikes/times", "spikes/units") if self.lists else ("times", "units")
        kinds = (("fiu", TIMES), ("iu", UNITS))
        if self.lists:
            self._times, self._units = (source.ragged(name, *kind) for name, kind in zip(self.names, kinds))
        else:
            self._times, self._units = (source.sliced(name, *kind, (None,)) for name, kind in zip(self.names, kinds))
        if self._times.shape != self._units.shape:
            raise error(source, self.names[1], f"shape {self._units.shape}", f"{self._times.shape}, that of {self.names[0]}")
        self.offsets = np.arange(self._times.shape[0] + 1) if self.lists else self._read_offsets()
        self.size = self.offsets.size - 1

    def _read_offsets(self) -> np.ndarray:
        """(B+1,) where each trial begins and the last one ends, in rows of the file."""
        source, events = self.source, self._times.shape[0]
        if ("offsets" in source) == ("trial" in source):
            raise error(source, "offsets", "offsets and trial" if "trial" in source else "nothing",
                        "either offsets (B+1,) or trial, one for each event")
        if "offsets" in source:
            offsets = np.asarray(source.sliced("offsets", "iu", "whole numbers", (None,))[:]).astype(np.int64)
            if offsets.size < 2 or offsets[0] != 0 or offsets[-1] != events or (np.diff(offsets) < 0).any():
                raise error(source, "offsets", f"{offsets.size} numbers from {offsets[:1]} to {offsets[-1:]}",
                            f"numbers that do not fall, from 0 to the {events} events, one more than there are trials")
            return offsets
        return self._offsets_of(source.sliced("trial", "iu", "whole numbers", (events,)), events)

    def _offsets_of(self, trial: Rows, events: int) -> np.ndarray:
        labelled = next((name for name in ("labels", "targets") if name in self.source), None)
        if labelled is None:
            raise error(self.source, "labels", "nothing", "labels or targets")
        size = self.source.sliced(labelled, "iuf", "numbers", (None,) if labelled == "labels" else (None, None, None)).shape[0]
        counts, before = np.zeros(size, np.int64), 0
        for start in range(0, events, PIECE):
            part = trial[start:start + PIECE].astype(np.int64)
            falls = np.flatnonzero(np.diff(part, prepend=before) < 0)
            if falls.size or part.max() >= size:
                at = falls[0] if falls.size else part.argmax()
                raise error(self.source, "trial", f"{part[at]} at event {start + at}", f"numbers that do not fall, below the {size} {labelled}")
            counts += np.bincount(part, minlength=size)
            before = int(part[-1])
        return np.concatenate([[0], np.cumsum(counts)])

    def trial(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Times and units of one trial."""
        rows = slice(int(self.offsets[index]), int(self.offsets[index + 1]))
        times, units = self._times[rows], self._units[rows]
        return (times[0], units[0]) if self.lists else (times, units)

    def pieces(self) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
        """All trials in order: the first of a piece, where each begins in it and the last one ends, times, units."""
        first = 0
        while first < self.size:
            within = np.searchsorted(self.offsets, self.offsets[first] + PIECE, "right") - 1
            stop = min(self.size, first + LISTS) if self.lists else min(self.size, max(first + 1, int(within)))
            rows = slice(int(self.offsets[first]), int(self.offsets[stop]))
            times, units = self._times[rows], self._units[rows]
            bounds = self.offsets[first:stop + 1] - self.offsets[first]
            if self.lists:
                lengths = [len(t) for t in times]
                uneven = [i for i, (t, u) in enumerate(zip(times, units)) if len(t) != len(u)]
                if uneven:
                    raise error(self.source, self.names[1], f"{len(units[uneven[0]])} units in trial {first + uneven[0]}",
                                f"{lengths[uneven[0]]}, as many as times")
                bounds = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
                times, units = np.concatenate(times), np.concatenate(units)
            yield first, bounds, times, units
            first = stop

    def look(self, digest: Digest) -> Spikes:
        """One pass over the file. Raises InputError for times and units that are none."""
        count, channels, channels_at, last = 0, 0, 0, np.zeros(self.size, np.int64)
        own = Digest(), Digest()
        for first, bounds, times, units in self.pieces():
            for array, part in zip(own, (times, units)):
                array.update(part)
            with np.errstate(invalid="ignore", over="ignore"):
                steps = self.clock.step_of(times)
                bad = np.flatnonzero(~((times >= 0) & (steps < LATEST)))
            if bad.size:
                raise error(self.source, self.names[0], f"{times[bad[0]]} in trial {first + _trial(bounds, bad[0])}",
                            f"{TIMES}, below {LATEST:g} steps")
            if units.size and units.min() < 0:
                at = int(units.argmin())
                raise error(self.source, self.names[1], f"{units[at]} in trial {first + _trial(bounds, at)}", "channels, whole numbers from 0")
            if units.size and int(units.max()) >= channels:
                at = int(units.argmax())
                channels, channels_at = int(units[at]) + 1, first + _trial(bounds, at)
            filled = np.flatnonzero(np.diff(bounds))
            if filled.size:
                last[first + filled] = np.maximum.reduceat(steps, bounds[filled]).astype(np.int64) + 1
            count += times.size
        for array in own:
            digest.join(array)
        return Spikes(count, channels, channels_at, last)

    def own_steps(self, durations: np.ndarray) -> np.ndarray:
        """(B,) durations in the unit of the times, as steps, float64."""
        return np.ceil(self.clock.steps(durations) - NEARLY)

    def require_own(self, own: np.ndarray, last: np.ndarray) -> None:
        """Raises InputError for an event beyond the end of its trial."""
        over = np.flatnonzero(own < last)
        if over.size:
            raise error(self.source, "durations", f"{own[over[0]]} steps of trial {over[0]}", f"at least {last[over[0]]}, beyond its last event")

    def put(self, x: np.ndarray, index: int, group: int) -> None:
        """Spikes of the first len(x) steps of a trial into ``x``, (own, inputs) uint8 zeros."""
        times, units = self.trial(index)
        steps = self.clock.step_of(times).astype(np.int64)
        kept = steps < x.shape[0]
        x[steps[kept], units[kept] // group] = 1


def _trial(bounds: np.ndarray, event: int) -> int:
    return int(np.searchsorted(bounds, event, "right")) - 1

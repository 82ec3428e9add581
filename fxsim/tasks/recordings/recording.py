"""A file of trials: checked once, then read trial by trial."""
from __future__ import annotations

import os
from functools import cached_property

import numpy as np

from fxsim.config.dataset import Dataset
from fxsim.errors import InputError

from .dense import Dense
from .events import Events
from .facts import LATEST, VALUES, Clock, Digest, Facts
from .sources import Hdf5, Rows, Source, error, open_source

_FACTS: dict[tuple[str | int | Clock, ...], Facts] = {}     # of files as they were: a process passes over a file once, however many runs read it


class Recording:
    """The trials of a file, before a task says what of them it wants.

    labels      (B,) whole numbers, or None
    targets     (B, D, K), or None
    """

    def __init__(self, path: str, clock: Clock):
        self.path, self.clock = path, clock
        self.source: Source = open_source(path)
        dense = "spikes" in self.source and not isinstance(self.source, Hdf5)
        self.spikes: Events | Dense = Dense(self.source) if dense else Events(self.source, clock)
        self.size = self.spikes.size
        if not self.size:
            raise InputError(path, "", "no trials", "at least one")
        if ("labels" in self.source) == ("targets" in self.source):
            raise InputError(path, "labels", "labels and targets" if "labels" in self.source else "nothing",
                             "either labels (B,) or targets (B, T, K)")
        self.labels: np.ndarray | None = None
        self.targets: Rows | None = None
        if "labels" in self.source:
            self.labels = self.source.sliced("labels", "iu", "whole numbers from 0", (self.size,))[:]
        else:
            self.targets = self.source.sliced("targets", "fiu", "numbers", (self.size, None, None))

    @cached_property
    def facts(self) -> Facts:
        """What the file holds. Raises InputError for what no file may hold."""
        status = os.stat(self.path)
        key = (os.path.realpath(self.path), status.st_ino, status.st_size, status.st_mtime_ns, self.clock)
        if key not in _FACTS:
            _FACTS[key] = self._look()
        return _FACTS[key]

    def _look(self) -> Facts:
        digest = Digest()
        spikes = self.spikes.look(digest)
        classes, classes_at, width, longest = 0, 0, 0, None
        if self.labels is not None:
            digest.update(self.labels)
            if self.labels.min() < 0:
                raise error(self.source, "labels", f"{self.labels.min()} in trial {self.labels.argmin()}", "whole numbers from 0")
            classes_at = int(self.labels.argmax())
            classes = int(self.labels[classes_at]) + 1
        if self.targets is not None:
            self._look_at_targets(self.targets, digest)
            _, longest, width = self.targets.shape
        durations = self._durations(spikes.last, longest, digest)
        return Facts(self.size, spikes, durations, classes, classes_at, width, digest.text)

    def _look_at_targets(self, targets: Rows, digest: Digest) -> None:
        B, D, K = targets.shape
        rows = max(1, VALUES // max(1, D * K))
        for first in range(0, B, rows):
            part = targets[first:first + rows]
            digest.update(part)
            if not np.isfinite(part).all():
                at = np.argwhere(~np.isfinite(part))[0]
                raise error(self.source, "targets", f"{part[tuple(at)]} in trial {first + at[0]}", "finite numbers")

    def _durations(self, last: np.ndarray, longest: int | None, digest: Digest) -> np.ndarray:
        """(B,) own steps: those that the file says, or as many as it has targets for, ``longest``, or up to the last event."""
        own = np.maximum(1, last) if longest is None else np.full(self.size, longest, np.int64)
        if "durations" in self.source:
            given = self.source.sliced("durations", "fiu", "positive numbers", (self.size,))[:]
            digest.update(given)
            steps = self.spikes.own_steps(given)
            bad = np.flatnonzero(~((steps >= 1) & (steps < LATEST)))
            if bad.size:
                raise error(self.source, "durations", f"{given[bad[0]]} of trial {bad[0]}", f"at least a step, below {LATEST:g}")
            own = steps.astype(np.int64)
            self.spikes.require_own(own, last)
        needed = own if isinstance(self.spikes, Dense) else np.maximum(own, last)
        if longest is not None and needed.max() > longest:
            raise error(self.source, "targets", f"{longest} steps, and trial {needed.argmax()} has {needed.max()}",
                        "a target for each step of every trial")
        return own

    # ---- reading -----------------------------------------------------------------------------------------------------
    def fill(self, x: np.ndarray, index: int, group: int) -> int:
        """Put the spikes of a trial at the end of ``x``, (T, inputs) uint8 zeros; returns its own duration, of at most T steps.

        ``group`` neighbouring channels share an input; what is later than T is left out.
        """
        own = min(int(self.facts.durations[index]), x.shape[0])
        self.spikes.put(x[x.shape[0] - own:], index, group)
        return own

    def label(self, index: int) -> int:
        """The class of a trial."""
        assert self.labels is not None
        return int(self.labels[index])

    def window_of(self, index: int, steps: int, window: int) -> np.ndarray:
        """(window, K) targets of the last ``window`` of a trial's steps; zeros before it begins."""
        assert self.targets is not None
        own = min(int(self.facts.durations[index]), steps)
        out = np.zeros((window, self.targets.shape[2]))
        shown = min(own, window)
        out[window - shown:] = self.targets[index][own - shown:own]
        return out


def open_recording(path: str, section: Dataset, field: str) -> Recording:
    """The file of a data set, checked against its section. Raises InputError: file, array, found, allowed."""
    found = Recording(path, Clock(section.time_unit, section.bin))
    facts, wanted, names, dense = found.facts, section, found.spikes.names, isinstance(found.spikes, Dense)

    def refuse(name: str, value: object, allowed: str) -> None:
        raise error(found.source, name, value, allowed)
    there = facts.spikes
    if there.channels > wanted.channels or (dense and there.channels != wanted.channels):
        refuse(names[1], f"{there.channels} channels" if dense else f"channel {there.channels - 1} in trial {there.channels_at}",
               f"{wanted.channels} channels (task.channels), numbered from 0")
    if facts.longest > wanted.duration and wanted.late == "refuse":
        refuse(names[0], f"{facts.longest} steps in trial {int(facts.durations.argmax())}",
               f"at most {wanted.duration} (task.duration); task.late: cut leaves out what is later")
    if wanted.classification and not facts.classes:
        refuse("targets", "targets", f"labels for the {wanted.classes} classes (task.classes), or task.targets")
    if not wanted.classification and facts.targets != wanted.targets:
        refuse("targets" if facts.targets else "labels", f"{facts.targets} values a step" if facts.targets else "labels",
               f"targets of {wanted.targets} values a step (task.targets)")
    if facts.classes > wanted.classes > 0:
        refuse("labels", f"{facts.classes - 1} in trial {facts.classes_at}", f"0 to {wanted.classes - 1} (task.classes)")
    if field == "train" and wanted.trials and wanted.trials != facts.trials:
        refuse(names[0], f"{facts.trials} trials", f"{wanted.trials} (task.trials)")
    return found

"""What one pass over a file finds, and the steps that times fall into."""
from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

NEARLY = 1e-3           # of a step: a time that was a multiple of the bin stays so, whatever its last bits are
MILLISECONDS = {"s": 1e3, "ms": 1.0, "us": 1e-3}
LATEST = 2.0**40        # steps
VALUES = 1 << 24        # of a dense array that are looked at together


@dataclass(frozen=True)
class Clock:
    """How times of a file become steps of ``bin`` ms."""

    time_unit: str = "s"
    bin: float = 1.0

    def steps(self, times: np.ndarray) -> np.ndarray:
        """Times in steps, float64."""
        return times.astype(np.float64) * (MILLISECONDS[self.time_unit] / self.bin)

    def step_of(self, times: np.ndarray) -> np.ndarray:
        """The step that each time falls into, float64."""
        return np.floor(self.steps(times) + NEARLY)


@dataclass(frozen=True)
class Spikes:
    """What is found among the spikes of a file."""

    count: int
    channels: int               # the highest unit and one, or m
    channels_at: int            # a trial where it stands
    last: np.ndarray            # (B,) steps up to each trial's last event, or T


@dataclass(frozen=True)
class Facts:
    """A file's own sizes, each with the trial where the largest value stands."""

    trials: int
    spikes: Spikes
    durations: np.ndarray       # (B,) own steps of each trial, at least 1
    classes: int                # the highest label and one; 0 with targets
    classes_at: int
    targets: int                # K; 0 with labels
    digest: str                 # of everything that was read

    @property
    def longest(self) -> int:
        return int(self.durations.max())


class Digest:
    """Of arrays, read in pieces of any size."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)

    def update(self, values: np.ndarray) -> None:
        self._hash.update(np.ascontiguousarray(values).data)

    def join(self, other: Digest) -> None:
        self._hash.update(other._hash.digest())

    @property
    def text(self) -> str:
        return self._hash.hexdigest()

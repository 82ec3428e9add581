"""What every section ``task`` has: the base class of a task's parameters."""
from __future__ import annotations

from typing import Optional

from pydantic import Field, model_validator

from .base import Chance, Count, Positive, Section, refuse


class Sensors(Section):
    """What stands between the trials of any task and the network's input lines: a world that has changed since the weights were learned.

    The channels of one population fire alike, so permuting these alone changes little; those of several are permuted together, which mixes
    what they say.
    """

    dead: Chance = Field(0.0, description="share of the input channels that are silent")
    permuted: tuple[Count, ...] = Field((), description="populations, from 0, whose channels are wired to each other's lines")


class TaskSection(Section):
    """Parameters of a task. A subclass narrows ``name`` to a Literal, says its length in ``steps``, and overrides what differs."""

    name: str
    channels: Positive = Field(description="input channels, of each population where there are several")
    window: Count = Field(0, description="ls_avail: last steps with a learning signal; 0 = all")
    sensors: Optional[Sensors] = Field(None, description="what became of the input channels; nothing by default")

    @property
    def steps(self) -> int:
        """T, the longest trial in steps of 1 ms."""
        raise NotImplementedError(f"{type(self).__name__} does not say its steps")

    @property
    def populations(self) -> int:
        """Of ``channels`` input channels each."""
        return 1

    @property
    def inputs(self) -> int:
        """m, input lines of the network."""
        return self.channels * self.populations

    @property
    def outputs(self) -> int:
        """K: classes, or values of a regression."""
        return 2

    @property
    def classification(self) -> bool:
        """Softmax and labels; else regression."""
        return True

    @property
    def epoch(self) -> int:
        """Training trials that one epoch goes through; 0 where there is no end of them, or none is known."""
        return 0

    @model_validator(mode="after")
    def _window_fits(self) -> TaskSection:
        if self.window > self.steps:
            refuse("task.window", f"{self.window} ms", f"at most the trial's {self.steps} ms")
        return self

    @model_validator(mode="after")
    def _sensors_fit(self) -> TaskSection:
        permuted = self.sensors.permuted if self.sensors else ()
        if len(set(permuted)) < len(permuted) or any(p >= self.populations for p in permuted):
            refuse("task.sensors.permuted", list(permuted), f"populations from 0 to {self.populations - 1}, each once")
        return self

"""The section ``task`` of trials that are read from files."""
from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from .base import Count, Duration, Positive, PositiveReal, refuse
from .task import TaskSection

MAX_CLASSES = 1000


class Dataset(TaskSection):
    """Trials of a user's files; :mod:`fxsim.tasks.recordings` says what may stand in them.

    A step of the simulation holds ``bin`` ms of the recording; neurons live in steps of 1 ms, so ``bin: 4`` lets a recording
    pass four times as fast. Several events of a channel in a step are one spike. Trials shorter than ``duration`` start with silence.
    """

    name: Literal["dataset"]
    train: str = Field(min_length=1, max_length=4096, description="file of the training trials, .npz, .h5 or .hdf5")
    test: str = Field(min_length=1, max_length=4096, description="file of the trials that evaluations draw from")
    channels: Positive = Field(le=10**6, description="channels of the recording")
    group: Positive = Field(1, description="neighbouring channels that share an input line")
    time_unit: Literal["s", "ms", "us"] = Field("s", description="of the times of events, and of durations")
    bin: PositiveReal = Field(1.0, description="ms of the recording in a step")
    duration: Duration = Field(description="longest trial T, steps")
    late: Literal["refuse", "cut"] = Field("refuse", description="what becomes of what is later than duration")
    classes: Count = Field(0, le=MAX_CLASSES, description="classification: labels are 0 to classes - 1")
    targets: Count = Field(0, le=MAX_CLASSES, description="regression: values of a target in a step")
    trials: Count = Field(0, description="trials in the file train, for iterations in epochs; 0 = not said")

    @property
    def steps(self) -> int:
        return self.duration

    @property
    def inputs(self) -> int:
        return -(-self.channels // self.group)

    @property
    def outputs(self) -> int:
        return self.classes or self.targets

    @property
    def classification(self) -> bool:
        return self.classes > 0

    @property
    def epoch(self) -> int:
        return self.trials

    @model_validator(mode="after")
    def _one_kind_of_target(self) -> Dataset:
        if bool(self.classes) == bool(self.targets):
            refuse("task.classes", f"{self.classes} with targets {self.targets}", "either classes, for labels, or targets, for a regression")
        if self.classes == 1:
            refuse("task.classes", 1, "at least 2")
        return self

"""The section ``task``: a class for each task."""
from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Union, get_args

from pydantic import Field

from .base import Chance, Count, Duration, Positive, PositiveReal, Rate, Section


class TaskSection(Section):
    """Parameters of a task. Subclasses are listed in ``TASKS`` and say their length in ``steps``."""

    classification: ClassVar[bool] = True   # else regression, of one output
    populations: ClassVar[int] = 4          # of ``channels`` input channels each
    outputs: ClassVar[int] = 2


class PatternGeneration(TaskSection):
    """Regression: follow a sum of sinusoids, driven by the same Poisson noise in every trial."""

    classification: ClassVar[bool] = False
    populations: ClassVar[int] = 1
    outputs: ClassVar[int] = 1
    name: Literal["pattern_generation"]
    channels: Positive = Field(100, description="Poisson input channels")
    rate: Rate = Field(50.0, description="their rate, Hz")
    duration: Duration = Field(2000, ge=2, description="trial length T, ms")
    frequencies: tuple[PositiveReal, ...] = Field((0.5, 1.0, 2.0, 3.0, 4.0), min_length=1, description="sinusoids of the target, Hz")
    window: Count = Field(0, description="ls_avail: last steps with a learning signal; 0 = all")

    @property
    def steps(self) -> int:
        return self.duration


class CuedTask(TaskSection):
    """What classification tasks with cues share: four populations of input channels and their rates."""

    channels: Positive = Field(10, description="channels of each of the four populations")
    cue_rate: Rate = Field(40.0, description="rate of a cue or decision population while on, Hz")
    background_rate: Rate = Field(10.0, description="rate of the background population, Hz")
    window: Duration = Field(description="ls_avail: last steps, the decision period, with a learning signal, ms")


class DelayedMatch(CuedTask):
    """Classification: were the two cues the same?"""

    name: Literal["delayed_match"]
    channels: Positive = 20
    fixation: Count = Field(50, description="ms before cue 1")
    cue: Duration = Field(150, description="ms of each cue")
    delay: Count = Field(700, description="ms between the cues")
    decision: Duration = Field(50, description="ms after cue 2")
    p: Chance = Field(0.5, description="probability that a cue is on")
    window: Duration = 50

    @property
    def steps(self) -> int:
        return self.fixation + 2 * self.cue + self.delay + self.decision


class CueAccumulation(CuedTask):
    """Classification: were there more cues on the right than on the left?"""

    name: Literal["cue_accumulation"]
    cues: Union[Positive, tuple[Positive, ...]] = Field(7, description="number of cues, or several to draw from in each trial")
    silence: Count = Field(50, description="ms of silence before each cue")
    cue: Duration = Field(100, description="ms of each cue")
    delay: Union[Duration, tuple[Duration, Duration]] = Field(
        1000, description="ms after the last cue's slot, decision period included; or [shortest, longest]")
    p: Chance = Field(0.5, description="probability that a cue is on the right")
    window: Duration = 150

    @property
    def cue_numbers(self) -> tuple[int, ...]:
        return self.cues if isinstance(self.cues, tuple) else (self.cues,)

    @property
    def delays(self) -> tuple[int, int]:
        return self.delay if isinstance(self.delay, tuple) else (self.delay, self.delay)

    @property
    def steps(self) -> int:
        return max(self.cue_numbers) * (self.silence + self.cue) + self.delays[1]


TaskConfig = Union[PatternGeneration, DelayedMatch, CueAccumulation]
Task = Annotated[TaskConfig, Field(discriminator="name")]
TASKS: dict[str, type[TaskConfig]] = {task.model_fields["name"].annotation.__args__[0]: task for task in get_args(TaskConfig)}

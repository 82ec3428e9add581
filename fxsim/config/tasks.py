"""The section ``task`` of the paper's tasks: a class each."""
from __future__ import annotations

from typing import Literal, Union

from pydantic import Field, model_validator

from .base import Chance, Count, Duration, Positive, PositiveReal, Rate, refuse
from .task import TaskSection

ADDED: dict[str, object] = {"decision_delay": 0, "input": "background", "sensors": None}     # fields that version 0.1 did not have: what it did


class PatternGeneration(TaskSection):
    """Regression: follow a sum of sinusoids, driven by the same Poisson noise in every trial."""

    name: Literal["pattern_generation"]
    channels: Positive = Field(100, description="Poisson input channels")
    rate: Rate = Field(50.0, description="their rate, Hz")
    duration: Duration = Field(2000, ge=2, description="trial length T, ms")
    frequencies: tuple[PositiveReal, ...] = Field((0.5, 1.0, 2.0, 3.0, 4.0), min_length=1, description="sinusoids of the target, Hz")

    @property
    def steps(self) -> int:
        return self.duration

    @property
    def outputs(self) -> int:
        return 1

    @property
    def classification(self) -> bool:
        return False

    @model_validator(mode="after")
    def _sampled(self) -> PatternGeneration:
        if max(self.frequencies) > 500:
            refuse("task.frequencies", max(self.frequencies), "at most 500 Hz, half the step rate")
        return self


class CuedTask(TaskSection):
    """What classification tasks with cues share: four populations of input channels and their rates."""

    channels: Positive = Field(10, description="channels of each of the four populations")
    cue_rate: Rate = Field(40.0, description="rate of a cue or decision population while on, Hz")
    background_rate: Rate = Field(10.0, description="rate of the background population, Hz")
    window: Duration = Field(description="ls_avail: last steps, the decision period, with a learning signal, ms")

    @property
    def populations(self) -> int:
        return 4


class DelayedMatch(CuedTask):
    """Classification: were the two cues the same?"""

    name: Literal["delayed_match"]
    channels: Positive = 20
    fixation: Count = Field(50, description="ms before cue 1")
    cue: Duration = Field(150, description="ms of each cue")
    delay: Count = Field(700, description="ms between the cues")
    decision_delay: Count = Field(0, description="ms between cue 2 and the decision, of background alone")
    decision: Duration = Field(50, description="ms of the decision, which end the trial")
    p: Chance = Field(0.5, description="probability that a cue is on")
    window: Duration = 50

    @property
    def steps(self) -> int:
        return self.fixation + 2 * self.cue + self.delay + self.decision_delay + self.decision


class CueAccumulation(CuedTask):
    """Classification: were there more cues on the right than on the left?"""

    name: Literal["cue_accumulation"]
    input: Literal["background", "modified"] = Field(
        "background", description="modified: no background population; the others fire at a third of its rate while they are not driven")
    cues: Union[Positive, tuple[Positive, ...]] = Field(7, description="number of cues, or several to draw from in each trial")
    silence: Count = Field(50, description="ms of silence before each cue")
    cue: Duration = Field(100, description="ms of each cue")
    delay: Union[Duration, tuple[Duration, Duration]] = Field(
        1000, description="ms after the last cue's slot, decision period included; or [shortest, longest]")
    p: Chance = Field(0.5, description="probability that a cue is on the right")
    window: Duration = 150

    @property
    def populations(self) -> int:
        return 3 if self.input == "modified" else 4

    @property
    def cue_numbers(self) -> tuple[int, ...]:
        return self.cues if isinstance(self.cues, tuple) else (self.cues,)

    @property
    def delays(self) -> tuple[int, int]:
        return self.delay if isinstance(self.delay, tuple) else (self.delay, self.delay)

    @property
    def steps(self) -> int:
        return max(self.cue_numbers) * (self.silence + self.cue) + self.delays[1]

    @model_validator(mode="after")
    def _delays_hold_the_window(self) -> CueAccumulation:
        if self.delays[0] > self.delays[1]:
            refuse("task.delay", list(self.delays), "[shortest, longest]")
        if self.window > self.delays[0]:
            refuse("task.window", f"{self.window} ms", f"at most the shortest delay, {self.delays[0]} ms")
        return self

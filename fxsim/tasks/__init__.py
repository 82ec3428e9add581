"""The tasks: from a configuration to trials (input spikes and targets).

A new task is one file here and a line below, its parameters in fxsim.config, and a YAML file in fxsim/configs. A task draws its trials as a
function of the run's seed and the trial's id alone.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from .base import Task

if TYPE_CHECKING:
    from fxsim.config import Config


def make_task(config: Config) -> Task:
    """The task that a configuration names."""
    from .cue_accumulation import CueAccumulation
    from .delayed_match import DelayedMatch
    from .pattern_generation import PatternGeneration
    tasks: dict[str, type[Task]] = {"pattern_generation": PatternGeneration, "delayed_match": DelayedMatch, "cue_accumulation": CueAccumulation}
    return tasks[config.task.name](config)


__all__ = ["Task", "make_task"]

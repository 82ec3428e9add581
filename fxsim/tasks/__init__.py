"""The tasks: from a configuration to trials (input spikes and targets), drawn as a function of the run's seed and the trial's id alone.

A new task is a file here with the task's name, its parameters in fxsim.config.tasks, and a YAML file in fxsim/config/shipped.

base        what they share                                 poisson     input spikes; poisson_kernel: the same, compiled
delayed_match, cue_accumulation, pattern_generation         the paper's
dataset     trials in files, which recordings/ reads
"""
from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .base import Task

if TYPE_CHECKING:
    from fxsim.config import Config


def make_task(config: Config) -> Task:
    """The task that a configuration names: the class that the module of this name defines."""
    module = import_module(f"{__name__}.{config.task.name}")
    kinds = [kind for kind in vars(module).values() if isinstance(kind, type) and kind.__module__ == module.__name__ and issubclass(kind, Task)]
    assert len(kinds) == 1, f"{module.__name__} defines {len(kinds)} tasks"
    return kinds[0](config)


__all__ = ["Task", "make_task"]

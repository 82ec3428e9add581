"""The tasks: from a configuration to trials (input spikes and targets), drawn as a function of the run's seed and the trial's id alone.

A user's own task is a file outside of this package (``fxsim new task``, docs/your_task.md), which takes what it needs from here. A new shipped
one is a file here with the task's name, its parameters in fxsim.config.tasks, and a YAML file in fxsim/config/shipped.

base        what they share                                 poisson     input spikes; poisson_kernel: the same, compiled
delayed_match, cue_accumulation, pattern_generation         the paper's
dataset     trials in files, which recordings/ reads         ahead       each batch drawn while the one before it is trained on
sensors     input channels that died or changed places
"""
from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from fxsim.config.base import refuse
from fxsim.config.registry import kind_of
from fxsim.config.task import TaskSection
from fxsim.model.network import Trials

from .base import Task, one_hot
from .poisson import poisson_spikes
from .sensors import Sensed

if TYPE_CHECKING:
    from fxsim.config import Config


def make_task(config: Config) -> Task:
    """The task that a configuration names: the class that the module of this name defines, or that a plugin or a package brought."""
    task = _kind(config)(config)
    return task if config.task.sensors is None else Sensed(task)


def _kind(config: Config) -> type[Task]:
    kind: type[Task] | None = kind_of(config.task.name)
    if kind is not None:
        return kind
    module = import_module(f"{__name__}.{config.task.name}")
    kinds = [kind for kind in vars(module).values() if isinstance(kind, type) and kind.__module__ == module.__name__ and issubclass(kind, Task)]
    assert len(kinds) == 1, f"{module.__name__} defines {len(kinds)} tasks"
    return kinds[0]


__all__ = ["Task", "TaskSection", "Trials", "make_task", "one_hot", "poisson_spikes", "refuse"]

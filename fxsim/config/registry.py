"""Which section ``task`` belongs to a task's name."""
from __future__ import annotations

from types import ModuleType
from typing import Any, get_args

from . import tasks
from .base import refuse
from .dataset import Dataset
from .task import TaskSection


def name_of(section: type[TaskSection]) -> str:
    """The one value of the section's ``name: Literal[...]``."""
    return str(get_args(section.model_fields["name"].annotation)[0])


def _named(module: ModuleType) -> list[type[TaskSection]]:
    """Sections of a module that have a name of their own."""
    kinds = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, TaskSection)]
    return [kind for kind in kinds if get_args(kind.model_fields["name"].annotation)]


_sections: list[type[TaskSection]] = [*_named(tasks), Dataset]
SHIPPED: dict[str, type[TaskSection]] = {name_of(section): section for section in _sections}


def section_of(name: object) -> type[TaskSection] | None:
    """The section of a task, None if there is no such task."""
    return SHIPPED.get(name) if isinstance(name, str) else None


def read_task(value: Any) -> TaskSection:
    """The section ``task`` as it was given, checked by the class that its name stands for."""
    if isinstance(value, TaskSection):
        return value
    name = value.get("name") if isinstance(value, dict) else value
    section = section_of(name) if isinstance(value, dict) else None
    if section is None:
        text = str(name)
        refuse("task.name", repr(text if len(text) <= 60 else text[:57] + "..."), "a mapping with a name: " + ", ".join(SHIPPED))
    return section.model_validate(value)

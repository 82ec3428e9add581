"""Which task a name stands for: the shipped ones, those that a user's file brought, and those of installed packages.

A file is read as a plugin only when a command or a program says so (``--plugin``, :func:`load_plugin`), and an installed package is asked
only for names that it has registered itself, under the entry point ``fxsim.tasks``: no configuration can name code of its own.
"""
from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

from fxsim.errors import InputError
from quant.files import read_regular

from . import tasks
from .base import refuse
from .dataset import Dataset
from .task import TaskSection

GROUP = "fxsim.tasks"           # entry points: the task's name -> module:class
LARGEST_PLUGIN = 1 << 24        # bytes
NEEDED = "a class derived from fxsim.tasks.Task with its section, as fxsim new task writes"


def name_of(section: type[TaskSection]) -> str:
    """The one value of the section's ``name: Literal[...]``; "" if it has none."""
    names = get_args(section.model_fields["name"].annotation)
    return str(names[0]) if len(names) == 1 else ""


def _named(module: ModuleType) -> list[type[TaskSection]]:
    """Sections of a module that have a name of their own."""
    kinds = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, TaskSection)]
    return [kind for kind in kinds if get_args(kind.model_fields["name"].annotation)]


_sections: list[type[TaskSection]] = [*_named(tasks), Dataset]
SHIPPED: dict[str, type[TaskSection]] = {name_of(section): section for section in _sections}
_plugged: dict[str, tuple[Any, str, str]] = {}        # name -> class of the task, its file, SHA-256 of that


def load_plugin(path: str | Path) -> list[str]:
    """Run a Python file and take up the tasks that it defines; returns their names. Loading the same file again does nothing.

    Raises InputError for a file that cannot be run, defines no task, or one whose name is taken.
    """
    file, content = str(Path(path).absolute()), read_regular(path, LARGEST_PLUGIN, "--plugin", "a Python file")
    digest = hashlib.sha256(content).hexdigest()
    there = [name for name, (_, known, same) in _plugged.items() if (known, same) == (file, digest)]
    if there:
        return there
    kinds = [kind for kind in vars(_run(path, file, content, digest)).values()
             if isinstance(kind, type) and kind.__module__ == _module_name(file, digest) and _section(kind) is not None]
    if not kinds:
        raise InputError(path, "--plugin", "no task", NEEDED)
    added: dict[str, tuple[Any, str, str]] = {}
    for kind in kinds:
        section = _section(kind)
        assert section is not None
        name = name_of(section)
        if not name or name in SHIPPED or name in added or _plugged.get(name, (None, file))[1] != file:
            raise InputError(path, f"{section.__name__}.name", name or "no single name",
                             "name: Literal[\"...\"], one that no other task has: not " + ", ".join(dict.fromkeys([*SHIPPED, *_plugged])))
        added[name] = kind, file, digest
    _plugged.update(added)
    return list(added)


def _module_name(file: str, digest: str) -> str:
    return f"fxsim_plugin_{hashlib.sha256(file.encode()).hexdigest()[:8]}_{digest[:8]}"


def _run(path: str | Path, file: str, content: bytes, digest: str) -> Any:
    name = _module_name(file, digest)
    spec = importlib.util.spec_from_loader(name, loader=None, origin=file)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    module.__file__ = file
    sys.modules[name] = module          # pydantic looks names of annotations up there
    try:
        exec(compile(content, file, "exec"), vars(module))
    except Exception as error:
        del sys.modules[name]
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
        line = lines[-1] if lines else getattr(error, "lineno", None)
        raise InputError(path, f"--plugin, line {line}" if line else "--plugin", f"{type(error).__name__}: {error}",
                         "a Python file that runs") from error
    return module


def _section(kind: object) -> type[TaskSection] | None:
    section = getattr(kind, "section", None)
    return section if isinstance(section, type) and issubclass(section, TaskSection) else None


def task_names() -> list[str]:
    """Every task that a configuration can name now."""
    return [*SHIPPED, *_plugged, *(point.name for point in entry_points(group=GROUP) if point.name not in SHIPPED and point.name not in _plugged)]


def kind_of(name: str) -> Any:
    """The class of a task that is not shipped; None if there is no such task. Raises InputError for a package whose task cannot be loaded."""
    if name in SHIPPED:         # looking through what is installed takes 40 ms
        return None
    if name in _plugged:
        return _plugged[name][0]
    for point in entry_points(group=GROUP):
        if point.name == name:
            try:
                kind = point.load()
            except Exception as error:
                raise InputError(f"entry point {GROUP}", name, f"{type(error).__name__}: {error}", "a package that can be imported") from error
            section = _section(kind)
            if section is None or name_of(section) != name:
                raise InputError(f"entry point {GROUP}", name, point.value, f"{NEEDED}, whose name is {name}")
            return kind
    return None


def section_of(name: object) -> type[TaskSection] | None:
    """The section of a task, None if there is no such task."""
    if not isinstance(name, str):
        return None
    return SHIPPED.get(name) or _section(kind_of(name))


def plugin_of(name: str) -> tuple[str, str]:
    """The file that brought a task, and its SHA-256; two empty texts for others."""
    return _plugged[name][1:] if name in _plugged else ("", "")


def read_task(value: Any) -> TaskSection:
    """The section ``task`` as it was given, checked by the class that its name stands for."""
    if isinstance(value, TaskSection):
        return value
    name = value.get("name") if isinstance(value, dict) else value
    section = section_of(name) if isinstance(value, dict) else None
    if section is None:
        text = str(name)
        refuse("task.name", repr(text if len(text) <= 60 else text[:57] + "..."),
               f"a mapping with a name: {', '.join(task_names())}; --plugin brings others")
    return section.model_validate(value)

"""Options and kinds of values that recur, each declared once."""
from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Iterable, Mapping, TypeVar

import click
from click.shell_completion import CompletionItem

Command = TypeVar("Command", bound=Callable[..., Any])
Option = Callable[[Command], Command]


class NamedPath(click.Path):
    """A path that is not empty: an unset variable of a shell would else be the working directory."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            from fxsim.errors import InputError
            raise InputError("fxsim", param.opts[0] if param else "", "an empty path", "a path; . is the working directory")
        return super().convert(value, param, ctx)


PATH = NamedPath(path_type=Path)


class Items(click.ParamType):
    """A comma-separated list."""

    name = "a,b,..."

    def __init__(self, kind: type = str):
        self.kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[Any]:
        if isinstance(value, list):
            return value
        try:
            return [self.kind(part.strip()) for part in value.split(",") if part.strip()]
        except ValueError:
            self.fail(f"{value!r} is not a comma-separated list of {self.kind.__name__}", param, ctx)


def _configurations(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Shipped names and paths of YAML files, for the shell's completion."""
    from fxsim.config import config_names
    paths = sorted(str(path) for path in Path(incomplete).parent.glob("*.yaml"))
    return [CompletionItem(name) for name in (*config_names(), *paths) if name.startswith(incomplete)]


config = click.argument("config", shell_complete=_configurations)
configs = click.argument("configs", nargs=-1, metavar="[CONFIG]...", shell_complete=_configurations)
change = click.option("--set", "changes", metavar="KEY=VALUE", multiple=True, help="Change one value of the configuration, e.g. learning.rule=eprop.")


def refuse_changes(changes: Iterable[str], instead: Mapping[str, str]) -> None:
    """InputError for a ``--set`` that the command would not follow. ``instead``: field -> what says it there."""
    from fxsim.errors import InputError
    for change in changes:
        field = change.partition("=")[0].strip()
        for fixed, allowed in instead.items():
            if field == fixed or field.startswith(f"{fixed}."):
                raise InputError("--set", field, "a field that this command sets itself", allowed)


def out(help: str, **more: Any) -> Option:
    """``--out``: where the command writes."""
    return click.option("--out", type=PATH, show_default="default" in more, help=help, **more)


force = click.option("--force", is_flag=True, help="Write over files that fxsim did not write, too.")


def jobs(help: str = "Runs at a time") -> Option:
    """``--jobs``: how much of a command's work is done side by side."""
    return click.option("--jobs", type=click.IntRange(min=0), default=0, help=f"{help}; 0: as many as cores.")


def seed(help: str, default: int | None = None) -> Option:
    """``--seed``: of a run, or of what a check draws."""
    kind = int if default is None else click.IntRange(min=0)       # the configuration says what a run's may be
    return click.option("--seed", type=kind, default=default, show_default=default is not None, help=help)


def threads(help: str) -> Option:
    """``--threads``: of the CPU engine."""
    return click.option("--threads", type=click.IntRange(min=0), default=0, help=help)


def _load_plugins(ctx: click.Context, parameter: click.Parameter, paths: tuple[str, ...]) -> None:
    if paths and not ctx.resilient_parsing:     # a shell that completes runs nobody's code
        from fxsim.config import load_plugin
        for path in paths:
            load_plugin(path)


plugin = click.option("--plugin", multiple=True, metavar="FILE", expose_value=False, is_eager=True, callback=_load_plugins,
                      help="Run this Python file, which brings tasks of its own (fxsim new task).")

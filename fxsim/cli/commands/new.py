"""``fxsim new``: files to start from."""
from __future__ import annotations

import re
from pathlib import Path
from string import Template

import click

from fxsim.cli.options import out
from fxsim.errors import InputError


@click.group()
def new() -> None:
    """Write a file to start from."""


@new.command()
@click.argument("train")
@click.argument("test")
@click.option("--time-unit", type=click.Choice(["s", "ms", "us"]), default="s", show_default=True, help="Of the times in the files.")
@click.option("--bin", type=click.FloatRange(min=0, min_open=True), default=1.0, show_default=True, help="ms of the recording in a step.")
@out("The configuration.", default="dataset.yaml")
def dataset(train: str, test: str, time_unit: str, bin: float, out: Path) -> None:
    """Look through the files TRAIN and TEST (.npz, .h5; docs/your_data.md) and write a configuration that trains on them.

    Channels, longest trial and classes, or values of a regression, are those of the files.
    """
    from fxsim.tasks.recordings import Clock, Recording
    files = [Recording(path, Clock(time_unit, bin)) for path in (train, test)]
    facts = [file.facts for file in files]
    for path, found in zip((train, test), facts):
        what = f"{found.classes} classes" if found.classes else f"{found.targets} values a step"
        click.echo(f"{path}: {found.trials} trials, {found.spikes.channels} channels, {what}, up to {found.longest} steps, "
                   f"{found.spikes.count / found.trials:.0f} spikes a trial")
    if bool(facts[0].classes) != bool(facts[1].classes) or facts[0].targets != facts[1].targets:
        raise InputError(test, "labels, targets", "others than in " + train, "files of one kind")
    classes = max(2, *(found.classes for found in facts))
    answer = (f"  classes: {classes}  # labels are 0 to {classes - 1}" if facts[0].classes
              else f"  targets: {facts[0].targets}  # values of a regression in a step")
    _write(out, "dataset.yaml", "network.yaml", name=out.stem, train=train, test=test, time_unit=time_unit, bin=f"{bin:g}", answer=answer,
           channels=max(found.spikes.channels for found in facts), duration=max(found.longest for found in facts),
           trials=facts[0].trials, batch=min(32, facts[0].trials), evaluated=min(512, facts[1].trials))


@new.command()
@click.argument("name")
@out("Directory of the two files.", default=".")
def task(name: str, out: Path) -> None:
    """Write NAME.py, a task of your own to start from, and NAME.yaml, which trains it: fxsim train NAME.yaml --plugin NAME.py"""
    from fxsim.config.registry import task_names
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,60}", name) or name in task_names():
        raise InputError("fxsim new task", "NAME", name,
                         f"small letters, digits and _, from a letter, and none of {', '.join(task_names())}")
    values = {"name": name, "file": f"{name}.py", "classes": 3, "batch": 32, "evaluated": 128}
    for path in (out / f"{name}.py", out / f"{name}.yaml"):
        _require_new(path)
    _write(out / f"{name}.py", "task.py.txt", **values)
    _write(out / f"{name}.yaml", "task.yaml", "network.yaml", **values)


def _require_new(path: Path) -> None:
    if path.exists():
        raise InputError(path, "", "a file that exists", "another name")


def _write(path: Path, *templates: str, **values: object) -> None:
    """A file from templates; nothing that is there is written over."""
    from fxsim.files.writing import make_directory, write_atomic
    _require_new(path)
    make_directory(path.parent)
    text = "".join((Path(__file__).parent / "templates" / template).read_text(encoding="utf-8") for template in templates)
    lines = Template(text).substitute(values).splitlines(keepends=True)
    write_atomic(path, "".join(map(_aligned, lines) if path.suffix == ".yaml" else lines).encode())
    click.echo(f"written: {path}")


def _aligned(line: str) -> str:
    """With its comment in the column of the others."""
    value, mark, comment = line.partition("  # ")
    return f"{value.rstrip():<30}{mark}{comment}" if mark and value.strip() else line

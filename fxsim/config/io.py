"""Reading and writing configurations: YAML files, shipped names, ``a.b=value`` overrides."""
from __future__ import annotations

import difflib
from importlib import resources
from pathlib import Path
from typing import Any, Iterable

from fxsim.errors import InputError
from quant.files import dump_yaml, parse_yaml, read_text

from .schema import Config, build_config


def config_names() -> list[str]:
    """Names of the shipped configurations."""
    return sorted(p.name.removesuffix(".yaml") for p in resources.files("fxsim.config.shipped").iterdir() if p.name.endswith(".yaml"))


def load_config(name_or_path: str | Path, overrides: Iterable[str] = ()) -> Config:
    """A shipped configuration by name, or a YAML file, with ``a.b=value`` overrides (values are YAML).

    Raises InputError, one line: file, field, what was found, what is allowed.
    """
    text, source = _read(str(name_or_path))
    config = build_config(parse_yaml(text, source), source)
    return override(config, overrides, source)


def override(config: Config, overrides: Iterable[str], source: str = "") -> Config:
    """A checked copy with ``a.b=value`` overrides (values are YAML). Raises InputError."""
    changes: dict[str, Any] = {}
    for given in overrides:
        path, equals, value = given.partition("=")
        if not equals or not path:
            raise InputError("--set", given, "no field=value", "for example learning.rule=eprop")
        changes[path.strip()] = parse_yaml(value, f"--set {path}")
    return config.changed(changes, source) if changes else config


def _read(name: str) -> tuple[str, str]:
    if name in config_names():
        return resources.files("fxsim.config.shipped").joinpath(f"{name}.yaml").read_text(encoding="utf-8"), f"{name}.yaml"
    near = difflib.get_close_matches(name, config_names(), 1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return read_text(name, allowed="a readable YAML file, or one of " + ", ".join(config_names()) + hint), name


def dump_config(config: Config) -> str:
    """The complete configuration as YAML that :func:`load_config` reads back."""
    return dump_yaml(config.model_dump(mode="json"))

"""Reading and writing configurations: YAML files, shipped names, ``a.b=value`` overrides."""
from __future__ import annotations

import difflib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterable

import yaml

from quant.files import read_regular

from .errors import InputError

if TYPE_CHECKING:
    from .config import Config

MAX_FILE_BYTES = 1 << 20


class _PlainLoader(yaml.SafeLoader):
    """Safe YAML without aliases (they can blow up) and without repeated keys (one of them would be lost)."""

    def compose_node(self, parent, index):
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("an alias (*name), which is not supported")
        return super().compose_node(parent, index)

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for i, key in enumerate(keys):
            if key in keys[:i]:
                raise yaml.YAMLError(f"the key {key!r} twice")
        return super().construct_mapping(node, deep)


def parse_yaml(text: str, source: str) -> Any:
    """Plain YAML as data. Raises InputError on anything else."""
    try:
        return yaml.load(text, Loader=_PlainLoader)     # noqa: S506  (a SafeLoader)
    except (yaml.YAMLError, RecursionError, ValueError, TypeError, OverflowError, LookupError, AttributeError) as error:
        raise InputError(source, "", f"invalid YAML: {error}"[:300], "plain YAML: mappings, lists, numbers and text") from None


def config_names() -> list[str]:
    """Names of the shipped configurations."""
    return sorted(p.name.removesuffix(".yaml") for p in resources.files("fxsim.configs").iterdir() if p.name.endswith(".yaml"))


def load_config(name_or_path: str | Path, overrides: Iterable[str] = ()) -> Config:
    """A shipped configuration by name, or a YAML file, with ``a.b=value`` overrides (values are YAML).

    Raises InputError, one line: file, field, what was found, what is allowed.
    """
    from .config import build_config
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
        return resources.files("fxsim.configs").joinpath(f"{name}.yaml").read_text(encoding="utf-8"), f"{name}.yaml"
    near = difflib.get_close_matches(name, config_names(), 1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return read_text(Path(name), "a readable YAML file, or one of " + ", ".join(config_names()) + hint), name


def read_text(path: Path, allowed: str = "a readable YAML file", limit: int = MAX_FILE_BYTES) -> str:
    """The text of a small YAML file. Raises InputError for a file that cannot be read or is none."""
    try:
        return read_regular(path, limit, "", allowed).decode()
    except UnicodeDecodeError:
        raise InputError(path, "", "bytes that are not text", "a YAML file") from None


def dump_config(config: Config) -> str:
    """The complete configuration as YAML that :func:`load_config` reads back."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)

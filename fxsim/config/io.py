"""Reading and writing configurations: YAML files, shipped names, ``a.b=value`` overrides."""
from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any, Iterable

from fxsim.errors import InputError
from quant.errors import or_one_of
from quant.files import dump_yaml, parse_yaml, read_text
from quant.spec import is_file, load_spec

from .schema import Config, build_config

LONGEST_CHAIN = 10      # of configurations that extend one another


def config_names() -> list[str]:
    """Names of the shipped configurations."""
    return sorted(p.name.removesuffix(".yaml") for p in resources.files("fxsim.config.shipped").iterdir() if p.name.endswith(".yaml"))


def load_config(name_or_path: str | Path, overrides: Iterable[str] = ()) -> Config:
    """A shipped configuration by name, or a YAML file, with ``a.b=value`` overrides (values are YAML).

    A file may say ``extends: NAME``, of a shipped configuration or of a file beside it, and then only what differs.
    A precision file is looked for beside the file that names it, then in the working directory.

    Raises InputError, one line: file, field, what was found, what is allowed.
    """
    text, source = _read(str(name_or_path))
    data = _extended(parse_yaml(text, source), source)
    if isinstance(data, dict) and isinstance(data.get("precision"), str) and is_file(data["precision"]):
        beside = Path(source).parent / data["precision"]
        data["precision"] = str(beside) if beside.is_file() else data["precision"]
    return override(build_config(data, source), overrides, source)


def _extended(data: Any, source: str, below: int = 0) -> Any:
    """Parsed data with what they leave out taken from the configuration that their key ``extends`` names."""
    if not isinstance(data, dict) or "extends" not in data:
        return data
    base, given = data["extends"], {key: value for key, value in data.items() if key != "extends"}
    if not isinstance(base, str) or below == LONGEST_CHAIN:
        raise InputError(source, "extends", base if not isinstance(base, str) else f"{below} configurations, each of which extends another",
                         "a shipped name, or a path beside this file")
    text, origin = _read(base if base in config_names() else str(Path(source).parent / base))
    return _merged(_extended(parse_yaml(text, origin), origin, below + 1), given)


def _merged(base: Any, given: Any) -> Any:
    """``base`` with the fields of ``given``, inside sections too; one with another name is another section."""
    if not isinstance(base, dict) or not isinstance(given, dict):
        return given
    return {**base, **{key: value if _is_another(base.get(key), value) else _merged(base.get(key), value) for key, value in given.items()}}


def _is_another(base: Any, given: Any) -> bool:
    """Of a section that has kinds: a task, an optimizer, a network that is given."""
    return isinstance(base, dict) and isinstance(given, dict) and ("from" in given or "name" in given and given["name"] != base.get("name"))


def load_run_config(directory: Path) -> Config:
    """The configuration of a run directory. Raises InputError."""
    if not directory.is_dir():
        raise InputError(directory, "", "a file" if directory.exists() else "no such directory", "the directory of a run (fxsim train --out)")
    if not (directory / "config.yaml").is_file():
        raise InputError(directory, "config.yaml", "nothing", "the directory of a run (fxsim train --out)")
    return load_config(directory / "config.yaml")


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
    return read_text(name, allowed="a readable YAML file, " + or_one_of(name, config_names())), name


def dump_config(config: Config) -> str:
    """The complete configuration as YAML that :func:`load_config` reads back."""
    return dump_yaml(config.model_dump(mode="json"))


def portable(config: Config, folder: str = "precision") -> dict[str, str]:
    """The files that a configuration needs, path -> text: ``""`` its own, and a precision that is a file, complete, in ``folder`` beside it."""
    if not is_file(config.precision):
        return {"": dump_config(config)}
    beside = f"{folder}/{Path(config.precision).stem}.yaml"
    return {"": dump_yaml({**config.model_dump(mode="json"), "precision": beside}), beside: dump_yaml(load_spec(config.precision).to_dict())}

"""Limits of chips: limits.yaml, and what a file given by the user replaces in it."""
from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from fxsim.errors import InputError
from quant.files import parse_yaml, read_text

STATUS = ("published", "unverified", "assumed", "unknown", "given")


@dataclass(frozen=True)
class Limit:
    """``value``: None where it is not known; ``status``: one of STATUS, how sure that is."""

    value: int | None
    status: str
    source: str


@cache
def _table() -> dict[str, Any]:
    return dict(parse_yaml(resources.files("fxsim.hardware").joinpath("limits.yaml").read_text(encoding="utf-8"), "limits.yaml"))


def chip_names() -> list[str]:
    """Chips that the table has."""
    return list(_table())


def left_out(chip: str) -> str:
    """What no limit of this chip says."""
    return str(_table()[chip]["left_out"])


def load_limits(chip: str, path: Path | None = None) -> dict[str, Limit]:
    """The limits of one chip, with what a file replaces in them. Raises InputError."""
    table = dict(_table()[chip]["limits"])
    if path is not None:
        given = parse_yaml(read_text(path, "--limits"), str(path))
        if not isinstance(given, dict) or not all(name in chip_names() and isinstance(limits, dict) for name, limits in given.items()):
            raise InputError(path, "--limits", "something else", f"a mapping {{chip: {{limit: {{value: N}}}}}} with chips {', '.join(chip_names())}")
        for name, entry in given.get(chip, {}).items():
            value = entry.get("value") if isinstance(entry, dict) else entry
            if name not in table or (value is not None and (type(value) is not int or value < 0)):
                raise InputError(path, f"{chip}.{name}", repr(entry)[:80], f"a whole number from 0 or null, for one of {', '.join(table)}")
            table[name] = {"value": value, "status": "given", "source": str(path)}
    return {name: Limit(entry["value"], entry["status"], entry["source"]) for name, entry in table.items()}

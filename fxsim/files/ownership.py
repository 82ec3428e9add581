"""What may be written over: what fxsim wrote. Anything else is left as it is, unless the user says ``--force``."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable, Collection

from fxsim.errors import InputError
from quant.files import read_regular

from .writing import make_directory

MAX_BYTES = 1 << 28     # of a file that is looked into


def claim_directory(directory: Path, names: Collection[str], ours: Callable[[Path], bool], force: bool = False,
                    hint: str = "another --out, or --force") -> Path:
    """Make a directory in which ``names`` are going to be written. InputError if some of them are there and are not ours.

    ours    whether the directory holds an earlier result of the same kind
    """
    make_directory(directory)
    there = sorted(name for name in names if (directory / name).exists())
    if there and not force and not ours(directory):
        raise InputError(directory, "--out", f"a directory with something else in it ({', '.join(there)})", f"a new or empty directory ({hint})")
    return directory


def claim_file(path: Path, ours: Callable[[bytes], bool], force: bool = False) -> None:
    """InputError if ``path`` is there and is not ours; what is no regular file (a directory, a device) is never ours.

    ours    whether this content is an earlier result of the same kind
    """
    if not path.exists():
        return
    if not path.is_file():
        raise InputError(path, "", "a directory" if path.is_dir() else "no regular file", "a file to write")
    if not force and not ours(read_regular(path, MAX_BYTES)):
        raise InputError(path, "", "a file that this command did not write", "another name, or --force to replace it")


def json_with(*keys: str) -> Callable[[bytes], bool]:
    """Whether a content is a JSON object with these keys."""
    def ours(content: bytes) -> bool:
        found = _object(content)
        return all(key in found for key in keys)
    return ours


def has_json(name: str, *keys: str) -> Callable[[Path], bool]:
    """Whether a directory has a JSON file with these keys."""
    def ours(directory: Path) -> bool:
        return (directory / name).is_file() and json_with(*keys)(read_regular(directory / name, MAX_BYTES))
    return ours


def _object(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}

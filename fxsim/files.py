"""Writing files. Each is written beside its place, flushed to disk and renamed, so none is ever half there."""
from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from pathlib import Path

import numpy as np

from .errors import InputError


def write_atomic(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data`` or leave it as it was. InputError if the directory cannot be written or the disk is full."""
    try:
        fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise InputError(path.parent, "--out", error.strerror, "a writable directory") from None
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise InputError(path, "", f"{error.strerror} while writing {len(data)} bytes", "a disk with space that can be written") from None
        raise
    _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    """The new name survives a power failure, too."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def remove_leftovers(directory: Path, name: str) -> None:
    """Remove what processes that were killed while they wrote ``name`` (a glob pattern) left beside it."""
    for leftover in directory.glob(f".{name}.????????"):     # the names that mkstemp gives
        leftover.unlink(missing_ok=True)


def make_directory(path: Path) -> Path:
    """The directory, made with its parents. InputError if that is impossible."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(path, "--out", error.strerror, "a directory that can be made") from None
    return path


def write_json(path: Path, data: dict) -> None:
    write_atomic(path, (json.dumps(data, indent=2) + "\n").encode())


def write_csv(path: Path, columns: tuple[str, ...], rows: list[dict]) -> None:
    """A table; None becomes an empty cell, floats keep all their digits."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(path, text.getvalue().encode())


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    data = io.BytesIO()
    np.savez_compressed(data, **arrays)
    write_atomic(path, data.getvalue())

"""Writing files. Each is written beside its place, flushed to disk and renamed, so none is ever half there."""
from __future__ import annotations

import csv
import errno
import fcntl
import io
import json
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

import numpy as np

from fxsim.errors import InputError


def write_atomic(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data`` or leave it as it was. InputError if the directory cannot be written, the disk is full, or a device is there."""
    if path.exists() and not path.is_file():
        raise InputError(path, "", "a directory" if path.is_dir() else "no regular file", "a file to write")
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


@contextmanager
def only_user(directory: Path) -> Iterator[None]:
    """Nobody else is in this block with this directory, on this machine or, where the file system can tell, on another one.

    InputError at once if somebody is. The lock is the kernel's, on the file .lock in the directory: it ends with its process, however that ends.
    """
    try:
        fd = os.open(directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise InputError(directory, "--out", error.strerror, "a writable directory") from None
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(directory, "--out", "a directory that another process is training in", "waiting for its end, or another --out") from None
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP):        # file systems without locks
                raise InputError(directory / ".lock", "", error.strerror, "a file that can be locked") from None
        yield
    finally:
        os.close(fd)


def write_json(path: Path, data: dict) -> None:
    write_atomic(path, (json.dumps(data, indent=2) + "\n").encode())


def write_csv(path: Path, columns: tuple[str, ...], rows: list[dict]) -> None:
    """A table; None becomes an empty cell, floats keep all their digits."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(path, text.getvalue().encode())


def read_csv_text(path: Path) -> str:
    """The text of a table that :func:`write_csv` wrote. InputError if it cannot be read, or ends in the middle of a row."""
    try:
        text = path.read_text()
    except (OSError, ValueError) as error:
        raise InputError(path, "table", getattr(error, "strerror", None) or type(error).__name__, "a readable CSV table") from None
    if not text.endswith("\n"):
        raise InputError(path, "table", "a last row without its end", "a whole table, as fxsim wrote it")
    return text


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    data = io.BytesIO()
    np.savez_compressed(data, **arrays)
    write_atomic(path, data.getvalue())

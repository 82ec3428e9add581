"""Reading small files that somebody gave."""
from __future__ import annotations

import os
import stat
from pathlib import Path

from .errors import InputError


def read_regular(path: str | Path, limit: int, field: str = "", allowed: str = "a readable file") -> bytes:
    """The bytes of a regular file. InputError for what is missing, larger than ``limit``, or a pipe or device, which might never end."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise InputError(path, field, "a directory" if stat.S_ISDIR(status.st_mode) else "no regular file", allowed)
        if status.st_size > limit:
            raise InputError(path, field, f"{status.st_size} bytes", f"at most {limit}")
        with open(path, "rb") as file:
            return file.read(limit)
    except InputError:
        raise
    except (OSError, ValueError) as error:              # ValueError: a null byte in the name
        raise InputError(path, field, getattr(error, "strerror", None) or error, allowed) from None

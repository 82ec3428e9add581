"""The cache: what was built and compiled, kept for later processes. Nothing but time depends on it.

An entry begins with the checksum of what follows. One that is damaged counts as none, and is said; a place that cannot be written is
said once, and read all the same.
"""
from __future__ import annotations

import errno
import hashlib
import logging
import os
import tempfile
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from fxsim.errors import InputError

from .writing import write_atomic

VARIABLE = "FXSIM_CACHE_DIR"
HEADER = b"fxsim-cache sha256:"
LEFT_BEHIND = "left by killed processes"
KINDS = {"*.code": "machine code", "fxsim_kernel_*.py": "texts of kernels", ".*.????????": LEFT_BEHIND}     # file names -> what is in them
LONGEST_WRITE = 3600.0      # seconds after which nobody still writes a file
log = logging.getLogger("fxsim")


class Entry(NamedTuple):
    """A file of the cache. kind: one of KINDS; size in bytes; age in seconds since it was written."""

    path: Path
    kind: str
    size: int
    age: float


class Cache:
    """Entries, by file name, in ``directory``. None: nothing is kept."""

    def __init__(self, directory: Path | None):
        self.directory = directory
        self._writable = directory is not None

    def read(self, name: str) -> bytes | None:
        """What was written under this name, to the bit; None if there is nothing of the kind."""
        if self.directory is None:
            return None
        path = self.directory / name
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("%s: %s; compiled anew", path, error.strerror)
            return None
        size = data.find(b"\n") + 1
        content = data[size:]
        if data[:size] != _header(content):
            log.warning("%s: damaged; compiled anew", path)
            return None
        return content

    def write(self, name: str, content: bytes) -> None:
        """Keep it, unless this process has seen that it cannot."""
        self._put(name, _header(content) + content)

    def write_text(self, name: str, text: str) -> None:
        """Keep a text for who wants to read it; nothing is read back from it."""
        data = text.encode()
        try:
            there = self.directory is None or (self.directory / name).read_bytes() == data
        except OSError:
            there = False
        if not there:
            self._put(name, data)

    def entries(self) -> list[Entry]:
        """What is there, the oldest first; files that are not the cache's are none."""
        found, now = [], time.time()
        for pattern, kind in KINDS.items():
            for path in self.directory.glob(pattern) if self.directory else ():
                with suppress(FileNotFoundError):       # another process clears, too
                    status = path.stat()
                    found.append(Entry(path, kind, status.st_size, max(0.0, now - status.st_mtime)))
        return sorted(found, key=lambda entry: (-entry.age, entry.path))

    def clear(self, older: float = 0.0) -> list[Entry]:
        """Remove entries of at least this age in seconds, but nothing that a process may be writing; returns them.

        Processes that run have loaded theirs. InputError if an entry cannot be removed.
        """
        gone = [entry for entry in self.entries() if entry.age >= max(older, LONGEST_WRITE if entry.kind == LEFT_BEHIND else 0.0)]
        for entry in gone:
            try:
                entry.path.unlink(missing_ok=True)
            except OSError as error:
                raise InputError(entry.path, "", error.strerror, "a cache that can be written") from None
        return gone

    def writable(self) -> bool:
        """Whether something can be kept now: tried, as permissions do not tell of full disks."""
        self._put(".try", b"x" * 4096)
        if self.directory is not None:
            with suppress(OSError):
                (self.directory / ".try").unlink()
        return self._writable

    def _put(self, name: str, data: bytes) -> None:
        if self.directory is None or not self._writable:
            return
        try:
            write_atomic(self.directory / name, data)
        except (InputError, OSError) as error:
            self._writable = False
            why = error.found if isinstance(error, InputError) else error.strerror
            log.warning("cache %s: %s; going on without (%s names another place)", self.directory, why, VARIABLE)


def _header(content: bytes) -> bytes:
    return HEADER + hashlib.sha256(content).hexdigest().encode() + b"\n"


def cache() -> Cache:
    """The cache of this process: in FXSIM_CACHE_DIR; without that in the user's cache directory, or in a temporary one.

    Code is loaded from there, so it must belong to this user, or to root where the variable names it.
    """
    return _cache(os.environ.get(VARIABLE, ""))


@lru_cache(maxsize=16)
def _cache(wanted: str) -> Cache:
    if wanted:
        path, why = _usable(Path(wanted), (os.getuid(), 0), read_only=True)
        if path is None:
            log.warning("cache %s: %s; going on without (%s names another place)", wanted, why, VARIABLE)
        return Cache(path)
    from platformdirs import user_cache_dir
    for place in (user_cache_dir("fxsim"), os.path.join(tempfile.gettempdir(), f"fxsim-{os.getuid()}")):
        path, _ = _usable(Path(place), (os.getuid(),), read_only=False)
        if path is not None:
            return Cache(path)
    log.warning("cache: no directory that can be written; going on without (%s names one)", VARIABLE)
    return Cache(None)


def _usable(place: Path, owners: tuple[int, ...], read_only: bool) -> tuple[Path | None, str]:
    """The folder of entries there, or None and why not."""
    path = place / "kernels"
    try:
        if not (read_only and path.is_dir()):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = path.stat().st_uid
    except OSError as error:
        return None, error.strerror or type(error).__name__
    if owner not in owners:
        return None, f"it belongs to user {owner}"
    if not read_only and not os.access(path, os.W_OK):
        return None, os.strerror(errno.EACCES)
    return path, ""

"""Reading npz archives of unknown origin: every array checked for presence, kind, shape and finiteness."""
from __future__ import annotations

import math
import os
import struct
import sys
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, BinaryIO, Callable, Optional, Sequence, TypeAlias, Union

import numpy as np

from fxsim.errors import InputError

UNREADABLE = (ValueError, EOFError, LookupError, MemoryError, NotImplementedError, RuntimeError, OverflowError, SyntaxError, tokenize.TokenError,
              zipfile.BadZipFile, zlib.error, struct.error)
"""What numpy and zipfile raise for files that are none of theirs."""
SURROGATES = 0xD800     # the first of 2**11: halves of characters
MAX_BYTES, MAX_RATIO = 1 << 30, 100
Shape: TypeAlias = tuple[Optional[int], ...]
Shapes: TypeAlias = Union[Shape, Sequence[Shape]]
HEADERS: dict[tuple[int, int], Callable[[IO[bytes]], tuple[tuple[int, ...], bool, np.dtype]]] = {
    (1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}     # numbers have no others


class Archive:
    """An npz file whose arrays are asked for one by one. Everything wrong with it is an InputError.

    ``file`` is read instead of ``path``, which then only names it in errors. Arrays that unpack to more than ``size`` bytes together
    are refused (default: to more than a GiB and a hundred times the file, which no file of numbers does).
    ``shapes`` in its methods is one shape or several allowed ones; None stands for any length.
    """

    def __init__(self, path: str | Path, file: BinaryIO | None = None, size: int | None = None):
        self.path = str(path)
        if file is None and os.path.exists(path) and not os.path.isfile(path):
            raise InputError(path, "", "no regular file", "a readable npz file")
        try:
            self._file = np.load(path if file is None else file, allow_pickle=False)
        except OSError as error:
            raise InputError(path, "", error.strerror or error, "a readable npz file") from None
        except UNREADABLE as error:
            raise InputError(path, "", f"no npz archive ({error})", "an npz file without pickled objects") from None
        if not isinstance(self._file, np.lib.npyio.NpzFile):
            raise InputError(path, "", "a single array", "an npz file")
        self._limit_size(max(MAX_BYTES, MAX_RATIO * os.path.getsize(path)) if size is None else size)

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def error(self, name: str, found: object, allowed: str) -> InputError:
        return InputError(self.path, name, found, allowed)

    @property
    def names(self) -> list[str]:
        return self._file.files

    def _limit_size(self, size: int) -> None:
        unpacked = sum(member.file_size for member in self._file.zip.infolist())
        if unpacked > size:
            raise self.error("", f"arrays of {unpacked} bytes", f"at most {size}")

    def array(self, name: str, kinds: str, allowed: str, shapes: Shapes | None = None) -> np.ndarray:
        """One array of one of the dtype ``kinds`` (as in ``dtype.kind``) and one of the ``shapes``."""
        if name not in self:
            raise self.error(name, "nothing", allowed)
        try:
            shape, dtype, there = self._header(name)
        except (OSError, *UNREADABLE) as error:
            raise self.error(name, error, f"{allowed}, readable and not pickled") from None
        if dtype.kind not in kinds or not dtype.itemsize:
            raise self.error(name, dtype, allowed)
        if shapes is not None:
            options: list[Any] = [shapes] if not shapes or not isinstance(shapes[0], tuple) else list(shapes)
            if not any(_fits(shape, wanted) for wanted in options):
                raise self.error(name, f"shape {shape}", "shape " + " or ".join(map(_text, options)))
        if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != there:
            raise self.error(name, f"{there} bytes for shape {shape} of {dtype}", f"{allowed}, complete")
        try:
            return self._file[name]
        except (OSError, *UNREADABLE) as error:
            raise self.error(name, error, f"{allowed}, readable and not pickled") from None

    def _header(self, name: str) -> tuple[tuple[int, ...], np.dtype, int]:
        """Shape and dtype that an array claims, and how many bytes follow: to be checked before memory is given to it."""
        archive = self._file.zip
        member = archive.getinfo(name if name in archive.namelist() else f"{name}.npy")
        with archive.open(member) as file:
            version = np.lib.format.read_magic(file)
            if version not in HEADERS:
                raise ValueError(f"npy version {version}")
            shape, _, dtype = HEADERS[version](file)
            return shape, dtype, member.file_size - file.tell()

    def text(self, name: str) -> str:
        """A string, stored as an array of shape ()."""
        value = self.array(name, "U", "a string", ())
        codes = np.frombuffer(value.tobytes(), np.dtype("u4").newbyteorder(value.dtype.byteorder))
        if ((codes > sys.maxunicode) | (codes >> 11 == SURROGATES >> 11)).any():     # numpy takes any number; Python's strings break
            raise self.error(name, "numbers that are no characters", "a string")
        return str(value)

    def floats(self, name: str, shapes: Shapes, dtype: str | None = None) -> np.ndarray:
        """Finite floating-point numbers, of the given dtype if there is one."""
        values = self.array(name, "f", f"{dtype or 'floating-point'} array", shapes)
        if dtype is not None and values.dtype != np.dtype(dtype):
            raise self.error(name, values.dtype, f"{dtype} (dtype of config_json)")
        return self._finite(name, values)

    def numbers(self, name: str, shapes: Shapes) -> np.ndarray:
        """Finite numbers, whole or floating-point."""
        return self._finite(name, self.array(name, "fiub", "array of numbers", shapes))

    def integers(self, name: str, shapes: Shapes) -> np.ndarray:
        """Whole numbers, as int64."""
        return self.array(name, "iu", "integer array", shapes).astype(np.int64)

    def binary(self, name: str, shapes: Shapes) -> np.ndarray:
        """Zeros and ones, as uint8."""
        values = self.array(name, "iub", "array of 0 and 1", shapes)
        if ((values != 0) & (values != 1)).any():
            raise self.error(name, f"values {values.min()} .. {values.max()}", "0 and 1")
        return values.astype(np.uint8)

    def _finite(self, name: str, values: np.ndarray) -> np.ndarray:
        if not np.isfinite(values).all():
            raise self.error(name, f"{np.sum(~np.isfinite(values))} values that are NaN or infinite", "finite values")
        return values


def _fits(shape: tuple[int, ...], wanted: Shape) -> bool:
    return len(shape) == len(wanted) and all(length in (None, found) for found, length in zip(shape, wanted))


def _text(shape: Shape) -> str:
    return "(" + ", ".join("any" if length is None else str(length) for length in shape) + ")"

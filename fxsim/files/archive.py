"""Reading npz archives of unknown origin: every array checked for presence, kind, shape and finiteness."""
from __future__ import annotations

import math
import os
import struct
import sys
import tokenize
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, Callable, Optional, Sequence, TypeAlias, Union

import numpy as np

from fxsim.errors import InputError

UNREADABLE = (ValueError, EOFError, LookupError, MemoryError, NotImplementedError, RuntimeError, OverflowError, SyntaxError, tokenize.TokenError,
              zipfile.BadZipFile, zlib.error, struct.error)
"""What numpy and zipfile raise for files that are none of theirs."""
SURROGATES = 0xD800     # the first of 2**11: halves of characters
MAX_BYTES, MAX_RATIO = 1 << 30, 100
LOCAL_HEADER = struct.Struct("<4s5H3I2H")       # of a member, before its name
Shape: TypeAlias = tuple[Optional[int], ...]
Shapes: TypeAlias = Union[Shape, Sequence[Shape]]
HEADERS: dict[tuple[int, int], Callable[[IO[bytes]], tuple[tuple[int, ...], bool, np.dtype]]] = {
    (1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}     # numbers have no others


@dataclass(frozen=True)
class Header:
    """The header of an array in an archive: ``size`` bytes, before ``bytes`` of values."""

    shape: tuple[int, ...]
    dtype: np.dtype
    fortran: bool
    size: int
    bytes: int


@dataclass(frozen=True)
class Stored:
    """An array in C order that lies in a file as it is, from byte ``start`` on. ``stored[a:b]`` reads rows, ``stored[i]`` one."""

    path: str
    start: int
    shape: tuple[int, ...]
    dtype: np.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | int) -> np.ndarray:
        if not isinstance(rows, slice):
            return self[int(rows):int(rows) + 1][0]
        first, stop, _ = rows.indices(self.shape[0])
        row = math.prod(self.shape[1:])
        count = max(0, stop - first) * row
        try:
            values = np.fromfile(self.path, self.dtype, count, offset=self.start + first * row * self.dtype.itemsize)
        except OSError as error:
            raise InputError(self.path, "", error.strerror or error, "a readable npz file") from None
        if values.size != count:
            raise InputError(self.path, "", f"{values.size} values where there were {count}", "a file that stays as it is while it is read")
        return values.reshape(-1, *self.shape[1:])


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
        self._checked(name, kinds, allowed, shapes)
        try:
            return self._file[name]
        except (OSError, *UNREADABLE) as error:
            raise self.error(name, error, f"{allowed}, readable and not pickled") from None

    def sliced(self, name: str, kinds: str, allowed: str, shapes: Shapes | None = None) -> np.ndarray | Stored:
        """As :meth:`array`, of any size: what the archive stores without compression stays in the file and is read in slices."""
        header = self._checked(name, kinds, allowed, shapes)
        member = self._member(name)
        if member.compress_type != zipfile.ZIP_STORED or header.fortran or self._file.fid is None:
            if member.file_size > MAX_BYTES:
                raise self.error(name, f"{member.file_size} bytes, compressed or not in C order",
                                 f"numpy.savez without compression, or at most {MAX_BYTES} bytes")
            return self.array(name, kinds, allowed, shapes)
        try:
            with open(self.path, "rb") as file:
                file.seek(member.header_offset)
                *_, name_length, extra_length = LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size))
        except (OSError, struct.error) as error:
            raise self.error(name, error, f"{allowed}, readable") from None
        start = member.header_offset + LOCAL_HEADER.size + name_length + extra_length + header.size
        return Stored(self.path, start, header.shape, header.dtype)

    def _checked(self, name: str, kinds: str, allowed: str, shapes: Shapes | None) -> Header:
        if name not in self:
            raise self.error(name, "nothing", allowed)
        try:
            header = self._header(name)
        except (OSError, *UNREADABLE) as error:
            raise self.error(name, error, f"{allowed}, readable and not pickled") from None
        shape, dtype = header.shape, header.dtype
        if dtype.kind not in kinds or not dtype.itemsize:
            raise self.error(name, dtype, allowed)
        if shapes is not None:
            options: list[Any] = [shapes] if not shapes or not isinstance(shapes[0], tuple) else list(shapes)
            if not any(shape_fits(shape, wanted) for wanted in options):
                raise self.error(name, f"shape {shape}", "shape " + " or ".join(map(shape_text, options)))
        if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != header.bytes:
            raise self.error(name, f"{header.bytes} bytes for shape {shape} of {dtype}", f"{allowed}, complete")
        return header

    def _member(self, name: str) -> zipfile.ZipInfo:
        archive = self._file.zip
        return archive.getinfo(name if name in archive.namelist() else f"{name}.npy")

    def _header(self, name: str) -> Header:
        """What an array claims to be, to be checked before memory is given to it."""
        member = self._member(name)
        with self._file.zip.open(member) as file:
            version = np.lib.format.read_magic(file)
            if version not in HEADERS:
                raise ValueError(f"npy version {version}")
            try:
                shape, fortran, dtype = HEADERS[version](file)
            except (TypeError, AttributeError) as error:        # numpy sorts and compares keys before it looks what they are
                raise ValueError(f"header of an npy file: {error}") from None
            return Header(shape, dtype, fortran, file.tell(), member.file_size - file.tell())

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


def shape_fits(shape: tuple[int, ...], wanted: Shape) -> bool:
    return len(shape) == len(wanted) and all(length in (None, found) for found, length in zip(shape, wanted))


def shape_text(shape: Shape) -> str:
    return "(" + ", ".join("any" if length is None else str(length) for length in shape) + ")"

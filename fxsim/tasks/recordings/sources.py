"""Arrays by name, out of .npz or HDF5 files, whole or in slices."""
from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np

from fxsim.errors import InputError
from fxsim.files.archive import Archive, shape_fits, shape_text

ENDINGS = {".npz": "npz", ".h5": "hdf5", ".hdf5": "hdf5"}
Shape = tuple[int | None, ...]


class Rows(Protocol):
    """An array whose rows are read where they are asked for."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    def __getitem__(self, rows: Any) -> np.ndarray: ...


class Source(Protocol):
    """A file of arrays."""

    path: str

    def __contains__(self, name: str) -> bool: ...

    def sliced(self, name: str, kinds: str, allowed: str, shape: Shape) -> Rows:
        """An array of one of the dtype kinds; None in ``shape`` stands for any length. Raises InputError."""
        ...

    def ragged(self, name: str, kinds: str, allowed: str) -> Rows:
        """(B,) arrays of variable length. Raises InputError."""
        ...


def error(source: Source, name: str, found: object, allowed: str) -> InputError:
    """Refuses an array of a file."""
    return InputError(source.path, name, found, allowed)


def open_source(path: str) -> Source:
    """The file by its ending. Raises InputError."""
    kind = ENDINGS.get(Path(path).suffix.lower())
    if kind is None:
        raise InputError(path, "", f"the ending {Path(path).suffix or 'of no kind'}", "a file that ends in " + ", ".join(ENDINGS))
    return Npz(path) if kind == "npz" else Hdf5(path)


class Npz:
    """An archive of NumPy."""

    def __init__(self, path: str):
        self.path, self._archive = path, Archive(path)

    def __contains__(self, name: str) -> bool:
        return name in self._archive

    def sliced(self, name: str, kinds: str, allowed: str, shape: Shape) -> Rows:
        return self._archive.sliced(name, kinds, allowed, shape)

    def ragged(self, name: str, kinds: str, allowed: str) -> Rows:
        raise self._archive.error(name, "arrays of variable length", "times (E,), units (E,) and offsets (B+1,)")


class Hdf5:
    """A file of HDF5. Links and data in other files are refused."""

    def __init__(self, path: str):
        try:
            import h5py
        except ImportError:
            raise InputError(path, "", "no package h5py", "pip install 'fxsim[hdf5]', or an .npz file") from None
        self.path, self._h5py = path, h5py
        if not Path(path).is_file():
            raise InputError(path, "", "no regular file", "a readable HDF5 file")
        try:
            self._file = h5py.File(path, "r")
        except (OSError, ValueError) as found:
            raise InputError(path, "", str(found)[:160], "a readable HDF5 file") from None

    def __contains__(self, name: str) -> bool:
        try:
            return name in self._file
        except (OSError, RuntimeError, ValueError) as found:
            raise InputError(self.path, name, str(found)[:160], "a readable HDF5 file") from None

    def sliced(self, name: str, kinds: str, allowed: str, shape: Shape) -> Rows:
        found = self._dataset(name, allowed)
        if found.dtype.kind not in kinds:
            raise error(self, name, found.dtype, allowed)
        if not shape_fits(found.shape, shape):
            raise error(self, name, f"shape {found.shape}", f"shape {shape_text(shape)}")
        return _Checked(self, name, found)

    def ragged(self, name: str, kinds: str, allowed: str) -> Rows:
        found = self._dataset(name, allowed)
        inner = self._h5py.check_vlen_dtype(found.dtype)
        if inner is None or np.dtype(inner).kind not in kinds or len(found.shape) != 1:
            raise error(self, name, f"shape {found.shape} of {inner or found.dtype}", f"{allowed}, of variable length, shape (B,)")
        return _Checked(self, name, found)

    def _dataset(self, name: str, allowed: str) -> Any:
        if name not in self:
            raise error(self, name, "nothing", allowed)
        place = self._file
        try:
            for part in name.split("/"):
                if not isinstance(place.get(part, getlink=True), self._h5py.HardLink):
                    raise error(self, name, "a link", f"{allowed}, in the file itself")
                place = place[part]
            if not isinstance(place, self._h5py.Dataset) or place.shape is None or place.is_virtual or place.external:
                raise error(self, name, "no array, or one whose data are elsewhere", f"{allowed}, in the file itself")
        except (OSError, RuntimeError, KeyError, AttributeError, TypeError) as found:
            raise error(self, name, str(found)[:160], allowed) from None
        return place


class _Checked:
    """Rows of a data set; what HDF5 cannot read is an InputError."""

    def __init__(self, source: Hdf5, name: str, dataset: Any):
        self._source, self._name, self._dataset = source, name, dataset
        self.shape: tuple[int, ...] = dataset.shape

    def __getitem__(self, rows: Any) -> np.ndarray:
        try:
            return self._dataset[rows]
        except (OSError, RuntimeError, ValueError, TypeError) as found:
            raise error(self._source, self._name, str(found)[:160], "data that HDF5 can read") from None

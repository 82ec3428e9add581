"""Arguments as kernels take them: addresses. By Numba's own way an array is seven values, and a block of trials has some hundred arrays: to take
them apart, and to hand them from function to function, was a fifth of what a kernel is compiled of."""
from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import from_dtype
from numba.core import types
from numba.core.types.containers import NamedTuple as NamedTupleType
from numba.core.types.misc import CPointer
from numba.extending import NativeValue, models, register_model, unbox

WORD = ir.IntType(64)


class Pointer(CPointer):
    """To the first element of an array."""


class Addresses(NamedTupleType):
    """A named tuple of pointers and integers."""


register_model(Pointer)(models.PointerModel)
register_model(Addresses)(models.TupleModel)


class Handed:
    """What a kernel is given: ``values``, an array or a named tuple of arrays and integers; as long as this lives, so do they.

    Nothing is checked in the kernel: it stays inside its arrays, which are contiguous.
    """

    __slots__ = ("values", "words", "address", "_numba_type_")

    def __init__(self, values: Any):
        fields = values if isinstance(values, tuple) else (values,)
        self.values, self.words = values, np.array([_word(value) for value in fields], np.int64)
        self.address = self.words.ctypes.data
        self._numba_type_ = _kind(type(values), *(value.dtype if isinstance(value, np.ndarray) else None for value in fields))      # type: ignore[arg-type]


@lru_cache(maxsize=256)
def _kind(cls: type, *fields: np.dtype | None) -> Any:
    """Numba's type of fields of these element types; None: an integer."""
    kinds = [types.int64 if dtype is None else Pointer(from_dtype(dtype)) for dtype in fields]
    return kinds[0] if cls is np.ndarray else Addresses(kinds, cls)


def _word(value: Any) -> int:
    if not isinstance(value, np.ndarray):
        return int(value)
    if not value.flags.c_contiguous:
        raise ValueError(f"an array of shape {value.shape} that is not contiguous")
    address: int = value.__array_interface__["data"][0]       # .ctypes.data takes three times as long
    return address


@unbox(Addresses)
@unbox(Pointer)
def _unboxed(kind: Any, handed: Any, c: Any) -> NativeValue:
    address = c.pyapi.object_getattr_string(handed, "address")
    first = c.builder.bitcast(c.pyapi.long_as_voidptr(address), WORD.as_pointer())
    c.pyapi.decref(address)
    fields = []
    for i, field in enumerate(kind.types if isinstance(kind, Addresses) else [kind]):
        word = c.builder.load(c.builder.gep(first, [ir.Constant(WORD, i)]))
        fields.append(c.builder.inttoptr(word, c.context.get_value_type(field)) if isinstance(field, Pointer) else word)
    return NativeValue(c.context.make_tuple(c.builder, kind, fields) if isinstance(kind, Addresses) else fields[0])

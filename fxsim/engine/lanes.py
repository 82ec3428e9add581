"""SIMD for the CPU kernels: a Numba type ``Lanes``, a vector of LLVM, and how lanes come from and go to arrays.

Kernels name the vectors they want instead of hoping that LLVM finds them in a loop: what is loaded as 16 lanes stays in
registers as 16 lanes, through every operation of :mod:`fxsim.engine.words`. LLVM cuts longer vectors into those that the
processor has. With one lane everything here is a scalar.

No index is checked or counted from the end: kernels stay inside their arrays.
"""
from __future__ import annotations

from typing import Callable, NamedTuple

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, models, register_model


class Lanes(types.Type):
    """``count`` values of a scalar type side by side."""

    def __init__(self, element: types.Number, count: int):
        self.element, self.count = element, count
        super().__init__(f"lanes({count} x {element})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, ir.VectorType(manager.lookup(kind.element).get_value_type(), kind.count))


def lanes_type(element: types.Number, count: int) -> types.Type:
    """``count`` lanes; one lane is the scalar itself."""
    return Lanes(element, count) if count > 1 else element


def element_of(kind: types.Type) -> types.Number:
    """The scalar type of a scalar or of lanes."""
    return kind.element if isinstance(kind, Lanes) else kind


def count_of(*kinds: types.Type) -> int:
    """How many lanes the operands of one operation have; scalars go with any."""
    counts = {kind.count for kind in kinds if isinstance(kind, Lanes)} or {1}
    if len(counts) > 1:
        raise TypeError(f"operands of {sorted(counts)} lanes in one operation")
    return counts.pop()


def cast(context, builder, value, kind: types.Type, to: types.Number, count: int):
    """A scalar or lanes as ``count`` lanes of element type ``to``: integers by their sign, scalars repeated."""
    if not isinstance(kind, Lanes):
        value = context.cast(builder, value, kind, to)
        return value if count == 1 else repeat(builder, value, count)
    source = kind.element
    if source == to:
        return value
    target = ir.VectorType(context.get_value_type(to), count)
    if isinstance(to, types.Float):
        if isinstance(source, types.Float):
            return builder.fpext(value, target) if to.bitwidth > source.bitwidth else builder.fptrunc(value, target)
        return builder.sitofp(value, target) if source.signed else builder.uitofp(value, target)
    if source.bitwidth >= to.bitwidth:
        return builder.trunc(value, target) if source.bitwidth > to.bitwidth else value
    return builder.sext(value, target) if source.signed else builder.zext(value, target)


def repeat(builder, value, count: int):
    """A scalar in all lanes."""
    undefined = ir.Constant(ir.VectorType(value.type, count), ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(ir.IntType(32), count), [0] * count))


def joined(builder, a, b):
    """The lanes (or scalars) of a, then those of b."""
    count = 2 * (a.type.count if isinstance(a.type, ir.VectorType) else 1)
    if count == 2:
        both = ir.Constant(ir.VectorType(a.type, 2), ir.Undefined)
        for index, value in enumerate((a, b)):
            both = builder.insert_element(both, value, ir.Constant(ir.IntType(32), index))
        return both
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), count), list(range(count))))


def word_of(dtype: types.Number) -> types.Number:
    """What an array's elements are computed with: the narrowest signed word, of 16 bits at least, that holds them; floats as they are."""
    if isinstance(dtype, types.Float) or dtype == types.uint32:
        return dtype            # uint32: random keys
    return next(word for word in (types.int16, types.int32, types.int64) if word.bitwidth >= dtype.bitwidth + (not dtype.signed))


# ---- memory ----------------------------------------------------------------------------------------------------------
def _address(context, builder, kind: types.Array, array, index):
    data = context.make_array(kind)(context, builder, array).data
    return builder.gep(data, [index], inbounds=True)


def _load(context, builder, kind: types.Array, array, index, count: int):
    pointer = _address(context, builder, kind, array, index)
    if count > 1:
        pointer = builder.bitcast(pointer, ir.VectorType(context.get_data_type(kind.dtype), count).as_pointer())
    return builder.load(pointer, align=kind.dtype.bitwidth // 8)


def _loaded(context, builder, kind, array, index, count):
    raw = _load(context, builder, kind, array, index, count)
    return cast(context, builder, raw, lanes_type(kind.dtype, count), word_of(kind.dtype), count)


@intrinsic
def put(context, array, index, value):
    """Store lanes (or one scalar) from array[index] on, cut to the element type."""
    count = count_of(value)

    def codegen(context, builder, signature, arguments):
        kind, index_kind, value_kind = signature.args
        data, index, value = arguments
        index = context.cast(builder, index, index_kind, types.intp)
        value = cast(context, builder, value, value_kind, kind.dtype, count)
        pointer = _address(context, builder, kind, data, index)
        if count > 1:
            pointer = builder.bitcast(pointer, value.type.as_pointer())
        builder.store(value, pointer, align=kind.dtype.bitwidth // 8)
        return context.get_dummy_value()
    return types.void(array, index, value), codegen


@intrinsic
def like(context, array, value):
    """``value`` in the word that elements of ``array`` are loaded in: for variables that are loaded once and updated."""
    result = lanes_type(word_of(array.dtype), count_of(value))

    def codegen(context, builder, signature, arguments):
        return cast(context, builder, arguments[1], signature.args[1], element_of(result), count_of(value))
    return result(array, value), codegen


@intrinsic
def claim(context, array):
    """array[0], which is then one higher: no two threads get the same number."""
    def codegen(context, builder, signature, arguments):
        pointer = _address(context, builder, signature.args[0], arguments[0], ir.Constant(ir.IntType(64), 0))
        return builder.atomic_rmw("add", pointer, ir.Constant(pointer.type.pointee, 1), "monotonic")
    return array.dtype(array), codegen


class Memory(NamedTuple):
    """Loads for blocks of ``lanes`` trials whose synapses are visited ``together`` at a time."""

    take: Callable          # take(a, o): lanes elements from o on
    take_all: Callable      # take_all(a, o): together * lanes of them
    take_each: Callable     # take_each(a, o, p): lanes elements at o, then lanes at p (only those at o where together is 1)
    none: Callable          # none(a): zeros, as take would load them
    none_all: Callable      # none_all(a): zeros, as take_all would
    spread: Callable        # spread(a, i, j): a[i] in the first lanes, a[j] in the second


def memory(lanes: int, together: int) -> Memory:
    """``together``: 1 or 2."""
    def loads(count):
        @intrinsic
        def load(context, array, index):
            def codegen(context, builder, signature, arguments):
                index = context.cast(builder, arguments[1], signature.args[1], types.intp)
                return _loaded(context, builder, signature.args[0], arguments[0], index, count)
            return lanes_type(word_of(array.dtype), count)(array, index), codegen
        return load

    def pairs(each, widen):
        @intrinsic
        def load(context, array, first, second):
            def codegen(context, builder, signature, arguments):
                kind, *index_kinds = signature.args
                data, *indices = arguments
                found = []
                for index, index_kind in list(zip(indices, index_kinds))[:together]:
                    index = context.cast(builder, index, index_kind, types.intp)
                    value = _load(context, builder, kind, data, index, each)
                    found.append(repeat(builder, value, lanes) if widen and lanes > 1 else value)
                raw = found[0] if together == 1 else joined(builder, *found)
                return cast(context, builder, raw, lanes_type(kind.dtype, together * lanes), word_of(kind.dtype), together * lanes)
            return lanes_type(word_of(array.dtype), together * lanes)(array, first, second), codegen
        return load

    def zeros(count):
        @intrinsic
        def none(context, array):
            result = lanes_type(word_of(array.dtype), count)

            def codegen(context, builder, signature, arguments):
                return cgutils.get_null_value(context.get_value_type(result))
            return result(array), codegen
        return none

    return Memory(take=loads(lanes), take_all=loads(lanes * together), take_each=pairs(lanes, False), none=zeros(lanes),
                  none_all=zeros(lanes * together), spread=pairs(1, True))


def chunk_memory(count: int) -> Callable:
    """take_chunk(a, o): ``count`` elements from o on."""
    return memory(count, 1).take

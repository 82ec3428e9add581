"""SIMD for the CPU kernels: a Numba type ``Lanes``, a vector of LLVM, and how lanes come from and go to arrays.

Kernels name the vectors they want instead of hoping that LLVM finds them in a loop: what is loaded as 16 lanes stays in
registers as 16 lanes, through every operation of :mod:`fxsim.engine.cpu.words`. LLVM cuts longer vectors into those that the
processor has. With one lane everything here is a scalar. Wide words may be held in another order than narrow ones, see
:mod:`fxsim.engine.cpu.lane_order`; :func:`cast`, loads and stores are the places that know.

No index is checked or counted from the end: kernels stay inside their arrays.
"""
from __future__ import annotations

from typing import Any, Callable, NamedTuple, Sequence

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.types.misc import CPointer
from numba.extending import intrinsic, models, register_model

from . import lane_order
from .lane_order import to_natural, to_unpacked, unpacked

Kind = Any      # a type of Numba's, which say nothing of their attributes
Element = Any   # that of a scalar
Context = Any   # Numba's, of types or of the target
Signature = Any
Intrinsic = tuple[Signature, Callable[..., ir.Value]]       # types of an operation, and how it is made
WORDS: tuple[Element, ...] = (types.int16, types.int32, types.int64)


class Lanes(types.Type):
    """``count`` values of a scalar type side by side."""

    def __init__(self, element: Element, count: int):
        self.element, self.count = element, count
        super().__init__(f"lanes({count} x {element})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Lanes):
        super().__init__(manager, kind, ir.VectorType(manager.lookup(kind.element).get_value_type(), kind.count))


def lanes_type(element: Element, count: int) -> Kind:
    """``count`` lanes; one lane is the scalar itself."""
    return Lanes(element, count) if count > 1 else element


def element_of(kind: Kind) -> Element:
    """The scalar type of a scalar or of lanes."""
    return kind.element if isinstance(kind, Lanes) else kind


def count_of(*kinds: Kind) -> int:
    """How many lanes the operands of one operation have; scalars go with any."""
    counts = {kind.count for kind in kinds if isinstance(kind, Lanes)} or {1}
    if len(counts) > 1:
        raise TypeError(f"operands of {sorted(counts)} lanes in one operation")
    return counts.pop()


def cast(context: Context, builder: ir.IRBuilder, value: ir.Value, kind: Kind, to: Element, count: int, fits: bool = False) -> ir.Value:
    """A scalar or lanes as ``count`` lanes of element type ``to``: integers by their sign, scalars repeated.

    ``fits``: the values are known to be within ``to``; else what is too large loses its high bits.
    """
    if not isinstance(kind, Lanes):
        value = context.cast(builder, value, kind, to)
        return value if count == 1 else repeat(builder, value, count)
    source = kind.element
    if source == to:
        return value
    target = ir.VectorType(context.get_value_type(to), count)
    if isinstance(source, types.Float):
        return builder.fpext(value, target) if to.bitwidth > source.bitwidth else builder.fptrunc(value, target)
    if isinstance(to, types.Float):
        if source.bitwidth > 16 and unpacked(count):
            value = to_natural(builder, value)
        return builder.sitofp(value, target) if source.signed else builder.uitofp(value, target)
    if unpacked(count) and source.bitwidth <= 16 < to.bitwidth:
        value, source = lane_order.widen(builder, _resized(builder, value, source, 16), source.signed), types.int32
    elif unpacked(count) and to.bitwidth <= 16 < source.bitwidth:
        value = _resized(builder, value, source, 32)
        signed = to.signed or to.bitwidth < 16
        value, source = lane_order.narrow(builder, value, signed) if fits else lane_order.truncate(builder, value), types.int16
    return _resized(builder, value, source, to.bitwidth)


def _resized(builder: ir.IRBuilder, value: ir.Value, source: Element, bits: int) -> ir.Value:
    """Lanes cut or extended, in the order that they have."""
    target = ir.VectorType(ir.IntType(bits), value.type.count)
    if bits <= source.bitwidth:
        return builder.trunc(value, target) if bits < source.bitwidth else value
    return builder.sext(value, target) if source.signed else builder.zext(value, target)


def repeat(builder: ir.IRBuilder, value: ir.Value, count: int) -> ir.Value:
    """A scalar in all lanes."""
    undefined = ir.Constant(ir.VectorType(value.type, count), ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(ir.IntType(32), count), [0] * count))


def joined(builder: ir.IRBuilder, parts: list[ir.Value]) -> ir.Value:
    """Scalars, or vectors of lanes, one after the other (a power of two of them)."""
    if len(parts) == 1 or isinstance(parts[0].type, ir.VectorType):
        return lane_order.whole(builder, parts)
    together = ir.Constant(ir.VectorType(parts[0].type, len(parts)), ir.Undefined)
    for index, value in enumerate(parts):
        together = builder.insert_element(together, value, ir.Constant(ir.IntType(32), index))
    return together


def word_of(dtype: Element) -> Element:
    """What an array's elements are computed with: the narrowest signed word, of 16 bits at least, that holds them; floats as they are."""
    if isinstance(dtype, types.Float) or dtype == types.uint32:
        return dtype            # uint32: random keys
    return next(word for word in WORDS if word.bitwidth >= dtype.bitwidth + (not dtype.signed))


# ---- memory ----------------------------------------------------------------------------------------------------------
def address(context: Context, builder: ir.IRBuilder, kind: Kind, array: ir.Value, index: ir.Value) -> ir.Value:
    """Pointer to array[index], of an array, or from the pointer to its first element."""
    data = array if isinstance(kind, CPointer) else context.make_array(kind)(context, builder, array).data
    return builder.gep(data, [index], inbounds=True)


def _load(context: Context, builder: ir.IRBuilder, kind: Kind, array: ir.Value, index: ir.Value, count: int) -> ir.Value:
    pointer = address(context, builder, kind, array, index)
    if count > 1:
        pointer = builder.bitcast(pointer, ir.VectorType(context.get_data_type(kind.dtype), count).as_pointer())
    return builder.load(pointer, align=kind.dtype.bitwidth // 8)


def _as_word(context: Context, builder: ir.IRBuilder, kind: Kind, raw: ir.Value, count: int, held: bool = False) -> ir.Value:
    """Elements of an array as the words that they are computed with; ``held``: they are in the order of registers already."""
    if _wide(kind.dtype) and unpacked(count) and not held:
        raw = to_unpacked(builder, raw)
    return cast(context, builder, raw, lanes_type(kind.dtype, count), word_of(kind.dtype), count)


def _wide(dtype: Element) -> bool:
    """Whether an array's elements are wide words, in natural order there and maybe not in registers."""
    return not isinstance(dtype, types.Float) and dtype.bitwidth > 16


@intrinsic
def put(context: Context, array: Kind, index: Kind, value: Kind) -> Intrinsic:
    """Store lanes (or one scalar) from array[index] on, cut to the element type."""
    def codegen(context: Context, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]) -> ir.Value:
        _store(context, builder, signature, arguments, count_of(value), 0)
        return context.get_dummy_value()
    return types.void(array, index, value), codegen


def _store(context: Context, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value], size: int, apart: int,
           held: bool = False) -> None:
    """Lanes of arguments (array, index, value), ``size`` of them from array[index] on, the next ones from array[index + apart] on, ...;
    ``held``: in the order of registers."""
    kind, index_kind, value_kind = signature.args
    data, index, value = arguments
    count, index = count_of(value_kind), context.cast(builder, index, index_kind, types.intp)
    value = cast(context, builder, value, value_kind, kind.dtype, count, fits=True)
    if _wide(kind.dtype) and unpacked(count) and not held:
        value = to_natural(builder, value)
    for number, part in enumerate(lane_order.parts(builder, value, size) if count > size else [value]):
        pointer = address(context, builder, kind, data, builder.add(index, ir.Constant(index.type, number * apart)))
        if size > 1:
            pointer = builder.bitcast(pointer, part.type.as_pointer())
        builder.store(part, pointer, align=kind.dtype.bitwidth // 8)


@intrinsic
def like(context: Context, array: Kind, value: Kind) -> Intrinsic:
    """``value`` in the word that elements of ``array`` are loaded in: for variables that are loaded once and updated."""
    result = lanes_type(word_of(array.dtype), count_of(value))

    def codegen(context: Context, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]) -> ir.Value:
        return cast(context, builder, arguments[1], signature.args[1], element_of(result), count_of(value), fits=True)
    return result(array, value), codegen


@intrinsic
def number(context: Context, array: Kind, index: Kind) -> Intrinsic:
    """array[index] of numbers that nothing writes while the kernel runs: they are loaded once."""
    def codegen(context: Context, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]) -> ir.Value:
        loaded = builder.load(address(context, builder, signature.args[0], *arguments), align=8)
        loaded.set_metadata("invariant.load", builder.module.add_metadata([]))
        return loaded
    return array.dtype(array, index), codegen


@intrinsic
def align_stack(context: Context) -> Intrinsic:
    """Let the function keep what does not fit its registers at multiples of 64 bytes: lanes elsewhere would cross cache lines and pages."""
    def codegen(context: Context, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]) -> ir.Value:
        builder.function.attributes.alignstack = 64
        builder.function.attributes.add("nounwind")     # llvmlite writes an alignment only beside another attribute
        return context.get_dummy_value()
    return types.void(), codegen


class Memory(NamedTuple):
    """Loads (and a store) for blocks of ``lanes`` trials whose synapses, or neurons, are visited ``together`` at a time."""

    take: Callable          # take(a, o): lanes elements from o on
    put_each: Callable      # put_each(a, o, x): lanes elements from o on, the next synapse's from o + apart on, ...
    take_all: Callable      # take_all(a, o): together * lanes of them
    take_each: Callable     # take_each(a, places, o): lanes elements at places[0] + o, then at places[1] + o, ...
    take_same: Callable     # take_same(a, o): lanes elements at o, for each of the synapses
    spread: Callable        # spread(a, o): a[o] in the lanes of the first synapse, a[o + apart] in those of the second, ...
    none: Callable          # none(a): zeros, as take would load them
    none_all: Callable      # none_all(a): zeros, as take_all would


def memory(lanes: int, together: int, apart: int) -> Memory:
    """``together``: a power of two. take_each may read (not use) up to ``lanes`` elements before and behind what it takes."""
    everything = lanes * together

    def zeros(count: int) -> Callable:
        @intrinsic
        def none(context: Context, array: Kind) -> Intrinsic:
            result = lanes_type(word_of(array.dtype), count)

            def codegen(context: Context, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]) -> ir.Value:
                return cgutils.get_null_value(context.get_value_type(result))
            return result(array), codegen
        return none

    def joined_words(context: Context, builder: ir.IRBuilder, kind: Kind, parts: list[ir.Value]) -> ir.Value:
        return _as_word(context, builder, kind, joined(builder, parts), everything)

    @intrinsic
    def take_each(context: Context, array: Kind, places: Kind, index: Kind) -> Intrinsic:
        def codegen(context: Context, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]) -> ir.Value:
            kind, places_kind, index_kind = signature.args
            data, where, index = arguments
            index = context.cast(builder, index, index_kind, types.intp)
            starts = [_load(context, builder, places_kind, where, ir.Constant(index.type, i), 1) for i in range(together)]
            at = [builder.add(start, index) for start in starts]
            if kind.dtype.bitwidth == 16 and 2 * lanes == lane_order.group() and unpacked(everything):
                at[1::2] = [builder.sub(place, ir.Constant(place.type, lanes)) for place in at[1::2]]
                whole = [_load(context, builder, kind, data, place, 2 * lanes) for place in at]
                parts = [lane_order.beside(builder, a, b) for a, b in zip(whole[::2], whole[1::2])]
            else:
                parts = [_load(context, builder, kind, data, place, lanes) for place in at]
            return joined_words(context, builder, kind, parts)
        return lanes_type(word_of(array.dtype), everything)(array, places, index), codegen

    @intrinsic
    def spread(context: Context, array: Kind, index: Kind) -> Intrinsic:
        def codegen(context: Context, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]) -> ir.Value:
            index = context.cast(builder, arguments[1], signature.args[1], types.intp)
            places = [builder.add(index, ir.Constant(index.type, i * apart)) for i in range(together)]
            parts = [_load(context, builder, signature.args[0], arguments[0], place, 1) for place in places]
            return joined_words(context, builder, signature.args[0], [repeat(builder, part, lanes) if lanes > 1 else part for part in parts])
        return lanes_type(word_of(array.dtype), everything)(array, index), codegen

    @intrinsic
    def put_each(context: Context, array: Kind, index: Kind, value: Kind) -> Intrinsic:
        def codegen(context: Context, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]) -> ir.Value:
            _store(context, builder, signature, arguments, lanes, apart)
            return context.get_dummy_value()
        return types.void(array, index, value), codegen

    return Memory(take=loader(lanes), put_each=put_each, take_all=loader(everything), take_each=take_each,
                  take_same=repeating(lanes, together), spread=spread, none=zeros(lanes), none_all=zeros(everything))


def repeating(size: int, copies: int) -> Callable:
    """load(a, o): ``size`` elements from o on, loaded once, ``copies`` times one after the other."""
    @intrinsic
    def load(context: Context, array: Kind, index: Kind) -> Intrinsic:
        def codegen(context: Context, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]) -> ir.Value:
            kind = signature.args[0]
            part = _load(context, builder, kind, arguments[0], context.cast(builder, arguments[1], signature.args[1], types.intp), size)
            return _as_word(context, builder, kind, joined(builder, [part] * copies), size * copies)
        return lanes_type(word_of(array.dtype), size * copies)(array, index), codegen
    return load


def held(lanes: int, side: int) -> tuple[Callable, Callable, Callable]:
    """take(a, o), put(a, o, x) and take_side(a, o) for arrays in which nothing else looks for a certain lane: words stay in the order of
    registers, if ``lanes`` and ``side`` times as many have the same."""
    same = lane_order.unpacked(lanes)

    @intrinsic
    def put_held(context: Context, array: Kind, index: Kind, value: Kind) -> Intrinsic:
        def codegen(context: Context, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]) -> ir.Value:
            _store(context, builder, signature, arguments, count_of(value), 0, same)
            return context.get_dummy_value()
        return types.void(array, index, value), codegen

    return loader(lanes, same), put_held, loader(lanes * side, same)


def loader(count: int, held: bool = False) -> Callable:
    """load(a, o): ``count`` elements from o on; ``held``: from arrays in the order of registers."""
    @intrinsic
    def load(context: Context, array: Kind, index: Kind) -> Intrinsic:
        def codegen(context: Context, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]) -> ir.Value:
            kind = signature.args[0]
            index = context.cast(builder, arguments[1], signature.args[1], types.intp)
            return _as_word(context, builder, kind, _load(context, builder, kind, arguments[0], index, count), count, held)
        return lanes_type(word_of(array.dtype), count)(array, index), codegen
    return load

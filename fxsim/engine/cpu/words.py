"""Operations in words of 16, 32 and 64 bits and on floats, for the CPU kernels: ``add16(a, b)``, ``mul32(a, b)``, ``mulFLT(a, b)``, ...

Operands are scalars or :class:`fxsim.engine.cpu.lanes.Lanes`; a scalar goes with every lane. Numba computes ``int16 + int16``
in 64 bits; these operations have the width that their name says. Shifts to the right, minimum, maximum and abs are taken
in the width of their operands and then cut to the word; the builder chooses words that hold every result. ``U32`` are
unsigned words, for random bits; FLT is the float type of the operands.
"""
from __future__ import annotations

import ast
from functools import partial
from typing import Callable, Sequence

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from . import lane_order
from .lanes import Context, Element, Intrinsic, Kind, Lanes, Signature, cast, count_of, element_of, joined, lanes_type, repeat

Emit = Callable[..., ir.Value]      # of a builder and operands
Choose = Callable[[Sequence[Kind]], tuple[Element, Element]]
_WORDS: dict[int, Element] = {16: types.int16, 32: types.int32, 64: types.int64}


def _llvm(name: str, builder: ir.IRBuilder, x: ir.Value, *others: ir.Value) -> ir.Value:
    """An LLVM intrinsic on words or floats. (Compare and select would do too, but can send LLVM 20 into an endless loop.)"""
    suffix = _name(x.type)
    kind = ir.FunctionType(x.type, [x.type, *(other.type for other in others)])
    return builder.call(builder.module.globals.get(f"llvm.{name}.{suffix}") or ir.Function(builder.module, kind, f"llvm.{name}.{suffix}"),
                        [x, *others])


def _name(kind: ir.Type) -> str:
    if isinstance(kind, ir.VectorType):
        return f"v{kind.count}{_name(kind.element)}"
    return {"float": "f32", "double": "f64"}.get(str(kind), str(kind))


def _magnitude(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    return _llvm("abs", builder, x, ir.Constant(ir.IntType(1), 0))


_MODULAR: dict[str, Emit] = {"add": lambda b, x, y: b.add(x, y), "sub": lambda b, x, y: b.sub(x, y), "mul": lambda b, x, y: b.mul(x, y),
            "shl": lambda b, x, y: b.shl(x, y), "and": lambda b, x, y: b.and_(x, y), "neg": lambda b, x: b.neg(x)}
_SATURATING: dict[str, Emit] = {"ads": partial(_llvm, "sadd.sat")}
_EXACT: dict[str, Emit] = {"shr": lambda b, x, y: b.ashr(x, y), "min": partial(_llvm, "smin"), "max": partial(_llvm, "smax"), "abs": _magnitude}
_UNSIGNED: dict[str, Emit] = {**_MODULAR, "or": lambda b, x, y: b.or_(x, y), "xor": lambda b, x, y: b.xor(x, y), "shr": lambda b, x, y: b.lshr(x, y)}
_FLOAT: dict[str, Emit] = {"add": lambda b, x, y: b.fadd(x, y), "sub": lambda b, x, y: b.fsub(x, y), "mul": lambda b, x, y: b.fmul(x, y),
          "div": lambda b, x, y: b.fdiv(x, y), "neg": lambda b, x: b.fneg(x), "abs": partial(_llvm, "fabs"),
          "min": lambda b, x, y: b.select(b.fcmp_ordered("<", x, y), x, y), "max": lambda b, x, y: b.select(b.fcmp_ordered(">", x, y), x, y)}

NAMES = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.LShift: "shl", ast.RShift: "shr", ast.BitAnd: "and", ast.BitOr: "or",
         ast.BitXor: "xor", ast.Div: "div", ast.USub: "neg", "min": "min", "max": "max", "abs": "abs",
         "saturating sum": "ads", "saturating cut": "cut16", "fused": ""}
"""Syntax (or builtin) -> name of the operation; ``//`` has none. The last ones: operations for which Python has no syntax are there."""


def _word_type(result: Element, exact: bool) -> Choose:
    """Types of an operation on words: what it returns, and what it computes in."""
    def choose(kinds: Sequence[Kind]) -> tuple[Element, Element]:
        elements = [element_of(kind) for kind in kinds]
        width = max([result.bitwidth, *(e.bitwidth + (not e.signed) for e in elements)]) if exact else result.bitwidth
        return result, next(word for bits, word in _WORDS.items() if bits >= width)
    return choose


def _float_type(kinds: Sequence[Kind]) -> tuple[Element, Element]:
    found = next(element_of(kind) for kind in kinds if isinstance(element_of(kind), types.Float))
    return found, found


def _unsigned_type(_: Sequence[Kind]) -> tuple[Element, Element]:
    return types.uint32, types.uint32


def _operation(emit: Emit, choose: Choose, one: bool) -> Callable:
    def make(kinds: Sequence[Kind]) -> Intrinsic:
        result, work = choose(kinds)
        count = count_of(*kinds)

        def codegen(context: Context, builder: ir.IRBuilder, signature: Signature, values: Sequence[ir.Value]) -> ir.Value:
            operands = [cast(context, builder, value, kind, work, count) for value, kind in zip(values, signature.args)]
            return cast(context, builder, emit(builder, *operands), lanes_type(work, count), result, count, fits=True)
        return lanes_type(result, count)(*kinds), codegen

    if one:
        @intrinsic
        def operation(context: Context, x: Kind) -> Intrinsic:
            return make((x,))
    else:
        @intrinsic
        def operation(context: Context, x: Kind, y: Kind) -> Intrinsic:
            return make((x, y))
    return operation


def _truth(context: Context, builder: ir.IRBuilder, operator: str, x: ir.Value, y: ir.Value, element: Element, count: int) -> ir.Value:
    """A comparison as 0 or 1 in words of 16 bits."""
    if isinstance(element, types.Float):
        return builder.zext(builder.fcmp_ordered(operator, x, y), context.get_value_type(lanes_type(types.int16, count)))
    found = builder.icmp_signed(operator, x, y)
    if count == 1:
        return builder.zext(found, context.get_value_type(types.int16))
    mask = cast(context, builder, builder.sext(found, x.type), lanes_type(element, count), types.int16, count, fits=True)
    return builder.and_(mask, ir.Constant(mask.type, [1] * count))


def _with_zero(operator: str) -> Callable:
    @intrinsic
    def compare(context: Context, x: Kind) -> Intrinsic:
        def codegen(context: Context, builder: ir.IRBuilder, signature: Signature, values: Sequence[ir.Value]) -> ir.Value:
            (value,), element = values, element_of(x)
            if element == types.int32 and _unpacked(value):     # clipped, which leaves the sign: half as many comparisons
                value, element = lane_order.narrow(builder, value, True), types.int16
            return _truth(context, builder, operator, value, ir.Constant(value.type, None), element, count_of(x))
        return lanes_type(types.int16, count_of(x))(x), codegen
    return compare


positive, zero = _with_zero(">"), _with_zero("==")
"""1 where x > 0, or x == 0; else 0."""


@intrinsic
def less(context: Context, x: Kind, y: Kind) -> Intrinsic:
    """1 where x < y, else 0, of integers."""
    work = _word_type(types.int16, True)((x, y))[1]
    count = count_of(x, y)

    def codegen(context: Context, builder: ir.IRBuilder, signature: Signature, values: Sequence[ir.Value]) -> ir.Value:
        operands = [cast(context, builder, value, kind, work, count) for value, kind in zip(values, signature.args)]
        return _truth(context, builder, "<", operands[0], operands[1], work, count)
    return lanes_type(types.int16, count)(x, y), codegen


@intrinsic
def unsigned(context: Context, x: Kind) -> Intrinsic:
    """A scalar as an unsigned word of 32 bits; lanes of them as they are."""
    count = count_of(x)

    def codegen(context: Context, builder: ir.IRBuilder, signature: Signature, values: Sequence[ir.Value]) -> ir.Value:
        return cast(context, builder, values[0], x, types.uint32, count)
    return lanes_type(types.uint32, count)(x), codegen


@intrinsic
def signed(context: Context, x: Kind) -> Intrinsic:
    """Words of 32 bits taken as signed ones: random bits, of which there are 31."""
    return lanes_type(types.int32, count_of(x))(x), lambda context, builder, signature, values: values[0]


@intrinsic
def all_at_most(context: Context, x: Kind, limit: Kind) -> Intrinsic:
    """Whether x <= limit in all lanes."""
    count = count_of(x)

    def codegen(context: Context, builder: ir.IRBuilder, signature: Signature, values: Sequence[ir.Value]) -> ir.Value:
        beyond = builder.icmp_signed(">", values[0], cast(context, builder, values[1], signature.args[1], element_of(x), count))
        if count > 1:
            beyond = builder.icmp_unsigned("!=", builder.bitcast(beyond, ir.IntType(count)), ir.Constant(ir.IntType(count), 0))
        return builder.not_(beyond)
    return types.boolean(x, limit), codegen


@intrinsic
def cut16(context: Context, x: Kind) -> Intrinsic:
    """Words of 32 bits as words of 16 bits, clipped where those end."""
    count = count_of(x)

    def codegen(context: Context, builder: ir.IRBuilder, signature: Signature, values: Sequence[ir.Value]) -> ir.Value:
        value = cast(context, builder, values[0], x, types.int32, count)
        if count == 1 or not lane_order.unpacked(count):
            ends = [context.get_constant(types.int32, end) for end in (-(1 << 15), (1 << 15) - 1)]
            low, high = (repeat(builder, end, count) if count > 1 else end for end in ends)
            value = _llvm("smin", builder, _llvm("smax", builder, value, low), high)
        return cast(context, builder, value, lanes_type(types.int32, count), types.int16, count, fits=True)
    return lanes_type(types.int16, count)(x), codegen


def _unpacked(x: ir.Value) -> bool:
    return isinstance(x.type, ir.VectorType) and lane_order.unpacked(x.type.count)


def _product(builder: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
    """The high 16 bits of products of 16-bit words."""
    wide = ir.VectorType(ir.IntType(32), x.type.count) if isinstance(x.type, ir.VectorType) else ir.IntType(32)
    sixteen = ir.Constant(wide, [16] * x.type.count) if isinstance(x.type, ir.VectorType) else ir.Constant(wide, 16)
    return builder.trunc(builder.ashr(builder.mul(builder.sext(x, wide), builder.sext(y, wide)), sixteen), x.type)


def _multiplied(builder: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
    """Products of 16-bit words, in words of 32 bits."""
    if _unpacked(x):
        return lane_order.interleave(builder, builder.mul(x, y), _product(builder, x, y))
    wide = ir.VectorType(ir.IntType(32), x.type.count) if isinstance(x.type, ir.VectorType) else ir.IntType(32)
    return builder.mul(builder.sext(x, wide), builder.sext(y, wide))


def _pairs(builder: ir.IRBuilder, a: ir.Value, b: ir.Value) -> ir.Value:
    """a and b alternating: what a product of pairs takes, in the order that it takes."""
    if _unpacked(a):
        return lane_order.pairs(builder, a, b)
    if not isinstance(a.type, ir.VectorType):
        return joined(builder, [a, b])
    count = a.type.count
    order = ir.Constant(ir.VectorType(ir.IntType(32), 2 * count), [place for lane in range(count) for place in (lane, count + lane)])
    return builder.shuffle_vector(a, b, order)


def _dot(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, c: ir.Value, d: ir.Value) -> ir.Value:
    if _unpacked(a):
        return lane_order.dot_pairs(builder, _pairs(builder, a, c), _pairs(builder, b, d))
    return builder.add(_multiplied(builder, a, b), _multiplied(builder, c, d))


def _rounded_product(builder: ir.IRBuilder, a: ir.Value, b: ir.Value) -> ir.Value:
    if isinstance(a.type, ir.VectorType) and lane_order.rounds(a.type.count):
        return lane_order.multiply_round(builder, a, b)
    product = _multiplied(builder, a, b)
    half, fifteen = (ir.Constant(product.type, [n] * product.type.count if isinstance(product.type, ir.VectorType) else n) for n in (1 << 14, 15))
    return builder.trunc(builder.ashr(builder.add(product, half), fifteen), a.type)


def _of_narrow(emit: Emit, result: Element, operands: int, width: int = 1) -> Callable:
    """An operation on words of 16 bits; ``width``: elements of the result for each lane."""
    def make(kinds: Sequence[Kind]) -> Intrinsic:
        count = count_of(*kinds)

        def codegen(context: Context, builder: ir.IRBuilder, signature: Signature, values: Sequence[ir.Value]) -> ir.Value:
            return emit(builder, *(cast(context, builder, value, kind, types.int16, count) for value, kind in zip(values, signature.args)))
        return lanes_type(result, width * count)(*kinds), codegen

    if operands == 2:
        @intrinsic
        def operation(context: Context, x: Kind, y: Kind) -> Intrinsic:
            return make((x, y))
    else:
        @intrinsic
        def operation(context: Context, a: Kind, b: Kind, c: Kind, d: Kind) -> Intrinsic:
            return make((a, b, c, d))
    return operation


@intrinsic
def narrowmul32(context: Context, x: Kind, y: Kind) -> Intrinsic:
    """x y, of words of 16 bits; where one is a scalar, as a product of pairs of which the second is zero: sums take it in."""
    count, scalar = count_of(x, y), not (isinstance(x, Lanes) and isinstance(y, Lanes))

    def codegen(context: Context, builder: ir.IRBuilder, signature: Signature, values: Sequence[ir.Value]) -> ir.Value:
        x, y = (cast(context, builder, value, kind, types.int16, count) for value, kind in zip(values, signature.args))
        if scalar and _unpacked(x):
            zeros = ir.Constant(x.type, None)
            return _dot(builder, x, y, zeros, zeros)
        return _multiplied(builder, x, y)
    return lanes_type(types.int32, count)(x, y), codegen


@intrinsic
def dotpair32(context: Context, pairs: Kind, c: Kind, d: Kind) -> Intrinsic:
    """a c + b d, of words of 16 bits, for ``pairs`` of a and b."""
    count = count_of(c, d)

    def codegen(context: Context, builder: ir.IRBuilder, signature: Signature, values: Sequence[ir.Value]) -> ir.Value:
        kinds = signature.args
        c, d = (cast(context, builder, value, kind, types.int16, count) for value, kind in zip(values[1:], kinds[1:]))
        if _unpacked(c):
            return lane_order.dot_pairs(builder, values[0], lane_order.pairs(builder, c, d))
        return _dot(builder, _every_second(builder, values[0], 0, count), c, _every_second(builder, values[0], 1, count), d)
    return lanes_type(types.int32, count)(pairs, c, d), codegen


def _every_second(builder: ir.IRBuilder, x: ir.Value, first: int, count: int) -> ir.Value:
    if count == 1:
        return builder.extract_element(x, ir.Constant(ir.IntType(32), first))
    return builder.shuffle_vector(x, x, ir.Constant(ir.VectorType(ir.IntType(32), count), [first + 2 * lane for lane in range(count)]))


FUSED = {"mulhi16": _of_narrow(_product, types.int16, 2), "mullo16": _of_narrow(_MODULAR["mul"], types.int16, 2),
         "mulround16": _of_narrow(_rounded_product, types.int16, 2),
         "narrowmul32": narrowmul32, "dot32": _of_narrow(_dot, types.int32, 4),
         "pair16": _of_narrow(_pairs, types.int16, 2, 2), "dotpair32": dotpair32, "cut16": cut16}
"""Of words of 16 bits: mulhi16(a, b) = a b >> 16, mullo16(a, b) the 16 bits below (as a signed word),
mulround16(a, b) = (a b + 2**14) >> 15, narrowmul32(a, b) = a b,
dot32(a, b, c, d) = a b + c d; pair16(a, b) are pairs for dotpair32."""

OPERATIONS = {
    **FUSED,
    **{f"{name}{bits}": _operation(emit, _word_type(word, table is _EXACT), name in ("neg", "abs"))
       for table in (_MODULAR, _EXACT, _SATURATING) for name, emit in table.items() for bits, word in _WORDS.items()},
    **{f"{name}U32": _operation(emit, _unsigned_type, name == "neg") for name, emit in _UNSIGNED.items()},
    **{f"{name}FLT": _operation(emit, _float_type, name in ("neg", "abs")) for name, emit in _FLOAT.items()}}
globals().update(OPERATIONS)

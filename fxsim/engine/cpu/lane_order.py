"""The order of lanes in registers of processors with AVX2 or AVX-512, and the conversions that it makes cheap.

A register is several pieces of 128 bits, and crossing them costs several times what stays within: turning lanes of 16 bits into
32 bits and back in their natural order takes many crossings. So words of 32 and 64 bits are held in *unpacked order*: of as many lanes
as fill a register with words of 16 bits (a group), the first four of every eight come first, then the others. That is what the instructions
that unpack and pack 16-bit words within pieces make and take. Arrays are in natural order: loads and stores of wide words, which are rarer,
cross. Other processors, and vectors that are no multiple of a group, keep the natural order everywhere.
"""
from __future__ import annotations

from functools import lru_cache
from typing import Sequence

from llvmlite import binding, ir
from numba.core import config

I16, I32 = ir.IntType(16), ir.IntType(32)
PIECE = 8       # lanes of 16 bits in a piece of a register
PACK_SIGNED = {16: "llvm.x86.avx2.packssdw", 32: "llvm.x86.avx512.packssdw.512"}
PACK_UNSIGNED = {16: "llvm.x86.avx2.packusdw", 32: "llvm.x86.avx512.packusdw.512"}
MULTIPLY_PAIRS = {16: "llvm.x86.avx2.pmadd.wd", 32: "llvm.x86.avx512.pmaddw.d.512"}
MULTIPLY_ROUND = {8: "llvm.x86.ssse3.pmul.hr.sw.128", 16: "llvm.x86.avx2.pmul.hr.sw", 32: "llvm.x86.avx512.pmul.hr.sw.512"}
"""Lanes of 16 bits -> the instruction."""


@lru_cache(maxsize=1)
def group() -> int:
    """Lanes of 16 bits in a register of the processor that Numba compiles for, if it has the instructions; else 0."""
    features = getattr(config, "CPU_FEATURES", None)        # NUMBA_CPU_FEATURES, or NUMBA_CPU_NAME=generic
    if features is None:
        try:
            features = binding.get_host_cpu_features().flatten()
        except RuntimeError:        # LLVM cannot tell on some systems
            features = ""
    has = features.split(",")
    return 32 if "+avx512bw" in has else 16 if "+avx2" in has else 0


def unpacked(count: int) -> bool:
    """Whether wide words of ``count`` lanes are held in unpacked order."""
    return group() > 0 and count % group() == 0


def rounds(count: int) -> bool:
    """Whether :func:`multiply_round` takes ``count`` lanes."""
    return group() > 0 and min(count, group()) in MULTIPLY_ROUND


def _shuffle(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, indices: Sequence[int]) -> ir.Value:
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(I32, len(indices)), list(indices)))


def parts(builder: ir.IRBuilder, x: ir.Value, size: int) -> list[ir.Value]:
    """x cut into vectors of ``size`` lanes."""
    if x.type.count == size:
        return [x]
    return [_shuffle(builder, x, x, range(start, start + size)) for start in range(0, x.type.count, size)]


def whole(builder: ir.IRBuilder, parts: list[ir.Value]) -> ir.Value:
    """Vectors one after the other as one (a power of two of them)."""
    while len(parts) > 1:
        parts = [_shuffle(builder, a, b, range(2 * a.type.count)) for a, b in zip(parts[::2], parts[1::2])]
    return parts[0]


def _instruction(builder: ir.IRBuilder, name: str, result: ir.Type, *operands: ir.Value) -> ir.Value:
    kind = ir.FunctionType(result, [operand.type for operand in operands])
    return builder.call(builder.module.globals.get(name) or ir.Function(builder.module, kind, name), operands)


def _order(count: int) -> list[int]:
    """Where the lanes in unpacked order are in natural order."""
    return [start + piece + first + i for start in range(0, count, group()) for first in (0, PIECE // 2)
            for piece in range(0, group(), PIECE) for i in range(PIECE // 2)]


def to_unpacked(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """Natural to unpacked order."""
    return _shuffle(builder, x, x, _order(x.type.count))


def to_natural(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """And back."""
    order = _order(x.type.count)
    return _shuffle(builder, x, x, sorted(range(len(order)), key=order.__getitem__))


def beside(builder: ir.IRBuilder, a: ir.Value, b: ir.Value) -> ir.Value:
    """The lower half of a and the upper half of b: blending takes half of what inserting one half takes."""
    half = a.type.count // 2
    return _shuffle(builder, a, b, [*range(half), *range(3 * half, 4 * half)])


def _words(count: int) -> ir.Type:
    return ir.VectorType(I32, count)


def interleave(builder: ir.IRBuilder, low: ir.Value, high: ir.Value) -> ir.Value:
    """Words of 16 bits, as the low and the high halves of words of 32 bits in unpacked order."""
    size = group()
    words: list[ir.Value] = []
    for a, b in zip(parts(builder, low, size), parts(builder, high, size)):
        for first in (0, PIECE // 2):
            places = [piece + first + i for piece in range(0, size, PIECE) for i in range(PIECE // 2)]
            words.append(builder.bitcast(_shuffle(builder, a, b, [p for place in places for p in (place, size + place)]), _words(size // 2)))
    return whole(builder, words)


def widen(builder: ir.IRBuilder, x: ir.Value, signed: bool) -> ir.Value:
    """Words of 16 bits in natural order as words of 32 bits in unpacked order."""
    zeros = ir.Constant(x.type, None)
    return interleave(builder, x, builder.sext(builder.icmp_signed("<", x, zeros), x.type) if signed else zeros)


def narrow(builder: ir.IRBuilder, x: ir.Value, signed: bool) -> ir.Value:
    """The inverse, for values that fit: signed or unsigned words of 16 bits."""
    name, kind = (PACK_SIGNED if signed else PACK_UNSIGNED)[group()], ir.VectorType(I16, group())
    halves = parts(builder, x, group() // 2)
    return whole(builder, [_instruction(builder, name, kind, *both) for both in zip(halves[::2], halves[1::2])])


def truncate(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """The low 16 bits of words of 32 bits."""
    return narrow(builder, builder.and_(x, ir.Constant(x.type, [0xFFFF] * x.type.count)), False)


def pairs(builder: ir.IRBuilder, a: ir.Value, b: ir.Value) -> ir.Value:
    """Words of 16 bits, each of a beside its one of b, in the order that :func:`dot_pairs` takes."""
    return builder.bitcast(interleave(builder, a, b), ir.VectorType(I16, 2 * a.type.count))


def dot_pairs(builder: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
    """Sums of the products of pairs, in words of 32 bits: one instruction for half a group."""
    halves = zip(parts(builder, x, group()), parts(builder, y, group()))
    return whole(builder, [_instruction(builder, MULTIPLY_PAIRS[group()], _words(group() // 2), *both) for both in halves])


def multiply_round(builder: ir.IRBuilder, a: ir.Value, b: ir.Value) -> ir.Value:
    """(a b + 2**14) >> 15 of words of 16 bits, in one instruction for a group or less."""
    size = min(a.type.count, group())
    factors = zip(parts(builder, a, size), parts(builder, b, size))
    return whole(builder, [_instruction(builder, MULTIPLY_ROUND[size], both[0].type, *both) for both in factors])

"""The order of lanes in registers of processors with AVX2, and the conversions that it makes cheap.

A register of 256 bits is two halves, and crossing them costs several times what stays within: turning 16 lanes of 16 bits into
32 bits and back in their natural order takes five crossings. So words of 32 and 64 bits are held in *unpacked order*: of each
16 lanes, 0-3 and 8-11 come first, then 4-7 and 12-15. That is what the instructions that unpack and pack 16-bit words within halves
make and take. Arrays are in natural order: loads and stores of wide words, which are rarer, cross. Other processors, and vectors that
are no multiple of 16 lanes, keep the natural order everywhere.
"""
from __future__ import annotations

from functools import lru_cache

from llvmlite import binding, ir

GROUP = 16
I8, I16, I32 = (ir.IntType(bits) for bits in (8, 16, 32))
HALF = ir.VectorType(I32, GROUP // 2)


@lru_cache(maxsize=1)
def host_unpacks() -> bool:
    """Whether this processor has the instructions."""
    try:
        return bool(binding.get_host_cpu_features().get("avx2"))
    except RuntimeError:        # LLVM cannot tell on some systems
        return False


def unpacked(count: int) -> bool:
    """Whether wide words of ``count`` lanes are held in unpacked order."""
    return count % GROUP == 0 and host_unpacks()


def _shuffle(builder, a, b, indices):
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(I32, len(indices)), list(indices)))


def parts(builder, x, size: int) -> list:
    """x cut into vectors of ``size`` lanes."""
    if x.type.count == size:
        return [x]
    return [_shuffle(builder, x, x, range(start, start + size)) for start in range(0, x.type.count, size)]


def whole(builder, parts: list):
    """Vectors one after the other as one (a power of two of them)."""
    while len(parts) > 1:
        parts = [_shuffle(builder, a, b, range(2 * a.type.count)) for a, b in zip(parts[::2], parts[1::2])]
    return parts[0]


def _instruction(builder, name: str, result: ir.Type, *operands):
    kind = ir.FunctionType(result, [operand.type for operand in operands])
    return builder.call(builder.module.globals.get(name) or ir.Function(builder.module, kind, name), operands)


def reorder(builder, x):
    """Natural to unpacked order, and back: the same exchange."""
    order = [start + i for start in range(0, x.type.count, GROUP) for i in (*range(4), *range(8, 12), *range(4, 8), *range(12, 16))]
    return _shuffle(builder, x, x, order)


def beside(builder, a, b):
    """The lower half of a and the upper half of b: blending takes half of what inserting one half takes."""
    half = a.type.count // 2
    return _shuffle(builder, a, b, [*range(half), *range(3 * half, 4 * half)])


def interleave(builder, low, high):
    """Words of 16 bits, as the low and the high halves of words of 32 bits in unpacked order."""
    words = []
    for a, b in zip(parts(builder, low, GROUP), parts(builder, high, GROUP)):
        for first in (0, 4):
            places = [start + first + i for start in (0, 8) for i in range(4)]
            words.append(builder.bitcast(_shuffle(builder, a, b, [p for place in places for p in (place, GROUP + place)]), HALF))
    return whole(builder, words)


def widen(builder, x, signed: bool):
    """Words of 16 bits in natural order as words of 32 bits in unpacked order."""
    zeros = ir.Constant(x.type, None)
    return interleave(builder, x, builder.sext(builder.icmp_signed("<", x, zeros), x.type) if signed else zeros)


def narrow(builder, x, signed: bool):
    """The inverse, for values that fit: signed or unsigned words of 16 bits."""
    name, kind = "llvm.x86.avx2.packssdw" if signed else "llvm.x86.avx2.packusdw", ir.VectorType(I16, GROUP)
    halves = parts(builder, x, GROUP // 2)
    return whole(builder, [_instruction(builder, name, kind, *both) for both in zip(halves[::2], halves[1::2])])


def truncate(builder, x):
    """The low 16 bits of words of 32 bits."""
    return narrow(builder, builder.and_(x, ir.Constant(x.type, [0xFFFF] * x.type.count)), False)


def pairs(builder, a, b):
    """Words of 16 bits, each of a beside its one of b, in the order that :func:`dot_pairs` takes."""
    return builder.bitcast(interleave(builder, a, b), ir.VectorType(I16, 2 * a.type.count))


def dot_pairs(builder, x, y):
    """Sums of the products of pairs, in words of 32 bits: one instruction for 8 lanes."""
    halves = zip(parts(builder, x, GROUP), parts(builder, y, GROUP))
    return whole(builder, [_instruction(builder, "llvm.x86.avx2.pmadd.wd", HALF, *both) for both in halves])


def multiply_round(builder, a, b):
    """(a b + 2**14) >> 15 of words of 16 bits, in one instruction for 16 (or 8) lanes."""
    size = min(a.type.count, GROUP)
    name = "llvm.x86.avx2.pmul.hr.sw" if size == GROUP else "llvm.x86.ssse3.pmul.hr.sw.128"
    factors = zip(parts(builder, a, size), parts(builder, b, size))
    return whole(builder, [_instruction(builder, name, both[0].type, *both) for both in factors])

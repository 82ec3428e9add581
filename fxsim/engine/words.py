"""Integer operations in words of 16, 32 and 64 bits, for the CPU kernels: ``add16(a, b)``, ``mul32(a, b)``, ...

Numba computes ``int16 + int16`` in 64 bits, and LLVM cannot always take that back: sums of rounded products would be computed
in four times as many vector registers as they need. These operations have the width that their name says. Shifts to the
right, minimum, maximum and abs are taken in the width of their operands and then cut to the word; the builder chooses
words that hold every result.
"""
from __future__ import annotations

import ast
from functools import partial

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

_WORDS = {16: types.int16, 32: types.int32, 64: types.int64}


def _llvm(name: str, builder, x, *others):
    """An LLVM intrinsic on words. (Compare and select would do too, but can send LLVM 20 into an endless loop.)"""
    kind = ir.FunctionType(x.type, [x.type, *(other.type for other in others)])
    return builder.call(builder.module.declare_intrinsic(f"llvm.{name}", [x.type], kind), [x, *others])


def _magnitude(builder, x):
    return _llvm("abs", builder, x, ir.Constant(ir.IntType(1), 0))


_MODULAR = {"add": lambda b, x, y: b.add(x, y), "sub": lambda b, x, y: b.sub(x, y), "mul": lambda b, x, y: b.mul(x, y),
            "shl": lambda b, x, y: b.shl(x, y), "and": lambda b, x, y: b.and_(x, y), "neg": lambda b, x: b.neg(x)}
_EXACT = {"shr": lambda b, x, y: b.ashr(x, y), "min": partial(_llvm, "smin"), "max": partial(_llvm, "smax"), "abs": _magnitude}

NAMES = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.LShift: "shl", ast.RShift: "shr", ast.BitAnd: "and", ast.USub: "neg",
         "min": "min", "max": "max", "abs": "abs"}
"""Syntax (or builtin) -> name of the operation; ``//`` has none."""


def _operation(emit, result: types.Integer, exact: bool, one: bool):
    def make(arguments):
        width = max([result.bitwidth, *(a.bitwidth for a in arguments if isinstance(a, types.Integer))]) if exact else result.bitwidth
        work = next(word for bits, word in _WORDS.items() if bits >= width)

        def codegen(context, builder, signature, values):
            operands = [context.cast(builder, value, kind, work) for value, kind in zip(values, signature.args)]
            return context.cast(builder, emit(builder, *operands), work, result)
        return result(*arguments), codegen

    if one:
        @intrinsic
        def operation(context, x):
            return make((x,))
    else:
        @intrinsic
        def operation(context, x, y):
            return make((x, y))
    return operation


OPERATIONS = {f"{name}{bits}": _operation(emit, word, table is _EXACT, name in ("neg", "abs"))
              for table in (_MODULAR, _EXACT) for name, emit in table.items() for bits, word in _WORDS.items()}
globals().update(OPERATIONS)

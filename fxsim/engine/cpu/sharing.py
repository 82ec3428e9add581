"""What threads that share the synapses of a block tell each other, in memory: 64-bit words that only these operations touch meanwhile."""
from __future__ import annotations

import platform
from typing import Sequence

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fxsim.files.machine_code import folder_digest, kept

from .lanes import Context, Intrinsic, Kind, Signature, address

PATIENCE = 10_000       # looks at a word, some 0.2 ms, before the thread sleeps: on a busy machine the others may need its core
NAP = 50                # microseconds
_sleep = types.ExternalFunction("usleep", types.int32(types.uint32))        # POSIX


def _pointer(context: Context, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]) -> ir.Value:
    index = context.cast(builder, arguments[1], signature.args[1], types.intp)
    return address(context, builder, signature.args[0], arguments[0], index)


@intrinsic
def claim(context: Context, array: Kind, index: Kind) -> Intrinsic:
    """Add one to array[index]; what was there before. Of threads that do it at the same time only one finds a zero."""
    def codegen(context: Context, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]) -> ir.Value:
        pointer = _pointer(context, builder, signature, arguments)
        return builder.atomic_rmw("add", pointer, ir.Constant(pointer.type.pointee, 1), "acq_rel")
    return array.dtype(array, index), codegen


@intrinsic
def tell(context: Context, array: Kind, index: Kind, value: Kind) -> Intrinsic:
    """array[index] = value; who sees it sees all that was written before."""
    def codegen(context: Context, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]) -> ir.Value:
        value = context.cast(builder, arguments[2], signature.args[2], signature.args[0].dtype)
        builder.store_atomic(value, _pointer(context, builder, signature, arguments), "release", 8)
        return context.get_dummy_value()
    return types.void(array, index, value), codegen


@intrinsic
def look(context: Context, array: Kind, index: Kind) -> Intrinsic:
    """array[index]; see :func:`tell`."""
    def codegen(context: Context, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]) -> ir.Value:
        return builder.load_atomic(_pointer(context, builder, signature, arguments), "acquire", 8)
    return array.dtype(array, index), codegen


@intrinsic
def rest(context: Context) -> Intrinsic:
    """A few cycles of doing nothing, for the other thread of a core."""
    def codegen(context: Context, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]) -> ir.Value:
        if platform.machine().lower() in ("x86_64", "amd64"):
            pause = "llvm.x86.sse2.pause"
            builder.call(builder.module.globals.get(pause) or ir.Function(builder.module, ir.FunctionType(ir.VoidType(), []), pause), [])
        return context.get_dummy_value()
    return types.void(), codegen


@kept(folder_digest(__file__), nogil=True, error_model="numpy")
def wait(array: np.ndarray, index: int, least: int) -> int:
    """Wait until array[index] is ``least`` or more; what it is then."""
    turns = 0
    while look(array, index) < least:
        turns += 1
        if turns > PATIENCE:
            _sleep(NAP)
        else:
            rest()
    return look(array, index)

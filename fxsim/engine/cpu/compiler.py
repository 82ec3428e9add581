"""How the functions of a kernel are compiled."""
from __future__ import annotations

from typing import Any

from numba.core.compiler import Compiler


class Inlined(Compiler):
    """Numba's compiler for functions that only ever are part of a kernel.

    They are told that array arguments never overlap (C's ``restrict``): without it LLVM guards each loop over lanes by
    comparisons of all addresses, which cost more than the loop. And nothing is made that only Python would call: it takes a
    third of the time. They allocate nothing, so no references are counted: each is an atomic operation.
    """

    def __init__(self, typingctx: Any, targetctx: Any, library: Any, args: tuple[Any, ...], return_type: Any, flags: Any, locals: dict[str, Any]):
        flags.noalias = True
        flags.nrt = False
        flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
        super().__init__(typingctx, targetctx, library, args, return_type, flags, locals)

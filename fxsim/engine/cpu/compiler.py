"""How the functions of a kernel are compiled."""
from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from llvmlite import binding
from numba import _dynfunc
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler


class Part(JITCodeLibrary):
    """Code that a kernel takes in whole: it is neither optimised nor translated by itself, which would take most of the time."""

    def _optimize_functions(self, ll_module: binding.ModuleRef) -> None:
        ll_module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True


def _never_called(library: Part, fndesc: Any, env: Any) -> Any:
    """What Numba knows a function by."""
    return _dynfunc.make_function(fndesc.lookup_module(), fndesc.qualname.split(".")[-1], "", 0, env, (library,))


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
        target, codegen = self.state.targetctx, targetctx.codegen()           # a copy of its own
        target.get_executable = _never_called
        target.codegen = lambda: SimpleNamespace(create_library=lambda name: Part(codegen, name))

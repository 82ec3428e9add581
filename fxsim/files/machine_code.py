"""Machine code that Numba made, kept in the project's cache."""
from __future__ import annotations

import hashlib
import pickle
import sys
from pathlib import Path
from typing import Any, Callable

import llvmlite
import numba as nb
import numpy as np
from numba.core.caching import NullCache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from .cache import cache


def kept(source: str, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """``numba.njit(**options)`` whose machine code later processes find, for functions that allocate nothing.

    source      what stands for all the text that the code is made of; code of another source is not found. See :func:`folder_digest`.
    """
    def decorate(function: Callable[..., Any]) -> Any:
        dispatcher = nb.njit(_nrt=False, **options)(function)
        dispatcher._cache = MachineCode(function, f"{source} {options}")
        return dispatcher
    return decorate


def folder_digest(file: str) -> str:
    """A ``source`` for functions of this Python file that use nothing beyond its folder."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(Path(file).parent.glob("*.py")))).hexdigest()


compiled = 0        # in this process; what LLVM takes for one, some 30 MB, it never gives back


class MachineCode(NullCache):
    """The versions of one function, in the place of Numba's own cache: that one writes beside the source, and takes what is damaged.

    An entry is named by all that the code depends on, the processor with its features included, so machines can share a directory.
    """

    def __init__(self, function: Callable[..., Any], source: str):
        self._function, self._source = function.__qualname__.replace("<locals>.", ""), source

    def load_overload(self, sig: Any, target_context: Any) -> CompileResult | None:
        # Numba's own cache calls target_context.refresh() here, which imports all that can be compiled, SciPy's linear algebra among it: half
        # of what a warm start takes. Code without Numba's runtime needs nothing of it; the compiler calls it when it compiles.
        data = cache().read(self._name(sig, target_context.codegen()))
        return None if data is None else CompileResult._rebuild(target_context, *pickle.loads(data))

    def save_overload(self, sig: Any, cres: Any) -> None:
        assert not cres.lifted and not cres.library.has_dynamic_globals, f"{self._function}: code of this process only"
        global compiled
        compiled += 1
        cache().write(self._name(sig, cres.codegen), dumps(cres._reduce()))

    def _name(self, sig: Any, codegen: Any) -> str:
        key = repr((nb.__version__, llvmlite.__version__, np.__version__, sys.version_info[:2], self._source, str(sig), codegen.magic_tuple()))
        return f"{self._function}-{hashlib.sha256(key.encode()).hexdigest()[:32]}.code"

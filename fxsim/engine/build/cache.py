"""Built modules, by their text."""
from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from types import ModuleType

from fxsim.files.cache import cache

_loaded: dict[str, ModuleType] = {}


def load_module(text: str) -> ModuleType:
    """The module that built source makes. Its text is kept in the cache for readers and tracebacks, but never read from there."""
    name = "fxsim_kernel_" + hashlib.sha256(text.encode()).hexdigest()[:24]
    if name not in _loaded:
        kept = cache()
        kept.write_text(f"{name}.py", text)
        module = ModuleType(name)
        module.__file__ = str((kept.directory or Path()) / f"{name}.py")
        sys.modules[name] = module      # machine code from the cache looks it up by name
        exec(compile(text, module.__file__, "exec"), vars(module))
        _loaded[name] = module
    return _loaded[name]

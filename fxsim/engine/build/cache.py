"""Built modules and their machine code on disk."""
from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType


def cache_directory() -> Path:
    """Where built modules and their machine code are kept: FXSIM_CACHE_DIR, the user's cache, or a temporary folder."""
    from platformdirs import user_cache_dir
    temporary = os.path.join(tempfile.gettempdir(), f"fxsim-{os.getuid()}")
    candidates = [os.environ.get("FXSIM_CACHE_DIR"), user_cache_dir("fxsim"), temporary]
    for candidate in filter(None, candidates):
        path = Path(candidate) / "kernels"
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(path, os.W_OK) and path.parent.stat().st_uid == os.getuid():      # code is loaded from here
            return path
    raise OSError("no writable cache directory; set FXSIM_CACHE_DIR")


_loaded: dict[str, ModuleType] = {}


def load_module(text: str) -> ModuleType:
    """Import built source, written to the cache first."""
    name = "fxsim_kernel_" + hashlib.sha256(text.encode()).hexdigest()[:24]
    if name not in _loaded:
        path = cache_directory() / f"{name}.py"
        if not path.exists():
            fd, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
            with os.fdopen(fd, "w") as file:
                file.write(text)
            os.replace(temporary, path)
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module      # Numba's cache looks it up by name
        spec.loader.exec_module(module)
        _loaded[name] = module
    return _loaded[name]

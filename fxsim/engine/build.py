"""Builds kernels: writes the update functions of :mod:`fxsim.steps` and a kernel template out as one Python module.

The module is ordinary source in the cache directory, named by the hash of its text, so that Numba's on-disk cache works and
anyone can read what ran.
"""
from __future__ import annotations

import ast
import hashlib
import importlib.util
import os
import sys
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType

import numpy as np

from quant import PrecisionSpec
from quant.interval import interval_max, interval_min

from .. import steps
from ..arithmetic import RATE_FRAC, Arithmetic
from ..network import Network
from .arithmetic_text import ExpandRandom, random_functions, softmax_functions, update_functions
from .plan import machine_words
from .rewrite import PassTelemetry, Unroll, unparse

GROUP_NAMES = {"soma": "SOMA", "synapse": "SYN", "signal": "SIG", "wide": "WIDE"}


@dataclass(frozen=True)
class Variant:
    """What distinguishes two builds of the same arithmetic; none of it may change a result.

    lanes       trials side by side (a multiple of 8, the lanes of a 256-bit word; 1 for records and telemetry)
    chunk       steps between two visits of a synapse
    unroll      steps of one visit whose state stays in registers; divides chunk
    record      keep every state variable of every step
    telemetry   count saturation, underflow and stalls
    """

    lanes: int = 16
    chunk: int = 32
    unroll: int = 4
    record: bool = False
    telemetry: bool = False


@lru_cache(maxsize=64)
def python_functions(spec: PrecisionSpec, diffuses: bool) -> dict:
    """The update functions for plain Python integers and intervals."""
    text = update_functions(spec, diffuses, {group: "" for group in steps.GROUPS}, decorator="")
    namespace = {"min": interval_min, "max": interval_max, "RATE_FRAC": RATE_FRAC}
    exec(compile(text, f"<{spec.name} on integers>", "exec"), namespace)
    return namespace


def words_for(arithmetic: Arithmetic, network: Network) -> dict[str, int]:
    """Machine word of each group of updates; InputError if the formats could overflow 64 bits."""
    return machine_words(python_functions(arithmetic.spec, arithmetic.learning.diffuses), arithmetic, network)


def storage(arithmetic: Arithmetic, quantity: str) -> str:
    """NumPy type that stores a quantity compactly."""
    if arithmetic.spec is None:
        return f"np.{arithmetic.kind}"
    fmt = arithmetic.spec[quantity]
    for name in ("int8", "uint8", "int16", "uint16", "int32"):
        if np.iinfo(name).min <= fmt.min_raw and fmt.max_raw <= np.iinfo(name).max:
            return f"np.{name}"
    return "np.int64"


def module_text(arithmetic: Arithmetic, network: Network, variant: Variant, template: Path) -> str:
    """Source of the kernel module for one arithmetic and template."""
    spec, diffuses = arithmetic.spec, arithmetic.learning.diffuses
    if spec:
        bits = words_for(arithmetic, network)
        words, types = {g: f"I{b}" for g, b in bits.items()}, {g: f"np.int{b}" for g, b in bits.items()}
    else:
        words, types = {g: "FLT" for g in steps.GROUPS}, {g: f"np.{arithmetic.kind}" for g in steps.GROUPS}
    header = ["import math", "import numba as nb", "import numpy as np", "",
              'inline = nb.njit(forceinline=True, error_model="numpy")',
              'compiled = nb.njit(cache=True, nogil=True, error_model="numpy")',
              "I32, I64, U32 = nb.int32, nb.int64, nb.uint32", f"FLT = nb.{arithmetic.kind if not spec else 'float64'}",
              *(f"{name} = {words[group]}" for group, name in GROUP_NAMES.items()),
              *(f"DT_{name} = {types[group]}" for group, name in GROUP_NAMES.items()),
              f"DT_H, DT_X = {storage(arithmetic, 'pseudo_derivative')}, {storage(arithmetic, 'trace')}",
              f"DT_L = {storage(arithmetic, 'modulator' if diffuses else 'learning_signal')}",
              f"LANES, CHUNK, K, M = {variant.lanes}, {variant.chunk}, {variant.unroll}, {(1 << 40) - 1}",
              f"RECORD, RATE_FRAC = {variant.record}, {RATE_FRAC}"]
    return "\n\n\n".join(["\n".join(header), random_functions(), softmax_functions(spec),
                          update_functions(spec, diffuses, words, variant.telemetry),
                          _template_text(template, variant, ExpandRandom(spec, words))]) + "\n"


def _template_text(template: Path, variant: Variant, expand: ExpandRandom) -> str:
    tree = ast.parse(template.read_text())
    tree.body = [node for node in tree.body if not isinstance(node, ast.Expr)]
    tree = expand.visit(Unroll(variant.unroll).visit(tree))
    if variant.telemetry:
        own = {n.name for n in tree.body if isinstance(n, ast.FunctionDef) and "tel" not in [a.arg for a in n.args.args]}
        updates = {name for names in steps.GROUPS.values() for name in names}
        tree = PassTelemetry(own | updates).visit(tree)
    return unparse(tree)


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


@lru_cache(maxsize=1)
def _allow_short_simd_loops() -> None:
    """Lets LLVM make SIMD code of loops over 8 lanes; by default it leaves loops of fewer than 16 turns alone."""
    from llvmlite import binding
    binding.set_option("fxsim", "--vectorizer-min-trip-count=8")


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
        _allow_short_simd_loops()
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module      # Numba's cache looks it up by name
        spec.loader.exec_module(module)
        _loaded[name] = module
    return _loaded[name]

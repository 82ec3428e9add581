"""Builds kernels: writes the update functions of :mod:`fxsim.steps` and a kernel template out as one Python module.

The module is ordinary source in the cache directory, named by the hash of its text, so that Numba's on-disk cache works and
anyone can read what ran. For integers every operation is wrapped in the machine word that the interval analysis proved
wide enough; for floats shifts vanish and every operation is wrapped in the float type.
"""
from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import os
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType

import numpy as np

from quant import PrecisionSpec
from quant import random as quant_random
from quant import rounding as quant_rounding
from quant.interval import interval_max, interval_min
from quant.quantities import INDEX

from .. import softmax, steps
from ..arithmetic import RATE_FRAC, Arithmetic
from ..network import Network
from .plan import Site, machine_words, sites

FLOAT_WORDS = {"float32": "np.float32", "float64": "np.float64"}


# ---- rewriting -------------------------------------------------------------------------------------------------------
class Rewrite(ast.NodeTransformer):
    """Wraps every operation of a function in ``word``; with floats drops shifts and makes // a division."""

    def __init__(self, word: str, floats: bool = False, rename: dict[str, str] | None = None):
        self.word, self.floats, self.rename = word, floats, rename or {}

    def _wrap(self, node):
        return ast.Call(ast.Name(self.word, ast.Load()), [node], []) if self.word else node

    def visit_FunctionDef(self, node):
        if ast.get_docstring(node):
            node.body = node.body[1:]
        node.name = self.rename.get(node.name, node.name)
        node.args.defaults = []
        node.body = [self.visit(statement) for statement in node.body]
        return node

    def visit_BinOp(self, node):
        self.generic_visit(node)
        if self.floats and isinstance(node.op, (ast.LShift, ast.RShift)):
            return node.left
        if self.floats and isinstance(node.op, ast.FloorDiv):
            node.op = ast.Div()
        return self._wrap(node)

    def visit_UnaryOp(self, node):
        self.generic_visit(node)
        return self._wrap(node)

    def visit_Constant(self, node):
        return self._wrap(node) if isinstance(node.value, int) else node

    def visit_Name(self, node):
        node.id = self.rename.get(node.id, node.id)
        return node

    def visit_Call(self, node):
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in ("min", "max", "abs"):
            return self._wrap(node)
        return node


class Unroll(ast.NodeTransformer):
    """Unrolls ``for k in UNROLL`` K times; ``reg_x[k]`` becomes the local variable ``reg_x_0``, ..."""

    def __init__(self, K: int):
        self.K, self.values = K, {}

    def visit_For(self, node):
        if not (isinstance(node.iter, ast.Name) and node.iter.id == "UNROLL"):
            return self.generic_visit(node)
        body = []
        text = ast.unparse(ast.Module(node.body, []))
        for k in range(self.K):
            self.values[node.target.id] = k
            body += [self.visit(statement) for statement in ast.parse(text).body]
        del self.values[node.target.id]
        return body

    def visit_Name(self, node):
        return ast.Constant(self.values[node.id]) if node.id in self.values else node

    def visit_Subscript(self, node):
        self.generic_visit(node)
        if isinstance(node.value, ast.Name) and node.value.id.startswith("reg_"):
            return ast.Name(f"{node.value.id}_{node.slice.value}", node.ctx)
        return node


class PassTelemetry(ast.NodeTransformer):
    """Hands the telemetry array ``tel`` through every function down to the stores."""

    def __init__(self, functions: set[str]):
        self.functions = functions

    def visit_FunctionDef(self, node):
        if "tel" not in [a.arg for a in node.args.args]:
            node.args.args.append(ast.arg("tel"))
        return self.generic_visit(node)

    def visit_Call(self, node):
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and (node.func.id in self.functions or node.func.id.startswith("store_")):
            node.args.append(ast.Name("tel", ast.Load()))
        return node


def _functions(module: ModuleType) -> list[ast.FunctionDef]:
    tree = ast.parse(inspect.getsource(module))
    return [node for node in tree.body if isinstance(node, ast.FunctionDef)]


def _unparse(nodes) -> str:
    return "\n\n".join(ast.unparse(ast.fix_missing_locations(node)) for node in nodes)


# ---- the text of the arithmetic --------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Words:
    """Names that stand for the machine words in the built text; empty: plain Python integers."""

    by_group: dict[str, str]
    floats: bool = False

    def of(self, function: str) -> str:
        return next(self.by_group[group] for group, names in steps.GROUPS.items() if function in names)

    def of_site(self, site: str) -> str:
        """Exact sums and stores live with the function of their name."""
        return self.of({"bracket": "eligibility"}.get(site, site))


def _rounding_text(words: set[str]) -> list[str]:
    """Each rounding and overflow once per machine word."""
    names = [f.name for f in _functions(quant_rounding)]
    text = []
    for word in sorted(words):
        rename = {name: f"{name}_{word or 'int'}" for name in names}
        text += ["@inline\n" + _unparse([Rewrite(word, rename=rename).visit(f)]) for f in _functions(quant_rounding)]
    return text


def _site_text(site: Site, spec: PrecisionSpec, word: str, telemetry: bool) -> list[str]:
    """Term alignment, store and random bits of one update, for integers."""
    text = []
    for term, frac in site.terms.items():
        over = frac - site.frac
        whole = f"x >> {over}" if over > 0 else f"x << {-over}"
        part = f"(x & {(1 << over) - 1}) << {site.fine - frac}" if over > 0 else "0"
        for kind, body in {"fine": f"x << {site.fine - frac}", "whole": whole, "part": part}.items():
            node = ast.parse(f"def {kind}_{site.name}_{term}(x):\n    return {body}").body[0]
            text.append("@inline\n" + _unparse([Rewrite(word).visit(node)]))
    if site.name in steps.EXACT:
        return text
    fmt, suffix = spec[site.quantity], word or "int"
    row, wrap = INDEX[site.quantity], (lambda v: f"{word}({v})") if word else str
    full = f"{fmt.rounding}_{suffix}(y, {wrap(site.shift)}, rnd, base)"
    final = f"{fmt.overflow}_{suffix}(full, {wrap(fmt.min_raw)}, {wrap(fmt.max_raw)})"
    if telemetry:
        text.append(f"@inline\ndef store_{site.name}(y, base, rnd, tel):\n    full = {full}\n    kept = {final}\n"
                    f"    tel[{row}, 0] += 1\n    tel[{row}, 1] += full != kept\n"
                    f"    tel[{row}, 2] += base == 0 and y != 0 and full == 0\n"
                    f"    tel[{row}, 3] += base != 0 and y != 0 and full == base\n"
                    f"    tel[{row}, 4] = max(tel[{row}, 4], abs(full))\n    return kept")
    else:
        text.append(f"@inline\ndef store_{site.name}(y, base, rnd):\n    full = {full}\n    return {final}")
    stochastic = fmt.rounding == "stochastic"
    text.append(f"@inline\ndef step_{site.name}(t):\n    return " + (f"step_key(U32({row}), U32(t))" if stochastic else "U32(0)"))
    text.append(f"@inline\ndef counter_{site.name}(key, element):\n    return " + ("element_key(key, U32(element))" if stochastic else "U32(0)"))
    text.append(f"@inline\ndef bits_{site.name}(stream, counter):\n    return " + wrap("random31(stream, counter)" if stochastic else "0"))
    return text


def _float_site_text(site: str, terms, telemetry: bool) -> list[str]:
    """The same names for floats: nothing is aligned, rounded or random."""
    text = []
    for term in terms:
        text += [f"@inline\ndef {kind}_{site}_{term}(x):\n    return x" for kind in ("fine", "whole")]
        text.append(f"@inline\ndef part_{site}_{term}(x):\n    return F(-0.0)")      # x + -0.0 is x, also for the compiler
    if site in steps.EXACT:
        return text
    if telemetry:
        row = INDEX[steps.STORES.get(site, site)]
        text.append(f"@inline\ndef store_{site}(y, base, rnd, tel):\n    kept = F(F(base) + F(y))\n    tel[{row}, 0] += 1\n"
                    f"    tel[{row}, 4] = max(tel[{row}, 4], abs(kept))\n    return kept")
    else:
        text.append(f"@inline\ndef store_{site}(y, base, rnd):\n    return F(F(base) + F(y))")
    text.append(f"@inline\ndef step_{site}(t):\n    return U32(0)")
    text.append(f"@inline\ndef counter_{site}(key, element):\n    return U32(0)")
    text.append(f"@inline\ndef bits_{site}(stream, counter):\n    return F(0)")
    return text


def _arithmetic_text(spec: PrecisionSpec | None, words: Words, diffuses: bool, telemetry: bool) -> str:
    text: list[str] = []
    if spec:
        text += _rounding_text(set(words.by_group.values()))
        for site in sites(spec, diffuses).values():
            text += _site_text(site, spec, words.of_site(site.name), telemetry)
    else:
        for site, terms in steps.TERMS.items():
            text += _float_site_text(site, terms, telemetry)
    for function in _functions(steps):
        node = Rewrite(words.of(function.name), words.floats).visit(function)
        if telemetry:
            node = PassTelemetry(set()).visit(node)
        text.append("@inline\n" + _unparse([node]))
    return "\n\n".join(text)


# ---- modules ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Variant:
    """What distinguishes two builds of the same arithmetic."""

    lanes: int = 8
    chunk: int = 32
    unroll: int = 8
    record: bool = False
    telemetry: bool = False


@lru_cache(maxsize=64)
def _python_functions(spec: PrecisionSpec, diffuses: bool) -> dict:
    """The update functions for plain Python integers and intervals."""
    text = _arithmetic_text(spec, Words({g: "" for g in steps.GROUPS}), diffuses, telemetry=False)
    namespace = {"inline": lambda f: f, "min": interval_min, "max": interval_max, "RATE_FRAC": RATE_FRAC}
    exec(compile(text, f"<{spec.name} on integers>", "exec"), namespace)
    return namespace


def words_for(arithmetic: Arithmetic, network: Network) -> dict[str, int]:
    """Machine word of each group of updates; InputError if the formats could overflow 64 bits."""
    return machine_words(_python_functions(arithmetic.spec, arithmetic.learning.diffuses), arithmetic, network)


def storage(spec: PrecisionSpec | None, quantity: str, kind: str) -> str:
    """NumPy type that stores a quantity compactly."""
    if spec is None:
        return FLOAT_WORDS[kind]
    fmt = spec[quantity]
    for name in ("int8", "uint8", "int16", "uint16", "int32"):
        info = np.iinfo(name)
        if info.min <= fmt.min_raw and fmt.max_raw <= info.max:
            return f"np.{name}"
    return "np.int64"


def module_text(arithmetic: Arithmetic, network: Network, variant: Variant, template: Path) -> str:
    """Source of the kernel module for one arithmetic and template."""
    spec, kind, diffuses = arithmetic.spec, arithmetic.kind, arithmetic.learning.diffuses
    if spec:
        bits = words_for(arithmetic, network)
        words = Words({group: f"I{bits[group]}" for group in steps.GROUPS})
        types = {group: f"np.int{bits[group]}" for group in steps.GROUPS}
    else:
        words = Words({group: "F" for group in steps.GROUPS}, floats=True)
        types = {group: FLOAT_WORDS[kind] for group in steps.GROUPS}
    names = {"soma": "SOMA", "synapse": "SYN", "signal": "SIG", "wide": "WIDE"}
    header = ["import math", "import numba as nb", "import numpy as np", "",
              'inline = nb.njit(forceinline=True, error_model="numpy")',
              'compiled = nb.njit(cache=True, nogil=True, error_model="numpy")',
              "I32, I64, U32 = nb.int32, nb.int64, nb.uint32"]
    header += [f"F = nb.{kind}"] if not spec else []
    header += [f"{names[g]} = {words.by_group[g]}" for g in steps.GROUPS]
    header += [f"DT_{names[g]} = {types[g]}" for g in steps.GROUPS]
    header += [f"DT_H = {storage(spec, 'pseudo_derivative', kind)}", f"DT_X = {storage(spec, 'trace', kind)}",
               f"DT_L = {storage(spec, 'modulator' if diffuses else 'learning_signal', kind)}",
               f"LANES, CHUNK, K, M = {variant.lanes}, {variant.chunk}, {variant.unroll}, {(1 << 40) - 1}",
               f"RECORD, RATE_FRAC = {variant.record}, {RATE_FRAC}"]
    hashes = "\n\n".join("@inline\n" + _unparse([Rewrite("U32").visit(f)]) for f in _functions(quant_random))
    header.append(f"M32 = U32({quant_random.M32})")
    if spec:
        frac = spec["readout"].frac_bits
        exponential = (f"EXP2 = np.array({softmax.EXP2.tolist()}, np.int64)\n\n@inline\ndef exponential(d):\n    return exp_negative(d, I64({frac}), EXP2)\n\n"
                       f"@inline\ndef quotient(p, total):\n    return I64((p << {softmax.PROBABILITY_FRAC}) // total)")
        constants = "\n".join(f"{n} = {getattr(softmax, n)}" for n in ("PROBABILITY_FRAC", "LOG2E_FRAC", "LOG2E", "TABLE_BITS", "REST_BITS"))
        scalar = next(f for f in _functions(softmax) if f.name == "exp_negative")
        exponential = constants + "\n\n@inline\n" + _unparse([Rewrite("I64").visit(scalar)]) + "\n\n" + exponential
    else:
        exponential = "@inline\ndef exponential(d):\n    return F(math.exp(-d))\n\n@inline\ndef quotient(p, total):\n    return F(p / total)"
    body = ast.parse(template.read_text())
    body.body = [node for node in body.body if not isinstance(node, ast.Expr)]
    body = Unroll(variant.unroll).visit(body)
    if variant.telemetry:
        defined = {n.name for n in body.body if isinstance(n, ast.FunctionDef) and "tel" not in [a.arg for a in n.args.args]}
        body = PassTelemetry(defined | {f.name for f in _functions(steps)}).visit(body)
    return "\n\n\n".join(["\n".join(header), hashes, exponential, _arithmetic_text(spec, words, diffuses, variant.telemetry),
                          ast.unparse(ast.fix_missing_locations(body))]) + "\n"


def cache_directory() -> Path:
    """Where built modules and their machine code are kept: FXSIM_CACHE_DIR, the user's cache, or a temporary folder."""
    from platformdirs import user_cache_dir
    candidates = [os.environ.get("FXSIM_CACHE_DIR"), user_cache_dir("fxsim"), os.path.join(tempfile.gettempdir(), f"fxsim-{os.getuid()}")]
    for candidate in filter(None, candidates):
        path = Path(candidate) / "kernels"
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(path, os.W_OK):
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
        spec.loader.exec_module(module)
        _loaded[name] = module
    return _loaded[name]

"""Builds kernels: writes the update functions of :mod:`fxsim.model.steps` and a kernel template out as one Python module.

The module is ordinary source in the cache directory, named by the hash of its text, so that Numba's on-disk cache works and
anyone can read what ran.
"""
from __future__ import annotations

import ast
import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Callable, Iterable, Mapping, NamedTuple, Protocol
from weakref import WeakKeyDictionary

import numpy as np

from fxsim.engine.interface import given
from fxsim.model import steps
from fxsim.model.arithmetic import RATE_FRAC, Arithmetic
from fxsim.model.network import Network
from quant import QUANTITIES, PrecisionSpec
from quant.interval import Interval, interval_max, interval_min

from .arithmetic_text import (
    HANDING,
    Written,
    adjoint_functions,
    multiplied,
    noted_code,
    open_functions,
    quick_gradient_functions,
    random_functions,
    softmax_functions,
    update_functions,
    written,
)
from .given import ARRAY, Numbers
from .machine_words import WORD_BITS, Words
from .plan import Proof, Ranges, partial_steps, prove, prove_split, quick_gradient, word_bits
from .random_text import Drawing, ExpandRandom
from .rewrite import PassArgument, Prune, Unroll, called, functions, unparse


@dataclass(frozen=True)
class Dialect:
    """How a backend writes functions and operations.

    header      lines that define ``inline``, ``compiled`` and the words I16, I32, I64, U32
    bits        machine words to choose from, narrowest first
    operators   see :class:`fxsim.engine.build.machine_words.Words`
    atomic      telemetry counts by atomic operations
    footer      lines after the definitions of types
    signed      what takes an unsigned word of random bits as a signed one
    unsigned    what makes an unsigned word of an element's number
    modules     files of the operations that kernels import
    """

    header: tuple[str, ...]
    bits: tuple[int, ...]
    operators: dict[object, str] = field(default_factory=dict)
    atomic: bool = False
    footer: tuple[str, ...] = ()
    signed: str = "I32"
    unsigned: str = "U32"
    modules: tuple[Path, ...] = ()


class Build(Protocol):
    """What distinguishes two builds of the same arithmetic; none of it may change a result."""

    @property
    def dialect(self) -> Dialect: ...
    @property
    def unroll(self) -> int: ...            # turns of ``for k in UNROLL``
    @property
    def telemetry(self) -> bool: ...        # count saturation, underflow and stalls
    @property
    def general(self) -> bool: ...          # the numbers of the formats are given when it runs
    @property
    def quick(self) -> tuple[int, int]: ...     # part and chunk of quick_gradient; (0, 0) without

    def constants(self) -> dict[str, object]:
        """Names that the template uses as numbers."""
        ...


_proofs: WeakKeyDictionary[Arithmetic, dict[tuple[str, bool, bool], tuple[Network, Proof]]] = WeakKeyDictionary()   # builds of an engine share them


def proof_for(arithmetic: Arithmetic, network: Network, telemetry: bool = False, general: bool = False) -> Proof:
    """Ranges of all intermediates of all updates; InputError if the formats could overflow 64 bits."""
    def make() -> Proof:
        updates = written(given(arithmetic.spec), arithmetic.learning.diffuses, telemetry, general)
        return prove(partial(_on_intervals, updates), arithmetic, network)
    return _kept(arithmetic, network, ("whole", telemetry, general), make)


def _kept(arithmetic: Arithmetic, network: Network, kind: tuple[str, bool, bool], make: Callable[[], Proof]) -> Proof:
    known = _proofs.setdefault(arithmetic, {})
    subject, proof = known.get(kind, (None, None))
    if proof is None or subject is not network:
        proof = make()
        known[kind] = network, proof
    return proof


def _on_intervals(updates: Iterable[Written], note: Callable) -> dict[str, Any]:
    namespace: dict[str, Any] = {"min": interval_min, "max": interval_max, "RATE_FRAC": RATE_FRAC, "note": note}
    for function in updates:
        exec(noted_code(function), namespace)
    return namespace


def proof_of(arithmetic: Arithmetic, network: Network, build: Build) -> Proof | None:
    """The proof that a build rests on; None for floats. Raises InputError as :func:`proof_for`."""
    spec, diffuses = arithmetic.spec, arithmetic.learning.diffuses
    if spec is None:
        return None
    proof = proof_for(arithmetic, network, build.telemetry, build.general and not build.telemetry)
    if build.telemetry:     # it tells what is rounded away
        return proof
    return _kept(arithmetic, network, ("apart", False, build.general), partial(_narrower, proof, spec, diffuses, build.general))


def _narrower(proof: Proof, spec: PrecisionSpec, diffuses: bool, general: bool) -> Proof:
    """The proof of the same functions, products of words of more than 16 bits taken apart where that saves operations of more than 32."""
    wide = [of for of in written(spec, diffuses, general=general) if of.name not in RARE and proof.wide(of.name)]
    split = {of.name: arguments for of in wide if (arguments := _wide_factors(of, proof))}
    return prove_split(partial(_on_intervals, [of._replace(split=split[of.name]) for of in wide if of.name in split]), proof, split)


def _wide_factors(of: Written, proof: Proof) -> frozenset[str]:
    limits, factors = _argument_ranges(of.name, proof), multiplied(of)
    return frozenset(name for name in factors if word_bits(*limits[name]) > WORD_BITS)


ROOT = Path(__file__).parents[3]        # of the packages
RARE = ("rate_error", "gradient_rate")      # updates at the end of a trial
COARSE = (32, 64)       # words of kernels that are given numbers, so that few of them do for all formats ...
NARROW = ("eligibility", "filtered_eligibility", "adaptation_eligibility")      # ... but for these updates, which take most of the time;
DROPPED = ("eligibility_sum",)      # and here clips that never clip are left out all the same
WIDE_STORED = ("S", "G", "GOUT")    # never kept in 16 bits there

CONSTRUCTED = ("NUM", "CURRENT", "DIRECT", "NINE", "COEFFICIENT", "WIDE", "STATE")     # types that templates also use as constructors
SUMS = (("add", "CURRENT"), ("mul", "CURRENT"), ("add", "NINE"), ("mul", "H"))     # operations that templates use on lanes: add_CURRENT(a, b), ...
SIGNED = ("int16", "int32", "int64")
INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "int64")
STORED = {"V": "membrane", "A": "adaptation", "X": "trace", "H": "pseudo_derivative", "Z": "readout_trace", "Y": "readout", "ERR": "error",
          "U": "adaptation_eligibility", "F": "filtered_eligibility", "S": "eligibility_sum", "G": "gradient", "GOUT": "gradient_out",
          "D": "rate_error", "FEEDBACK": "feedback"}

STORAGE = (*STORED, "L", "NUM", "CURRENT", "DIRECT", "NINE", "GAIN", "COEFFICIENT", "WIDE", "STATE")


def storage(values: Interval, types: tuple[str, ...] = INTEGERS) -> str:
    """The first, narrowest integer type that holds all values."""
    return next(name for name in types if np.iinfo(name).min <= values.lo and values.hi <= np.iinfo(name).max)


def stored_type(arithmetic: Arithmetic, network: Network) -> str:
    """The type that holds a value of any stored quantity."""
    if arithmetic.spec is None:
        return arithmetic.kind
    stored = [Ranges(arithmetic, network).of(quantity) for quantity in QUANTITIES]
    return storage(Interval(min(q.lo for q in stored), max(q.hi for q in stored)), SIGNED[1:])


def storage_types(arithmetic: Arithmetic, network: Network, proof: Proof | None, general: bool = False) -> dict[str, str]:
    """Element types of the kernels' arrays: DT_V, DT_A, ... L: learning signal. NUM: spikes and refractory steps, CURRENT: sums of
    weights, DIRECT: B err, NINE: sums of 3x3 cells, GAIN: of adaptation, COEFFICIENT: leaks and gains, STATE: any stored quantity, WIDE: anything."""
    if proof is None:
        return dict.fromkeys(STORAGE, arithmetic.kind)
    ranges, co, types = Ranges(arithmetic, network), arithmetic.coefficients, SIGNED if general else INTEGERS
    current = [ranges.joint_current(), ranges.current("out")]
    coefficients = [int(np.max(c, initial=0)) for c in vars(co).values()]
    signal = ranges.of("modulator" if arithmetic.learning.diffuses else "learning_signal")
    stored = {name: storage(ranges.of(quantity), types[general and name in WIDE_STORED:]) for name, quantity in STORED.items()}
    return {**stored, "L": storage(signal, types),
            "NUM": storage(Interval(0, network.constants.refractory), SIGNED),
            "CURRENT": storage(Interval(min(c.lo for c in current), max(c.hi for c in current)), SIGNED[1:]),
            "DIRECT": storage(proof.results["direct"], SIGNED[1:]), "NINE": storage(signal * 9, SIGNED[1:]),
            "GAIN": storage(ranges.up_to("adaptation_gain", co.adaptation_gain), types),
            "COEFFICIENT": storage(Interval(0, max(coefficients)), SIGNED[1:]), "WIDE": "int64",
            "STATE": stored_type(arithmetic, network)}


class Source(NamedTuple):
    """A kernel module's text, and the numbers that its kernels are given: (numbers,) int64, or None if they are all in the text."""

    text: str
    numbers: np.ndarray | None

    @property
    def given(self) -> tuple[np.ndarray, ...]:
        """What kernels are given behind their other arguments."""
        return () if self.numbers is None else (self.numbers,)


def module_text(arithmetic: Arithmetic, network: Network, build: Build, template: Path, adjoint: str = "") -> Source:
    """Source of the kernel module for one arithmetic and template. ``adjoint``: the float type of :mod:`fxsim.model.adjoint`, where that is used."""
    spec, diffuses, dialect = arithmetic.spec, arithmetic.learning.diffuses, build.dialect
    numbers = Numbers() if spec and build.general else None
    open_ = numbers is not None and build.telemetry       # one text for all formats
    proof = proof_of(arithmetic, network, build)
    words: Mapping[str, Words]
    if open_:
        words = defaultdict(lambda: Words.always("I64", dialect.operators))
    elif proof:
        words = {name: Words(ranges, dialect.bits if name in NARROW or not numbers else COARSE, dialect.operators, _argument_ranges(name, proof),
                             not numbers or name in DROPPED) for name, ranges in proof.ranges.items()}
    else:
        words = defaultdict(lambda: Words.always("FLT", dialect.operators))
    types = {**storage_types(arithmetic, network, proof, build.general), **(dict.fromkeys(STORAGE, "int64") if open_ else {})}
    together, together_lif = partial_steps(arithmetic, proof, build.unroll) if proof and not build.telemetry else (0, 0)
    quick = quick_gradient(arithmetic, proof, *build.quick) if proof and any(build.quick) and not build.telemetry else None
    constants = {"RATE_FRAC": RATE_FRAC, "PARTIAL": together, "PARTIAL_LIF": together_lif,
                 "JOINT": _joint_currents(spec, build), "QUICK": quick is not None, "FIXED": spec is not None,
                 "MOST": quick.most if quick else 0, **build.constants()}
    floats = [f"FLT = nb.{adjoint or arithmetic.kind}"] if adjoint or not spec else []
    header = [f"# operations: {_digest(dialect)}", "import math", "import numpy as np", *dialect.header, "", *floats,
              *(f"DT_{name} = np.{kind}" for name, kind in types.items()),
              *(f"{name} = {_constructor(types[name], dialect)}" for name in CONSTRUCTED),
              *(f"{operation}_{name} = {operation}{_constructor(types[name], dialect).removeprefix('I')}" for operation, name in SUMS
                if dialect.operators),
              *(f"{name} = {value!r}" for name, value in constants.items()), *dialect.footer]
    softmax = softmax_functions(spec, numbers)
    opened = [open_functions()] if open_ else []
    functions_text = update_functions(spec, diffuses, words, build.telemetry, dialect.atomic, numbers, bool(dialect.operators),
                                      proof.split if proof else {})
    updates = "\n\n\n".join([random_functions(dialect.operators), *opened, functions_text, quick_gradient_functions(quick),
                            *([adjoint_functions(dialect.operators)] if adjoint else [])])
    fixed, drawing = tuple(constants.items()), Drawing.of(spec, diffuses, numbers is not None, open_)
    updates = f"{softmax}\n\n\n{updates}"
    kernels, more = _kernels(template, build.unroll, build.telemetry, drawing, (dialect.signed, dialect.unsigned), fixed,
                             None if numbers is None else len(numbers.found))
    if numbers is not None:
        numbers.add(more)
        header += [f"# {ARRAY}[{i}]: {name}" for i, name in enumerate(numbers.names)]
    text = "\n\n\n".join(["\n".join(header), updates, kernels]) + "\n"
    return Source(text, None if numbers is None else numbers.values)


@lru_cache(maxsize=64)
def _kernels(template: Path, unroll: int, telemetry: bool, drawing: Drawing, words: tuple[str, str], constants: tuple[tuple[str, object], ...],
             first: int | None) -> tuple[str, Numbers]:
    """A template's kernels, and the numbers that they are given from number ``first`` on; None: nothing is given."""
    tree = Unroll(unroll).visit(template_tree(template))
    tree = Prune(dict(constants)).visit(ExpandRandom(drawing, *words).visit(tree))
    if telemetry:
        own = {n.name for n in tree.body if isinstance(n, ast.FunctionDef) and "tel" not in [a.arg for a in n.args.args]}
        tree = PassArgument(own | {*functions(steps)}, "tel").visit(tree)
    numbers = Numbers(first or 0)
    if first is not None:
        tree = numbers.visit(tree)
        names = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
        PassArgument(names | HANDING, ARRAY).visit_all(tree)
    return unparse(tree), numbers


def _joint_currents(spec: PrecisionSpec | None, build: Build) -> bool:
    """Whether input and recurrent currents, at the same binary point, may be one sum: not of floats, whose sums depend on the order, and not
    where telemetry tells what underflows."""
    return spec is not None and not build.telemetry and spec["weight_in"].frac_bits == spec["weight_rec"].frac_bits


def _argument_ranges(update: str, proof: Proof) -> dict[str, tuple[int, int]]:
    names = [argument.arg for argument in functions(steps)[update].args.args]
    return {name: (values.lo, values.hi) for name, values in zip(names, proof.arguments[update], strict=True)}


def _digest(dialect: Dialect) -> str:
    """Changes whenever imported operations do: kernels compiled with others must not be taken from the cache."""
    return hashlib.sha256(b"".join(file.read_bytes() for file in dialect.modules)).hexdigest()[:16]


def _constructor(kind: str, dialect: Dialect) -> str:
    """Name of the word that computes with an element type; FLT for floats."""
    if kind.startswith("float"):
        return "FLT"
    width = int(kind.lstrip("uint")) * (2 if kind.startswith("u") else 1)
    return f"I{max(width, dialect.bits[0])}"


def template_tree(template: Path) -> ast.Module:
    """A template's functions and names; those that it imports from another template, beside it or named in full, are copied, with what they call."""
    tree = ast.parse(template.read_text())
    own = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    body: list[ast.stmt] = []
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            path = template.with_name(f"{node.module}.py") if node.level else ROOT.joinpath(*(node.module or "").split(".")).with_suffix(".py")
            there = {n.name: n for n in ast.parse(path.read_text()).body if isinstance(n, ast.FunctionDef)}
            wanted = [alias.name for alias in node.names]
            for name in wanted:
                wanted += dict.fromkeys(n for n in map(called, ast.walk(there[name])) if n in there and n not in wanted and n not in own)
            body += [there[name] for name in wanted]
        elif not isinstance(node, ast.Expr):
            body.append(node)
    tree.body = body
    return tree

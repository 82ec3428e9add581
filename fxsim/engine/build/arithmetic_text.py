"""The update functions of :mod:`fxsim.model.steps` written out for one arithmetic, as source text.

``fine_``, ``whole_`` and ``part_`` terms become shifts and masks, ``store_`` becomes rounding and overflow of the format,
and every operation is wrapped in the narrowest machine word that the interval analysis has proved wide enough for it. For
floats shifts, rounding and random bits vanish.
"""
from __future__ import annotations

import ast
import textwrap
from functools import lru_cache
from types import CodeType, MappingProxyType
from typing import Mapping, NamedTuple

from fxsim.model import adjoint, softmax, steps
from fxsim.model.telemetry import Counters
from quant import PrecisionSpec, QFormat, random as quant_random, rounding as quant_rounding
from quant.quantities import INDEX

from .given import ARRAY, Numbers, given
from .machine_words import Words, Wrap
from .plan import QuickGradient, Site, sites
from .rewrite import DropBinaryPoints, Fold, Node, Note, PassArgument, Substitute, call, called, copied, functions, unparse
from .rounded_sums import BLIND, chosen_when_run, factors, products_apart, rounded, rounded_as_chosen, rounded_as_given, rounded_narrowly, shifted

LARGEST_SHIFT = 63      # of a word of 64 bits: more shift nothing else out

SYNAPSE = ("eligibility", "filtered_eligibility", "adaptation_eligibility", "eligibility_sum", "gradient")
"""Updates of each synapse at each step, where most of the time goes: their roundings are written into every kernel."""

KINDS = ("fine", "whole", "part")       # of terms

HANDING = frozenset({*functions(steps), "exponential"})
"""Functions that hand on the numbers that a general kernel is given."""


class ExpandTerms(ast.NodeTransformer):
    """fine_<site>_<term>(x) and its kin -> shifts and masks (just x, or 0 for a part, without formats).

    ``general``: by how much is a number that the kernel is given; only the direction, and whether there is a shift, is written into it.
    ``open_``: so is the direction.
    """

    def __init__(self, table: dict[str, Site] | None, general: bool = False, open_: bool = False):
        self.table, self.general, self.open = table, general, open_

    def visit_Call(self, node: Node) -> Node:
        self.generic_visit(node)
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        kind, _, rest = name.partition("_")
        if kind not in KINDS:
            return node
        x = node.args[0]
        if self.table is None:
            return ast.Constant(0) if kind == "part" else x
        site = next(s for s in self.table.values() if rest.startswith(s.name + "_") and rest[len(s.name) + 1:] in s.terms)
        term = rest[len(site.name) + 1:]
        frac = site.terms[term]
        over = frac - site.frac
        if self.open:
            return self._open(x, kind, site.fine - frac, over, rest)
        finer = site.fine > frac or self.general and site.name not in (*SYNAPSE, "bracket")        # there a shift by nothing would cost much
        if kind == "fine" and finer and isinstance(x, ast.BinOp) and isinstance(x.op, ast.Mult):
            return ast.BinOp(self._shifted(x.left, site.fine - frac, rest), x.op, x.right)       # the left factor is a coefficient: shifted once
        if kind == "fine":
            return self._shifted(x, site.fine - frac, rest) if finer else x
        if self.general and not steps.TERMS[site.name][term]:
            return self._spike(x, kind, over, site, rest)
        if kind == "whole":
            return self._shifted(x, -over, f"whole {rest}")
        if over <= 0:
            return ast.Constant(0)
        part = ast.BinOp(x, ast.BitAnd(), self._number((1 << over) - 1, f"bits of {rest} below the point"))
        return self._shifted(part, site.fine - frac, f"part {rest}")

    @staticmethod
    def _open(x: ast.expr, kind: str, left: int, over: int, rest: str) -> ast.expr:
        """The same, whatever the formats."""
        if kind == "fine":
            return ast.BinOp(x, ast.LShift(), given(left, f"{rest} left by"))
        if kind == "whole":
            wide = ast.BinOp(x, ast.LShift(), given(max(-over, 0), f"whole {rest} left by"))
            return ast.BinOp(wide, ast.RShift(), given(min(max(over, 0), LARGEST_SHIFT), f"whole {rest} right by"))
        below = ast.BinOp(x, ast.BitAnd(), given((1 << max(over, 0)) - 1, f"bits of {rest} below the point"))
        return ast.BinOp(below, ast.LShift(), given(left if over > 0 else 0, f"part {rest} left by"))

    def _number(self, value: int, name: str) -> ast.Constant:
        return given(value, name) if self.general else ast.Constant(value)

    def _shifted(self, x: ast.expr, left: int, name: str) -> ast.expr:
        """x << left, or x >> -left."""
        if not self.general:
            return shifted(x, left)
        return ast.BinOp(x, ast.LShift() if left >= 0 else ast.RShift(), given(abs(left), f"{name} by"))

    def _spike(self, z: ast.expr, kind: str, over: int, site: Site, rest: str) -> ast.expr:
        """The whole or the other part of a number that is 0 or 1, whichever of them it is."""
        value = (1 << -over if over <= 0 else 0) if kind == "whole" else (1 << site.fine - site.terms[rest[len(site.name) + 1:]] if over > 0 else 0)
        return ast.BinOp(ast.UnaryOp(ast.USub(), z), ast.BitAnd(), given(value, f"{kind} {rest}"))


def _written_out(body: list[Node]) -> ast.stmt:
    """The last statement, with the values of variables in their place: where each is used once, the sum is seen as a whole."""
    *assignments, last = body
    for assignment in reversed(assignments):
        last = Substitute({assignment.targets[0].id: assignment.value}).visit(last)
    return last


def _assign(name: str, value: ast.expr) -> ast.stmt:
    return ast.Assign([ast.Name(name, ast.Store())], value)


def rounded_when_run(site: Site, fmt: QFormat) -> bool:
    """Whether the rounding of an update is among the numbers that a general kernel is given."""
    return site.name not in SYNAPSE and chosen_when_run(site.shift, fmt.rounding)


def _store(statement: Node, site: Node, fmt: Node, telemetry: bool, general: bool, split: frozenset[str]) -> list[ast.stmt]:
    """``return store_<update>(y, base, rnd)`` spelled out; with telemetry in named parts, for :func:`_counts`. Without a format for floats."""
    y, base, _ = [Fold().visit(argument) for argument in statement.value.args]
    if split:
        y, base = products_apart(y, base, site.shift, split, site.name if general else "")
    name = statement.value.func.id.removeprefix("store_")
    full: Node
    if general and telemetry:
        return _store_open(y, base, name, site, fmt)
    chosen = fmt is not None and general and rounded_when_run(site, fmt)
    parts = [_assign("change", y), _assign("start", base)] if telemetry or chosen else []
    if parts:
        y, base = ast.Name("change", ast.Load()), ast.Name("start", ast.Load())
    if fmt is None:
        full = kept = ast.BinOp(base, ast.Add(), y)
    elif telemetry:
        full = rounded(y, base, site.shift, fmt)        # it tells what is rounded away
    elif chosen:
        full = rounded_as_chosen(y, base, site.shift, fmt, name)
    elif general:
        full = rounded_as_given(y, base, site.shift, fmt, name)
    else:
        full = rounded_narrowly(y, base, site.shift, fmt)
    if telemetry:
        parts.append(_assign("full", full))
        full = ast.Name("full", ast.Load())
    if fmt is None:
        kept = full
    else:
        ends = [given(end, f"{which} {site.quantity}") if general else ast.Constant(end)
                for which, end in (("least", fmt.min_raw), ("largest", fmt.max_raw))]
        kept = Fold().visit(call(functions(quant_rounding)[fmt.overflow], full, *ends))
    return [*parts, _assign("kept", kept), ast.Return(ast.Name("kept", ast.Load()))]


def _store_open(y: ast.expr, base: ast.expr, name: str, site: Site, fmt: QFormat) -> list[ast.stmt]:
    """The same for all formats, roundings and overflows: their numbers are given, too."""
    def named(function: str, *arguments: ast.expr) -> ast.expr:
        return ast.Call(ast.Name(function, ast.Load()), list(arguments), [])
    row = ast.Constant(INDEX[steps.STORES.get(name, name)])
    return [_assign("change", y), _assign("start", base), ast.Return(named(
        "stored", *(ast.Name(n, ast.Load()) for n in ("tel", "change", "start", "rnd")), row,
        given(list(quant_rounding.ROUNDINGS).index(fmt.rounding), f"rounding of {name}"), given(min(site.shift, LARGEST_SHIFT), f"shift of {name}"),
        given(list(quant_rounding.OVERFLOWS).index(fmt.overflow), f"overflow of {name}"),
        given(fmt.min_raw, f"least {site.quantity}"), given(fmt.max_raw, f"largest {site.quantity}")))]


def open_functions() -> str:
    """stored(...): what all updates end with where roundings and overflows are given too, telemetry included; and their random bits."""
    text = []
    for name, table in (("rounded", quant_rounding.ROUNDINGS), ("overflowed", quant_rounding.OVERFLOWS)):
        written = {which: functions(quant_rounding)[which] for which in table}
        arguments = ", ".join(argument.arg for argument in next(iter(written.values())).args.args)
        text += ["@common\n" + unparse(node) for node in written.values()]
        choice = "\n".join(f"    if which == {number}:\n        return {which}({arguments})" for number, which in enumerate(list(table)[1:], 1))
        text.append(f"@common\ndef {name}(which, {arguments}):\n{choice}\n    return {next(iter(table))}({arguments})")
    counts = textwrap.indent("\n".join(_counted("row", True, False)), "    ")
    text.append("@common\ndef stored(tel, change, start, rnd, row, rounding, shift, overflow, least, largest):\n"
                "    full = rounded(rounding, change, shift, rnd, start)\n    kept = overflowed(overflow, full, least, largest)\n"
                f"{counts}\n    return kept")
    for name, word, value in (("bits_if", "I64", "random31"), ("counter_if", "U32", "element_key")):
        text.append(f"@common\ndef {name}(wanted, key, other):\n    return {word}({value}(key, other)) if wanted else {word}(0)")
    return "\n\n".join(text)


def _counts(name: str, fixed: bool, atomic: bool) -> list[ast.stmt]:
    """What telemetry counts of one update."""
    text = _counted(str(INDEX[steps.STORES.get(name, name)]), fixed, atomic)
    return [statement for line in text for statement in ast.parse(line).body]


def _counted(row: str, fixed: bool, atomic: bool) -> list[str]:
    """The statements that count in a row of the telemetry."""
    place = f"{row} * {Counters.WIDTH} + {{column}}"
    add, largest = f"tel[{place}] += {{value}}", f"tel[{place}] = max(tel[{place}], {{value}})"
    if atomic:
        add, largest = "cuda.atomic.add(tel, ({row}, {column}), WIDE({value}))", "cuda.atomic.max(tel, ({row}, {column}), WIDE({value}))"
    counts = ["1"]
    if fixed:
        counts += ["full != kept", "start == 0 and change != 0 and full == 0", "start != 0 and change != 0 and full == start"]
    return [*(add.format(row=row, column=column, value=value) for column, value in enumerate(counts)),
            largest.format(row=row, column=4, value="abs(full)")]


def _stores(function: Node) -> str | None:
    """The update whose value a function rounds and returns; None for exact sums and the refractory count."""
    value = function.body[-1].value
    stores = isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id.startswith("store_")
    return value.func.id.removeprefix("store_") if stores else None


class Written(NamedTuple):
    """An update function, and all that its text depends on: of many formats only few functions differ.

    sites       that it names; None for floats
    format      of what it stores, if it stores anything
    split       arguments whose products are taken apart, see :func:`fxsim.engine.build.rounded_sums.products_apart`
    general     for a kernel that is given the numbers of the formats, see :mod:`fxsim.engine.build.given`
    """

    name: str
    sites: tuple[Site, ...] | None
    format: QFormat | None
    telemetry: bool
    general: bool
    split: frozenset[str] = frozenset()


def written(spec: PrecisionSpec | None, diffuses: bool, telemetry: bool = False, general: bool = False,
            split: Mapping[str, frozenset[str]] = MappingProxyType({})) -> list[Written]:
    """All update functions."""
    table, found = sites(spec, diffuses) if spec else None, []
    for name, (named, update) in _named_sites().items():
        fmt = spec[steps.STORES.get(update, update)] if spec and update else None
        found.append(Written(name, None if table is None else tuple(table[site] for site in named), fmt, telemetry, general,
                             split.get(name, frozenset())))
    return found


@lru_cache
def _named_sites() -> dict[str, tuple[list[str], str | None]]:
    """function -> the sites that its text names, and the update that it stores."""
    words = {name: {called(node) for node in ast.walk(function)} for name, function in functions(steps).items()}
    texts = {site: {f"store_{site}", *(f"{kind}_{site}_{term}" for kind in KINDS for term in terms)} for site, terms in steps.TERMS.items()}
    return {name: ([site for site, text in texts.items() if text & words[name]], _stores(function)) for name, function in functions(steps).items()}


@lru_cache(maxsize=4096)
def _tree(of: Written) -> ast.FunctionDef:
    """Terms and rounding written out, machine words not chosen yet; copy what is to be changed."""
    node = copied(functions(steps)[of.name])
    table = None if of.sites is None else {site.name: site for site in of.sites}
    node = ExpandTerms(table, of.general, of.general and of.telemetry).visit(node)
    if update := _stores(node):
        site = table[update] if table else None
        blind = site and of.format and (of.format.rounding in BLIND or of.general and rounded_when_run(site, of.format))
        if not of.telemetry and (blind or of.split):
            node.body = [_written_out(node.body)]
        node.body[-1:] = _store(node.body[-1], site, of.format, of.telemetry, of.general, of.split)
    return Fold().visit(node if table is not None else DropBinaryPoints().visit(node))


@lru_cache(maxsize=4096)
def multiplied(of: Written) -> frozenset[str]:
    """Arguments of products that a function rounds: what its ``split`` may name."""
    site = next((site for site in of.sites or () if site.name == _stores(functions(steps)[of.name])), None)
    if site is None or site.shift == 0:
        return frozenset()
    node = ExpandTerms({site.name: site for site in of.sites or ()}, of.general).visit(copied(functions(steps)[of.name]))
    last: Node = _written_out(node.body)
    return frozenset(factors(Fold().visit(last.value.args[0]))) & {argument.arg for argument in node.args.args}


def update_trees(spec: PrecisionSpec | None, diffuses: bool, telemetry: bool = False, general: bool = False) -> dict[str, ast.FunctionDef]:
    """Syntax trees of all update functions, see :class:`Written`; copy what is to be changed."""
    return {of.name: _tree(of) for of in written(spec, diffuses, telemetry, general)}


@lru_cache(maxsize=4096)
def noted_code(of: Written) -> CodeType:
    """The function for Python integers or intervals; each operation reports its value to ``note(number, value)``."""
    return compile(unparse(Note().visit(copied(_tree(of)))), f"<{of.name} on integers>", "exec")


def update_functions(spec: PrecisionSpec | None, diffuses: bool, words: dict[str, Words], telemetry: bool = False,
                     atomic: bool = False, numbers: Numbers | None = None, operations: bool = False,
                     split: Mapping[str, frozenset[str]] = MappingProxyType({})) -> str:
    """Source of all update functions.

    words       function -> the machine word of each operation
    atomic      telemetry from many threads
    numbers     takes the numbers that the kernel is to be given
    operations  functions that consist of operations on words are operations by themselves
    split       function -> arguments whose products are taken apart
    """
    text, stored = [], {name: _stores(node) for name, node in functions(steps).items()}
    for of in written(spec, diffuses, telemetry, numbers is not None, split):
        name, node = of.name, Wrap(words[of.name]).visit(copied(_tree(of)))
        if numbers:
            node = numbers.visit(node)
        if telemetry:
            if (update := stored[name]) and not numbers:
                node.body[-1:-1] = _counts(update, spec is not None, atomic)
            node = PassArgument(set(), "tel").visit(node)
        if numbers:
            node = PassArgument(HANDING, ARRAY).visit(node)
        text.append(f"@{'update' if operations and is_operations(node) else 'inline'}\n" + unparse(node))
    return "\n\n".join(text)


def is_operations(function: ast.FunctionDef) -> bool:
    """Whether a function's body is assignments and a result, of nothing but operations on words and numbers."""
    body: list[Node] = list(function.body)
    return all(isinstance(s, (ast.Assign, ast.Return)) for s in body) and all(
        isinstance(node, (ast.Name, ast.Constant, ast.Call, ast.expr_context)) for s in body for node in ast.walk(s.value))


def quick_gradient_functions(quick: QuickGradient | None) -> str:
    """What a quick gradient takes of two steps of L, and of one; sums of products of L F over two steps, and of what is left over
    in one; and how they join G."""
    if quick is None:
        return ""
    s = quick.shift
    return (f"@update\ndef signal_pairs(L, next):\n    return pair16(L, next)\n\n"
            f"@update\ndef signal_low(L):\n    return mullo16(L, I16({1 << 16 - s}))\n\n"
            "@update\ndef add_products(sum, pairs, F, next):\n    return add32(sum, dotpair32(pairs, F, next))\n\n"
            f"@update\ndef add_left_over(sum, low, F):\n    return add16(sum, shr16(mullo16(low, F), I16({16 - s})))\n\n"
            f"@update\ndef gradient_quick(G, products, left_over):\n    return add32(G, shr32(sub32(products, left_over), I32({s})))\n\n"
            "@update\ndef room_left(total):\n"
            f"    return sub32(I32({quick.limit}), mul32(min32(total, I32({quick.limit // quick.slope + 1})), I32({quick.slope})))")


def adjoint_functions(operators: dict[object, str]) -> str:
    """The functions of :mod:`fxsim.model.adjoint` on floats."""
    words = Words.always("FLT", operators)
    return "\n\n".join("@update\n" + unparse(Wrap(words).visit(copied(node))) for node in functions(adjoint).values())


def random_functions(operators: dict[object, str]) -> str:
    """The hash of :mod:`quant.random` on 32-bit words."""
    words = Words.always("U32", operators)
    text = [f"M32 = U32({quant_random.M32})"]
    decorator = "@update\n" if operators else "@inline\n"
    return "\n\n".join(text + [decorator + unparse(Wrap(words).visit(copied(node))) for node in functions(quant_random).values()])


def softmax_functions(spec: PrecisionSpec | None, numbers: Numbers | None = None) -> str:
    """exponential(d) = exp(-d) and quotient(p, total), the two steps of the softmax."""
    if spec is None:
        return ("@inline\ndef exponential(d):\n    return FLT(math.exp(-d))\n\n"
                "@inline\ndef quotient(p, total):\n    return FLT(p / total)")
    frac = given(spec["readout"].frac_bits, "fraction bits of readout")
    written = unparse(numbers.visit(frac)) if numbers else str(frac.value)
    names = ("PROBABILITY_FRAC", "LOG2E_FRAC", "LOG2E", "TABLE_BITS", "REST_BITS")
    return "\n\n".join([
        "\n".join(f"{n} = {getattr(softmax, n)}" for n in names), f"EXP2 = np.array({softmax.EXP2.tolist()}, np.int64)",
        "@inline\n" + unparse(Wrap(Words.always("I64")).visit(copied(functions(softmax)["exp_negative"]))),
        f"@inline\ndef exponential(d{f', {ARRAY}' if numbers else ''}):\n    return exp_negative(d, I64({written}), EXP2)",
        "@inline\ndef quotient(p, total):\n    return I64((p << PROBABILITY_FRAC) // total)"])

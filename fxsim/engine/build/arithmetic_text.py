"""The update functions of :mod:`fxsim.model.steps` written out for one arithmetic, as source text.

``fine_``, ``whole_`` and ``part_`` terms become shifts and masks, ``store_`` becomes rounding and overflow of the format,
and every operation is wrapped in the narrowest machine word that the interval analysis has proved wide enough for it. For
floats shifts, rounding and random bits vanish.
"""
from __future__ import annotations

import ast
import copy
from functools import lru_cache

from fxsim.model import softmax, steps
from quant import PrecisionSpec, random as quant_random, rounding as quant_rounding
from quant.quantities import INDEX

from .machine_words import Words, Wrap
from .plan import QuickGradient, Site, sites
from .rewrite import DropBinaryPoints, Fold, Node, Note, PassTelemetry, Substitute, call, expression, functions, unparse
from .rounded_sums import BLIND, rounded, rounded_narrowly, shifted


class ExpandTerms(ast.NodeTransformer):
    """fine_<site>_<term>(x) and its kin -> shifts and masks (just x, or 0 for a part, without formats)."""

    def __init__(self, table: dict[str, Site] | None):
        self.table = table

    def visit_Call(self, node: Node) -> Node:
        self.generic_visit(node)
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        kind, _, rest = name.partition("_")
        if kind not in ("fine", "whole", "part"):
            return node
        x = node.args[0]
        if self.table is None:
            return ast.Constant(0) if kind == "part" else x
        site = next(s for s in self.table.values() if rest.startswith(s.name + "_") and rest[len(s.name) + 1:] in s.terms)
        frac = site.terms[rest[len(site.name) + 1:]]
        over = frac - site.frac
        if kind == "fine" and site.fine > frac and isinstance(x, ast.BinOp) and isinstance(x.op, ast.Mult):
            return ast.BinOp(shifted(x.left, site.fine - frac), x.op, x.right)       # the left factor is a coefficient: shifted once
        if kind == "fine":
            return shifted(x, site.fine - frac)
        if kind == "whole":
            return shifted(x, -over)
        return shifted(ast.BinOp(x, ast.BitAnd(), ast.Constant((1 << over) - 1)), site.fine - frac) if over > 0 else ast.Constant(0)


def _written_out(body: list[Node]) -> ast.stmt:
    """The last statement, with the values of variables in their place: where each is used once, the sum is seen as a whole."""
    *assignments, last = body
    for assignment in reversed(assignments):
        last = Substitute({assignment.targets[0].id: assignment.value}).visit(last)
    return last


def _assign(name: str, value: ast.expr) -> ast.stmt:
    return ast.Assign([ast.Name(name, ast.Store())], value)


def _store(statement: Node, spec: PrecisionSpec | None, table: dict[str, Site] | None, telemetry: bool) -> list[ast.stmt]:
    """``return store_<update>(y, base, rnd)`` spelled out; with telemetry in named parts, for :func:`_counts`."""
    y, base, _ = [Fold().visit(argument) for argument in statement.value.args]
    name = statement.value.func.id.removeprefix("store_")
    parts = [_assign("change", y), _assign("start", base)] if telemetry else []
    if telemetry:
        y, base = ast.Name("change", ast.Load()), ast.Name("start", ast.Load())
    full: ast.expr
    kept: ast.expr
    if spec is None or table is None:
        full = kept = ast.BinOp(base, ast.Add(), y)
    else:
        site, fmt = table[name], spec[steps.STORES.get(name, name)]
        full = rounded(y, base, site.shift, fmt) if telemetry else rounded_narrowly(y, base, site.shift, fmt)   # it tells what is rounded away
    if telemetry:
        parts.append(_assign("full", full))
        full = ast.Name("full", ast.Load())
    kept = full if spec is None else call(functions(quant_rounding)[fmt.overflow], full, ast.Constant(fmt.min_raw), ast.Constant(fmt.max_raw))
    return [*parts, _assign("kept", kept), ast.Return(ast.Name("kept", ast.Load()))]


def _counts(name: str, fixed: bool, atomic: bool) -> list[ast.stmt]:
    """What telemetry counts of one update."""
    row = INDEX[steps.STORES.get(name, name)]
    add, largest = "tel[{row}, {column}] += {value}", "tel[{row}, {column}] = max(tel[{row}, {column}], {value})"
    if atomic:
        add, largest = "cuda.atomic.add(tel, ({row}, {column}), WIDE({value}))", "cuda.atomic.max(tel, ({row}, {column}), WIDE({value}))"
    counts = ["1"]
    if fixed:
        counts += ["full != kept", "start == 0 and change != 0 and full == 0", "start != 0 and change != 0 and full == start"]
    text = [*(add.format(row=row, column=column, value=value) for column, value in enumerate(counts)),
            largest.format(row=row, column=4, value="abs(full)")]
    return [statement for line in text for statement in ast.parse(line).body]


def _stores(function: Node) -> str | None:
    """The update whose value a function rounds and returns; None for exact sums and the refractory count."""
    value = function.body[-1].value
    stores = isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id.startswith("store_")
    return value.func.id.removeprefix("store_") if stores else None


@lru_cache(maxsize=64)
def update_trees(spec: PrecisionSpec | None, diffuses: bool, telemetry: bool = False) -> dict[str, ast.FunctionDef]:
    """Syntax trees of all update functions, terms and rounding written out, machine words not chosen yet."""
    table = sites(spec, diffuses) if spec else None
    trees = {}
    for name, node in functions(steps).items():
        node = ExpandTerms(table).visit(node)
        if update := _stores(node):
            if spec and not telemetry and spec[steps.STORES.get(update, update)].rounding in BLIND:
                node.body = [_written_out(node.body)]
            node.body[-1:] = _store(node.body[-1], spec, table, telemetry)
        trees[name] = Fold().visit(node if spec else DropBinaryPoints().visit(node))
    return trees


def noted_functions(spec: PrecisionSpec, diffuses: bool, telemetry: bool = False) -> str:
    """The update functions for Python integers or intervals; each operation reports its value to ``note(number, value)``."""
    return "\n\n".join(unparse(Note().visit(copy.deepcopy(tree))) for tree in update_trees(spec, diffuses, telemetry).values())


def update_functions(spec: PrecisionSpec | None, diffuses: bool, words: dict[str, Words], telemetry: bool = False,
                     atomic: bool = False) -> str:
    """Source of all update functions. ``words``: function -> the machine word of each operation; ``atomic``: telemetry from many threads."""
    text, stored = [], {name: _stores(node) for name, node in functions(steps).items()}
    for name, tree in update_trees(spec, diffuses, telemetry).items():
        node = Wrap(words[name]).visit(copy.deepcopy(tree))
        if telemetry:
            if update := stored[name]:
                node.body[-1:-1] = _counts(update, spec is not None, atomic)
            node = PassTelemetry(set()).visit(node)
        text.append("@inline\n" + unparse(node))
    return "\n\n".join(text)


def quick_gradient_functions(quick: QuickGradient | None) -> str:
    """What a quick gradient takes of two steps of L, and of one; sums of products of L F over two steps, and of what is left over
    in one; and how they join G."""
    if quick is None:
        return ""
    s = quick.shift
    return (f"@inline\ndef signal_pairs(L, next):\n    return pair16(L, next)\n\n"
            f"@inline\ndef signal_low(L):\n    return mullo16(L, I16({1 << 16 - s}))\n\n"
            "@inline\ndef add_products(sum, pairs, F, next):\n    return add32(sum, dotpair32(pairs, F, next))\n\n"
            f"@inline\ndef add_left_over(sum, low, F):\n    return add16(sum, shr16(mullo16(low, F), I16({16 - s})))\n\n"
            f"@inline\ndef gradient_quick(G, products, left_over):\n    return add32(G, shr32(sub32(products, left_over), I32({s})))\n\n"
            "@inline\ndef room_left(total):\n"
            f"    return sub32(I32({quick.limit}), mul32(min32(total, I32({quick.limit // quick.slope + 1})), I32({quick.slope})))")


def random_functions(operators: dict[object, str]) -> str:
    """The hash of :mod:`quant.random` on 32-bit words."""
    words = Words.always("U32", operators)
    text = [f"M32 = U32({quant_random.M32})"]
    return "\n\n".join(text + ["@inline\n" + unparse(Wrap(words).visit(node)) for node in functions(quant_random).values()])


class ExpandRandom(ast.NodeTransformer):
    """In a kernel template: the random bits of an update, or 0 where its format does not round stochastically.

    step_<update>(t)                    key of a step
    counter_<update>(key, element)      counter of one element at that step
    bits_<update>(stream, counter)      31 bits for one trial
    RANDOM_<update>                     whether it rounds stochastically

    ``signed``: how the dialect takes unsigned words as signed ones; ``unsigned``: how it makes them.
    """

    def __init__(self, spec: PrecisionSpec | None, signed: str, unsigned: str):
        self.spec, self.signed, self.unsigned = spec, signed, unsigned

    def _stochastic(self, update: str) -> bool:
        return self.spec is not None and self.spec[steps.STORES.get(update, update)].rounding == "stochastic"

    def visit_Name(self, node: Node) -> Node:
        kind, _, update = node.id.partition("_")
        return ast.Constant(self._stochastic(update)) if kind == "RANDOM" else node

    def visit_Call(self, node: Node) -> Node:
        self.generic_visit(node)
        kind, _, update = node.func.id.partition("_") if isinstance(node.func, ast.Name) else ("", "", "")
        if kind not in ("step", "counter", "bits") or update not in steps.TERMS:
            return node
        if not self._stochastic(update):
            return ast.Constant(0)
        arguments = [ast.unparse(argument) for argument in node.args]
        if kind == "step":
            return expression(f"step_key(U32({INDEX[steps.STORES.get(update, update)]}), U32({arguments[0]}))")
        if kind == "counter":
            return expression(f"element_key({arguments[0]}, {self.unsigned}({arguments[1]}))")
        return expression(f"{self.signed}(random31({arguments[0]}, {arguments[1]}))")


def softmax_functions(spec: PrecisionSpec | None) -> str:
    """exponential(d) = exp(-d) and quotient(p, total), the two steps of the softmax."""
    if spec is None:
        return ("@inline\ndef exponential(d):\n    return FLT(math.exp(-d))\n\n"
                "@inline\ndef quotient(p, total):\n    return FLT(p / total)")
    names = ("PROBABILITY_FRAC", "LOG2E_FRAC", "LOG2E", "TABLE_BITS", "REST_BITS")
    return "\n\n".join([
        "\n".join(f"{n} = {getattr(softmax, n)}" for n in names), f"EXP2 = np.array({softmax.EXP2.tolist()}, np.int64)",
        "@inline\n" + unparse(Wrap(Words.always("I64")).visit(functions(softmax)["exp_negative"])),
        f"@inline\ndef exponential(d):\n    return exp_negative(d, I64({spec['readout'].frac_bits}), EXP2)",
        "@inline\ndef quotient(p, total):\n    return I64((p << PROBABILITY_FRAC) // total)"])

"""The update functions of :mod:`fxsim.steps` written out for one arithmetic, as source text.

``fine_``, ``whole_`` and ``part_`` terms become shifts and masks, ``store_`` becomes rounding and overflow of the format,
and every operation is wrapped in the machine word of its group. For floats shifts, rounding and random bits vanish.
"""
from __future__ import annotations

import ast

from quant import PrecisionSpec
from quant import random as quant_random
from quant import rounding as quant_rounding
from quant.quantities import INDEX

from .. import softmax, steps
from .plan import Site, sites
from .rewrite import DropBinaryPoints, Fold, PassTelemetry, Wrap, call, expression, functions, unparse

GROUP_OF = {name: group for group, names in steps.GROUPS.items() for name in names}


class ExpandTerms(ast.NodeTransformer):
    """fine_<site>_<term>(x) and its kin -> shifts and masks (just x, or 0 for a part, without formats)."""

    def __init__(self, table: dict[str, Site] | None):
        self.table = table

    def visit_Call(self, node):
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
        if kind == "fine":
            return _shift(x, site.fine - frac)
        if kind == "whole":
            return _shift(x, -over)
        return _shift(ast.BinOp(x, ast.BitAnd(), ast.Constant((1 << over) - 1)), site.fine - frac) if over > 0 else ast.Constant(0)


def _shift(x: ast.expr, left: int) -> ast.expr:
    return ast.BinOp(x, ast.LShift() if left >= 0 else ast.RShift(), ast.Constant(abs(left)))


def _assign(name: str, value: ast.expr) -> ast.stmt:
    return ast.Assign([ast.Name(name, ast.Store())], value)


def _store(statement: ast.Return, spec: PrecisionSpec | None, table: dict[str, Site] | None, telemetry: bool) -> list[ast.stmt]:
    """``return store_<site>(y, base, rnd)`` spelled out."""
    y, base, _ = statement.value.args
    name = statement.value.func.id.removeprefix("store_")
    row = INDEX[steps.STORES.get(name, name)]
    body = [_assign("change", y), _assign("start", base)]
    if spec is None:
        body.append(_assign("full", expression("start + change")))
        body.append(_assign("kept", expression("full")))
    else:
        site, fmt, names = table[name], spec[steps.STORES.get(name, name)], functions(quant_rounding)
        rounding = names[fmt.rounding]
        full = call(rounding, expression("change"), ast.Constant(site.shift), expression("rnd"), expression("start"))
        body.append(_assign("full", full if site.shift else expression("start + change")))
        body.append(_assign("kept", call(names[fmt.overflow], expression("full"), ast.Constant(fmt.min_raw), ast.Constant(fmt.max_raw))))
    if telemetry:
        counts = [f"tel[{row}, 0] += 1"]
        if spec is not None:
            counts += [f"tel[{row}, 1] += full != kept", f"tel[{row}, 2] += start == 0 and change != 0 and full == 0",
                       f"tel[{row}, 3] += start != 0 and change != 0 and full == start"]
        counts.append(f"tel[{row}, 4] = max(tel[{row}, 4], abs(full))")
        body += [node for text in counts for node in ast.parse(text).body]
    return [*body, *ast.parse("def f():\n    return kept").body[0].body]


def update_functions(spec: PrecisionSpec | None, diffuses: bool, words: dict[str, str], telemetry: bool = False,
                     decorator: str = "@inline\n") -> str:
    """Source of all update functions. ``words``: group -> constructor name ("" leaves plain Python numbers)."""
    table = sites(spec, diffuses) if spec else None
    text = []
    for name, node in functions(steps).items():
        last = node.body[-1]
        if isinstance(last.value, ast.Call) and isinstance(last.value.func, ast.Name) and last.value.func.id.startswith("store_"):
            node.body = node.body[:-1] + _store(last, spec, table, telemetry)
        node = ExpandTerms(table).visit(node)
        if spec is None:
            node = DropBinaryPoints().visit(node)
        node = Fold().visit(node)
        node = Wrap(words[GROUP_OF[name]]).visit(node)
        if telemetry:
            node = PassTelemetry(set()).visit(node)
        text.append(decorator + unparse(node))
    return "\n\n".join(text)


def random_functions() -> str:
    """The hash of :mod:`quant.random` on 32-bit words."""
    text = [f"M32 = U32({quant_random.M32})"]
    return "\n\n".join(text + ["@inline\n" + unparse(Wrap("U32").visit(node)) for node in functions(quant_random).values()])


class ExpandRandom(ast.NodeTransformer):
    """In a kernel template: the random bits of an update, or 0 where its format does not round stochastically.

    step_<update>(t)                    key of a step
    counter_<update>(key, element)      counter of one element at that step
    bits_<update>(stream, counter)      31 bits for one trial
    """

    def __init__(self, spec: PrecisionSpec | None, words: dict[str, str]):
        self.spec, self.words = spec, words

    def visit_Call(self, node):
        self.generic_visit(node)
        kind, _, update = node.func.id.partition("_") if isinstance(node.func, ast.Name) else ("", "", "")
        if kind not in ("step", "counter", "bits") or update not in steps.TERMS:
            return node
        quantity = steps.STORES.get(update, update)
        if self.spec is None or self.spec[quantity].rounding != "stochastic":
            return ast.Constant(0)
        arguments = [ast.unparse(argument) for argument in node.args]
        if kind == "step":
            return expression(f"step_key(U32({INDEX[quantity]}), U32({arguments[0]}))")
        if kind == "counter":
            return expression(f"element_key({arguments[0]}, U32({arguments[1]}))")
        return expression(f"{self.words[GROUP_OF[update]]}(random31({arguments[0]}, {arguments[1]}))")


def softmax_functions(spec: PrecisionSpec | None) -> str:
    """exponential(d) = exp(-d) and quotient(p, total), the two steps of the softmax."""
    if spec is None:
        return ("@inline\ndef exponential(d):\n    return FLT(math.exp(-d))\n\n"
                "@inline\ndef quotient(p, total):\n    return FLT(p / total)")
    names = ("PROBABILITY_FRAC", "LOG2E_FRAC", "LOG2E", "TABLE_BITS", "REST_BITS")
    return "\n\n".join([
        "\n".join(f"{n} = {getattr(softmax, n)}" for n in names), f"EXP2 = np.array({softmax.EXP2.tolist()}, np.int64)",
        "@inline\n" + unparse(Wrap("I64").visit(functions(softmax)["exp_negative"])),
        f"@inline\ndef exponential(d):\n    return exp_negative(d, I64({spec['readout'].frac_bits}), EXP2)",
        "@inline\ndef quotient(p, total):\n    return I64((p << PROBABILITY_FRAC) // total)"])

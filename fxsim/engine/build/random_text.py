"""Random bits in a kernel template: which updates take them, and where their keys come from."""
from __future__ import annotations

import ast
from dataclasses import dataclass

from fxsim.model import steps
from quant import PrecisionSpec, random as quant_random
from quant.quantities import INDEX

from .arithmetic_text import rounded_when_run
from .given import given
from .plan import sites
from .rewrite import Node, expression


@dataclass(frozen=True)
class Drawing:
    """Which updates take random bits.

    stochastic      those whose formats round stochastically
    told            for these the kernel is given whether they do
    open_           for all, in one text for all formats
    """

    stochastic: frozenset[str] = frozenset()
    told: frozenset[str] = frozenset()
    open_: bool = False

    @classmethod
    def of(cls, spec: PrecisionSpec | None, diffuses: bool, general: bool, open_: bool) -> Drawing:
        """``general``: of a kernel that is given the numbers of the formats."""
        if spec is None:
            return cls()
        stored, table = {update: steps.STORES.get(update, update) for update in steps.TERMS}, sites(spec, diffuses)
        rounded = {update: spec[quantity].rounding for update, quantity in stored.items() if quantity in spec.formats}
        return cls(frozenset(update for update, rounding in rounded.items() if rounding == "stochastic"),
                   frozenset(update for update in rounded if general and rounded_when_run(table[update], spec[stored[update]])), open_)


class ExpandRandom(ast.NodeTransformer):
    """In a kernel template: the random bits of an update, or 0 where its format does not round stochastically.

    step_<update>(t)                    key of a step
    counter_<update>(key, element)      counter of one element at that step
    bits_<update>(stream, counter)      31 bits for one trial
    RANDOM_<update>                     whether it rounds stochastically

    ``signed``: how the dialect takes unsigned words as signed ones; ``unsigned``: how it makes them.
    """

    def __init__(self, drawing: Drawing, signed: str, unsigned: str):
        self.drawing, self.signed, self.unsigned = drawing, signed, unsigned

    def _stochastic(self, update: str) -> bool:
        return update in self.drawing.stochastic

    def visit_Name(self, node: Node) -> Node:
        kind, _, update = node.id.partition("_")
        return ast.Constant(self.drawing.open_ or self._stochastic(update)) if kind == "RANDOM" else node

    def visit_Call(self, node: Node) -> Node:
        self.generic_visit(node)
        kind, _, update = node.func.id.partition("_") if isinstance(node.func, ast.Name) else ("", "", "")
        if kind not in ("step", "counter", "bits") or update not in steps.TERMS:
            return node
        if self.drawing.open_:
            return self._open(kind, update, node.args)
        chosen = update in self.drawing.told
        if not (chosen or self._stochastic(update)):
            return ast.Constant(0)
        arguments = [ast.unparse(argument) for argument in node.args]
        if kind == "step":
            return expression(f"step_key(U32({INDEX[steps.STORES.get(update, update)]}), U32({arguments[0]}))")
        if kind == "counter":
            counter = f"element_key({arguments[0]}, {self.unsigned}({arguments[1]}))"
            if not chosen:
                return expression(counter)
            mask: Node = expression(f"andU32({counter}, U32(0))")        # a counter of zero gives no random bits
            mask.args[1].args[0] = given(quant_random.M32 * self._stochastic(update), f"mask of random bits of {update}")
            return mask
        drawn = ast.Call(ast.Name("random31", ast.Load()), node.args, [])
        return ast.Call(ast.Name(self.signed, ast.Load()), [drawn], [])

    def _open(self, kind: str, update: str, arguments: list[ast.expr]) -> ast.expr:
        """The same whatever the formats."""
        if kind == "step":
            return expression(f"step_key(U32({INDEX[steps.STORES.get(update, update)]}), U32({ast.unparse(arguments[0])}))")
        wanted = given(int(self._stochastic(update)), f"whether {update} takes random bits")
        second = ast.Call(ast.Name(self.unsigned, ast.Load()), [arguments[1]], []) if kind == "counter" else arguments[1]
        return ast.Call(ast.Name(f"{kind}_if", ast.Load()), [wanted, arguments[0], second], [])

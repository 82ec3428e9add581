"""Source rewriting for the kernel builder: small passes over Python syntax trees."""
from __future__ import annotations

import ast
import inspect
import operator
from collections.abc import Set
from functools import lru_cache
from types import ModuleType
from typing import Any, Callable, TypeAlias

from .given import given, name_given

Node: TypeAlias = Any       # a syntax tree whose kind, known from its place or from a test, no type tells
_FOLD: dict[type[ast.AST], Callable[[int, int], int]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.LShift: operator.lshift,
    ast.RShift: operator.rshift, ast.BitAnd: operator.and_, ast.Mod: operator.mod, ast.Lt: operator.lt, ast.Gt: operator.gt,
    ast.Eq: operator.eq}


@lru_cache
def functions(module: ModuleType) -> dict[str, ast.FunctionDef]:
    """A module's functions by name, without docstrings, annotations and defaults; copy what is to be changed."""
    found: dict[str, ast.FunctionDef] = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.FunctionDef):
            node.body = node.body[1:] if ast.get_docstring(node) else node.body
            node.args.defaults, node.returns = [], None
            for argument in node.args.args:
                argument.annotation = None
            found[node.name] = node
    return found


def expression(text: str) -> ast.expr:
    """Parse one expression."""
    return ast.parse(text, mode="eval").body


def unparse(*nodes: ast.AST) -> str:
    """Syntax trees as source text."""
    for node in nodes:
        _give_lines(node)
    return "\n\n".join(map(ast.unparse, nodes))


def _give_lines(node: ast.AST) -> None:
    """A line for every statement that has none: ast.unparse asks. (ast.fix_missing_locations visits every expression: as long as ast.unparse.)"""
    if isinstance(node, ast.stmt) and not hasattr(node, "lineno"):
        node.lineno = 1
    for part in ("body", "orelse"):
        inner = getattr(node, part, None)
        for statement in inner if isinstance(inner, list) else ():
            _give_lines(statement)


def copied(node: Node) -> Node:
    """A deep copy of a syntax tree, in a quarter of copy.deepcopy's time."""
    if not node.__dict__:       # an operator or a context
        return node
    new = node.__class__()
    for name, value in node.__dict__.items():
        if isinstance(value, ast.AST):
            value = copied(value)
        elif isinstance(value, list):
            value = [copied(item) if isinstance(item, ast.AST) else item for item in value]
        setattr(new, name, value)
    return new


def is_number(node: ast.AST, value: int | None = None) -> bool:
    """Whether a node is an integer constant (of that value, whatever the formats)."""
    return isinstance(node, ast.Constant) and isinstance(node.value, int) and (value is None or node.value == value and not name_given(node))


def called(node: Node) -> str:
    """The name of what a call calls; empty for other expressions."""
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""


class Substitute(ast.NodeTransformer):
    """Replaces names by expressions."""

    def __init__(self, values: dict[str, ast.expr]):
        self.values = values

    def visit_Name(self, node: Node) -> Node:
        return copied(self.values[node.id]) if node.id in self.values else node


def call(function: ast.FunctionDef, *arguments: ast.expr) -> ast.expr:
    """The body of a one-expression function with its parameters replaced."""
    statement: Node
    (statement,) = function.body
    names = [a.arg for a in function.args.args]
    return Substitute(dict(zip(names, arguments, strict=True))).visit(copied(statement.value))


class Fold(ast.NodeTransformer):
    """Evaluates constant parts and drops + 0, - 0, * 1 and shifts by 0. What comparisons of numbers find is written into the kernel."""

    def visit_BinOp(self, node: Node) -> Node:
        self.generic_visit(node)
        left, right, op = node.left, node.right, type(node.op)
        known = is_number(left) and is_number(right) and op in _FOLD
        if known and not (name_given(left) or name_given(right)):
            return ast.Constant(int(_FOLD[op](left.value, right.value)))
        if is_number(right, 0) and op in (ast.Add, ast.Sub, ast.LShift, ast.RShift):
            return left
        if is_number(left, 0) and op is ast.Add:
            return right
        if is_number(left, 0) and op is ast.Sub:
            return ast.UnaryOp(ast.USub(), right)
        if op is ast.Mult and (is_number(left, 1) or is_number(right, 1)):
            return right if is_number(left, 1) else left
        if op is ast.Mult and (is_number(left, 0) or is_number(right, 0)):
            return ast.Constant(0)
        if known:
            one, other = (name_given(x) or str(x.value) for x in (left, right))
            return given(int(_FOLD[op](left.value, right.value)), f"({one} {op.__name__} {other})")
        return node

    def visit_UnaryOp(self, node: Node) -> Node:
        self.generic_visit(node)
        if not (isinstance(node.op, ast.USub) and is_number(node.operand)):
            return node
        name = name_given(node.operand)
        return given(-node.operand.value, f"(- {name})") if name else ast.Constant(-node.operand.value)

    def visit_Compare(self, node: Node) -> Node:
        self.generic_visit(node)
        if is_number(node.left) and is_number(node.comparators[0]) and type(node.ops[0]) in _FOLD:
            return ast.Constant(int(_FOLD[type(node.ops[0])](node.left.value, node.comparators[0].value)))
        return node


class DropBinaryPoints(ast.NodeTransformer):
    """For floats: shifts vanish, // is a division."""

    def visit_BinOp(self, node: Node) -> Node:
        self.generic_visit(node)
        if isinstance(node.op, (ast.LShift, ast.RShift)):
            return node.left
        if isinstance(node.op, ast.FloorDiv):
            node.op = ast.Div()
        return node


class Operations(ast.NodeTransformer):
    """Visits operations (arithmetic, min, max, abs), innermost first, numbered in this order."""

    def __init__(self) -> None:
        self.count = 0

    def operation(self, node: ast.expr, number: int) -> ast.expr:
        raise NotImplementedError

    def visit_BinOp(self, node: Node) -> Node:
        self.generic_visit(node)
        self.count += 1
        return self.operation(node, self.count - 1)

    visit_UnaryOp = visit_BinOp

    def visit_Call(self, node: Node) -> Node:
        if isinstance(node.func, ast.Name) and node.func.id in ("min", "max", "abs"):
            return self.visit_BinOp(node)
        return self.generic_visit(node)


class Note(Operations):
    """Each operation hands its value through ``note(number, value)``."""

    def operation(self, node: ast.expr, number: int) -> ast.expr:
        return ast.Call(ast.Name("note", ast.Load()), [ast.Constant(number), node], [])


class Unroll(ast.NodeTransformer):
    """Unrolls ``for k in UNROLL`` K times; ``reg_x[k]`` becomes the local variable ``reg_x_0``, ..."""

    def __init__(self, K: int):
        self.K = K
        self.values: dict[str, int] = {}

    def visit_For(self, node: Node) -> Node:
        if not (isinstance(node.iter, ast.Name) and node.iter.id == "UNROLL"):
            return self.generic_visit(node)
        body = []
        for k in range(self.K):
            self.values[node.target.id] = k
            body += [self.visit(copied(statement)) for statement in node.body]
        del self.values[node.target.id]
        return body

    def visit_Name(self, node: Node) -> Node:
        return ast.Constant(self.values[node.id]) if node.id in self.values else node

    def visit_Subscript(self, node: Node) -> Node:
        self.generic_visit(node)
        if isinstance(node.value, ast.Name) and node.value.id.startswith("reg_"):
            return ast.Name(f"{node.value.id}_{node.slice.value}", node.ctx)
        return node


class Prune(ast.NodeTransformer):
    """Drops branches that named constants decide: what is never run need not be compiled."""

    def __init__(self, constants: dict[str, Any]):
        self.constants = constants

    def visit_If(self, node: Node) -> Node:
        node.test = self._reduced(node.test)
        if isinstance(node.test, ast.Constant):
            chosen = node.body if node.test.value else node.orelse
            return [kept for statement in chosen for kept in self._statements(self.visit(statement))] or None
        return self.generic_visit(node)

    def visit_IfExp(self, node: Node) -> Node:
        node.test = self._reduced(node.test)
        if isinstance(node.test, ast.Constant):
            return self.visit(node.body if node.test.value else node.orelse)
        return self.generic_visit(node)

    @staticmethod
    def _statements(visited: ast.stmt | list[ast.stmt] | None) -> list[ast.stmt]:
        return visited if isinstance(visited, list) else [visited] if visited else []

    def _reduced(self, test: ast.expr) -> ast.expr:
        """A test, or its value if it is known; of ``a and b`` or ``a or b`` what is not known."""
        if isinstance(test, ast.Name) and test.id in self.constants:
            return ast.Constant(bool(self.constants[test.id]))
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not) and isinstance(operand := self._reduced(test.operand), ast.Constant):
            return ast.Constant(not operand.value)
        if isinstance(test, ast.Compare):
            return Fold().visit(Substitute({name: ast.Constant(value) for name, value in self.constants.items()}).visit(test))
        if isinstance(test, ast.BoolOp):
            decisive = isinstance(test.op, ast.Or)      # the value that decides alone
            parts = [self._reduced(part) for part in test.values]
            if any(isinstance(part, ast.Constant) and bool(part.value) == decisive for part in parts):
                return ast.Constant(decisive)
            open_ = [part for part in parts if not isinstance(part, ast.Constant)]
            return ast.BoolOp(test.op, open_) if len(open_) > 1 else open_[0] if open_ else ast.Constant(not decisive)
        return test


class PassArgument(ast.NodeTransformer):
    """Hands one more argument through the named functions and their callers."""

    def __init__(self, names: Set[str], argument: str):
        self.names, self.argument = names, argument

    def visit_all(self, tree: ast.Module) -> None:
        """The same only in the named functions."""
        tree.body = [self.visit(node) if getattr(node, "name", "") in self.names else node for node in tree.body]

    def visit_FunctionDef(self, node: Node) -> Node:
        if self.argument not in [a.arg for a in node.args.args]:
            node.args.args.append(ast.arg(self.argument))
        return self.generic_visit(node)

    def visit_Call(self, node: Node) -> Node:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in self.names:
            node.args.append(ast.Name(self.argument, ast.Load()))
        return node

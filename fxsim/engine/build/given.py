"""Numbers that a kernel is given when it runs: formats that differ in nothing else share a kernel.

Where the text of an update depends on a format by a shift, a limit or a rounding constant, its syntax tree has a constant with the name of what
it stands for. Interval analysis computes with its value; :class:`Numbers` writes an element of the array ``numbers`` in its place.
"""
from __future__ import annotations

import ast

import numpy as np

ARRAY = "numbers"


def given(value: int, name: str) -> ast.Constant:
    """A number that a kernel is given."""
    node = ast.Constant(value)
    node.given = name       # type: ignore[attr-defined]
    return node


def name_given(node: ast.AST) -> str:
    """What a constant stands for; "" if it is written into the kernel."""
    return getattr(node, "given", "")


class Numbers(ast.NodeTransformer):
    """Writes ``number(numbers, i)`` for each number that is given. One name, one number. ``first``: the first one's i."""

    def __init__(self, first: int = 0) -> None:
        self.first = first
        self.found: dict[str, tuple[int, int]] = {}

    def add(self, more: Numbers) -> None:
        """Those of a text that stands behind this one's."""
        if more.first != len(self.found) or self.found.keys() & more.found.keys():
            raise ValueError("numbers that do not follow these")
        self.found |= more.found

    @property
    def values(self) -> np.ndarray:
        """(numbers,) int64, in order."""
        return np.array([value for _, value in self.found.values()], np.int64)

    @property
    def names(self) -> list[str]:
        """What they stand for."""
        return list(self.found)

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        name = name_given(node)
        if not name:
            return node
        assert isinstance(node.value, int)
        index, value = self.found.setdefault(name, (self.first + len(self.found), node.value))
        if value != node.value:
            raise ValueError(f"{name} is both {value} and {node.value}")
        return ast.Call(ast.Name("number", ast.Load()), [ast.Name(ARRAY, ast.Load()), ast.Constant(index)], [])

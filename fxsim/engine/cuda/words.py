"""Words of the CUDA kernels: indices on a device, and checked integers under Numba's simulator.

Python's negative indices count from the end, so Numba looks at the sign of every index and computes it in 64 bits. The kernel has none:
unsigned indices, of 32 bits where no array can be longer, save a quarter of its machine instructions. Under the simulator words are Python
integers that are checked to fit, so nothing can wrap unseen.
"""
from __future__ import annotations

import ast
from types import SimpleNamespace
from typing import SupportsInt

import numpy as np


class UnsignedIndices(ast.NodeTransformer):
    """array[i] -> array[U32(i)], or U64 for the arrays named in ``long``. ``functions``: whose bodies are changed."""

    def __init__(self, functions: set[str], long: tuple[str, ...]):
        self.functions, self.long = functions, long

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self.generic_visit(node) if node.name in self.functions else node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.value, ast.Name) and not isinstance(node.slice, (ast.Constant, ast.Tuple, ast.Slice)):
            node.slice = ast.Call(ast.Name("U64" if node.value.id in self.long else "U32", ast.Load()), [node.slice], [])
        return node


def unsigned_indices(text: str, functions: set[str], long: tuple[str, ...]) -> str:
    """The built module with unsigned indices in the template's own ``functions``; of 64 bits for the arrays named in ``long``."""
    tree = UnsignedIndices(functions, long).visit(ast.parse(text))
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


FLOATS = SimpleNamespace(float32=np.float32, float64=np.float64)


def I32(x: SupportsInt) -> int:
    """A signed 32-bit word. OverflowError if x does not fit."""
    return _checked(int(x), 32)


def I64(x: SupportsInt) -> int:
    """A signed 64-bit word. OverflowError if x does not fit."""
    return _checked(int(x), 64)


def U32(x: SupportsInt) -> int:
    """An unsigned 32-bit word; wraps, as the hash needs it to."""
    return int(x) & 0xFFFFFFFF


def _checked(x: int, bits: int) -> int:
    if not -(1 << (bits - 1)) <= x < 1 << (bits - 1):
        raise OverflowError(f"{x} does not fit a signed word of {bits} bits")
    return x

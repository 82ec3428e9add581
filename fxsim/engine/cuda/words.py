"""Array indices of the CUDA kernel as unsigned words.

Python's negative indices count from the end, so Numba looks at the sign of every index and computes it in 64 bits. The kernel has none:
unsigned indices, of 32 bits where no array can be longer, save a quarter of its machine instructions.
"""
from __future__ import annotations

import ast

LONG = ("x", "target", "yout", "counts", "table", "scratch", "grad", "grad_out", "rec")       # may have more than 2**32 elements


class UnsignedIndices(ast.NodeTransformer):
    """array[i] -> array[U32(i)], or U64 for the arrays named in ``long``. ``functions``: whose bodies are changed."""

    def __init__(self, functions: set[str], long: tuple[str, ...]):
        self.functions, self.long = functions, long

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self.generic_visit(node) if node.name in self.functions else node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.value, ast.Name) and not isinstance(node.slice, (ast.Constant, ast.Tuple)):
            node.slice = ast.Call(ast.Name("U64" if node.value.id in self.long else "U32", ast.Load()), [node.slice], [])
        return node


def unsigned_indices(text: str, template: str, in_shared: bool, spilled: bool) -> str:
    """The built module with unsigned indices in the template's own functions."""
    names = {node.name for node in ast.parse(template).body if isinstance(node, ast.FunctionDef)}
    long = (*LONG, *(() if in_shared else ("mem", "syn")), *(("syn",) if spilled else ()))
    tree = UnsignedIndices(names, long).visit(ast.parse(text))
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"

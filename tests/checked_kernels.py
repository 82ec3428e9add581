"""Runs built kernels as plain Python on checked integers: no compilation, and a machine word that overflows raises."""
from __future__ import annotations

import ast
import operator
import sys
import types

import numpy as np

from fxsim.engine import cpu
from fxsim.engine.words import OPERATIONS


def _checked(bits: int):
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1

    def word(x):
        x = int(x)
        if not low <= x <= high:
            raise OverflowError(f"{x} does not fit {bits} bits")
        return x
    return word


def _checked_operations() -> dict:
    """fxsim.engine.words on Python integers."""
    plain = {"add": operator.add, "sub": operator.sub, "mul": operator.mul, "shl": operator.lshift, "shr": operator.rshift,
             "and": operator.and_, "neg": operator.neg, "min": min, "max": max, "abs": abs}
    return {name: lambda *operands, name=name: _checked(int(name[3:]))(plain[name[:3]](*map(int, operands))) for name in OPERATIONS}


def _njit(*_, **__):
    return lambda function: function


class _PlainElements(ast.NodeTransformer):
    """Array elements as Python integers: NumPy 2 adds an int8 and a Python integer in 8 bits, Numba in 64."""

    def visit_Subscript(self, node):
        self.generic_visit(node)
        return ast.Call(ast.Name("plain", ast.Load()), [node], []) if isinstance(node.ctx, ast.Load) else node


def _plain(x):
    return int(x) if isinstance(x, np.integer) else x


def load_checked(text: str) -> types.ModuleType:
    """Stands in for fxsim.engine.build.load_module."""
    numba = types.SimpleNamespace(njit=_njit, int16=_checked(16), int32=_checked(32), int64=_checked(64), uint32=lambda x: int(x) & 0xFFFFFFFF,
                                  float64=float, float32=float)
    module = types.ModuleType("checked_kernels_built")
    saved = sys.modules.get("numba")
    sys.modules["numba"] = numba
    try:
        tree = ast.fix_missing_locations(_PlainElements().visit(ast.parse(text)))
        module.plain = _plain
        exec(compile(tree, "<built kernels>", "exec"), module.__dict__)
        module.__dict__.update(_checked_operations())
    finally:
        if saved is None:
            del sys.modules["numba"]
        else:
            sys.modules["numba"] = saved
    return module


def use_checked_kernels(monkeypatch) -> None:
    """Let every CpuEngine of a test run on checked Python integers."""
    monkeypatch.setattr(cpu, "load_module", load_checked)

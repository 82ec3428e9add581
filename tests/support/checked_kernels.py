"""Runs built kernels as plain Python on checked integers: no compilation, and a machine word that overflows raises."""
from __future__ import annotations

import ast
import operator
import sys
import types
from unittest import mock

import numpy as np

from fxsim.engine.cpu import block, compiler as _compiler, engine as cpu  # noqa: F401   (before numba is replaced)
from fxsim.engine.cpu.words import OPERATIONS


def _checked(bits: int):
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1

    def word(x):
        x = int(x)
        if not low <= x <= high:
            raise OverflowError(f"{x} does not fit {bits} bits")
        return x
    return word


def _checked_operations() -> dict:
    """fxsim.engine.cpu.words on Python integers."""
    plain = {"add": operator.add, "sub": operator.sub, "mul": operator.mul, "shl": operator.lshift, "shr": operator.rshift,
             "and": operator.and_, "or": operator.or_, "xor": operator.xor, "neg": operator.neg, "min": min, "max": max, "abs": abs}
    words = {name: lambda *operands, name=name: _checked(int(name[3:]))(plain[name[:3]](*map(int, operands)))
             for name in OPERATIONS if name[3:] in ("16", "32", "64") and name[:3] in plain}
    unsigned = {f"{name}U32": lambda *operands, name=name: plain[name](*map(int, operands)) & 0xFFFFFFFF for name in plain}
    unsigned |= {"orU32": lambda a, b: (int(a) | int(b)) & 0xFFFFFFFF}
    narrow, wide = _checked(16), _checked(32)
    return {**words, **unsigned,
            "cut16": lambda a: max(-(1 << 15), min((1 << 15) - 1, wide(a))),
            "ads16": lambda a, b: max(-(1 << 15), min((1 << 15) - 1, narrow(a) + narrow(b))),
            "ads32": lambda a, b: max(-(1 << 31), min((1 << 31) - 1, wide(a) + wide(b))),
            "mulhi16": lambda a, b: narrow(narrow(a) * narrow(b) >> 16),
            "narrowmul32": lambda a, b: wide(narrow(a) * narrow(b)),
            "mulround16": lambda a, b: narrow(narrow(a) * narrow(b) + (1 << 14) >> 15),
            "dot32": lambda a, b, c, d: wide(narrow(a) * narrow(b) + narrow(c) * narrow(d)),
            "pair16": lambda a, b: (narrow(a), narrow(b)),
            "dotpair32": lambda pair, c, d: wide(pair[0] * narrow(c) + pair[1] * narrow(d)),
            "mullo16": lambda a, b: (narrow(a) * narrow(b) + (1 << 15) & 0xFFFF) - (1 << 15),
            "all_at_most": lambda x, limit: x <= limit,
            "positive": lambda x: int(x > 0), "zero": lambda x: int(x == 0), "less": lambda a, b: int(a < b), "signed": int,
            "unsigned": lambda x: int(x) & 0xFFFFFFFF}


def _checked_memory() -> dict:
    """fxsim.engine.cpu.lanes with one lane on Python integers, and fxsim.engine.cpu.sharing for one thread."""
    def put(array, index, value):
        for place, element in enumerate(value if isinstance(value, tuple) else (value,), index):
            array[place] = element
            assert array[place] == element, f"{element} does not fit {array.dtype}"

    def claim(array, index):
        array[index] += 1
        return int(array[index]) - 1

    load = lambda array, index: int(array[index])       # noqa: E731
    return {"take": load, "element": load, "number": load, "take_all": load, "take_same": load, "spread": load, "take_chunk": load, "put": put, "claim": claim,
            "take_signal": load, "take_low": load, "take_held": load, "take_held_side": load, "put_held": put,
            "take_pairs": lambda array, index: (int(array[index]), int(array[index + 1])), "align_stack": lambda: None,
            "take_side": load, "same_side": load, "put_side": put, "none_side": lambda array: 0,
            "take_each": lambda array, places, index: int(array[places[0] + index]), "like": lambda array, value: int(value),
            "none": lambda array: 0, "none_all": lambda array: 0, "take_span": load, "none_span": lambda array: 0}


class _Handed:
    """fxsim.engine.cpu.state.Handed, for functions that see what they are given."""

    def __init__(self, values):
        self.values = values

    def __getattr__(self, name):
        return getattr(self.values, name)

    def __getitem__(self, index):
        return self.values[index]

    def __setitem__(self, index, value):
        self.values[index] = value


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
    """Stands in for fxsim.engine.build.cache.load_module."""
    numba = types.SimpleNamespace(njit=_njit, int16=_checked(16), int32=_checked(32), int64=_checked(64), uint32=lambda x: int(x) & 0xFFFFFFFF,
                                  float64=float, float32=float)
    module = types.ModuleType("checked_kernels_built")
    compiler = types.SimpleNamespace(Inlined=None, update=lambda function: function)
    stand_ins = {"numba": numba, "fxsim.engine.cpu.compiler": compiler}
    saved = {name: sys.modules[name] for name in stand_ins}
    sys.modules.update(stand_ins)
    try:
        tree = ast.fix_missing_locations(_PlainElements().visit(ast.parse(text)))
        module.plain = _plain
        with mock.patch("fxsim.files.machine_code.kept", _njit):
            exec(compile(tree, "<built kernels>", "exec"), module.__dict__)
        checked = _checked_operations()
        compiled = {id(OPERATIONS[name]): function for name, function in checked.items() if name in OPERATIONS}
        aliases = {name: compiled[id(value)] for name, value in module.__dict__.items() if id(value) in compiled}
        module.__dict__.update(checked | aliases | _checked_memory())
    finally:
        sys.modules.update(saved)
    return module


def use_checked_kernels(monkeypatch) -> None:
    """Let every CpuEngine of a test run on checked Python integers."""
    monkeypatch.setattr(cpu, "load_module", load_checked)
    monkeypatch.setattr(cpu, "Handed", _Handed)
    monkeypatch.setattr(block, "Handed", _Handed)

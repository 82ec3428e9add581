"""Runs built kernels as plain Python on checked integers: no compilation, and a machine word that overflows raises."""
from __future__ import annotations

import operator
import sys
import types

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


def load_checked(text: str) -> types.ModuleType:
    """Stands in for fxsim.engine.build.load_module."""
    numba = types.SimpleNamespace(njit=_njit, int16=_checked(16), int32=_checked(32), int64=_checked(64), uint32=lambda x: int(x) & 0xFFFFFFFF,
                                  float64=float, float32=float)
    module = types.ModuleType("checked_kernels_built")
    saved = sys.modules.get("numba")
    sys.modules["numba"] = numba
    try:
        exec(compile(text, "<built kernels>", "exec"), module.__dict__)
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

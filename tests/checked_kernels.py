"""Runs built kernels as plain Python on checked integers: no compilation, and a machine word that overflows raises."""
from __future__ import annotations

import sys
import types

from fxsim.engine import cpu


def _checked(bits: int):
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1

    def word(x):
        x = int(x)
        if not low <= x <= high:
            raise OverflowError(f"{x} does not fit {bits} bits")
        return x
    return word


def _njit(*_, **__):
    return lambda function: function


def load_checked(text: str) -> types.ModuleType:
    """Stands in for fxsim.engine.build.load_module."""
    numba = types.SimpleNamespace(njit=_njit, int32=_checked(32), int64=_checked(64), uint32=lambda x: int(x) & 0xFFFFFFFF,
                                  float64=float, float32=float)
    module = types.ModuleType("checked_kernels_built")
    saved = sys.modules.get("numba")
    sys.modules["numba"] = numba
    try:
        exec(compile(text, "<built kernels>", "exec"), module.__dict__)
    finally:
        if saved is None:
            del sys.modules["numba"]
        else:
            sys.modules["numba"] = saved
    return module


def use_checked_kernels(monkeypatch) -> None:
    """Let every CpuEngine of a test run on checked Python integers."""
    monkeypatch.setattr(cpu, "load_module", load_checked)

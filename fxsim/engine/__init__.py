"""Engines: they differ in how they compute, never in what.

interface    what an engine offers (Engine, Result)
plan         binary points and machine words of one build; the proof that nothing overflows
build        writes fxsim.steps and a kernel template out as a module for one arithmetic
cpu          Numba CPU engine, with cpu_kernels as its template
The oracle, the engine that is the specification, is :mod:`fxsim.oracle`.
"""
from __future__ import annotations

from ..arithmetic import Arithmetic
from ..network import Learning, Network
from .interface import Engine, Result

ENGINES = ("cpu", "oracle")


def make_engine(name: str, network: Network, learning: Learning, arithmetic: Arithmetic, seed: int = 0, threads: int = 0) -> Engine:
    """An engine by name; "auto" takes cpu. Raises InputError if the formats could overflow a 64-bit word."""
    if name in ("auto", "cpu"):
        from .cpu import CpuEngine
        return CpuEngine(network, learning, arithmetic, seed, threads)
    if name == "oracle":
        from ..oracle import Oracle
        return Oracle(network, learning, arithmetic, seed)
    raise ValueError(f"unknown engine {name!r}: one of auto, {', '.join(ENGINES)}")


__all__ = ["ENGINES", "Engine", "Result", "make_engine"]

"""Engines by name: the shipped ones, and those that installed packages offer under the entry point ``fxsim.engines``.

A constructor takes (network, learning, arithmetic, seed, threads) and gives an :class:`fxsim.engine.interface.Engine`.
"""
from __future__ import annotations

import os
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from fxsim.model.arithmetic import Arithmetic
from fxsim.model.network import Learning, Network
from quant import InputError

from .build.module import proof_for
from .interface import Engine

SHIPPED = {"cpu": "fxsim.engine.cpu.engine:CpuEngine", "cuda": "fxsim.engine.cuda.engine:CudaEngine", "oracle": "fxsim.engine.oracle.oracle:Oracle"}
GROUP = "fxsim.engines"     # entry points: name -> module:class


def engine_names() -> list[str]:
    """Every engine that :func:`make_engine` knows, the shipped ones first."""
    return [*SHIPPED, *sorted({point.name for point in entry_points(group=GROUP)} - set(SHIPPED))]


def choose_engine() -> tuple[str, str]:
    """What "auto" stands for on this machine, and why: cuda where a GPU can be used, else cpu."""
    from .cuda.device import find_device, simulated
    if simulated():
        return "cpu", "Numba's CUDA simulator is no device"
    try:
        return "cuda", find_device().name
    except InputError as error:
        return "cpu", str(error.found)


def make_engine(name: str, network: Network, learning: Learning, arithmetic: Arithmetic, seed: int = 0, threads: int = 0,
                memory_mib: float | None = None) -> Engine:
    """An engine by name; "auto": see :func:`choose_engine`, and cpu for rule bptt, which no other one has.

    threads     of the CPU engine
    memory_mib  of rule bptt, see :class:`fxsim.engine.bptt.engine.BpttEngine`

    Raises InputError for an unknown name, if the formats could overflow a 64-bit word, or if there is no device for cuda.
    """
    backward = learning.rule == "bptt"
    if name == "auto":
        name = "cpu" if backward else choose_engine()[0]
    elif backward and name != "cpu":
        raise InputError("engine", "", f"{name} with rule bptt", "auto or cpu")
    if name in ("cpu", "cuda") and os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        raise InputError("NUMBA_DISABLE_JIT", "", os.environ["NUMBA_DISABLE_JIT"],
                         f"0 or nothing with engine {name}, whose kernels run compiled only; or engine oracle")
    if backward:
        from .bptt.engine import BpttEngine
        return BpttEngine(network, learning, arithmetic, seed, threads, memory_mib)
    constructor = _constructor(name)
    if name not in SHIPPED and arithmetic.spec:     # the shipped ones do it themselves
        proof_for(arithmetic, network)
    engine: Engine = constructor(network, learning, arithmetic, seed, threads)
    return engine


def _constructor(name: str) -> Any:
    if name in SHIPPED:
        module, _, constructor = SHIPPED[name].partition(":")
        return getattr(import_module(module), constructor)
    for point in entry_points(group=GROUP):
        if point.name == name:
            return point.load()
    raise InputError("engine", "", name, ", ".join(["auto", *engine_names()]))

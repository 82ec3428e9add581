"""Engines: they differ in how they compute, never in what.

interface    what an engine offers (Engine, Result)
plan         binary points and machine words of one build; the proof that nothing overflows
build        writes fxsim.steps and a kernel template out as a module for one arithmetic; arithmetic_text, rounded_sums, rewrite,
             machine_words: its text
cpu          Numba CPU engine, with cpu_kernels as its template, cpu_block and cpu_state around it; lanes, lane_order, words, compiler:
             SIMD and what else Numba does not offer by itself
cuda         Numba CUDA engine, with cuda_kernels as its template; cuda_plan: what lies where on a device; device: whether there is one
The oracle, the engine that is the specification, is :mod:`fxsim.oracle`.
"""
from __future__ import annotations

from quant import InputError

from ..arithmetic import Arithmetic
from ..network import Learning, Network
from .interface import Engine, Result

ENGINES = ("cpu", "cuda", "oracle")


def choose_engine() -> tuple[str, str]:
    """What "auto" stands for on this machine, and why: cuda where a GPU can be used, else cpu."""
    from .device import find_device, simulated
    if simulated():
        return "cpu", "Numba's CUDA simulator is no device"
    try:
        return "cuda", find_device().name
    except InputError as error:
        return "cpu", error.found


def make_engine(name: str, network: Network, learning: Learning, arithmetic: Arithmetic, seed: int = 0, threads: int = 0) -> Engine:
    """An engine by name; "auto": see :func:`choose_engine`. ``threads``: of the CPU engine.

    Raises InputError if the formats could overflow a 64-bit word, or if there is no device for cuda.
    """
    name = choose_engine()[0] if name == "auto" else name
    if name == "cpu":
        from .cpu import CpuEngine
        return CpuEngine(network, learning, arithmetic, seed, threads)
    if name == "cuda":
        from .cuda import CudaEngine
        return CudaEngine(network, learning, arithmetic, seed)
    if name == "oracle":
        from ..oracle import Oracle
        return Oracle(network, learning, arithmetic, seed)
    raise ValueError(f"unknown engine {name!r}: one of auto, {', '.join(ENGINES)}")


__all__ = ["ENGINES", "Engine", "Result", "choose_engine", "make_engine"]

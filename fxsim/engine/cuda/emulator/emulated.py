"""The CUDA engine on a device in NumPy (:mod:`fxsim.engine.cuda.emulator.gpu`): what runs is the compiled kernel, not its Python source.

Numba's CUDA simulator runs the kernel's Python text with a Python thread for each CUDA thread. Here the PTX runs that a GPU's driver
would get, with its words, shifts and memory layout, and every conflict between threads is found, not only those that happen.

    >>> with emulated(A100):
    ...     result = CudaEngine(network, learning, arithmetic).run(weights, trials)
"""
from __future__ import annotations

from contextlib import contextmanager
from types import ModuleType
from typing import Any, Callable, Iterator, TypeAlias
from unittest import mock

import numpy as np

from fxsim.engine.cuda import engine
from fxsim.engine.cuda.device import Limits

from .gpu import Counts, Machine
from .ptx import Kernel, parse

Latency: TypeAlias = Callable[[Kernel], np.ndarray]       # what each basic block costs a warp


class DeviceArray:
    """Memory of the device."""

    def __init__(self, data: np.ndarray):
        self.data = np.array(data)

    def copy_to_host(self) -> np.ndarray:
        return self.data.copy()


class Emulated:
    """A kernel that is compiled for the types of its arguments when it is called: ``kernel[grid, block, stream, shared](*arguments)``."""

    compiled: dict[tuple, Kernel] = {}

    def __init__(self, function: Callable[..., None], capability: tuple[int, int], bounds: tuple[int, int] | None = None,
                 launches: list[Counts] | None = None, latency: Latency | None = None):
        self.function, self.capability, self.bounds, self.launches, self.latency = function, capability, bounds, launches, latency

    def __getitem__(self, configuration: tuple[int, ...]) -> Callable[..., None]:
        def launch(*arguments: Any) -> None:
            raw = [a.data if isinstance(a, DeviceArray) else a for a in arguments]
            grid, block, _, shared = (*configuration, 0, 0)[:4]
            kernel = self._compile(raw)
            latency = None if self.latency is None else self.latency(kernel)
            counts = Machine(kernel, grid, block, raw, shared, latency=latency).run()
            if self.launches is not None:
                self.launches.append(counts)
        return launch

    def _compile(self, arguments: list) -> Kernel:
        import numba
        from numba import cuda
        types = tuple(numba.typeof(a) for a in arguments)
        key = self.function, types, self.capability, self.bounds
        if key not in self.compiled:
            bounds = {} if self.bounds is None else {"launch_bounds": self.bounds}
            ptx, _ = cuda.compile(self.function, numba.void(*types), device=False, abi="numba", cc=self.capability, output="ptx", **bounds)
            self.compiled[key] = parse(ptx)
        return self.compiled[key]


@contextmanager
def emulated(limits: Limits, launches: list[Counts] | None = None, latency: Latency | None = None) -> Iterator[None]:
    """CUDA engines that are made and run inside see a device with these limits.

    ``launches`` collects what each launch counted; ``latency``: kernel -> what each of its basic blocks costs a warp.
    """
    from numba import cuda

    from fxsim.engine.cuda import sum as cuda_sum

    def make(module: ModuleType, name: str, bounds: tuple[int, int]) -> Emulated:
        return Emulated(getattr(module, name), limits.capability, bounds, launches, latency)

    def empty(size: int, dtype: type[np.generic]) -> DeviceArray:         # a device's memory is not cleared
        return DeviceArray(np.frombuffer(b"\x5a" * (size * np.dtype(dtype).itemsize), dtype))

    with mock.patch.object(engine, "find_device", lambda: limits), mock.patch.object(engine, "jitted", make), \
            mock.patch.object(cuda, "to_device", DeviceArray), mock.patch.object(cuda, "device_array", empty), \
            mock.patch.object(cuda_sum, "sum_trials", Emulated(cuda_sum.sum_trials.py_func, limits.capability)), \
            mock.patch.object(cuda_sum, "spread_trials", Emulated(cuda_sum.spread_trials.py_func, limits.capability)):
        yield

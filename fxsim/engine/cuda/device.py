"""CUDA devices: what the engine needs to know of one, whether this machine has one, and Numba's simulator in its place."""
from __future__ import annotations

import ctypes
import os
import sys
import threading
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from quant import InputError

OLDEST = (8, 0)         # compute capability the kernels are built and checked for
SIMULATOR = "NUMBA_ENABLE_CUDASIM"


@dataclass(frozen=True)
class Limits:
    """Of one device. shared_per_block: bytes that a block can have without opting in to more."""

    name: str
    capability: tuple[int, int]
    multiprocessors: int
    threads_per_block: int = 1024
    threads_per_multiprocessor: int = 2048
    blocks_per_multiprocessor: int = 32
    registers_per_multiprocessor: int = 65536
    shared_per_block: int = 48 * 1024
    shared_per_multiprocessor: int = 164 * 1024
    memory: int = 40 << 30          # bytes
    # for the model of speed only
    clock: float = 1.41e9           # Hz, boost
    bandwidth: float = 1.555e12     # bytes/s of global memory
    int32_per_clock: int = 64       # integer operations per multiprocessor and clock

    @property
    def architecture(self) -> str:
        return f"sm_{self.capability[0]}{self.capability[1]}"


A100 = Limits("A100 (40 GB)", (8, 0), 108)
H100 = Limits("H100 (SXM, 80 GB)", (9, 0), 132, shared_per_multiprocessor=228 * 1024, memory=80 << 30, clock=1.98e9, bandwidth=3.35e12)
KNOWN = {"A100": A100, "H100": H100}    # public data sheets and the CUDA programming guide's table of compute capabilities


def simulated() -> bool:
    """Whether Numba's CUDA simulator takes the place of a device in this process."""
    return os.environ.get(SIMULATOR) == "1"


def use_simulator() -> None:
    """Let Numba's CUDA simulator run the kernels of this process, in pure Python; to be called before Numba is imported."""
    if "numba" in sys.modules and not simulated():
        raise RuntimeError(f"Numba was imported without its CUDA simulator; set {SIMULATOR}=1 before")
    os.environ[SIMULATOR] = "1"


@cache
def guard_simulator() -> None:
    """Give the threads of a simulated block one shared array: Numba looks for it and, where there is none, makes it without a lock, so that threads
    that come at the same time get one each."""
    from numba.cuda.simulator.kernelapi import FakeCUDAShared
    whole, lock = FakeCUDAShared.array, threading.Lock()

    def array(shared: Any, shape: int, dtype: Any) -> Any:
        if shape == 0:      # dynamic: the same memory for all
            return whole(shared, shape, dtype)
        caller = sys._getframe(1)
        with lock:
            place = caller.f_code.co_filename, caller.f_lineno
            if place not in shared._allocations:
                shared._allocations[place] = np.empty(shape, dtype)
            return shared._allocations[place]
    FakeCUDAShared.array = array


def driver_found() -> bool:
    """Whether the NVIDIA driver's library can be loaded; quick, imports nothing."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


def device_errors() -> tuple[type[Exception], ...]:
    """What Numba raises when the driver reports a failure; nothing in the simulator, which has no driver."""
    if simulated():
        return ()
    from numba import cuda
    from numba.cuda.cudadrv.error import CudaSupportError
    return CudaSupportError, cuda.cudadrv.driver.CudaAPIError


def find_device() -> Limits:
    """The current CUDA device. InputError, in one line, if there is none that the engine can use."""
    if simulated():
        return Limits("Numba's CUDA simulator", OLDEST, 1)
    if not driver_found():
        raise InputError("engine cuda", "device", "no CUDA driver on this machine", "an NVIDIA GPU with its driver; or engine cpu")
    try:
        from numba import cuda
        errors = device_errors()
    except ImportError as error:
        raise InputError("engine cuda", "packages", str(error), "pip install 'fxsim[cuda]'; or engine cpu") from None
    try:
        device = cuda.get_current_device()
        memory = cuda.current_context().get_memory_info().total
    except errors as error:
        raise InputError("engine cuda", "device", " ".join(str(error).split()), "a working NVIDIA GPU; or engine cpu") from None
    if tuple(device.compute_capability) < OLDEST:
        found = "{}.{}".format(*device.compute_capability)
        raise InputError("engine cuda", "device", f"compute capability {found}", "{}.{} or newer; or engine cpu".format(*OLDEST))
    name = device.name.decode() if isinstance(device.name, bytes) else str(device.name)
    return Limits(name, tuple(device.compute_capability), device.MULTIPROCESSOR_COUNT, device.MAX_THREADS_PER_BLOCK,
                  device.MAX_THREADS_PER_MULTIPROCESSOR, registers_per_multiprocessor=device.MAX_REGISTERS_PER_MULTIPROCESSOR,
                  shared_per_block=device.MAX_SHARED_MEMORY_PER_BLOCK, shared_per_multiprocessor=device.MAX_SHARED_MEMORY_PER_MULTIPROCESSOR,
                  memory=memory, clock=device.CLOCK_RATE * 1e3,
                  bandwidth=2 * device.MEMORY_CLOCK_RATE * 1e3 * device.GLOBAL_MEMORY_BUS_WIDTH / 8)     # two words a clock

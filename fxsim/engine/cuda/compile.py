"""The CUDA kernels as PTX and machine code, made without a GPU or a driver: registers, spills, instruction counts."""
from __future__ import annotations

import re
from dataclasses import dataclass

from fxsim.engine.build.cache import load_module
from fxsim.model.arithmetic import Arithmetic
from fxsim.model.network import Network
from quant import InputError

from .engine import kernel_source
from .plan import Plan


@dataclass(frozen=True)
class Compiled:
    """One kernel for one architecture; bytes are per thread (spills) and per block (shared, dynamic memory apart)."""

    ptx: str
    architecture: str
    registers: int
    shared: int
    spill_stores: int
    spill_loads: int


def kernel_ptx(arithmetic: Arithmetic, network: Network, plan: Plan, capability: tuple[int, int]) -> str:
    """PTX of the kernel. InputError if the packages are missing."""
    try:
        from numba import cuda, types
    except ImportError as error:
        raise InputError("engine cuda", "packages", str(error), "pip install 'fxsim[cuda]'") from None
    module = load_module(kernel_source(arithmetic, network, plan))
    kind = (lambda dtype: types.Array(types.int64 if dtype is None else dtype, 1, "C"))
    state = getattr(types, module.DT_STATE.__name__)
    wide = types.int64 if arithmetic.spec else state
    total = types.int64 if arithmetic.spec else types.float64
    i32, scalars = types.int32, [types.int64, types.int64, types.boolean, types.boolean, types.int64]
    arrays = [types.uint8, state, types.uint32, types.int64, *[i32, i32, state] * 3, i32, i32, i32, wide, wide, wide, wide, i32, i32, i32, state,
              state, i32, state, state, state]
    signature = types.void(*scalars, *map(kind, arrays), types.Array(total, 2, "C"))
    ptx, _ = cuda.compile(module.simulate, signature, device=False, abi="numba", cc=capability, output="ptx", launch_bounds=plan.launch_bounds)
    return ptx


def compile_kernel(arithmetic: Arithmetic, network: Network, plan: Plan, capability: tuple[int, int]) -> Compiled:
    """Compile and assemble. InputError if the packages are missing."""
    ptx = kernel_ptx(arithmetic, network, plan, capability)
    from cuda.core import Linker, LinkerOptions, ObjectCode
    architecture = f"sm_{capability[0]}{capability[1]}"
    linker = Linker(ObjectCode.from_ptx(ptx.encode() if isinstance(ptx, str) else ptx), options=LinkerOptions(arch=architecture, verbose=True))
    linker.link("cubin")
    log = linker.get_info_log()

    def number(pattern: str) -> int:
        return int(next(iter(re.findall(pattern, log)), 0))

    return Compiled(ptx, architecture, number(r"Used (\d+) registers"), number(r"(\d+) bytes smem"), number(r"(\d+) bytes spill stores"),
                    number(r"(\d+) bytes spill loads"))

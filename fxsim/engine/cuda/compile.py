"""The CUDA kernels as PTX and machine code, made without a GPU or a driver: registers, spills, instruction counts."""
from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from fxsim.engine.build.cache import load_module
from fxsim.model.arithmetic import Arithmetic
from fxsim.model.network import Network
from quant import InputError

from .engine import kernel_source
from .lane_plan import STORED_AS, LanePlan
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


def kernel_ptx(arithmetic: Arithmetic, network: Network, plan: Plan | LanePlan, capability: tuple[int, int], name: str = "simulate") -> str:
    """PTX of one of the plan's kernels. InputError if the packages are missing."""
    try:
        from numba import cuda, types
    except ImportError as error:
        raise InputError("engine cuda", "packages", str(error), "pip install 'fxsim[cuda]'") from None
    module = load_module(kernel_source(arithmetic, network, plan))

    def kind(dtype: Any) -> Any:
        return types.Array(dtype, 1, "C")

    def of(name: str) -> Any:
        return getattr(types, getattr(module, f"DT_{name}").__name__)

    state, u8, i32, i64, u32 = of("STATE"), types.uint8, types.int32, types.int64, types.uint32
    wide = types.int64 if arithmetic.spec else state
    histories = [of("H"), of("X"), of("L"), state]
    inputs = [u8, state, u32, i64, *[i32, i32, state] * 3, i32]
    if name == "simulate":
        scalars = [i64, i64, types.boolean, types.boolean, i64]
        arrays = [*inputs, i32, i32, wide, wide, wide, wide, i32, i32, i32, state, state, i32, state, state, state]
    elif isinstance(plan, LanePlan) and name == "forward":
        scalars = [i64, i64, i64, types.boolean, types.boolean, i64]
        scratch = [of(STORED_AS[part]) if part in STORED_AS else u8 for part in plan.scratch]
        arrays = [*inputs, wide, wide, wide, i32, i32, *scratch, *histories, state, i32, state]
    else:
        scalars = [i64, i64, i64, i64]
        arrays = [u32, i32, i32, i32, wide, wide, u32, *histories, state]
    total = [types.Array(types.int64 if arithmetic.spec else types.float64, 2, "C")] if name == "simulate" else []
    signature = types.void(*scalars, *map(kind, arrays), *total)
    ptx, _ = cuda.compile(getattr(module, name), signature, device=False, abi="numba", cc=capability, output="ptx", launch_bounds=plan.bounds[name])
    return ptx


def compile_kernel(arithmetic: Arithmetic, network: Network, plan: Plan | LanePlan, capability: tuple[int, int], name: str = "simulate") -> Compiled:
    """Compile and assemble. InputError if the packages are missing."""
    ptx = kernel_ptx(arithmetic, network, plan, capability, name)
    from cuda.core import Linker, LinkerOptions, ObjectCode
    architecture = f"sm_{capability[0]}{capability[1]}"
    linker = Linker(ObjectCode.from_ptx(ptx.encode() if isinstance(ptx, str) else ptx), options=LinkerOptions(arch=architecture, verbose=True))
    linker.link("cubin")
    log = linker.get_info_log()

    def number(pattern: str) -> int:
        return int(next(iter(re.findall(pattern, log)), 0))

    return Compiled(ptx, architecture, number(r"Used (\d+) registers"), number(r"(\d+) bytes smem"), number(r"(\d+) bytes spill stores"),
                    number(r"(\d+) bytes spill loads"))

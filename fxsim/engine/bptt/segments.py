"""How a trial is cut where its tape would not fit the memory: the state at the beginning of each segment is kept, and a segment is run forward
once more before the way back goes through it. Gradients are the same to the bit."""
from __future__ import annotations

from math import ceil, isqrt

from fxsim.errors import InputError

MIB = 1 << 20


def segment_steps(steps: int, step_bytes: int, state_bytes: int, memory_mib: float | None, blocks: int) -> int:
    """Steps of a segment, as many as fit.

    step_bytes      of tape for each step, and state_bytes of each kept state, of one block
    memory_mib      for all ``blocks`` that run at once; None: as much as it takes

    Raises InputError if no segment fits.
    """
    if memory_mib is None:
        return steps

    def needed(count: int) -> int:
        return blocks * (ceil(steps / count) * step_bytes + (count - 1) * state_bytes)

    most = min(steps, isqrt(steps * step_bytes // state_bytes) + 1)       # with more segments their states take more than their tapes save
    count = next((count for count in range(1, most + 1) if needed(count) <= memory_mib * MIB), None)
    if count is None:
        least = ceil(1000 * min(map(needed, range(1, most + 1))) / MIB) / 1000
        raise InputError("learning.memory_mib", "", memory_mib, f"at least {least:g} for trials of {steps} steps, {blocks} blocks of them at once")
    return ceil(steps / count)

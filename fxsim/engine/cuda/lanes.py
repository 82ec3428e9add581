"""Launches of the kernels whose lanes are trials (:mod:`fxsim.engine.cuda.trial_kernels`)."""
from __future__ import annotations

from types import ModuleType
from typing import Any, Callable

import numpy as np

from fxsim.model.network import Learning, Trials
from quant.quantities import INDEX
from quant.random import step_key

from .lane_plan import STORED_AS, LanePlan

ROUNDED = ("eligibility", "filtered_eligibility", "eligibility_sum", "adaptation_eligibility", "gradient")    # in the order of their keys
SPREAD_THREADS, MOST_BLOCKS = 256, 4096


class Room:
    """What a launch works in, kept for the next one of the same size: gigabytes, whose allocation would take longer than small batches."""

    def __init__(self) -> None:
        self.key: tuple[Any, ...] = ()
        self.arrays: tuple[Any, ...] = ()

    def of(self, key: tuple[Any, ...], make: Callable[[], tuple[Any, ...]]) -> tuple[Any, ...]:
        """The arrays of this size; those of another size are given up first."""
        if key != self.key:
            self.key, self.arrays = (), ()
            self.arrays = make()
            self.key = key
        return self.arrays


def _room(module: ModuleType, plan: LanePlan, groups: int, T: int, S: int, learn: bool) -> tuple[Any, ...]:
    """Input spikes, D, state that shared memory does not hold, histories of H, X and L."""
    from numba import cuda
    n, m, *_ = plan.placement.sizes
    empty, trials = cuda.device_array, groups * plan.placement.lanes
    kept = trials if learn else 0
    state = [empty(groups * count, getattr(module, f"DT_{STORED_AS[name]}") if name in STORED_AS else np.uint8)
             for name, count in plan.scratch.items()]
    histories = [empty(kept * T * n, module.DT_H), empty(kept * T * (n + m), module.DT_X), empty(kept * S * n, module.DT_L)]
    return empty(trials * T * m, np.uint8), empty(trials * n, module.DT_STATE), state, histories


def lane_launch(rule: Learning, module: ModuleType, plan: LanePlan, kernel: Callable[[str], Any], room: Room, trials: Trials, given: dict[str, Any],
                device: dict[str, Any], learn: bool) -> Callable[[], None]:
    """What runs the kernels on trials. ``given``: inputs on the device by name, ``device``: outputs there; ``kernel``: name -> the compiled one."""
    from numba import cuda

    from .sum import spread_trials
    place, T, B = plan.placement, trials.steps, trials.size
    m, S, lanes = place.sizes[1], rule.window, place.lanes
    groups = -(-B // lanes)
    x, rate, state, histories = room.of((module.__name__, groups, T, S, learn), lambda: _room(module, plan, groups, T, S, learn))
    tiles = [cuda.to_device(table.ravel()) for table in (plan.tiles.post, plan.tiles.line, plan.tiles.element)]
    rows = groups * T * lanes
    spread = spread_trials[max(1, min(MOST_BLOCKS, -(-rows // SPREAD_THREADS))), min(rows, SPREAD_THREADS)]
    forward = kernel("forward")[groups, plan.threads]
    synapses = kernel("synapses")[groups * plan.blocks, plan.synapse_threads]
    keys = cuda.to_device(np.concatenate([step_key(INDEX[quantity], np.arange(T, dtype=np.uint64)) for quantity in ROUNDED]).astype(np.uint32))
    wired = [given[name] for layer in ("in", "rec", "out") for name in (f"ptr_{layer}", f"row_{layer}", f"w_{layer}")]
    first = [T, S, B, learn, rule.classification, rule.number, x, given["target"], given["stream"], given["duration"], *wired,
             given["post_out"], given["gain"], given["leaks"], given["feedback"], given["neuron_at"], given["table"], *state, *histories, rate,
             device["yout"], device["counts"], device["grad_out"]]
    then = [T, S, B, plan.blocks, given["stream"], *tiles, given["drive"], given["leaks"], keys, *histories, rate, device["grad"]]

    def start() -> None:
        spread(B, T, m, lanes, given["x"], x)
        forward(*first)
        if learn:
            synapses(*then)
    return start

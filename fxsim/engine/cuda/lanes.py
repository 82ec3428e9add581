"""Launches of the kernels whose lanes are trials (:mod:`fxsim.engine.cuda.trial_kernels`)."""
from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any, Callable

import numpy as np

from fxsim.model.network import Trials
from quant.quantities import INDEX
from quant.random import step_key

from .lane_plan import STORED_AS, LanePlan

if TYPE_CHECKING:
    from .engine import CudaEngine

ROUNDED = ("eligibility", "filtered_eligibility", "eligibility_sum", "adaptation_eligibility", "gradient")    # in the order of their keys
SPREAD_THREADS, MOST_BLOCKS = 256, 4096


def lane_launch(engine: CudaEngine, module: ModuleType, plan: LanePlan, kernel: Callable[[str], Any], trials: Trials, given: dict[str, Any],
                device: dict[str, Any], learn: bool) -> Callable[[], None]:
    """What runs the kernels on trials. ``given``: inputs on the device by name, ``device``: outputs there; ``kernel``: name -> the compiled one."""
    from numba import cuda

    from .sum import spread_trials
    place, rule, T, B = plan.placement, engine.learning, trials.steps, trials.size
    n, m, *_ = place.sizes
    S, lanes = rule.window, place.lanes
    groups = -(-B // lanes)
    kept = groups * lanes if learn else 0
    empty = cuda.device_array
    x = empty(groups * T * m * lanes, np.uint8)
    histories = [empty(kept * T * n, module.DT_H), empty(kept * T * (n + m), module.DT_X), empty(kept * S * n, module.DT_L)]
    rate = empty(groups * n * lanes, module.DT_STATE)
    state = [empty(groups * count, getattr(module, f"DT_{STORED_AS[name]}") if name in STORED_AS else np.uint8)
             for name, count in plan.scratch.items()]
    tiles = [cuda.to_device(table.ravel()) for table in (plan.tiles.post, plan.tiles.line, plan.tiles.element)]
    rows = groups * T * lanes
    spread = spread_trials[max(1, min(MOST_BLOCKS, -(-rows // SPREAD_THREADS))), min(rows, SPREAD_THREADS)]
    forward = kernel("forward")[groups, plan.threads]
    synapses = kernel("synapses")[groups * plan.blocks, plan.synapse_threads]
    given = {**given, **{f"row_{layer}": cuda.to_device(engine.synapses[layer][1] * np.int32(lanes)) for layer in ("in", "rec", "out")}}
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

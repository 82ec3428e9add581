"""The Numba CUDA engine: one block simulates one trial from its first step to its gradients or, of many trials, 32 in the lanes of its warps."""
from __future__ import annotations

import ast
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Callable

import numpy as np

from fxsim.engine.build.cache import load_module
from fxsim.engine.build.module import module_text, stored_type, template_tree
from fxsim.engine.interface import Result, require_steps
from fxsim.model.arithmetic import Arithmetic
from fxsim.model.network import Learning, Network, Trials
from fxsim.model.telemetry import Counters
from fxsim.model.wiring import eligibility_wiring, neighbour_tables, neuron_at, row_pointer
from quant import InputError
from quant.quantities import INDEX
from quant.random import trial_key

from .device import Limits, device_errors, find_device, guard_simulator, simulated
from .lane_plan import MOST_ELEMENTS, LanePlacement, LanePlan, make_lane_plan
from .lanes import Room, lane_launch
from .plan import Placement, Plan, make_plan
from .words import unsigned_indices

MEMORY_SHARE = 0.5      # of the device's memory that one launch may take
MANY_TRIALS = 512       # from here on lanes are trials: between 64, where one trial a block is faster, and 1024, where it is not (reports/gpu)
SIMULATED_LANES = {"simulated": True, "lanes": 2, "warps": 3}        # a Python thread each
RECORDED = {"V": "V", "a": "A", "r": "R", "y": "Y", "Z": "ZT", "X": "X", "H": "H", "U": "U", "F": "F", "Esum": "S", "G": "G", "Gout": "GOUT",
            "err": "ERR", "L": "L"}


def kernel_source(arithmetic: Arithmetic, network: Network, plan: Plan | LanePlan) -> str:
    """Source of the kernel module."""
    place = plan.placement
    text = module_text(arithmetic, network, place, place.template).text
    names = {node.name for node in template_tree(place.template).body if isinstance(node, ast.FunctionDef)}
    return text if place.simulated else unsigned_indices(text, names, place.long_arrays)


def item_bytes(arithmetic: Arithmetic, network: Network) -> int:
    """Bytes of one stored value: kernels keep all quantities in one type."""
    return np.dtype(stored_type(arithmetic, network)).itemsize


def choose_plan(arithmetic: Arithmetic, network: Network, limits: Limits, trials: int) -> Plan | LanePlan:
    """The plan of an engine for so many trials, without records and counters."""
    many = make_lane_plan(arithmetic, network, limits) if trials >= MANY_TRIALS else None
    return many or make_plan(network, limits, item_bytes(arithmetic, network))


@dataclass(frozen=True)
class Launch:
    """Trials on the device: ``start()`` runs the kernel, as often as one likes; ``device``: the arrays that it fills."""

    start: Callable[[], None]
    device: dict
    trials: Trials
    plan: Plan | LanePlan


class CudaEngine:
    """See :class:`fxsim.engine.interface.Engine`. Results depend on none of these, those of floats to rounding:

    threads     of a block that simulates one trial; 0 chooses
    limits      of the device: this machine's, unless less of it shall be used
    lanes       whether lanes are trials, where they can be; None: if there are many. Records and counters have one trial a block

    Raises InputError if this machine has no usable device.
    """

    name = "cuda"

    def __init__(self, network: Network, learning: Learning, arithmetic: Arithmetic, seed: int = 0, threads: int = 0,
                 limits: Limits | None = None, lanes: bool | None = None):
        self.network, self.learning, self.arithmetic, self.seed, self.threads = network, learning, arithmetic, seed, threads
        self.limits, self.lanes = limits or find_device(), lanes
        topo, co = network.topology, arithmetic.coefficients
        self.wiring = eligibility_wiring(topo)
        self.synapses = {layer: (row_pointer(s.post, s.n_post).astype(np.int32), s.pre.astype(np.int32)) for layer, s in
                         (("in", topo.syn_in), ("rec", topo.syn_rec), ("out", topo.syn_out))}
        wide = np.int64 if arithmetic.spec else arithmetic.dtype
        self.leaks = np.array([co.leak_membrane, co.leak_adaptation, co.leak_readout, co.diffusion_gain, co.rate_target, co.rate_gain,
                               network.constants.refractory], wide)
        self.gain, self.drive = np.asarray(co.adaptation_gain).astype(wide), np.asarray(co.adaptation_drive).astype(wide)
        self.feedback = arithmetic.feedback_to_raw(network.feedback).astype(wide).ravel()
        self.neuron_at = neuron_at(topo).astype(np.int32)
        small: dict[str, Any] = SIMULATED_LANES if simulated() else {}
        self.lane_plan = None if lanes is False else make_lane_plan(arithmetic, network, self.limits, **small)
        self.room = Room()
        self._modules: dict[Placement | LanePlacement, ModuleType] = {}
        self.module(self.plan())    # formats that cannot work are refused here, before anything runs

    def module(self, plan: Plan | LanePlan) -> ModuleType:
        """The kernels built for this arithmetic."""
        if plan.placement not in self._modules:
            self._modules[plan.placement] = load_module(kernel_source(self.arithmetic, self.network, plan))
        return self._modules[plan.placement]

    def plan(self, record: bool = False, telemetry: bool = False, trials: int = 0) -> Plan | LanePlan:
        """Where state lives in this device, for so many trials."""
        if self.lane_plan and not (record or telemetry) and (self.lanes or trials >= MANY_TRIALS):
            return self.lane_plan
        item = 8 if simulated() else item_bytes(self.arithmetic, self.network)
        return make_plan(self.network, self.limits, item, self.threads, record, telemetry, simulated())

    def run(self, weights: dict[str, np.ndarray], trials: Trials, learn: bool = True,
            telemetry: bool = False, record: bool = False) -> Result:
        require_steps(trials, self.arithmetic.steps)
        plan = self.plan(record, telemetry, trials.size)
        size = self._trials_at_once(plan, trials, record)
        parts = [self._part(plan, weights, trials.take(slice(first, first + size)), learn, record) for first in range(0, trials.size, size)]
        gradients = None
        if learn:
            gradients = {**self.wiring.split(sum(p["grad"] for p in parts)), "out": sum(p["grad_out"] for p in parts)}
        counters = Counters.total([p["tel"] for p in parts], self.arithmetic.spec).report() if telemetry else None
        records = {name: np.concatenate([p["record"][name] for p in parts], 1) for name in parts[0]["record"]} if record else None
        readout = self.arithmetic.to_scaled("readout", np.concatenate([p["yout"] for p in parts]))
        return Result(readout, np.concatenate([p["counts"] for p in parts]).astype(np.int64), gradients, counters, records)

    def _part(self, plan: Plan | LanePlan, weights: dict[str, np.ndarray], trials: Trials, learn: bool, record: bool) -> dict:
        """One launch. InputError, in one line, if the device fails: no memory left beside other programs, a kernel that the driver ended, ..."""
        try:
            launch = self.prepare(plan, weights, trials, learn, record)
            launch.start()
            return self._finish(launch, learn, record)
        except device_errors() as error:
            raise InputError("engine cuda", "device", " ".join(str(error).split()),
                             f"{self.limits.name} with room for {trials.size} trials; or engine cpu, which goes on from a checkpoint") from None

    def _trials_at_once(self, plan: Plan | LanePlan, trials: Trials, record: bool) -> int:
        """As many trials as half of the device's memory holds. InputError if not even one fits (of lanes: not even one in each)."""
        n, m, n_out, cells, n_syn, n_syn_out = plan.placement.sizes
        T, S, lanes = trials.steps, self.learning.window, 1
        each = T * m + item_bytes(self.arithmetic, self.network) * (2 * S * n_out + n + n_syn + n_syn_out)
        if isinstance(plan, LanePlan):
            lanes = plan.placement.lanes
            each += plan.group_bytes(T, S) // lanes
        else:
            each += plan.scratch_bytes + (T * plan.placement.record_width * plan.item if record else 0)
        each += S * cells * 9 * 4 if self.learning.rule == "shuffled_per_step" else 0
        fit = int(self.limits.memory * MEMORY_SHARE) // (each * lanes) * lanes
        if lanes > 1:
            fit = min(fit, MOST_ELEMENTS // (T * (n + m) * lanes) * lanes)
        if fit == 0:
            raise InputError("engine cuda", "memory", f"{self.limits.memory >> 20} MiB on {self.limits.name}",
                             f"at least {int(each * lanes / MEMORY_SHARE) >> 20} MiB for one trial; or engine cpu")
        return min(fit, trials.size)

    def prepare(self, plan: Plan | LanePlan, weights: dict[str, np.ndarray], trials: Trials, learn: bool = True, record: bool = False) -> Launch:
        """All that a launch needs, on the device."""
        from numba import cuda
        n, _, n_out, _, n_syn, n_syn_out = plan.placement.sizes
        B, T, S, module = trials.size, trials.steps, self.learning.window, self.module(plan)
        state = np.int64 if simulated() and self.arithmetic.spec else module.DT_STATE
        width = plan.placement.record_width if record and isinstance(plan, Plan) else 0
        empty, total = cuda.device_array, np.int64 if self.arithmetic.spec else np.float64
        device = {"yout": empty(B * S * n_out, state), "counts": empty(B * n, np.int32), "grad": empty(B * n_syn if learn else 0, state),
                  "grad_out": empty(B * n_syn_out if learn else 0, state), "rec": cuda.to_device(np.zeros((T + 1) * B * width, state)),
                  "tel": cuda.to_device(np.zeros((len(INDEX), Counters.WIDTH), total))}       # kernels write all of the others
        given = {name: cuda.to_device(array) for name, array in self._inputs(weights, trials, learn, state).items()}
        if isinstance(plan, LanePlan):
            lanes = np.int32(plan.placement.lanes)
            given |= {f"row_{layer}": cuda.to_device(pre * lanes) for layer, (_, pre) in self.synapses.items()}
            kernel = lambda name: jitted(module, name, plan.bounds[name])       # noqa: E731
            return Launch(lane_launch(self.learning, module, plan, kernel, self.room, trials, given, device, learn), device, trials, plan)
        scratch = empty(B * plan.placement.scratch, state)       # the kernel clears it
        kernel = jitted(module, "simulate", plan.bounds["simulate"])[B, plan.threads, 0, plan.shared_bytes]
        arguments = [T, S, learn, self.learning.classification, self.learning.number, *given.values(), scratch, *device.values()]
        return Launch(lambda: kernel(*arguments), device, trials, plan)

    def _inputs(self, weights: dict[str, np.ndarray], trials: Trials, learn: bool, state: type[np.generic]) -> dict[str, np.ndarray]:
        """What kernels read, flat, in the order of their arguments. ``state``: type of stored values."""
        ar, rule, topo = self.arithmetic, self.learning, self.network.topology
        table = neighbour_tables(topo, rule, self.network.permutation, self.seed, trials.ids, trials.steps) if learn else topo.moore()
        inputs = {"x": np.ascontiguousarray(trials.x, np.uint8).ravel(), "target": ar.target_to_raw(trials.target).astype(state).ravel(),
                  "stream": np.asarray(trial_key(self.seed, trials.ids.astype(np.uint64))).astype(np.uint32),
                  "duration": trials.duration.astype(np.int64)}
        for layer in ("in", "rec", "out"):
            pointer, pre = self.synapses[layer]
            inputs |= {f"ptr_{layer}": pointer, f"pre_{layer}": pre, f"w_{layer}": np.asarray(weights[layer]).astype(state)}
        return {**inputs, "post_out": topo.syn_out.post.astype(np.int32), "line": self.wiring.line.astype(np.int32),
                "post": self.wiring.post.astype(np.int32), "gain": self.gain, "drive": self.drive, "leaks": self.leaks, "feedback": self.feedback,
                "neuron_at": self.neuron_at, "cell": topo.cell.astype(np.int32), "table": table.astype(np.int32).ravel()}

    def _finish(self, launch: Launch, learn: bool, record: bool) -> dict:
        """What a launch left, gradients summed over its trials."""
        B, T, device, placement = launch.trials.size, launch.trials.steps, dict(launch.device), launch.plan.placement
        n, _, n_out, _, n_syn, n_syn_out = placement.sizes
        S, total = self.learning.window, np.int64 if self.arithmetic.spec else np.float64
        if learn:
            for name, size in (("grad", n_syn), ("grad_out", n_syn_out)):
                device[name] = self._sum(device[name], size, B, total)
        host = {name: array.copy_to_host() for name, array in device.items()}
        host["yout"], host["counts"] = host["yout"].reshape(B, S, n_out), host["counts"].reshape(B, n)
        if record:
            assert isinstance(placement, Placement)         # kernels of many trials keep no records
            host["record"] = self._records(placement, host["rec"].reshape(T + 1, B, -1), S, learn)
        return host

    @staticmethod
    def _sum(rows: Any, size: int, trials: int, total: type[np.generic]) -> Any:
        """Rows of trials, an array of the device, as their sum, another."""
        from numba import cuda

        from .sum import sum_trials
        result = cuda.to_device(np.zeros(size, total))
        sum_trials[max(1, min(1024, -(-size // 128))), 128 if not simulated() else 4](trials, size, rows, result)
        return result

    def _records(self, placement: Placement, rec: np.ndarray, S: int, learn: bool) -> dict[str, np.ndarray]:
        """name -> (steps, B, ...) stored values, as the oracle records them."""
        offsets, T, n = placement.offsets(), rec.shape[0] - 1, placement.sizes[0]

        def part(name: str, steps: slice) -> np.ndarray:
            first, length = offsets[name]
            return rec[steps, :, first:first + length]

        every, window, end = slice(0, T), slice(T - S, T), slice(T, T + 1)
        z = offsets["Z"][0]
        names = RECORDED if learn else {name: RECORDED[name] for name in ("V", "a", "r", "y")}
        out = {name: part(where, window if name in ("err", "L") else every) for name, where in names.items()}
        out["z"] = rec[every, :, z:z + n]
        if learn:
            out["G"] = np.concatenate([out["G"], part("G", end)])
            out["D"] = part("D", end)
            if self.learning.diffuses:
                out["M"] = rec[window, :, z + n:]
        return out


_jitted: dict[tuple[str, str, tuple[int, int]], Any] = {}


def jitted(module: ModuleType, name: str, bounds: tuple[int, int]) -> Any:
    """One kernel of a built module, to be compiled for the current device. ``bounds``: launch bounds."""
    key = module.__name__, name, bounds
    if key not in _jitted:
        from numba import cuda
        if simulated():
            guard_simulator()
        _jitted[key] = cuda.jit(getattr(module, name), **({} if simulated() else {"launch_bounds": bounds}))
    return _jitted[key]

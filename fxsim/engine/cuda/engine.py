"""The Numba CUDA engine: one block simulates one trial from its first step to its gradients."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Callable

import numpy as np

from fxsim.engine.build.cache import load_module
from fxsim.engine.build.module import module_text, stored_type
from fxsim.engine.interface import Result, require_steps
from fxsim.model.arithmetic import Arithmetic
from fxsim.model.network import Learning, Network, Trials
from fxsim.model.telemetry import Counters
from fxsim.model.wiring import eligibility_wiring, neighbour_tables, neuron_at, row_pointer
from quant import InputError
from quant.quantities import INDEX
from quant.random import trial_key

from .device import Limits, find_device, simulated
from .plan import Placement, Plan, make_plan
from .words import unsigned_indices

TEMPLATE = Path(__file__).with_name("kernels.py")      # read as text, never imported
MEMORY_SHARE = 0.5      # of the device's memory that one launch may take
RECORDED = {"V": "V", "a": "A", "r": "R", "y": "Y", "Z": "ZT", "X": "X", "H": "H", "U": "U", "F": "F", "Esum": "S", "G": "G", "Gout": "GOUT",
            "err": "ERR", "L": "L"}


def kernel_source(arithmetic: Arithmetic, network: Network, plan: Plan) -> str:
    """Source of the kernel module."""
    place = plan.placement
    text = module_text(arithmetic, network, place, TEMPLATE)
    return text if place.simulated else unsigned_indices(text, TEMPLATE.read_text(), place.in_shared, place.spilled)


def item_bytes(arithmetic: Arithmetic, network: Network) -> int:
    """Bytes of one stored value: kernels keep all quantities in one type."""
    return np.dtype(stored_type(arithmetic, network)).itemsize


@dataclass(frozen=True)
class Launch:
    """Trials on the device: ``start()`` runs the kernel, as often as one likes; ``device``: the arrays that it fills."""

    start: Callable[[], None]
    device: dict
    trials: Trials
    plan: Plan


class CudaEngine:
    """See :class:`fxsim.engine.interface.Engine`. ``threads``: of a block, 0 chooses. Results do not depend on it, nor on ``limits``: those of
    this machine's device unless less of it shall be used.

    Raises InputError if this machine has no usable device.
    """

    name = "cuda"

    def __init__(self, network: Network, learning: Learning, arithmetic: Arithmetic, seed: int = 0, threads: int = 0,
                 limits: Limits | None = None):
        self.network, self.learning, self.arithmetic, self.seed, self.threads = network, learning, arithmetic, seed, threads
        self.limits = limits or find_device()
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
        self._modules: dict[Placement, ModuleType] = {}
        self.module(self.plan())    # formats that cannot work are refused here, before anything runs

    def module(self, plan: Plan) -> ModuleType:
        """The kernel built for this arithmetic."""
        if plan.placement not in self._modules:
            self._modules[plan.placement] = load_module(kernel_source(self.arithmetic, self.network, plan))
        return self._modules[plan.placement]

    def plan(self, record: bool = False, telemetry: bool = False) -> Plan:
        """Where state lives in this device."""
        item = 8 if simulated() else item_bytes(self.arithmetic, self.network)
        return make_plan(self.network, self.limits, item, self.threads, record, telemetry, simulated())

    def run(self, weights: dict[str, np.ndarray], trials: Trials, learn: bool = True,
            telemetry: bool = False, record: bool = False) -> Result:
        require_steps(trials, self.arithmetic.steps)
        plan = self.plan(record, telemetry)
        size = self._trials_at_once(plan, trials, record)
        parts = []
        for first in range(0, trials.size, size):
            launch = self.prepare(plan, weights, trials.take(slice(first, first + size)), learn, record)
            launch.start()
            parts.append(self._finish(launch, learn, record))
        gradients = None
        if learn:
            gradients = {**self.wiring.split(sum(p["grad"] for p in parts)), "out": sum(p["grad_out"] for p in parts)}
        counters = Counters.total([p["tel"] for p in parts], self.arithmetic.spec).report() if telemetry else None
        records = {name: np.concatenate([p["record"][name] for p in parts], 1) for name in parts[0]["record"]} if record else None
        readout = self.arithmetic.to_scaled("readout", np.concatenate([p["yout"] for p in parts]))
        return Result(readout, np.concatenate([p["counts"] for p in parts]).astype(np.int64), gradients, counters, records)

    def _trials_at_once(self, plan: Plan, trials: Trials, record: bool) -> int:
        """As many trials as half of the device's memory holds. InputError if not even one fits."""
        n, m, n_out, cells, n_syn, n_syn_out = plan.placement.sizes
        T, S = trials.steps, self.learning.window
        each = T * m + plan.scratch_bytes + plan.item * (2 * S * n_out + n + n_syn + n_syn_out)
        each += T * plan.placement.record_width * plan.item if record else 0
        each += S * cells * 9 * 4 if self.learning.rule == "shuffled_per_step" else 0
        fit = int(self.limits.memory * MEMORY_SHARE) // each
        if fit == 0:
            raise InputError("engine cuda", "memory", f"{self.limits.memory >> 20} MiB on {self.limits.name}",
                             f"at least {int(each / MEMORY_SHARE) >> 20} MiB for one trial; or engine cpu")
        return min(fit, trials.size)

    def prepare(self, plan: Plan, weights: dict[str, np.ndarray], trials: Trials, learn: bool = True, record: bool = False) -> Launch:
        """All that a launch needs, on the device."""
        from numba import cuda
        ar, rule, topo, placement = self.arithmetic, self.learning, self.network.topology, plan.placement
        n, m, n_out, cells, n_syn, n_syn_out = placement.sizes
        B, T, S = trials.size, trials.steps, rule.window
        module = self.module(plan)
        state = np.int64 if simulated() and ar.spec else module.DT_STATE
        total = np.int64 if ar.spec else np.float64
        table = neighbour_tables(topo, rule, self.network.permutation, self.seed, trials.ids, T) if learn else topo.moore()
        out = {"yout": np.zeros(B * S * n_out, state), "counts": np.zeros(B * n, np.int32),
               "grad": np.zeros(B * n_syn if learn else 0, state), "grad_out": np.zeros(B * n_syn_out if learn else 0, state),
               "rec": np.zeros((T + 1) * B * placement.record_width if record else 0, state),
               "tel": np.zeros((len(INDEX), Counters.WIDTH), total)}
        device = {name: cuda.to_device(array) for name, array in out.items()}
        raw = {layer: np.asarray(w).astype(state) for layer, w in weights.items()}
        arguments = [trials.x.astype(np.uint8).ravel(), ar.target_to_raw(trials.target).astype(state).ravel(),
                     np.asarray(trial_key(self.seed, trials.ids.astype(np.uint64))).astype(np.uint32), trials.duration.astype(np.int64)]
        for layer in ("in", "rec", "out"):
            arguments += [*self.synapses[layer], raw[layer]]
        arguments += [topo.syn_out.post.astype(np.int32), self.wiring.line.astype(np.int32), self.wiring.post.astype(np.int32),
                      self.gain, self.drive, self.leaks, self.feedback, self.neuron_at, topo.cell.astype(np.int32),
                      table.astype(np.int32).ravel()]
        scratch = cuda.device_array(B * placement.scratch, state)       # the kernel clears it
        kernel = jitted(module, plan)[B, plan.threads, 0, plan.shared_bytes]
        given = [T, S, learn, rule.classification, rule.number, *(cuda.to_device(a) for a in arguments), scratch, *device.values()]
        return Launch(lambda: kernel(*given), device, trials, plan)

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


_jitted: dict[tuple[str, tuple[int, int]], Any] = {}


def jitted(module: ModuleType, plan: Plan) -> Any:
    """The kernel of a built module, to be compiled for the current device."""
    key = module.__name__, plan.launch_bounds
    if key not in _jitted:
        from numba import cuda
        _jitted[key] = cuda.jit(module.simulate, **({} if simulated() else {"launch_bounds": plan.launch_bounds}))
    return _jitted[key]

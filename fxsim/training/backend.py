"""What one run computes with: an engine and the arithmetic of its weights, chosen by the configuration.

All engines learn by e-prop, diffusion and the controls; by BPTT the CPU engine and the PyTorch reference do.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from fxsim.config import Config
from fxsim.engine.interface import Engine, Result
from fxsim.engine.registry import make_engine
from fxsim.errors import InputError
from fxsim.model.arithmetic import Arithmetic, make_arithmetic
from fxsim.model.network import LAYERS, Learning, Network, Trials
from fxsim.model.topology import learning_of
from fxsim.tasks import Task, make_task
from quant import PrecisionSpec

from .initial import network_of

if TYPE_CHECKING:
    from fxsim.engine.bptt.engine import BpttEngine
    from fxsim.engine.cpu.engine import CpuEngine


class ModelUnits:
    """The arithmetic of the reference: weights stay float64 in model units, gradients come as batch means."""

    kind, spec, dtype, backward = "float64", None, np.dtype(np.float64), False
    weight_scale = dict.fromkeys(LAYERS, 1.0)

    def __init__(self, name: str):
        self.name = name

    def weight_to_raw(self, quantity: str, layer: str, weights: np.ndarray, step: int) -> np.ndarray:
        return np.array(weights, np.float64)

    def weight_random(self, quantity: str, step: int, size: int) -> np.ndarray:
        return np.zeros(0, np.uint32)

    def moved(self, quantity: dict[str, str], raw: dict[str, np.ndarray], change: dict[str, np.ndarray], update: int) -> dict[str, np.ndarray]:
        return {layer: raw[layer] + change[layer] for layer in raw}

    def weights_to_model(self, raw: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return raw

    def gradient_to_model(self, mean: dict[str, np.ndarray], batch: int) -> dict[str, np.ndarray]:
        return mean


@dataclass(frozen=True)
class Backend:
    """An engine, and the units of the weights that it takes and the gradients that it gives."""

    engine: Engine
    arithmetic: Arithmetic | ModelUnits


class Reference:
    """The PyTorch reference behind the interface of an engine. It counts and records nothing.

    It runs on one thread: its many small operations are slower on two, and some 20 times slower when a core is busy.
    """

    name, threads = "reference", 1

    def __init__(self, network: Network, learning: Learning, dtype: str, seed: int):
        from fxsim.reference import ReferenceEngine  # imports torch
        self._engine = ReferenceEngine(network, learning, dtype, seed)

    def run(self, weights: dict[str, np.ndarray], trials: Trials, learn: bool = True,
            telemetry: bool = False, record: bool = False) -> Result:
        import torch
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            result = self._engine.run(weights, trials, learn)
        finally:
            torch.set_num_threads(before)
        return Result(result.readout, result.spike_counts, result.gradients, None, None)


def require_learning(source: str, spec: PrecisionSpec | None, rule: str) -> None:
    """InputError for a rule that learns on the chip in a precision whose hardware only infers. BPTT happens off the chip, forward as the chip
    does."""
    if spec is not None and not spec.learns and rule != "bptt":
        raise InputError(source, "precision", f"{spec.name}, whose hardware does not learn, with rule {rule}",
                         f"learning.rule=bptt, which trains off the chip; fxsim evaluate RUN --precisions {spec.name}; or a precision that learns")


LONG = 6e10
"""Synapses x steps x trials that a run learns from, from which on kernels for its formats alone pay: they take some 8 s to compile, and those
that many formats share 0.2 to 0.4 s more for 1e9 (2026)."""


@runtime_checkable
class Writes(Protocol):
    """An engine whose kernels may have the formats written into them, see :meth:`fxsim.engine.cpu.engine.CpuEngine.write_out`."""

    def write_out(self) -> None: ...


def for_a_run(engine: Engine, config: Config, network: Network, steps: int, updates: int) -> Engine:
    """The engine, with kernels for its formats alone if the run is long. Results are the same."""
    synapses = sum(network.topology.synapses(layer).pre.size for layer in ("in", "rec"))
    if isinstance(engine, Writes) and synapses * steps * config.batch_size * updates > LONG:
        engine.write_out()
    return engine


def kernels_of(config: Config) -> list[str]:
    """What the CPU engine compiles for a run of this configuration, by name. Raises InputError."""
    return _cpu_engine(config)[0].kernels(config.batch_size, config.evaluation.batch_size)


def compile_kernels(config: Config) -> None:
    """Compile all that a run of this configuration computes with on the CPU engine, or find it in the cache. Raises InputError."""
    warm_up(*_cpu_engine(config))


def warm_up(engine: Engine, weights: dict[str, np.ndarray], task: Task) -> None:
    """Each kind of call that a run makes, once: an update, an evaluation, telemetry. Kernels are compiled, or loaded, then."""
    batch = task.training_trials(0)
    engine.run(weights, batch)
    engine.run(weights, task.evaluation_trials(), learn=False)
    engine.run(weights, batch.take(slice(1)), telemetry=True)


def _cpu_engine(config: Config) -> tuple[CpuEngine | BpttEngine, dict[str, np.ndarray], Task]:
    """The engine, its first weights as stored, and the task."""
    from fxsim.engine.bptt.engine import BpttEngine  # these import Numba
    from fxsim.engine.cpu.engine import CpuEngine
    if config.engine not in ("auto", "cpu"):
        raise InputError(config.name, "engine", config.engine, "auto or cpu: others have no kernels that are compiled beforehand")
    network, learning, task = network_of(config), learning_of(config), make_task(config)
    arithmetic = make_arithmetic(config.resolved_precision(), network, learning, task.steps, config.seed)
    engine = make_engine("cpu", network, learning, arithmetic, config.seed, config.threads, config.learning.memory_mib)
    engine = for_a_run(engine, config, network, task.steps, config.updates)
    assert isinstance(engine, (CpuEngine, BpttEngine))
    return engine, arithmetic.weights_to_raw(network.weights), task


def simulator(config: Config, network: Network, learning: Learning, precision: str | PrecisionSpec, steps: int) -> tuple[Engine, Arithmetic]:
    """An engine of the simulator for another rule or precision than the run's own. The PyTorch reference, and for BPTT what has none: "auto"."""
    arithmetic = make_arithmetic(precision, network, learning, steps, config.seed)
    name = "auto" if config.engine == "reference" or learning.rule == "bptt" else config.engine
    return make_engine(name, network, learning, arithmetic, config.seed, config.threads, config.learning.memory_mib), arithmetic


def make_backend(config: Config, network: Network, learning: Learning, steps: int, updates: int) -> Backend:
    """The engine and arithmetic of a configuration, for so many updates. Raises InputError for formats and combinations that cannot work."""
    if config.engine == "reference":
        if config.learning.optimizer.name != "adam":
            raise InputError(config.name, "learning.optimizer.name", f"{config.learning.optimizer.name} with engine reference", "adam")
        return Backend(Reference(network, learning, config.precision, config.seed), ModelUnits(config.precision))
    arithmetic = make_arithmetic(config.resolved_precision(), network, learning, steps, config.seed)
    require_learning(config.name, arithmetic.spec, learning.rule)
    engine = make_engine(config.engine, network, learning, arithmetic, config.seed, config.threads, config.learning.memory_mib)
    return Backend(for_a_run(engine, config, network, steps, updates), arithmetic)

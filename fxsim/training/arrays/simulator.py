"""A network on arrays: run it, let it learn, look at every quantity, a batch or a step at a time.

    >>> network = build_network(load_config("delayed_match"))
    >>> simulator = Simulator(network, precision="q16", rule="diffusion", steps=300, window=50)
    >>> simulator.learn(spikes, labels)                 # spikes (B, T, m) of 0 and 1, labels (B,)
    >>> simulator.run(spikes).readout                   # (B, window, K)

Time is in steps of 1 ms. What is computed is what a training computes: the same engines, the same bits.
"""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fxsim.config.learning import RULES, AdamConfig, OptimizerConfig
from fxsim.engine.registry import make_engine
from fxsim.errors import InputError
from fxsim.files.archive import Archive
from fxsim.files.writing import write_npz
from fxsim.model.arithmetic import WEIGHT_STREAM, make_arithmetic
from fxsim.model.network import LAYERS, Learning, Network, Trials
from fxsim.training.backend import require_learning
from fxsim.training.metrics import measure
from fxsim.training.optimizers import make_optimizer
from quant import PrecisionSpec
from quant.quantities import QUANTITIES

from .streaming import Stream

NAMES = {"Esum": "eligibility_sum", **{q.symbol: q.name for q in QUANTITIES.values() if q.name != "eligibility_sum"}}
STEPS = {"z": "spikes, 0 or 1", "r": "steps until the neuron may spike again"}
UNITS = {**STEPS, **{name: f"{QUANTITIES[name].meaning}; model value = this times {QUANTITIES[name].scale}" for name in NAMES.values()}}
"""What :meth:`Simulator.record` gives, name -> meaning and unit."""


@dataclass(frozen=True)
class Response:
    """What a batch did: readout (B, window, K) float64 in model units, spike_counts (B, n)."""

    readout: np.ndarray
    spike_counts: np.ndarray


class Simulator:
    """A network with weights that learn.

    network         topology, constants, initial weights: of a configuration (:func:`fxsim.build_network`) of arrays
                    (:func:`fxsim.make_network`) or of a file (:func:`fxsim.load_network`)
    precision       "float32", "float64", a preset's name, the path of a precision's YAML, or formats
    rule            eprop, diffusion, shuffled_fixed or shuffled_per_step
    steps           T of the longest trial
    window          last steps of a trial with a learning signal, in which the readout is given; 0: all, of trials of exactly ``steps``
    classification  targets are labels; else values for every step of the window
    optimizer       a section of a configuration; default: Adam, rate 0.005
    engine          auto, cpu, cuda, oracle or an installed one

    Trials are numbered as they come, and the numbers key stochastic rounding: the same calls give the same bits, on every engine if the
    precision is fixed point. Raises InputError for settings and arrays that cannot be.
    """

    def __init__(self, network: Network, precision: str | PrecisionSpec = "q16", rule: str = "diffusion", *, steps: int, window: int = 0,
                 classification: bool = True, k: float = 0.75, c_reg: float = 0.01, f_target_hz: float = 10.0,
                 optimizer: OptimizerConfig | None = None, engine: str = "auto", seed: int = 0, threads: int = 0):
        if rule not in RULES or RULES[rule].number is None:
            raise InputError("Simulator", "rule", rule, ", ".join(name for name, known in RULES.items() if known.number is not None))
        network.require_places("Simulator", "rule", rule)
        for field, value, low, high in (("steps", steps, 1, 10**6), ("window", window, 0, steps), ("seed", seed, 0, 2**32 - 1)):
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not low <= value <= high:
                raise InputError("Simulator", field, repr(value), f"a whole number from {low} to {high}")
        for field, number, most in (("k", k, 1 - 1e-9), ("c_reg", c_reg, 1e30), ("f_target_hz", f_target_hz, 1e3)):
            if not 0 <= number <= most:
                raise InputError("Simulator", field, repr(number), f"0 to {most:g}")
        self.network, self.steps, self.seed, self.trials_seen = network, steps, seed, 0
        self.learning = Learning(rule, window or steps, classification, k, c_reg, f_target_hz / 1000)
        self.arithmetic = make_arithmetic(precision, network, self.learning, steps, seed)
        self.engine = make_engine(engine, network, self.learning, self.arithmetic, seed, threads)
        self.optimizer = make_optimizer(optimizer or AdamConfig(name="adam"), self.arithmetic, network.weights)
        self._stream: Stream | None = None

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """in, rec, out -> (n_syn,) float64 in model units, in the order of ``network.topology.synapses(layer)``."""
        return self.arithmetic.weights_to_model(self.optimizer.weights)

    # ---- batches -----------------------------------------------------------------------------------------------------
    def run(self, spikes: np.ndarray, durations: np.ndarray | None = None) -> Response:
        """Run B trials from rest, without learning.

        spikes      (B, T, m) of 0 and 1
        durations   (B,) own steps of trials that start with silence
        """
        result = self.engine.run(self.optimizer.weights, self._trials(spikes, None, durations), learn=False)
        return Response(result.readout, result.spike_counts)

    def learn(self, spikes: np.ndarray, targets: np.ndarray, durations: np.ndarray | None = None) -> dict[str, float | None]:
        """One update from B trials; returns loss, accuracy or nmse, and rate_hz before it.

        targets     (B,) labels, or for a regression (B, window, K)
        """
        return self.update(self._trials(spikes, targets, durations))

    def update(self, trials: Trials) -> dict[str, float | None]:
        """:meth:`learn` from trials that are put together already, with numbers of their own."""
        require_learning("Simulator", self.arithmetic.spec, self.learning.rule)
        result = self.engine.run(self.optimizer.weights, trials, learn=True)
        assert result.gradients is not None
        self.optimizer.step(result.gradients, trials.size)
        return measure(result, trials, self.learning.classification)

    def record(self, spikes: np.ndarray, targets: np.ndarray | None = None, durations: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Every quantity of every step, without an update: name -> (steps, B, ...) float64 in the simulator's units, see ``UNITS``.

        What exists in the window only (error, learning_signal, modulator) has as many rows; with ``targets`` what learning adds is there, too.
        The oracle computes it, so that any engine's network can be looked at; memory for everything is needed.
        """
        trials = self._trials(spikes, targets, durations)
        oracle = make_engine("oracle", self.network, self.learning, self.arithmetic, self.seed)
        record = oracle.run(self.optimizer.weights, trials, learn=targets is not None, record=True).record
        assert record is not None
        return {NAMES.get(name, name): values.astype(np.float64) if name in STEPS else self.arithmetic.to_scaled(NAMES[name], values)
                for name, values in record.items()}

    def _trials(self, spikes: np.ndarray, targets: np.ndarray | None, durations: np.ndarray | None) -> Trials:
        x, m, S, K = np.asarray(spikes), self.network.topology.n_in, self.learning.window, self.network.topology.n_out
        if x.ndim != 3 or x.shape[2] != m or x.shape[0] < 1 or not S <= x.shape[1] <= self.steps:
            raise InputError("Simulator", "spikes", f"shape {x.shape}", f"(B, T, {m}) with T from {S}, the window, to {self.steps}, the steps")
        if x.dtype.kind not in "biuf" or not ((x == 0) | (x == 1)).all():
            raise InputError("Simulator", "spikes", "other values", "0 and 1")
        B, T = x.shape[:2]
        own = np.full(B, T, np.int64) if durations is None else np.asarray(durations)
        if own.shape != (B,) or own.dtype.kind not in "iu" or (own < 1).any() or (own > T).any():
            raise InputError("Simulator", "durations", f"shape {own.shape} of {own.dtype}", f"({B},) whole numbers from 1 to {T}")
        target = np.zeros((B, S, K)) if targets is None else self._target(np.asarray(targets), (B, S, K))
        ids = ((self.trials_seen + np.arange(B)) % WEIGHT_STREAM).astype(np.uint32)
        self.trials_seen += B
        return Trials(x.astype(np.uint8), target, own.astype(np.int64), ids)

    def _target(self, targets: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """(B, S, K) or without B: what labels or values are to an engine."""
        *batch, S, K = shape
        if not self.learning.classification:
            if targets.shape != shape or targets.dtype.kind not in "fiu" or not np.isfinite(targets).all():
                raise InputError("Simulator", "targets", f"shape {targets.shape} of {targets.dtype}", f"{shape}, finite numbers")
            return targets.astype(np.float64)
        if targets.shape != tuple(batch) or targets.dtype.kind not in "iu" or (targets < 0).any() or (targets >= K).any():
            raise InputError("Simulator", "targets", f"shape {targets.shape} of {targets.dtype}", f"{tuple(batch)} labels from 0 to {K - 1}")
        return np.repeat(np.eye(K)[targets][..., None, :], S, -2)

    # ---- a step at a time --------------------------------------------------------------------------------------------
    def step(self, spikes_t: np.ndarray, target_t: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """The next step of one trial: input spikes (m,) to the neurons' spikes (n,) and the readout (K,), model units.

        With a target, a label or K values, the network learns from this step; for the bits of a batch these are the last ``window`` steps.
        :meth:`end` ends the trial. Memory does not grow. In fixed point the bits are those of every engine, in floats those of the oracle.
        """
        x, m, K = np.asarray(spikes_t), self.network.topology.n_in, self.network.topology.n_out
        if x.shape != (m,) or x.dtype.kind not in "biuf" or not ((x == 0) | (x == 1)).all():
            raise InputError("Simulator", "spikes_t", f"shape {x.shape} of {x.dtype}", f"({m},) of 0 and 1")
        if self._stream is None:
            number = self.trials_seen % WEIGHT_STREAM
            self._stream = Stream(self.network, self.learning, self.arithmetic, self.optimizer.weights, self.seed, number)
        if self._stream.t == self.steps:
            raise InputError("Simulator", "step", f"step {self.steps + 1} of a trial", f"at most {self.steps} steps, then end()")
        if target_t is None:
            return self._stream.step(x, None)
        require_learning("Simulator", self.arithmetic.spec, self.learning.rule)
        target = np.asarray(target_t)
        return self._stream.step(x, self._target(target if self.learning.classification else target[None], (1, K)))

    def end(self) -> None:
        """End the trial of :meth:`step`; if it had targets, the weights change. The next step is the first of a trial from rest."""
        if self._stream is None:
            raise InputError("Simulator", "end", "no step", "a trial that has begun")
        stream, self._stream = self._stream, None
        self.trials_seen += 1
        if stream.learned:
            self.optimizer.step(stream.gradients(), 1)

    # ---- files -------------------------------------------------------------------------------------------------------
    def save(self, path: str | Path) -> None:
        """Write weights, the optimizer's state and the count of trials, as .npz."""
        write_npz(Path(path), self._state())

    def _state(self) -> dict[str, np.ndarray]:
        state = {name: np.asarray(values) for name, values in self.optimizer.state().items()}
        return {"trials_seen": np.asarray(self.trials_seen, np.int64), **state}

    def load(self, path: str | Path) -> None:
        """Go on from what a simulator with the same settings saved, to the same bits. Raises InputError for a file that does not fit."""
        with Archive(path) as archive:
            state = {name: archive.array(name, like.dtype.kind, f"array of {like.dtype}", like.shape) for name, like in self._state().items()}
            for name, values in state.items():
                if not np.isfinite(values).all():
                    raise archive.error(name, "values that are not finite", "finite numbers")
            for layer in LAYERS:
                quantity = self.optimizer.masters.quantity[layer]
                values, spec = state[f"master_{layer}"], self.arithmetic.spec
                if spec and values.size and not spec[quantity].min_raw <= values.min() <= values.max() <= spec[quantity].max_raw:
                    raise archive.error(f"master_{layer}", f"{values.min()} to {values.max()}", f"words of {quantity}, {spec[quantity]}")
        self.trials_seen, self._stream = int(state.pop("trials_seen")), None
        self.optimizer.restore(state)

"""Gradients of one network by any rule in any precision, at the same weights and on the same trials."""
from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Mapping, Sequence, TypeGuard

import numpy as np

from fxsim.config import Config
from fxsim.engine.interface import Engine, given
from fxsim.model.arithmetic import Arithmetic
from fxsim.model.draws import generator
from fxsim.model.network import LAYERS, Network, Trials
from fxsim.model.topology import learning_of
from quant import PrecisionSpec

from ..backend import simulator

if TYPE_CHECKING:
    from fxsim.engine.cpu.engine import CpuEngine
    from fxsim.engine.oracle.oracle import Oracle

TWIN = "float64"
RECORDED = 8        # trials at a time: a record has every state variable
Gradient = dict[str, np.ndarray]        # layer -> (groups, n_syn), model units: the mean over groups is the mean gradient


@dataclass(frozen=True)
class Groups:
    """Trials, and how many of them, one after the other, are in each group."""

    trials: Trials
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, trials: Trials, groups: int) -> Groups:
        """In so many groups, or one by one where there are fewer trials; sizes differ by one at most."""
        return cls(trials, tuple(len(part) for part in np.array_split(np.arange(trials.size), min(groups, trials.size))))

    def parts(self) -> list[Trials]:
        """Each group's trials."""
        ends = np.cumsum(self.sizes)
        return [self.trials.take(slice(end - size, end)) for size, end in zip(self.sizes, ends)]


class Gradients:
    """A network's engines, each made when it is first asked for.

    precisions      label -> float32, float64 or formats; TWIN is always among them
    """

    def __init__(self, config: Config, network: Network, precisions: Mapping[str, str | PrecisionSpec], steps: int):
        self.config, self.network, self.steps = config, network, steps
        self.precisions: dict[str, str | PrecisionSpec] = {TWIN: TWIN, **precisions}
        self._engines: dict[tuple[str, str, str], tuple[Engine, Arithmetic]] = {}       # rule, precision, kind of engine

    def of(self, rule: str, precision: str, weights: Mapping[str, np.ndarray], batches: Sequence[Groups],
           spikes: Sequence[np.ndarray] | None = None) -> Gradient:
        """By a rule in a precision.

        weights     layer -> (n_syn,) model units; formats round them
        spikes      of each batch, (B, T, n): neurons spike as these say, not as their own potentials do
        """
        engine, arithmetic = self._engine(rule, precision, spikes is not None)
        stored, found = arithmetic.weights_to_raw(dict(weights)), list[Gradient]()
        share = sum(len(batch.sizes) for batch in batches) / sum(batch.trials.size for batch in batches)
        for i, batch in enumerate(batches):
            raw = _gradients(engine, stored, batch, None if spikes is None else spikes[i])
            found.append(arithmetic.gradient_to_model({layer: g * share for layer, g in raw.items()}, 1))
        return {layer: np.concatenate([gradient[layer] for gradient in found]) for layer in LAYERS}

    def spikes(self, weights: Mapping[str, np.ndarray], batches: Sequence[Groups]) -> list[np.ndarray]:
        """What the float64 twin's neurons do, (B, T, n) of each batch."""
        engine, arithmetic = self._engine("eprop", TWIN, False)
        stored, found = arithmetic.weights_to_raw(dict(weights)), []
        for trials in (batch.trials for batch in batches):
            parts = [trials.take(slice(start, start + RECORDED)) for start in range(0, trials.size, RECORDED)]
            records = [given(engine.run(stored, part, learn=False, record=True).record) for part in parts]
            found.append(np.concatenate([record["z"].swapaxes(0, 1) != 0 for record in records]))
        return found

    @cached_property
    def _directions(self) -> dict[str, np.ndarray]:
        rng = generator(self.config.seed, "moved weights")
        return {layer: rng.standard_normal(self.network.topology.synapses(layer).size) for layer in LAYERS}

    def moved(self, weights: Mapping[str, np.ndarray], share: float) -> dict[str, np.ndarray]:
        """The weights, each moved by a normal random number times this share of itself."""
        return {layer: w * (1 + share * self._directions[layer]) for layer, w in weights.items()}

    def _engine(self, rule: str, precision: str, driven: bool) -> tuple[Engine, Arithmetic]:
        """``driven``: one that takes spikes, which is the oracle or the CPU engine, in place of the configuration's."""
        made = self._made((rule, precision, self.config.engine))
        return self._made((rule, precision, "cpu")) if driven and not _takes_spikes(made[0]) else made

    def _made(self, key: tuple[str, str, str]) -> tuple[Engine, Arithmetic]:
        if key not in self._engines:
            rule, precision, engine = key
            config, learning = self.config.model_copy(update={"engine": engine}), replace(learning_of(self.config), rule=rule)
            self._engines[key] = simulator(config, self.network, learning, self.precisions[precision], self.steps)
        return self._engines[key]


def _gradients(engine: Engine, stored: dict[str, np.ndarray], batch: Groups, spikes: np.ndarray | None) -> Gradient:
    """layer -> (groups, n_syn) stored gradients, summed over the trials of each group."""
    from fxsim.engine.cpu.engine import CpuEngine
    if isinstance(engine, CpuEngine):       # all at once: it sums group by group
        group = np.repeat(np.arange(len(batch.sizes)), batch.sizes)
        return given(engine.run(stored, batch.trials, driven=spikes, group=group).gradients)
    found, start = list[Gradient](), 0
    for part in batch.parts():
        if spikes is None:
            result = engine.run(stored, part)
        else:
            assert _takes_spikes(engine)
            result = engine.run(stored, part, driven=spikes[start:start + part.size])
        found.append(given(result.gradients))
        start += part.size
    return {layer: np.stack([gradient[layer] for gradient in found]) for layer in LAYERS}


def _takes_spikes(engine: Engine) -> TypeGuard[CpuEngine | Oracle]:
    from fxsim.engine.cpu.engine import CpuEngine  # and Numba: every training imports this file, few measure gradients
    from fxsim.engine.oracle.oracle import Oracle
    return isinstance(engine, (CpuEngine, Oracle))

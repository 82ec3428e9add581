"""Gradients of one network by any rule in any precision, at the same weights and on the same trials."""
from __future__ import annotations

from dataclasses import replace
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
Gradient = dict[str, np.ndarray]        # layer -> (groups, n_syn), model units: the mean over groups is the mean gradient


class Gradients:
    """A network's engines, each made when it is first asked for.

    precisions      label -> float32, float64 or formats; TWIN is always among them
    """

    def __init__(self, config: Config, network: Network, precisions: Mapping[str, str | PrecisionSpec], steps: int):
        self.config, self.network, self.steps = config, network, steps
        self.precisions: dict[str, str | PrecisionSpec] = {TWIN: TWIN, **precisions}
        self._engines: dict[tuple[str, str, str], tuple[Engine, Arithmetic]] = {}       # rule, precision, kind of engine

    def of(self, rule: str, precision: str, weights: Mapping[str, np.ndarray], groups: Sequence[Trials],
           spikes: Sequence[np.ndarray] | None = None) -> Gradient:
        """By a rule in a precision.

        weights     layer -> (n_syn,) model units; formats round them
        spikes      of each group, (B, T, n): neurons spike as these say, not as their own potentials do
        """
        engine, arithmetic = self._engine(rule, precision, spikes is not None)
        stored, share = arithmetic.weights_to_raw(dict(weights)), len(groups) / sum(part.size for part in groups)
        found = []
        for i, part in enumerate(groups):
            if spikes is None:
                result = engine.run(stored, part)
            else:
                assert _takes_spikes(engine)
                result = engine.run(stored, part, driven=spikes[i])
            found.append(arithmetic.gradient_to_model({layer: g * share for layer, g in given(result.gradients).items()}, 1))
        return {layer: np.stack([gradient[layer] for gradient in found]) for layer in LAYERS}

    def spikes(self, weights: Mapping[str, np.ndarray], groups: Sequence[Trials]) -> list[np.ndarray]:
        """What the float64 twin's neurons do, (B, T, n) of each group."""
        engine, arithmetic = self._engine("eprop", TWIN, False)
        stored = arithmetic.weights_to_raw(dict(weights))
        return [given(engine.run(stored, part, learn=False, record=True).record)["z"].swapaxes(0, 1) != 0 for part in groups]

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


def _takes_spikes(engine: Engine) -> TypeGuard[CpuEngine | Oracle]:
    from fxsim.engine.cpu.engine import CpuEngine  # and Numba: every training imports this file, few measure gradients
    from fxsim.engine.oracle.oracle import Oracle
    return isinstance(engine, (CpuEngine, Oracle))

"""The sizes that GeNN's e-prop is timed with on the Spiking Heidelberg Digits: 700 inputs, 256 recurrent ALIF neurons all to all, 20 readouts.

Trials are drawn: Poisson spikes at the data set's mean rate, for the files are not here. A recording has about 8000 spikes on 700 channels
(Cramer et al. 2022, the data set's files; a round figure, not counted here); steps are as many as its longest has at 1 ms.
"""
from __future__ import annotations

import numpy as np

from fxsim.model.given.arrays import make_network
from fxsim.model.network import Network, Trials
from fxsim.training.arrays.simulator import Simulator

NAME = "shd_like"
INPUTS, NEURONS, OUTPUTS = 700, 256, 20
STEPS, BATCH = 1370, 512
SPIKES = 8000           # of a trial
TARGET_HZ = 10.0


def network() -> Network:
    """All to all but for autapses, every neuron adaptive; without places."""
    rng = np.random.default_rng(1)
    sizes = {"in": (INPUTS, NEURONS), "rec": (NEURONS, NEURONS), "out": (NEURONS, OUTPUTS)}
    weights = {layer: rng.normal(0, np.sqrt(1 / size[0]), size) for layer, size in sizes.items()}
    return make_network(weights["in"], weights["rec"] * (1 - np.eye(NEURONS)), weights["out"], beta=1.8)


def simulator(precision: str, rule: str, engine: str, threads: int) -> Simulator:
    """Raises InputError for a rule that needs places."""
    return Simulator(network(), precision, rule, steps=STEPS, f_target_hz=TARGET_HZ, engine=engine, threads=threads)


def trials(count: int = BATCH) -> Trials:
    """A batch; the learning signal is there in all steps."""
    rng = np.random.default_rng(2)
    x = np.empty((count, STEPS, INPUTS), np.uint8)
    for b in range(count):          # at once they would take eight times the memory
        x[b] = rng.random((STEPS, INPUTS), np.float32) < SPIKES / (STEPS * INPUTS)
    target = np.eye(OUTPUTS)[rng.integers(0, OUTPUTS, count)][:, None].repeat(STEPS, 1)
    return Trials(x, target, np.full(count, STEPS), np.arange(count, dtype=np.uint32))

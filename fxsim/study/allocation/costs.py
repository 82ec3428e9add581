"""What formats take: memory of the whole network, and energy of an update, as :mod:`fxsim.hardware` counts and estimates them.

Spikes are those of the base precision at trained weights, for all formats: that narrow ones fire otherwise is seen when they are trained.
"""
from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache

from fxsim.config import Config
from fxsim.hardware.activity import evaluation_trials, measure_activity
from fxsim.hardware.cost import estimates
from fxsim.hardware.energy import Energy
from fxsim.hardware.memory import memory
from fxsim.model.network import Network
from quant import PrecisionSpec

TRIALS = 4


@dataclass(frozen=True)
class Cost:
    """memory      bytes;  energy  of an update, pJ, low to high"""

    memory: float
    energy: Energy


class Costs:
    """Of formats that differ from a configuration's precision.

    network     with the weights whose spikes are counted
    """

    def __init__(self, config: Config, network: Network):
        self.config, self.network = config, network
        self.activity = measure_activity(config, network, evaluation_trials(config, TRIALS))
        self.of = cache(self._of)

    def _of(self, spec: PrecisionSpec) -> Cost:
        config = with_formats(self.config, spec)
        kept = memory(config, self.network).network.total / 8
        update = estimates(config, self.network, self.activity, kept)[2]
        assert update is not None       # integers have prices, and what does not learn was refused
        return Cost(kept, update.energy)


def with_formats(config: Config, spec: PrecisionSpec) -> Config:
    """The configuration, in fixed point, with those formats of ``spec`` that differ from its own."""
    own = config.changed({"formats": {}}).resolved_precision()
    assert isinstance(own, PrecisionSpec)
    return config.changed({"formats": {name: asdict(fmt) for name, fmt in spec.formats.items() if fmt != own.formats.get(name)}})

"""Lava behind the interface of an engine, for checks against the oracle."""
from __future__ import annotations

from dataclasses import replace

import numpy as np

from fxsim.engine.interface import Result
from fxsim.model.arithmetic import Arithmetic
from fxsim.model.network import LAYERS, Learning, Network, Trials
from lava_backend.package import bare_package
from lava_backend.runtime.session import Session


class LavaEngine:
    """See :class:`fxsim.engine.interface.Engine`. Starts Lava with its first run; it counts no telemetry."""

    name = "lava"

    def __init__(self, network: Network, learning: Learning, arithmetic: Arithmetic, seed: int = 0, threads: int = 0):
        self.network, self.learning, self.arithmetic = network, learning, arithmetic
        self.session: Session | None = None

    def run(self, weights: dict[str, np.ndarray], trials: Trials, learn: bool = True,
            telemetry: bool = False, record: bool = False) -> Result:
        if self.session is None:
            self.session = Session(bare_package("a network in memory", self.network, self.learning, self.arithmetic, weights))
        elif any(not np.array_equal(weights[layer], self.session.weights[layer]) for layer in LAYERS):
            self.session.program(weights)
        if not record:
            return self.session.run(trials, learn)
        records: list[dict[str, np.ndarray]] = []
        result = self.session.run(trials, learn, on_record=lambda trial, found: records.append(found))
        return replace(result, record={name: np.concatenate([found[name] for found in records], 1) for name in records[0]})

    def close(self) -> None:
        """Stop Lava."""
        if self.session is not None:
            self.session.close()
            self.session = None

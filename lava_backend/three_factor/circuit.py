"""A package on Lava's three-factor engine, connected, and run trial by trial. Imports Lava: for child processes."""
from __future__ import annotations

from pathlib import Path

import numpy as np
from lava.magma.core.run_configs import Loihi2SimCfg

from fxsim.model.network import LAYERS
from lava_backend.exact.circuit import TrialCircuit
from lava_backend.exact.grid import Grid
from lava_backend.exact.sink import Sink
from lava_backend.exact.source import Source
from lava_backend.package import Package

from .connection import Connection
from .integrator import Integrator
from .soma import Soma


class EngineCircuit(TrialCircuit):
    """Source -> Connection -> Soma (-> Connection -> itself) -> Connection -> Integrator -> Sink, and Integrator -> Grid -> Soma.

    The connections are LearningDense: they learn at every step. See :class:`lava_backend.exact.circuit.TrialCircuit`.
    """

    def __init__(self, package: Package, directory: Path):
        where = str(directory)
        self.source, self.soma, self.integrator = Source(package, where), Soma(package, where), Integrator(package, where)
        self.grid, self.sink = Grid(package, where), Sink(package, where)
        self.connections = {layer: Connection(package, layer, where) for layer in LAYERS}
        ins, rec, out = self.connections.values()
        self.source.x_out.connect(ins.s_in)
        self.soma.s_out.connect([rec.s_in, out.s_in])
        ins.a_out.connect(self.soma.a_in)
        rec.a_out.connect(self.soma.a_rec)
        out.a_out.connect(self.integrator.a_in)
        self.soma.y1_out.connect([ins.s_in_y1, rec.s_in_y1])
        self.soma.y2_out.connect([ins.s_in_y2, rec.s_in_y2])
        self.soma.y3_out.connect([ins.s_in_y3, rec.s_in_y3])
        self.integrator.y1_out.connect(out.s_in_y1)
        self.integrator.y_out.connect(self.sink.y_in)
        self.integrator.e_out.connect(self.grid.e_in)
        self.grid.m_out.connect(self.soma.m_in)
        self.counted, self.target = self.soma.count, self.integrator.target
        processes = (self.source, self.soma, self.integrator, self.grid, self.sink, *self.connections.values())
        self.launch(package, processes, Loihi2SimCfg(select_tag="fixed_pt"))

    def program(self, weights: dict[str, np.ndarray]) -> None:
        for layer, raw in weights.items():
            self.connections[layer].weights.set(self.package.network.topology.synapses(layer).dense(np.asarray(raw, np.int32)).T)

    def weights(self) -> dict[str, np.ndarray]:
        return {layer: self.package.network.topology.synapses(layer).sparse(self.read(connection.weights).T)
                for layer, connection in self.connections.items()}

    def gradients(self) -> dict[str, np.ndarray]:
        """The engine adds to the weights themselves."""
        return {}

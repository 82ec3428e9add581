"""Grid: the learning signal. The error enters at the neurons with feedback and, under diffusion, spreads from cell to cell."""
from __future__ import annotations

from typing import Any, Mapping

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from fxsim.engine.oracle.exact import Exact
from fxsim.engine.oracle.oracle import Signal, neighbours_at
from fxsim.model.wiring import neighbour_tables
from lava_backend.package import Package

from .trial_model import ORDER_SIZE, TRIAL, TrialModel


class Grid(AbstractProcess):
    """The torus of cells on which neurons sit.

    e_in (K,)   readout error err(t)        m_out (n,)  learning signal L(t) of each neuron
    Both in the last S steps of a trial that learns. Var modulator: the field M after the trial (zero under e-prop).
    """

    def __init__(self, package: Package, directory: str = ""):
        topo = package.network.topology
        super().__init__(package=package, directory=directory, name="Grid")
        self.e_in, self.m_out = InPort(shape=(topo.n_out,)), OutPort(shape=(topo.n,))
        self.order = Var(shape=(ORDER_SIZE,), init=0)
        self.modulator = Var(shape=(topo.n_cells,), init=0)


@implements(proc=Grid, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class GridModel(TrialModel):
    """Spiking phase, where there is an error: receive err(t), diffuse, send L(t)."""

    e_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int64)
    m_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int64)
    order: np.ndarray = LavaPyType(np.ndarray, np.int64)
    modulator: np.ndarray = LavaPyType(np.ndarray, np.int64)

    def __init__(self, proc_params: Mapping[str, Any]):
        super().__init__(proc_params)
        self.signal = Signal(self.numbers, self.package.network, self.package.learning)

    def at_rest(self) -> None:
        package = self.package
        self.signal.rest()
        self.L: Exact | None = None
        if self.learns:
            self.tables = neighbour_tables(package.network.topology, package.learning, package.network.permutation, package.seed,
                                           self.order[TRIAL:TRIAL + 1], self.steps)

    def step(self) -> None:
        if self.learns and self.in_window:
            error = self.numbers.value("error", self.e_in.recv()[None])
            L = self.L = self.signal.step(error, neighbours_at(self.tables, self.t - (self.steps - self.window)))
            self.m_out.send(L.raw[0])

    def states(self) -> dict:
        return {"L": self.L, "M": self.signal.M} if self.learns and self.in_window else {}

    def end_of_trial(self) -> None:
        if self.signal.M is not None:
            self.modulator[:] = self.signal.M.raw[0]

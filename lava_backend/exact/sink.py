"""Sink: the host's end of the network; keeps the readouts of a trial's window."""
from __future__ import annotations

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyInPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_backend.package import Package

from .trial_model import ORDER_SIZE, TrialModel


class Sink(AbstractProcess):
    """y_in (K,): readouts y(t) in the last S steps. Var readout (S, K): those of the trial, stored values."""

    def __init__(self, package: Package, directory: str = ""):
        K = package.network.topology.n_out
        super().__init__(package=package, directory=directory, name="Sink")
        self.y_in = InPort(shape=(K,))
        self.order = Var(shape=(ORDER_SIZE,), init=0)
        self.readout = Var(shape=(package.learning.window, K), init=0)


@implements(proc=Sink, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class SinkModel(TrialModel):
    y_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int64)
    order: np.ndarray = LavaPyType(np.ndarray, np.int64)
    readout: np.ndarray = LavaPyType(np.ndarray, np.int64)

    def step(self) -> None:
        if self.in_window:
            self.readout[self.t - (self.steps - self.window)] = self.y_in.recv()

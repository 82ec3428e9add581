"""Integrator: readouts whose synapses are a Connection; they send the engine their error."""
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

from fxsim.engine.oracle import oracle
from lava_backend.exact.trial_model import ORDER_SIZE, TrialModel
from lava_backend.package import Package

from .rule import Gathered


class Integrator(AbstractProcess):
    """K leaky readouts.

    a_in (K,)   sums of weights from the connection         y1_out (K,) error, gathered, or 0: factor of the rule
    e_out (K,)  error, in the last S steps of a trial that learns       y_out (K,)  readouts y(t), in the last S steps

    Var target (S, K): stored targets of the trial.
    """

    def __init__(self, package: Package, directory: str = ""):
        K = package.network.topology.n_out
        super().__init__(package=package, directory=directory, name="Integrator")
        self.a_in, self.y1_out, self.e_out, self.y_out = InPort(shape=(K,)), *(OutPort(shape=(K,)) for _ in range(3))
        self.order = Var(shape=(ORDER_SIZE,), init=0)
        self.target = Var(shape=(package.learning.window, K), init=0)


@implements(proc=Integrator, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class IntegratorModel(TrialModel):
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    y1_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    e_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int64)
    y_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int64)
    order: np.ndarray = LavaPyType(np.ndarray, np.int64)
    target: np.ndarray = LavaPyType(np.ndarray, np.int64)

    def __init__(self, proc_params: Mapping[str, Any]):
        super().__init__(proc_params)
        self.readout = oracle.Readout(self.numbers, self.package.network, self.package.learning)
        self.gathered, self.frac = Gathered(self.package, "error"), self.package.spec["weight_out"].frac_bits

    def at_rest(self) -> None:
        self.readout.rest()
        self.gathered.rest()

    def step(self) -> None:
        y, self.error = self.readout.integrate(self.numbers.number(self.a_in.recv()[None], self.frac)), None
        y1 = np.zeros_like(y.raw[0])
        if self.in_window:
            self.y_out.send(y.raw[0])
            if self.learns:
                self.error = self.readout.error(self.target[self.t - (self.steps - self.window)][None])
                self.e_out.send(self.error.raw[0])
                y1 = self.gathered.step(self.t, self.error.raw[0])
        self.y1_out.send(y1.astype(np.int32))

    def states(self) -> dict:
        return {"y": self.readout.y, "err": self.error}

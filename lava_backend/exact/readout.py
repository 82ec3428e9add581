"""Readout: leaky readouts, their error, and the gradient of the readout weights."""
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
from fxsim.engine.oracle.exact import Exact
from lava_backend.package import Package, resumed

from .trial_model import FIRST, LAST, ORDER_SIZE, TrialModel


class Readout(AbstractProcess):
    """K leaky readouts of the spikes.

    s_in (n,)   spikes z(t)         e_out (K,)  error err(t), in the last S steps of a trial that learns
                                    y_out (K,)  readouts y(t), in the last S steps

    Vars: target (S, K) stored targets of the trial; weight_out stored weights; gradient_out sum over the batch.
    """

    def __init__(self, package: Package, directory: str = ""):
        topo = package.network.topology
        super().__init__(package=package, directory=directory, name="Readout")
        self.s_in, self.e_out, self.y_out = InPort(shape=(topo.n,)), OutPort(shape=(topo.n_out,)), OutPort(shape=(topo.n_out,))
        self.order = Var(shape=(ORDER_SIZE,), init=0)
        self.target = Var(shape=(package.learning.window, topo.n_out), init=0)
        self.weight_out = Var(shape=(topo.syn_out.size,), init=package.weights["out"])
        self.gradient_out = Var(shape=(topo.syn_out.size,), init=0)


@implements(proc=Readout, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class ReadoutModel(TrialModel):
    """Spiking phase: receive z(t), update y, send y(t) and err(t). Learning phase: accumulate."""

    has_learning_phase = True
    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int64)
    e_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int64)
    y_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int64)
    order: np.ndarray = LavaPyType(np.ndarray, np.int64)
    target: np.ndarray = LavaPyType(np.ndarray, np.int64)
    weight_out: np.ndarray = LavaPyType(np.ndarray, np.int64)
    gradient_out: np.ndarray = LavaPyType(np.ndarray, np.int64)

    def __init__(self, proc_params: Mapping[str, Any]):
        super().__init__(proc_params)
        package = self.package
        self.readout = oracle.Readout(self.numbers, package.network, package.learning)
        self.optimizer = resumed(package.optimizer, package.arithmetic, {"out": package.masters["out"]}, package.updates) \
            if package.optimizer.on_chip else None

    def at_rest(self) -> None:
        self.readout.program({"out": self.weight_out})
        self.readout.rest()
        if self.order[FIRST]:
            self.gradient_out[:] = 0

    def step(self) -> None:
        z = self.s_in.recv()[None]
        y = self.readout.step(z)
        self.error: Exact | None = None
        if self.in_window:
            self.y_out.send(y.raw[0])
        if self.learns:
            self.readout.trace(z)
            if self.in_window:
                s = self.t - (self.steps - self.window)
                error = self.error = self.readout.error(self.target[s][None])
                self.e_out.send(error.raw[0])

    def learn(self) -> None:
        assert self.error is not None       # there is a learning phase only in the window
        self.readout.learn(self.error)

    def states(self) -> dict:
        states: dict[str, Exact | None] = {"y": self.readout.y}
        if self.learns:
            states |= {"Z": self.readout.Z, "Gout": self.readout.G, "err": self.error}
        return states

    def end_of_trial(self) -> None:
        if not self.learns:
            return
        self.gradient_out += self.readout.G.raw[0]
        if self.order[LAST] and self.optimizer:
            nothing = np.zeros(0, np.int64)
            self.weight_out[:] = self.optimizer.step({"in": nothing, "rec": nothing, "out": self.gradient_out}, 1)["out"]

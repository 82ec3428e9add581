"""Soma: the neurons of a network whose synapses are Connections; they send the engine its factors."""
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

from fxsim.engine.oracle.oracle import Somata, pseudo_derivative
from lava_backend.exact.trial_model import ORDER_SIZE, TrialModel
from lava_backend.package import Package

from .rule import Gathered, signal_quantity


class Soma(AbstractProcess):
    """n LIF and adaptive LIF neurons.

    a_in, a_rec (n,)    sums of weights from the two connections       s_out (n,)   spikes z(t)
    m_in (n,)           learning signal L(t), in the last S steps of a trial that learns
    y1_out, y2_out, y3_out (n,)     factors of the learning rule: L, gathered, or 0; pseudo-derivative H(t); H(t) of adaptive neurons

    Var count: spikes of the trial.
    """

    def __init__(self, package: Package, directory: str = ""):
        n = package.network.topology.n
        super().__init__(package=package, directory=directory, name="Soma")
        self.a_in, self.a_rec, self.m_in = (InPort(shape=(n,)) for _ in range(3))
        self.s_out, self.y1_out, self.y2_out, self.y3_out = (OutPort(shape=(n,)) for _ in range(4))
        self.order = Var(shape=(ORDER_SIZE,), init=0)
        self.count = Var(shape=(n,), init=0)


@implements(proc=Soma, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class SomaModel(TrialModel):
    """All in the spiking phase: z(t) leaves before L(t), which depends on it, is waited for."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    a_rec: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    m_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int64)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    y1_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    y2_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    y3_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    order: np.ndarray = LavaPyType(np.ndarray, np.int64)
    count: np.ndarray = LavaPyType(np.ndarray, np.int64)

    def __init__(self, proc_params: Mapping[str, Any]):
        super().__init__(proc_params)
        self.somata, self.gathered = Somata(self.numbers, self.package.network), Gathered(self.package, signal_quantity(self.package))
        self.adapts = np.asarray(self.package.arithmetic.coefficients.adaptation_drive) != 0

    def at_rest(self) -> None:
        self.somata.rest()
        self.gathered.rest()

    def step(self) -> None:
        somata, spec = self.somata, self.package.spec
        z = somata.integrate(*(self.numbers.number(port.recv()[None], spec[weight].frac_bits)
                               for port, weight in ((self.a_in, "weight_in"), (self.a_rec, "weight_rec"))))
        self.s_out.send(z[0].astype(np.int32))
        self.H = pseudo_derivative(self.numbers, somata.distance, somata.r == 0)
        H = self.H.raw[0].astype(np.int32)
        L = self.gathered.step(self.t, self.m_in.recv()) if self.learns and self.in_window else np.zeros_like(H)
        self.y1_out.send(L.astype(np.int32))
        self.y2_out.send(H)
        self.y3_out.send(np.where(self.adapts, H, 0).astype(np.int32))

    def states(self) -> dict:
        return {"V": self.somata.V, "a": self.somata.a, "r": self.somata.r, "z": self.somata.z, "H": self.H}

    def end_of_trial(self) -> None:
        self.count[:] = self.somata.count[0]

"""Layer: the recurrent network, somata and synapses, with everything that its synapses learn from."""
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

from fxsim.engine.oracle.oracle import Eligibility, Somata
from lava_backend.package import Package, resumed

from .trial_model import FIRST, LAST, ORDER_SIZE, TrialModel


class Layer(AbstractProcess):
    """n LIF and adaptive LIF neurons with input and recurrent synapses, e-prop eligibilities and gradients.

    Recurrent spikes z(t-1) stay inside, so the recurrent delay is one step, as in the model.

    x_in (m,)   input spikes x(t)               s_out (n,)  spikes z(t)
    m_in (n,)   learning signal L(t), received in the learning phase of the last S steps

    Vars: weight_in, weight_rec stored weights; v, a, z the neurons' state; count spikes of the trial; gradient_in,
    gradient_rec sums over the batch.
    """

    def __init__(self, package: Package, directory: str = ""):
        topo = package.network.topology
        super().__init__(package=package, directory=directory, name="Layer")
        self.x_in, self.m_in, self.s_out = InPort(shape=(topo.n_in,)), InPort(shape=(topo.n,)), OutPort(shape=(topo.n,))
        self.order = Var(shape=(ORDER_SIZE,), init=0)
        self.v, self.a, self.z, self.count = (Var(shape=(topo.n,), init=0) for _ in range(4))
        for layer in ("in", "rec"):
            size = (topo.synapses(layer).size,)
            setattr(self, f"weight_{layer}", Var(shape=size, init=package.weights[layer]))
            setattr(self, f"gradient_{layer}", Var(shape=size, init=0))


@implements(proc=Layer, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class LayerModel(TrialModel):
    """Spiking phase: receive x(t), update somata, send z(t), then the eligibilities. Learning phase: receive L(t), accumulate."""

    has_learning_phase = True
    x_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int64)
    m_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int64)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int64)
    order: np.ndarray = LavaPyType(np.ndarray, np.int64)
    v: np.ndarray = LavaPyType(np.ndarray, np.int64)
    a: np.ndarray = LavaPyType(np.ndarray, np.int64)
    z: np.ndarray = LavaPyType(np.ndarray, np.int64)
    count: np.ndarray = LavaPyType(np.ndarray, np.int64)
    weight_in: np.ndarray = LavaPyType(np.ndarray, np.int64)
    weight_rec: np.ndarray = LavaPyType(np.ndarray, np.int64)
    gradient_in: np.ndarray = LavaPyType(np.ndarray, np.int64)
    gradient_rec: np.ndarray = LavaPyType(np.ndarray, np.int64)

    def __init__(self, proc_params: Mapping[str, Any]):
        super().__init__(proc_params)
        package = self.package
        self.somata, self.synapses = Somata(self.numbers, package.network), Eligibility(self.numbers, package.network)
        self.signal_quantity = "modulator" if package.learning.diffuses else "learning_signal"
        masters = {layer: package.masters[layer] for layer in ("in", "rec")}
        self.optimizer = resumed(package.optimizer, package.arithmetic, masters, package.updates) if package.optimizer.on_chip else None

    def at_rest(self) -> None:
        self.somata.program({"in": self.weight_in, "rec": self.weight_rec})
        self.somata.rest()
        self.synapses.rest()
        if self.order[FIRST]:
            self.gradient_in[:], self.gradient_rec[:] = 0, 0

    def step(self) -> None:
        x = self.x_in.recv()[None]
        z = self.somata.step(x)
        self.s_out.send(z[0])
        if self.learns:
            self.synapses.step(np.concatenate([self.somata.before, self.somata.arrived], 1), self.somata.distance, self.somata.r == 0)

    def learn(self) -> None:
        self.synapses.learn(self.numbers.value(self.signal_quantity, self.m_in.recv()[None]))

    def states(self) -> dict:
        somata, synapses = self.somata, self.synapses
        states = {"V": somata.V, "a": somata.a, "r": somata.r, "z": somata.z}
        if self.learns:
            states |= {"X": synapses.X, "H": synapses.H, "E": synapses.E, "U": synapses.U, "F": synapses.F, "Esum": synapses.Esum, "G": synapses.G}
        return states

    def end_of_trial(self) -> None:
        somata, synapses = self.somata, self.synapses
        self.v[:], self.a[:], self.z[:], self.count[:] = somata.V.raw[0], somata.a.raw[0], somata.z[0], somata.count[0]
        if not self.learns:
            return
        self.numbers.t = self.steps         # the random bits of what follows the last step
        synapses.finish(somata.count, self.duration)
        if self.recorder:
            self.recorder.add(D=synapses.D, G=synapses.G)
        gradient = synapses.wiring.split(synapses.G.raw[0])
        self.gradient_in += gradient["in"]
        self.gradient_rec += gradient["rec"]
        if self.order[LAST] and self.optimizer:
            new = self.optimizer.step({"in": self.gradient_in, "rec": self.gradient_rec, "out": np.zeros(0, np.int64)}, 1)
            self.weight_in[:], self.weight_rec[:] = new["in"], new["rec"]

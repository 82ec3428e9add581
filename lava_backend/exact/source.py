"""Source: replays the input spikes of one trial."""
from __future__ import annotations

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_backend.package import Package

from .trial_model import ORDER_SIZE, TrialModel

BITS = 50       # spikes in one word of the Var: the host writes a word at a time, and as a float64, which is exact to 53 bits


def pack(x: np.ndarray) -> np.ndarray:
    """Input spikes (T, m) as words (T, ceil(m / 50)), channel c in bit c % 50 of word c // 50."""
    T, m = x.shape
    padded = np.zeros((T, -(-m // BITS) * BITS), np.int64)
    padded[:, :m] = x
    return (padded.reshape(T, -1, BITS) << np.arange(BITS)).sum(-1)


class Source(AbstractProcess):
    """x_out: input spikes x(t), (m,) 0 or 1. Var words: the trial's spikes, see pack()."""

    def __init__(self, package: Package, directory: str = ""):
        m = package.network.topology.n_in
        shape = (package.steps, -(-m // BITS))
        super().__init__(package=package, directory=directory, name="Source")
        self.order = Var(shape=(ORDER_SIZE,), init=0)
        self.words = Var(shape=shape, init=0)
        self.x_out = OutPort(shape=(m,))


@implements(proc=Source, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class SourceModel(TrialModel):
    order: np.ndarray = LavaPyType(np.ndarray, np.int64)
    words: np.ndarray = LavaPyType(np.ndarray, np.int64)
    x_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int64)

    def at_rest(self) -> None:
        m = self.package.network.topology.n_in
        bits = (self.words[:, :, None] >> np.arange(BITS)) & 1
        self.x = bits.reshape(self.steps, -1)[:, :m]

    def step(self) -> None:
        """x(t) leaves one step ahead and waits in the channel, so that nobody waits for it."""
        if self.t == 0:
            self.x_out.send(self.x[0])
        if not self.last_step:
            self.x_out.send(self.x[self.t + 1])

"""A package in mode loihi_lif on nothing but Lava's own processes: RingBuffer, Sparse, LIF. Imports Lava: for child processes."""
from __future__ import annotations

import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.proc.lif.process import LIF
from lava.proc.sparse.process import Sparse
from lava.utils.weightutils import SignMode

from lava_backend.package import Package
from lava_backend.runtime.channels import start

from .loihi_lif import THRESHOLD_BITS, settings, stock_matrix

NO_MEMORY = 4095        # du: the current forgets everything


class StockCircuit:
    """Source -> Sparse -> LIF (-> Sparse -> itself) -> Sparse -> LIF that never fires; the spikes go to a sink, too.

    x (B, T, m): the input spikes of all trials that will be run, in their order.
    """

    def __init__(self, package: Package, x: np.ndarray):
        self.package, self.set_up = package, settings(package)
        topo, (B, T, m) = package.network.topology, x.shape
        self.source = Source(data=x.reshape(B * T, m).T.astype(np.int32))
        self.connections = {layer: Sparse(weights=stock_matrix(package, layer).astype(np.int32), weight_exp=self.set_up.exponents[layer],
                                          num_weight_bits=8, sign_mode=SignMode.MIXED, name=layer) for layer in ("in", "rec", "out")}
        self.neurons = LIF(shape=(topo.n,), du=NO_MEMORY, dv=self.set_up.dv, vth=self.set_up.vth, name="neurons")
        self.readout = LIF(shape=(topo.n_out,), du=NO_MEMORY, dv=self.set_up.dv_out, vth=(1 << THRESHOLD_BITS) - 1, name="readout")
        self.sink = Sink(shape=(topo.n,), buffer=T)
        self.source.s_out.connect(self.connections["in"].s_in)
        self.connections["in"].a_out.connect(self.neurons.a_in)
        self.neurons.s_out.connect(self.connections["rec"].s_in)
        self.connections["rec"].a_out.connect(self.neurons.a_in)
        self.neurons.s_out.connect(self.connections["out"].s_in)
        self.connections["out"].a_out.connect(self.readout.a_in)
        self.neurons.s_out.connect(self.sink.a_in)
        self.runtime = start(self.neurons, Loihi2SimCfg(select_tag="fixed_pt"))
        self.neurons.run(RunSteps(num_steps=0))

    def trial(self) -> tuple[np.ndarray, np.ndarray]:
        """Run the next trial from rest: stored readouts (S, K) of the window and spikes (T, n)."""
        package, readouts = self.package, []
        T, S = package.steps, package.learning.window
        for process in (self.neurons, self.readout):
            process.u.set(np.zeros(process.u.shape))
            process.v.set(np.zeros(process.v.shape))
        for connection in self.connections.values():
            connection.a_buff.set(np.zeros(connection.a_buff.shape))
        if T > S:
            self.neurons.run(RunSteps(num_steps=T - S))
        for _ in range(S):
            self.neurons.run(RunSteps(num_steps=1))
            readouts.append(self.readout.v.get())
        return np.array(readouts).astype(np.int64), self.sink.data.get().T.astype(np.int64)

    def actors(self) -> list:
        """The operating system's processes that Lava runs in."""
        return list(self.runtime._messaging_infrastructure.actors)

    def actor_names(self) -> list[str]:
        names = [f"{type(process).__name__} {process.name}" for process in self.runtime._executable.proc_builders]
        return names + ["Lava's runtime service"] * (len(self.actors()) - len(names))

    def stop(self) -> None:
        self.neurons.stop()

"""The processes of a package, connected, and run trial by trial. Imports Lava: run it in a child process, as
:mod:`lava_backend.session` does.
"""
from __future__ import annotations

from pathlib import Path

import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg

from .channels import start
from .package import Package
from .processes.grid import Grid
from .processes.layer import Layer
from .processes.readout import Readout
from .processes.sink import Sink
from .processes.source import Source, pack
from .trial_model import ORDER

VARS = {"in": ("layer", "weight_in", "gradient_in"), "rec": ("layer", "weight_rec", "gradient_rec"), "out": ("readout", "weight_out", "gradient_out")}


class Circuit:
    """Source -> Layer -> Readout -> Sink, and Readout -> Grid -> Layer.

    ``directory``: where processes write what they are asked to record. Call :meth:`stop` in any case, or the
    interpreter never ends.
    """

    def __init__(self, package: Package, directory: Path):
        self.package, self.directory, where = package, directory, str(directory)
        self.source, self.layer, self.readout = Source(package, where), Layer(package, where), Readout(package, where)
        self.grid, self.sink = Grid(package, where), Sink(package, where)
        self.processes = (self.source, self.layer, self.readout, self.grid, self.sink)
        self.source.x_out.connect(self.layer.x_in)
        self.layer.s_out.connect(self.readout.s_in)
        self.readout.y_out.connect(self.sink.y_in)
        self.readout.e_out.connect(self.grid.e_in)
        self.grid.m_out.connect(self.layer.m_in)
        start(self.layer, Loihi2SimCfg(select_tag="fixed_pt"))
        self.layer.run(RunSteps(num_steps=0))       # Vars can be written from now on

    def program(self, weights: dict[str, np.ndarray]) -> None:
        """Write stored weights, layer -> (n_syn,), into the processes."""
        for layer, raw in weights.items():
            process, name, _ = VARS[layer]
            if raw.size:
                getattr(getattr(self, process), name).set(np.asarray(raw, np.int64))

    def weights(self) -> dict[str, np.ndarray]:
        """The stored weights that the processes hold."""
        return {layer: self._read(getattr(getattr(self, process), name)) for layer, (process, name, _) in VARS.items()}

    def gradients(self) -> dict[str, np.ndarray]:
        """Stored gradients, summed over the trials since one was the first of its batch."""
        return {layer: self._read(getattr(getattr(self, process), name)) for layer, (process, _, name) in VARS.items()}

    def trial(self, x: np.ndarray, target: np.ndarray, order: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
        """Run one trial.

        x (T, m) input spikes; target (S, K) stored targets; order: entries of trial_model's order.
        Returns stored readouts (S, K) of the window and spike counts (n,).
        """
        values = np.array([order[name] for name in ORDER], np.int64)
        for process in self.processes:
            process.order.set(values)
        self.source.words.set(pack(x))
        if order["learn"]:
            self.readout.target.set(np.asarray(target, np.int64))
        self.layer.run(RunSteps(num_steps=self.package.steps))
        return self._read(self.sink.readout), self._read(self.layer.count)

    def actors(self) -> list:
        """The operating system's processes that Lava runs in, but for the one that manages its shared memory."""
        return list(self.layer.runtime._messaging_infrastructure.actors)

    def actor_names(self) -> list[str]:
        """What each of them runs, in the same order."""
        builders = self.layer.runtime._executable.proc_builders
        names = [process.name for process in builders]
        return names + ["Lava's runtime service"] * (len(self.actors()) - len(names))

    @staticmethod
    def _read(var) -> np.ndarray:
        """A Var's numbers. Lava gives float64, exact for all formats, and cannot read a Var without elements."""
        return np.asarray(var.get()).astype(np.int64) if np.prod(var.shape) else np.zeros(var.shape, np.int64)

    def stop(self) -> None:
        self.layer.stop()

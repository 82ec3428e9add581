"""The processes of a package, connected, and run trial by trial. Imports Lava: run it in a child process, as
:mod:`lava_backend.runtime.session` does.
"""
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg, RunConfig

from lava_backend.package import Package
from lava_backend.runtime.channels import start

from .grid import Grid
from .layer import Layer
from .readout import Readout
from .sink import Sink
from .source import Source, pack
from .trial_model import ORDER

VARS = {"in": ("layer", "weight_in", "gradient_in"), "rec": ("layer", "weight_rec", "gradient_rec"), "out": ("readout", "weight_out", "gradient_out")}


class TrialCircuit:
    """Processes that run trial by trial. Call :meth:`stop` in any case, or the interpreter never ends.

    Subclasses connect processes, call :meth:`launch`, and name the Vars ``counted`` (spikes of the trial) and ``target``.
    """

    source: Source
    sink: Sink
    counted: Any
    target: Any

    def launch(self, package: Package, processes: tuple[AbstractProcess, ...], run_config: RunConfig) -> None:
        """Start the processes, the first of them Source, one of them Sink; Vars can be written from then on."""
        self.package, self.processes = package, processes
        self.runtime = start(processes[0], run_config)
        processes[0].run(RunSteps(num_steps=0))

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
            self.target.set(np.asarray(target, np.int64))
        self.processes[0].run(RunSteps(num_steps=self.package.steps))
        return self.read(self.sink.readout), self.read(self.counted)

    def actors(self) -> list:
        """The operating system's processes that Lava runs in, but for the one that manages its shared memory."""
        return list(self.runtime._messaging_infrastructure.actors)

    def actor_names(self) -> list[str]:
        """What each of them runs, in the same order."""
        names = [process.name for process in self.runtime._executable.proc_builders]
        return names + ["Lava's runtime service"] * (len(self.actors()) - len(names))

    @staticmethod
    def read(var: Var) -> np.ndarray:
        """A Var's numbers. Lava gives float64, exact for all formats, and cannot read a Var without elements."""
        return np.asarray(var.get()).astype(np.int64) if np.prod(var.shape) else np.zeros(var.shape, np.int64)

    def stop(self) -> None:
        self.processes[0].stop()


class Circuit(TrialCircuit):
    """Source -> Layer -> Readout -> Sink, and Readout -> Grid -> Layer.

    ``directory``: where processes write what they are asked to record.
    """

    def __init__(self, package: Package, directory: Path):
        where = str(directory)
        self.source, self.layer, self.readout = Source(package, where), Layer(package, where), Readout(package, where)
        self.grid, self.sink = Grid(package, where), Sink(package, where)
        self.source.x_out.connect(self.layer.x_in)
        self.layer.s_out.connect(self.readout.s_in)
        self.readout.y_out.connect(self.sink.y_in)
        self.readout.e_out.connect(self.grid.e_in)
        self.grid.m_out.connect(self.layer.m_in)
        self.counted, self.target = self.layer.count, self.readout.target
        self.launch(package, (self.source, self.layer, self.readout, self.grid, self.sink), Loihi2SimCfg(select_tag="fixed_pt"))

    def program(self, weights: dict[str, np.ndarray]) -> None:
        """Write stored weights, layer -> (n_syn,), into the processes."""
        for layer, raw in weights.items():
            process, name, _ = VARS[layer]
            if raw.size:
                getattr(getattr(self, process), name).set(np.asarray(raw, np.int64))

    def weights(self) -> dict[str, np.ndarray]:
        """The stored weights that the processes hold."""
        return {layer: self.read(getattr(getattr(self, process), name)) for layer, (process, name, _) in VARS.items()}

    def gradients(self) -> dict[str, np.ndarray]:
        """Stored gradients, summed over the trials since one was the first of its batch."""
        return {layer: self.read(getattr(getattr(self, process), name)) for layer, (process, _, name) in VARS.items()}

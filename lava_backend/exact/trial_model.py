"""What the process models share: trials within Lava's endless time steps, the host's order for each trial, and recording.

Lava counts time steps on and on; trial after trial takes T of them. Before each trial the host writes the order for it into
the Var ``order`` of every process; when the trial is over, it reads the Vars that hold results. All Vars are valid between
trials.
"""
from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping

import numpy as np
from lava.magma.core.model.py.model import PyLoihiProcessModel

from fxsim.engine.oracle.exact import Numbers
from fxsim.engine.oracle.oracle import Recorder

ORDER = ("trial", "duration", "learn", "first", "last", "record")
TRIAL, DURATION, LEARN, FIRST, LAST, RECORD = range(len(ORDER))
"""Entries of ``order``: the trial's id and duration T_b; whether to learn; whether it is the first of its batch (gradients
start at zero) and the last (weights are updated, where that happens on the chip); and the number of the file, from 1, in which
every state variable of every step is kept (0: none)."""
ORDER_SIZE = len(ORDER)


def save_record(recorder: Recorder, directory: str, trial: int, name: str) -> None:
    """Leave what process ``name`` recorded in ``trial``, from 1, for :class:`lava_backend.runtime.session.Session`."""
    np.savez(Path(directory) / f"record-{trial}-{name}.npz", **recorder.stacked())


class TrialModel(PyLoihiProcessModel):
    """One process, trial by trial. Subclasses say what happens ``at_rest``, in each ``step``, and how to ``learn``."""

    has_learning_phase = False

    def __init__(self, proc_params: Mapping[str, Any]):
        super().__init__(proc_params)
        package = proc_params["package"]
        self.package, self.directory = package, proc_params["directory"]
        self.steps, self.window = package.steps, package.learning.window
        self.numbers = Numbers(package.arithmetic, package.seed)
        self.recorder: Recorder | None = None

    # ---- the phases of Lava's protocol -----------------------------------------------------------------------------
    def run_spk(self) -> None:
        """Spiking phase of one step t."""
        self.t = (self.time_step - 1) % self.steps
        self.last_step = self.t == self.steps - 1
        if self.t == 0:
            self._begin()
        self.numbers.t = self.t
        self.in_window = self.t >= self.steps - self.window
        self.step()
        if not self.lrn_guard():
            self._end_of_step()

    def lrn_guard(self) -> bool:
        """Lava asks whether there is a learning phase: in the last S steps of a trial, where the learning signal exists."""
        return self.has_learning_phase and self.learns and self.in_window

    def run_lrn(self) -> None:
        self.learn()
        self._end_of_step()

    # ---- trials ------------------------------------------------------------------------------------------------------
    def _begin(self) -> None:
        order = self.order
        self.learns = bool(order[LEARN])
        self.duration = order[DURATION:DURATION + 1].copy()
        self.numbers.begin(order[TRIAL:TRIAL + 1])
        self.recorder = Recorder() if order[RECORD] else None
        self.at_rest()

    def _end_of_step(self) -> None:
        if self.recorder:
            self.recorder.add(**self.states())
        if self.last_step:
            self.end_of_trial()
            if self.recorder and self.recorder.steps:
                save_record(self.recorder, self.directory, int(self.order[RECORD]), type(self).__name__)

    # ---- what a process is -----------------------------------------------------------------------------------------
    def at_rest(self) -> None:
        """A trial begins."""

    def step(self) -> None:
        """Spiking phase of step ``t``."""

    def learn(self) -> None:
        """Learning phase of step ``t``."""

    def states(self) -> dict:
        """State variables after step ``t``, by the simulator's names."""
        return {}

    def end_of_trial(self) -> None:
        """After the last step: publish results in Vars."""

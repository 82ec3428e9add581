"""Lava in a child process of its own group, seen from the simulator: one clear error, no hang, nothing left behind.

    with Session(package) as session:
        result = session.run(trials, learn=True)

Lava hangs or crashes the interpreter when a process model fails, when it is not stopped, or when it is started twice. So it
runs in a child (:mod:`lava_backend.worker`) that is ended, with everything that it started, when the session closes.
"""
from __future__ import annotations

import json
import os
import secrets
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Callable

import numpy as np

from fxsim.engine.build.module import proof_for
from fxsim.engine.interface import Result
from fxsim.model.network import LAYERS, Trials
from lava_backend.package import Package, save_package

from .availability import require_lava
from .groups import is_alive, members, remove_shared_memory

WORKER = "lava_backend.worker"
TIMEOUT = 300.0         # s without an answer: several times what a trial of the paper's tasks takes
CHECK = 0.1             # s between two looks at the child
GRACE = 10.0            # s for an orderly end


class LavaError(RuntimeError):
    """Lava failed: a process model raised, a process was killed, or nothing happened for too long."""


class Child:
    """The worker process with its group, pipes, scratch directory and shared memory."""

    def __init__(self, package: Package):
        self.scratch = Path(tempfile.mkdtemp(prefix="fxsim-lava-"))
        self.prefix = f"fxlava{secrets.token_hex(6)}"
        self.process: subprocess.Popen | None = None
        self.reading = -1
        try:
            save_package(replace(package, config=None), self.scratch / "package")     # trials are made here
            self.log = self.scratch / "log.txt"
            self.reading, writing = os.pipe()
            environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
            with open(self.log, "wb") as log:
                self.process = subprocess.Popen(
                    [sys.executable, "-m", WORKER, str(self.scratch), str(writing), self.prefix], stdin=subprocess.PIPE,
                    stdout=log, stderr=log, pass_fds=[writing], start_new_session=True, env=environment)
            os.close(writing)
        except BaseException:
            self.end()
            raise
        self.unread = b""

    def order(self, **message: object) -> None:
        assert self.process is not None and self.process.stdin is not None
        try:
            self.process.stdin.write((json.dumps(message) + "\n").encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            pass            # it has ended; the next answer says so

    def answer(self, timeout: float) -> dict:
        """The next answer. Raises LavaError if there is none in time or the child ends."""
        assert self.process is not None
        until = time.monotonic() + timeout
        while b"\n" not in self.unread:
            new = os.read(self.reading, 1 << 16) if select.select([self.reading], [], [], CHECK)[0] else None
            if new:
                self.unread += new
            elif new is not None or not is_alive(self.process.pid):     # its children may hold the pipe open, so its end need not show there
                raise LavaError(f"lava: the process that runs it was killed{self._last_line()}")
            elif time.monotonic() > until:
                raise LavaError(f"lava: no answer for {timeout:g} s (--timeout)")
        line, _, self.unread = self.unread.partition(b"\n")
        message = json.loads(line)
        if "died" in message:
            raise LavaError(" ".join(f"lava: {message['died']}".split()))
        return message

    def _last_line(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return f" ({lines[-1].strip()[:200]})" if lines else ""

    def end(self) -> None:
        """End every process of the group, orderly or not, and remove what they left."""
        if self.process is not None:
            assert self.process.stdin is not None
            try:
                os.killpg(self.process.pid, signal.SIGKILL)     # the child is not reaped yet, so the number is still its own
            except ProcessLookupError:
                pass
            self.process.wait()
            until = time.monotonic() + GRACE
            while members(self.process.pid) and time.monotonic() < until:
                time.sleep(0.01)
            self.process.stdin.close()
            self.process = None
            remove_shared_memory(self.prefix)
        if self.reading >= 0:
            os.close(self.reading)
            self.reading = -1
        shutil.rmtree(self.scratch, ignore_errors=True)


class Session:
    """Runs one package on Lava's CPU backend.

    timeout     s without an answer after which Lava is given up
    progress    called with the number of each trial that is done

    Raises InputError where Lava is missing and for formats that could overflow 64 bits, LavaError if Lava fails.
    """

    def __init__(self, package: Package, timeout: float = TIMEOUT, progress: Callable[[int], None] = lambda trial: None):
        require_lava()
        proof_for(package.arithmetic, package.network)      # before a process starts
        self.package, self.timeout, self.progress = package, timeout, progress
        self.weights = {layer: np.asarray(package.weights[layer], np.int64) for layer in LAYERS}
        self.cpu: dict[str, float] = {}         # s of processor time that each of Lava's processes has used
        self._orders = 0
        self.child = Child(package)
        self._finalizer = weakref.finalize(self, self.child.end)
        try:
            self.child.answer(timeout)
        except BaseException:
            self._finalizer()
            raise

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *error: object) -> None:
        self.close(orderly=error[0] is None)

    def close(self, orderly: bool = True) -> None:
        """Stop Lava and remove everything it left."""
        if self._finalizer.alive and orderly:
            try:
                self.child.order(stop=True)
                self.child.answer(GRACE)
            except LavaError:
                pass            # results are safe, and what is left is ended below
        self._finalizer()

    def program(self, weights: dict[str, np.ndarray]) -> None:
        """Write stored weights into the processes."""
        self._order("program", {layer: np.asarray(weights[layer], np.int64) for layer in LAYERS})
        self.weights = {layer: np.array(weights[layer], np.int64) for layer in LAYERS}

    def run(self, trials: Trials, learn: bool = True, update: bool = False,
            on_record: Callable[[int, dict[str, np.ndarray]], None] | None = None) -> Result:
        """Run a batch. A package in mode loihi_lif runs one batch, without learning, and its spikes are always recorded.

        update      the processes update their weights after it (sgd, adamax), or at every step (three-factor engine); see ``weights``
        on_record   called after each trial with its number and its record, quantity -> (steps, 1, ...), every state
                    variable of every step
        """
        target = self.package.arithmetic.target_to_raw(trials.target)
        batch = {"x": trials.x, "target": target.astype(np.int64), "duration": trials.duration, "ids": trials.ids}

        def trial_done(trial: int) -> None:
            if on_record is not None:
                on_record(trial, self._record(trial))
            self.progress(trial)

        number = self._order("run", batch, trial_done, learn=learn, record=on_record is not None, update=update)
        path = self.child.scratch / f"result-{number}.npz"
        with np.load(path, allow_pickle=False) as result:
            values = dict(result)
        path.unlink()
        if update:
            self.weights = {layer: values[f"weight_{layer}"] for layer in LAYERS}
        gradients = {layer: values[f"gradient_{layer}"] for layer in LAYERS} if "gradient_in" in values else None
        return Result(self.package.arithmetic.to_scaled("readout", values["readout"]), values["spike_counts"], gradients, None,
                      {"z": values["z"]} if "z" in values else None)

    def _order(self, kind: str, arrays: dict[str, np.ndarray], trial_done: Callable[[int], None] = lambda trial: None, **settings: object) -> int:
        """Give one order with its arrays and wait until it is carried out; its number."""
        names = {"run": "batch", "program": "program"}
        number = self._orders = self._orders + 1
        path = self.child.scratch / f"{names[kind]}-{number}.npz"
        np.savez(path, **arrays)
        try:
            self.child.order(**{kind: number}, **settings)
            while "done" not in (answer := self.child.answer(self.timeout)):
                trial_done(answer["trial"])
            for name, seconds in answer.get("cpu", {}).items():
                self.cpu[name] = self.cpu.get(name, 0.0) + seconds
        except BaseException:
            self.close(orderly=False)
            raise
        path.unlink()
        return number

    def _record(self, trial: int) -> dict[str, np.ndarray]:
        """What the processes wrote about one trial."""
        found: dict[str, np.ndarray] = {}
        for path in self.child.scratch.glob(f"record-{trial + 1}-*.npz"):
            with np.load(path, allow_pickle=False) as record:
                found |= dict(record)
            path.unlink()
        return found

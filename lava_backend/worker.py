"""The child process in which Lava runs: takes orders from its standard input, answers on a pipe.

    python -m lava_backend.worker DIRECTORY PIPE PREFIX

DIRECTORY holds a package; batches and results go through files there. One order is one line of JSON:

    {"run": K, "learn": bool, "record": bool, "update": bool}   batch-K.npz -> result-K.npz
    {"program": K}                                              weights of program-K.npz
    {"stop": true}

Answers, a line of JSON each: {"trial": i} after each trial, {"done": true, "cpu": {process: s}} after an order, {"died": text} before the end.

Lava hangs when one of its processes dies, and leaves its processes behind when the process that started it dies. So a
thread watches both: the standard input, which closes with the parent, and Lava's processes. When either is gone it removes
the shared memory and ends the whole process group.
"""
from __future__ import annotations

import json
import multiprocessing.shared_memory as shared_memory
import os
import queue
import select
import shutil
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lava_backend.runtime.groups import cpu_seconds, is_alive, remove_shared_memory

if TYPE_CHECKING:       # Lava is imported late, when somebody listens to what goes wrong
    from lava_backend.exact.circuit import Circuit
    from lava_backend.three_factor.circuit import EngineCircuit

    from .package import Package

CHECK = 0.1         # s between two looks at Lava's processes


class Host:
    """The parent, as the child sees it."""

    def __init__(self, directory: Path, pipe: int, prefix: str):
        self.directory, self.pipe, self.prefix = directory, pipe, prefix
        self.orders: queue.SimpleQueue = queue.SimpleQueue()
        self.actors: list = []          # Lava's processes, once they run
        self.names: list[str] = []
        threading.Thread(target=self._watch, daemon=True).start()

    def answer(self, **message: object) -> None:
        try:
            os.write(self.pipe, (json.dumps(message) + "\n").encode())
        except BrokenPipeError:
            pass                        # the parent is gone, which the watching thread sees too

    def died(self, text: str) -> None:
        """Say why, and end everything that this process started."""
        self.answer(died=text)
        self._end()

    def _watch(self) -> None:
        unread = b""
        while True:
            if select.select([0], [], [], CHECK)[0]:
                new = os.read(0, 1 << 16)
                if not new:             # the parent has gone
                    shutil.rmtree(self.directory, ignore_errors=True)
                    self._end()
                *lines, unread = (unread + new).split(b"\n")
                for line in lines:
                    self.orders.put(json.loads(line))
            dead = [name for (_, pid), name in zip(self.actors, self.names) if not is_alive(pid)]
            if dead:
                time.sleep(CHECK)       # what it has to say is on its way
                self.died(self.last_words() or f"{dead[0]}: the process was killed")

    def cpu(self) -> dict[str, float]:
        """Processor time in s that each process has used, the one that waits for orders included."""
        used = {name: cpu_seconds(pid) for (_, pid), name in zip(self.actors, self.names)}
        return {**used, "Vars and files": cpu_seconds(os.getpid())}

    def last_words(self) -> str:
        """The exception that one of Lava's processes ended with, if any."""
        for (actor, _), name in zip(self.actors, self.names):
            if words := _last_words(actor):
                return f"{name}: {words}"
        return ""

    def _end(self) -> None:
        remove_shared_memory(self.prefix)
        os.killpg(os.getpgid(0), signal.SIGKILL)


def _last_words(actor: Any) -> str:
    try:
        if actor.exception:
            error, trace = actor.exception
            print(trace, file=sys.stderr, flush=True)
            return f"{type(error).__name__}: {error}"
    except (OSError, ValueError, EOFError, AssertionError):     # its pipe is closed, or it was killed while it spoke
        pass
    return ""


def name_shared_memory(prefix: str) -> None:
    """Let every segment that this process and its children make begin with ``prefix``, so that they can be found again."""
    shared_memory._SHM_NAME_PREFIX = f"/{prefix}"                   # type: ignore[attr-defined]    # private: no types
    shared_memory._SHM_SAFE_NAME_LENGTH = len(prefix) + 17          # type: ignore[attr-defined]


def main() -> None:
    directory, pipe, prefix = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    name_shared_memory(prefix)
    host = Host(directory, pipe, prefix)
    try:
        serve(host, directory)
    except BaseException as error:
        traceback.print_exc()
        host.died(host.last_words() or f"{type(error).__name__}: {error}")


def serve(host: Host, directory: Path) -> None:
    """Build the circuit and carry out orders until the last."""
    from .package import load_package
    package = load_package(directory / "package")
    if package.neuron == "loihi_lif":
        serve_stock(package, host, directory)
        return
    circuit = built(package, directory)
    host.names, host.actors = circuit.actor_names(), [(actor, actor.pid) for actor in circuit.actors()]
    host.answer(done=True)
    while "stop" not in (order := host.orders.get()):
        before = host.cpu()
        if "run" in order:
            with np.load(directory / f"batch-{order['run']}.npz", allow_pickle=False) as batch:
                result = run_batch(circuit, dict(batch), order, host)
            np.savez(directory / f"result-{order['run']}.npz", **result)
        else:
            with np.load(directory / f"program-{order['program']}.npz", allow_pickle=False) as weights:
                circuit.program(dict(weights))
        host.answer(done=True, cpu={name: seconds - before[name] for name, seconds in host.cpu().items()})
    host.actors = []        # they may end now
    circuit.stop()
    host.answer(done=True)


def built(package: Package, directory: Path) -> Circuit | EngineCircuit:
    """The circuit of the package's neurons, started."""
    if package.neuron == "three_factor":
        from lava_backend.three_factor.circuit import EngineCircuit
        return EngineCircuit(package, directory)
    from lava_backend.exact.circuit import Circuit
    return Circuit(package, directory)


def serve_stock(package: Package, host: Host, directory: Path) -> None:
    """Run one batch on stock processes: they are built around their input, and Lava can be started only once."""
    from lava_backend.stock.circuit import StockCircuit
    host.answer(done=True)
    if "stop" in (order := host.orders.get()):
        return
    with np.load(directory / f"batch-{order['run']}.npz", allow_pickle=False) as batch:
        x = batch["x"]
    circuit = StockCircuit(package, x)
    host.names, host.actors = circuit.actor_names(), [(actor, actor.pid) for actor in circuit.actors()]
    readouts, spikes = [], []
    for b in range(x.shape[0]):
        readout, z = circuit.trial()
        readouts.append(readout)
        spikes.append(z)
        host.answer(trial=b)
    z = np.stack(spikes, 1)
    np.savez(directory / f"result-{order['run']}.npz", readout=np.stack(readouts), spike_counts=z.sum(0), z=z)
    host.answer(done=True)
    while "stop" not in host.orders.get():
        host.died("stock processes run one batch in each session")
    host.actors = []
    circuit.stop()
    host.answer(done=True)


def run_batch(circuit: Circuit | EngineCircuit, batch: dict[str, np.ndarray], order: dict, host: Host) -> dict[str, np.ndarray]:
    """All trials of a batch, one after the other."""
    B, readouts, counts = batch["x"].shape[0], [], []
    for b in range(B):
        readout, count = circuit.trial(batch["x"][b], batch["target"][b], {
            "trial": int(batch["ids"][b]), "duration": int(batch["duration"][b]), "learn": int(order["learn"]), "first": int(b == 0),
            "last": int(order["update"] and b == B - 1), "record": b + 1 if order["record"] else 0})
        readouts.append(readout)
        counts.append(count)
        host.answer(trial=b)
    result = {"readout": np.stack(readouts), "spike_counts": np.stack(counts)}
    if order["learn"]:
        result |= {f"gradient_{layer}": g for layer, g in circuit.gradients().items()}
    if order["update"]:
        result |= {f"weight_{layer}": w for layer, w in circuit.weights().items()}
    return result


if __name__ == "__main__":
    main()

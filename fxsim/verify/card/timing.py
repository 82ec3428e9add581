"""Seconds on a GPU: of the kernel alone and of a whole training iteration, beside what the model says.

A process of its own for each task and precision: it compiles and models, says "ready", and measures when it reads a line, so that kernels are
compiled side by side and timed one after the other.
"""
from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from statistics import median
from typing import Callable, Iterator

from fxsim.config import load_config
from fxsim.engine.cuda.device import find_device
from fxsim.engine.cuda.engine import CudaEngine, choose_plan
from fxsim.engine.cuda.lane_plan import LanePlan
from fxsim.engine.cuda.model import estimate
from fxsim.model.arithmetic import make_arithmetic
from fxsim.model.topology import build_network, learning_of
from fxsim.tasks import make_task
from fxsim.training.loop import Training

TASKS, PRECISIONS, BATCHES = ("cue_accumulation", "delayed_match", "pattern_generation"), ("float32", "q16"), (64, 1024, 4096)
REPEATS, LONG = 12, 0.8     # launches, and seconds after which no further one begins


@dataclass(frozen=True)
class Timing:
    """One task, precision and batch. ``kernel``: median seconds of the kernels alone, between events; ``other``: of those that the plan did not
    choose; ``iteration``: of a training iteration with all that the host does, the drawing of trials apart."""

    task: str
    precision: str
    batch: int
    plan: str
    registers: int
    kernel: float
    fastest: float
    other: float
    iteration: float
    updates_per_second: float       # synapses x steps x trials / kernel
    modelled: float
    bound: str

    @property
    def ratio(self) -> float:
        """Measured over modelled."""
        return self.kernel / self.modelled


def event_seconds(call: Callable[..., object], *arguments: object) -> float:
    """Between two events of the device."""
    from numba import cuda
    first, last = cuda.event(), cuda.event()
    first.record()
    call(*arguments)
    last.record()
    last.synchronize()
    return cuda.event_elapsed_time(first, last) / 1000


def repeated(call: Callable[..., object], *arguments: object) -> list[float]:
    """Seconds of each of several calls after a first one that is not counted."""
    call(*arguments)
    seconds: list[float] = []
    while len(seconds) < REPEATS and sum(seconds) < LONG:
        seconds.append(event_seconds(call, *arguments))
    return seconds


def measure(task: str, precision: str, batches: tuple[int, ...], wait: Callable[[], object] = lambda: None) -> Iterator[Timing]:
    """Times of one network. ``wait`` is called when all is compiled, before anything is measured."""
    config = load_config(task).changed({"precision": precision, "engine": "cuda"})
    network, learning, drawn = build_network(config), learning_of(config), make_task(config)
    arithmetic = make_arithmetic(precision, network, learning, drawn.steps, config.seed)
    modelled = {row.batch: row for row in estimate(config, network, precision, find_device(), batches)}
    weights = arithmetic.weights_to_raw(network.weights)
    engines = {lanes: CudaEngine(network, learning, arithmetic, config.seed, lanes=lanes) for lanes in (False, True)}
    for engine in engines.values():
        engine.run(weights, drawn.training_trials(0).take(slice(2)))        # compiles
    wait()
    for batch in batches:
        training = Training(config.changed({"batch_size": batch}))
        trials = training.task.training_trials(0)
        chosen = isinstance(choose_plan(arithmetic, network, find_device(), batch), LanePlan)
        kernel, other = (repeated(engines[lanes].prepare(engines[lanes].plan(trials=batch), weights, trials).start) for lanes in (chosen, not chosen))
        iteration = repeated(training.update, trials)
        updates = (network.topology.syn_in.size + network.topology.syn_rec.size) * trials.steps * batch
        row = modelled[batch]
        yield Timing(task, arithmetic.name, batch, row.placement, row.registers, median(kernel), min(kernel), median(other),
                     median(iteration), updates / median(kernel), row.seconds, row.bound)


def main() -> None:
    """The process: arguments task and precision; "ready", then, when it has read a line, each timing in a line of JSON."""
    def wait() -> None:
        print("ready", flush=True)
        sys.stdin.readline()
    for timing in measure(sys.argv[1], sys.argv[2], BATCHES, wait):
        print(json.dumps(asdict(timing)), flush=True)


if __name__ == "__main__":
    main()

"""Running a package on Lava: trials of its task, with or without learning, held against the simulator on request."""
from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Callable

import numpy as np

from fxsim.engine.interface import Result, given
from fxsim.engine.oracle.oracle import Oracle
from fxsim.model.network import LAYERS, Trials
from fxsim.training.metrics import measure
from fxsim.training.optimizers import Optimizer
from fxsim.verify.backends import Difference, compare_records, compare_results
from lava_backend.runtime.session import TIMEOUT, Session
from lava_backend.three_factor.simulator import EngineSimulator

from .package import Package

EVALUATED = 16          # evaluation trials between two lines of progress


@dataclass
class Report:
    """What a run on Lava gave.

    rows        a dict per batch: trials, and loss, accuracy, nmse, rate_hz as in fxsim.training.metrics
    compared    numbers that were held against the simulator
    """

    package: Package                    # with the weights that it ended with
    rows: list[dict] = field(default_factory=list)
    steps: int = 0
    seconds: float = 0.0                # of running, without starting Lava
    cpu: dict[str, float] = field(default_factory=dict)     # s of processor time of each process
    compared: int = 0
    difference: Difference | None = None

    @property
    def trials(self) -> int:
        return sum(row["trials"] for row in self.rows)


def run_package(package: Package, trials: int, learn: bool = False, check: bool = False, timeout: float = TIMEOUT,
                on_trial: Callable[[int], None] = lambda done: None, on_batch: Callable[[dict], None] = lambda row: None) -> Report:
    """Run trials of the package's task: the training batches that come next if it learns (the last one may be cut short), else
    evaluation trials, at most as many as the configuration has.

    learn       accumulate gradients trial by trial in the processes, and update the weights after each batch: sgd and adamax
                in the processes, adam on the host; the three-factor engine changes its weights at every step
    check       hold every state variable of every step, every gradient and every weight against the simulator; ends at
                the first difference
    on_trial    called with the number of trials done;  on_batch: with the row of each batch

    Raises InputError for a package without a task or where Lava is missing, LavaError if Lava fails.
    """
    task, report = package.task(), Report(package)
    evaluation = None if learn else task.evaluation_trials()
    total = trials if evaluation is None else min(trials, evaluation.size)
    engine, updates, done = package.neuron == "three_factor", package.updates, 0
    optimizer, checker = None if engine else package.make_optimizer(), (EngineChecker if engine else Checker)(package) if check else None

    def count(trial: int) -> None:
        on_trial(done + trial + 1)

    with Session(package, timeout, count) as session:
        while done < total and report.difference is None:
            batch = evaluation.take(slice(done, done + EVALUATED)) if evaluation else task.training_trials(updates)
            batch, start = batch.take(slice(total - done)), time.perf_counter()
            on_chip = learn and package.optimizer.on_chip
            result = session.run(batch, learn, update=on_chip, on_record=checker.begin(batch, learn) if checker else None)
            updates += learn
            if learn and optimizer:
                optimizer.step(given(result.gradients), batch.size)
                if not on_chip:
                    session.program(optimizer.weights)
            report.seconds += time.perf_counter() - start
            if checker:
                report.difference = checker.finish(result) or (weight_difference(checker.updated(batch.size), session.weights) if learn else None)
                report.compared = checker.compared
            report.rows.append({"trials": batch.size, **measure(result, batch, package.learning.classification)})
            on_batch(report.rows[-1])
            report.steps += batch.size * package.steps
            done += batch.size
            report.cpu = session.cpu
    report.package = package.trained(optimizer) if optimizer else replace(package, weights=session.weights, masters=session.weights, updates=updates)
    return report


class Checker:
    """The simulator beside Lava: its own weights, its own optimizer, one trial at a time."""

    def __init__(self, package: Package):
        self.oracle = Oracle(package.network, package.learning, package.arithmetic, package.seed)
        self.optimizer: Optimizer = package.make_optimizer()
        self.compared = 0

    def begin(self, trials: Trials, learn: bool) -> Callable[[int, dict[str, np.ndarray]], None]:
        """Start a batch; returns what compares the record of each of its trials."""
        self.trials, self.learn = trials, learn
        self.results: list[Result] = []
        self.difference: Difference | None = None
        return self._compare

    def _expected(self, trial: Trials) -> Result:
        """What the simulator says about one trial."""
        return self.oracle.run(self.optimizer.weights, trial, self.learn, record=True)

    def _compare(self, trial: int, found: dict[str, np.ndarray]) -> None:
        expected = self._expected(self.trials.take(slice(trial, trial + 1)))
        record = given(expected.record)
        difference = compare_records(record, found)
        if difference and self.difference is None:
            self.difference = replace(difference, trial=trial)
        self.compared += sum(values.size for values in record.values())
        self.results.append(replace(expected, record=None))

    def finish(self, found: Result) -> Difference | None:
        """After the batch: readouts, spike counts, and gradients summed over it."""
        gradients = None
        if self.results[0].gradients is not None:
            gradients = {layer: np.sum([given(r.gradients)[layer] for r in self.results], 0) for layer in LAYERS}
        self.expected = Result(np.concatenate([r.readout for r in self.results]), np.concatenate([r.spike_counts for r in self.results]),
                               gradients, None, None)
        return self.difference or compare_results(self.expected, found)

    def updated(self, batch_size: int) -> dict[str, np.ndarray]:
        """The simulator's weights after the batch."""
        return self.optimizer.step(given(self.expected.gradients), batch_size)


class EngineChecker(Checker):
    """The same for the three-factor engine, whose weights change from step to step."""

    def __init__(self, package: Package):
        self.simulator, self.compared = EngineSimulator(package), 0

    def _expected(self, trial: Trials) -> Result:
        return self.simulator.run(trial, self.learn, record=True)

    def updated(self, batch_size: int) -> dict[str, np.ndarray]:
        return self.simulator.weights


def weight_difference(expected: dict[str, np.ndarray], found: dict[str, np.ndarray]) -> Difference | None:
    """The first stored weight that differs."""
    for layer in LAYERS:
        where = np.flatnonzero(expected[layer] != found[layer])
        if where.size:
            return Difference(f"weight_{layer}", None, None, (int(where[0]),), expected[layer][where[0]], found[layer][where[0]])
    return None

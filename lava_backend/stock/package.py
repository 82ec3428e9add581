"""Deployment on Lava's stock processes: export and runs.

    package = stock_package(package_of_run(run), approximate=True)
    report = run_stock(package, trials=8)
"""
from __future__ import annotations

import time
from typing import Callable

from fxsim.engine.interface import Result, given
from fxsim.errors import InputError
from fxsim.model.network import Trials
from fxsim.training.metrics import measure
from fxsim.verify.backends import Difference, compare_records, compare_results
from lava_backend.deployment import Report
from lava_backend.package import Package
from lava_backend.runtime.session import TIMEOUT, Session

from .loihi_lif import approximated, obstacles, oracle_of, settings


def stock_package(package: Package, approximate: bool) -> Package:
    """The package for stock processes. InputError names what they cannot express, unless it may be approximated."""
    if package.neuron != "loihi_lif":
        if not approximate:
            raise InputError(package.name, "--stock", ", ".join(obstacles(package)),
                             "what Lava's LIF and Sparse do; --approximate drops the rest, fxsim lava stock trains without it")
        package = approximated(package)
    settings(package)       # refuses formats that stock processes do not have
    return package


def run_stock(package: Package, trials: int, check: bool = False, timeout: float = TIMEOUT,
              on_trial: Callable[[int], None] = lambda done: None) -> Report:
    """Run evaluation trials on stock processes. ``check``: every spike of every step and every readout against the simulator."""
    batch, report = package.task().evaluation_trials().take(slice(trials)), Report(package)
    with Session(package, timeout, lambda trial: on_trial(trial + 1)) as session:
        start = time.perf_counter()
        result = session.run(batch, learn=False)
        report.seconds = time.perf_counter() - start
    report.rows.append({"trials": batch.size, **measure(result, batch, package.learning.classification)})
    report.steps = batch.size * package.steps
    if check:
        report.difference, report.compared = stock_difference(package, batch, result)
    return report


def stock_difference(package: Package, batch: Trials, found: Result) -> tuple[Difference | None, int]:
    """The first spike or readout that differs from mode loihi_lif of the simulator, and how many numbers were compared."""
    expected = oracle_of(package).run(package.weights, batch, learn=False, record=True)
    spikes, readouts = {"z": given(expected.record)["z"]}, Result(expected.readout, expected.spike_counts, None, None, None)
    return compare_records(spikes, given(found.record)) or compare_results(readouts, found), spikes["z"].size + expected.readout.size

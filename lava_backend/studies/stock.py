"""What each loss of the neuron model costs: training as it is and in the mode that deploys on stock processes, both run there."""
from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Callable

from fxsim.config import Config
from fxsim.config.network import NetworkConfig
from fxsim.errors import InputError
from fxsim.files.writing import make_directory, write_atomic, write_csv, write_json
from fxsim.model.arithmetic import Arithmetic
from fxsim.training.loop import CURVE_COLUMNS, Training
from fxsim.training.metrics import measure
from fxsim.training.progress import Progress
from fxsim.training.runs import command_line, machine, versions
from lava_backend.package import Package, package_of_training, save_package
from lava_backend.stock.loihi_lif import LoihiLifOracle, approximated, obstacles, oracle_of, stock_spec
from lava_backend.stock.package import run_stock
from quant import PrecisionSpec
from quant.files import dump_yaml

FILES = ("stock.json", "curves.csv", "precision.yaml", "package")


def stock_training(config: Config, directory: Path) -> Training:
    """A training of ``config`` in mode loihi_lif: LIF neurons without refractory period, stock formats. Writes precision.yaml."""
    precision = config.resolved_precision()
    assert isinstance(precision, PrecisionSpec)
    if not isinstance(config.network, NetworkConfig):
        raise InputError(config.name, "network.from", config.network.path, "a network that is drawn, here of LIF neurons alone")
    write_atomic(directory / "precision.yaml", dump_yaml(stock_spec(precision).to_dict()).encode())
    changed = config.changed({"network.n_lif": config.network.n, "network.n_alif": 0, "network.refractory": 0, "engine": "oracle",
                              "precision": str(directory / "precision.yaml"), "formats": {}})
    training = Training(changed)
    assert isinstance(training.arithmetic, Arithmetic)
    training.engine = LoihiLifOracle(training.network, training.learning, training.arithmetic, config.seed)
    return training


def trained_package(training: Training) -> Package:
    """The package of a training in mode loihi_lif."""
    package = package_of_training(training)
    config = training.config.model_copy(update={"precision": package.spec.name})        # the package holds the formats, not their file
    return replace(package, config=config, neuron="loihi_lif")


def compare_stock(config: Config, directory: Path, trials: int, announce: Callable[[str], None] = print,
                  progress: Progress | None = None) -> dict:
    """Train the full model and mode loihi_lif, deploy both on stock processes, and write what each reaches.

    Writes curves.csv (both trainings), package/ (of mode loihi_lif) and stock.json into ``directory``.
    """
    make_directory(directory)
    start, rows = time.perf_counter(), []
    full = Training(config)
    full.run(progress)
    announce(f"full model trained, {time.perf_counter() - start:.0f} s")
    package = package_of_training(full)
    stock = stock_training(config, directory)
    stock.run(progress)
    announce(f"loihi_lif trained, {time.perf_counter() - start:.0f} s")
    deployed, approximate = trained_package(stock), approximated(package)
    few = full.evaluation_trials.take(slice(trials))

    def row(what: str, where: str, values: dict, count: int, equal: bool | None = None) -> None:
        rows.append({"network": what, "runs on": where, "trials": count, "loss": values["loss"], "accuracy": values["accuracy"],
                     "nmse": values["nmse"], "rate_hz": values["rate_hz"], "equal to the simulator": equal})

    everything = full.evaluation_trials
    for name, subject in (("full model", package), ("full model, approximated", approximate), ("trained as loihi_lif", deployed)):
        for batch in (everything, few) if few.size < everything.size else (everything,):
            result = oracle_of(subject).run(subject.weights, batch, learn=False)
            row(name, "simulator", measure(result, batch, full.task.classification), batch.size)
        if subject is not package:
            report = run_stock(subject, trials, check=True)
            row(name, "Lava, stock processes", report.rows[0], report.trials, report.difference is None)
            announce(f"{name} ran on Lava, {time.perf_counter() - start:.0f} s")
    save_package(deployed, directory / "package", {"trained": "loihi_lif"})
    labelled = [{**r, "task": f"{r['task']} {name}"} for name, training in (("full", full), ("loihi_lif", stock)) for r in training.result.curves]
    write_csv(directory / "curves.csv", CURVE_COLUMNS, labelled)
    summary = {"command": command_line(), "versions": versions(), "machine": machine(), "config": config.model_dump(mode="json"),
               "dropped": obstacles(package), "rows": rows, "seconds": round(time.perf_counter() - start, 1)}
    write_json(directory / "stock.json", summary)
    return summary



"""The directory of one run. Every file is written beside its place, flushed to disk and renamed, so none is ever half there.

    config.yaml     the configuration, complete
    manifest.json   versions, command, seed, engine, machine, date, duration, formats; written last: "finished": true
    curves.csv      fxsim.training.CURVE_COLUMNS
    telemetry.csv   fxsim.training.TELEMETRY_COLUMNS
    weights.npz     initial and final weights in model units, and as stored (raw_)
    snapshot.npz    one evaluation trial after training, see snapshot()
"""
from __future__ import annotations

import csv
import io
import json
import os
import platform
import shlex
import sys
import tempfile
from dataclasses import asdict, replace
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Iterator

import numpy as np
import yaml

from .arithmetic import make_arithmetic
from .backend import ModelUnits
from .config import Config, dump_config
from .errors import InputError
from .oracle import Oracle
from .training import CURVE_COLUMNS, TELEMETRY_COLUMNS, Training


# ---- writing -------------------------------------------------------------------------------------------------------
def write_atomic(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data`` or leave it as it was. InputError if the directory cannot be written."""
    try:
        fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise InputError(path.parent, "--out", error.strerror, "a writable directory") from None
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def make_directory(path: Path) -> Path:
    """The directory, made with its parents. InputError if that is impossible."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(path, "--out", error.strerror, "a directory that can be made") from None
    return path


def write_json(path: Path, data: dict) -> None:
    write_atomic(path, (json.dumps(data, indent=2) + "\n").encode())


def write_csv(path: Path, columns: tuple[str, ...], rows: list[dict]) -> None:
    """A table; None becomes an empty cell, floats keep all their digits."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(path, text.getvalue().encode())


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    data = io.BytesIO()
    np.savez_compressed(data, **arrays)
    write_atomic(path, data.getvalue())


# ---- what a run was ------------------------------------------------------------------------------------------------
def command_line() -> str:
    """The command that this process was started with."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def versions() -> dict[str, str | None]:
    """Python and the packages that results depend on; None where one is not installed. Nothing is imported."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in ("fxsim", "numpy", "numba", "torch"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def machine() -> dict:
    """cpu, cores, platform, python of this machine."""
    cpu, linux = platform.processor(), Path("/proc/cpuinfo")
    if linux.exists():      # where the platform module knows no model
        cpu = next((line.split(":", 1)[1].strip() for line in linux.read_text().splitlines() if line.startswith("model name")), cpu)
    return {"cpu": cpu or platform.machine(), "cores": os.cpu_count(), "platform": platform.platform(), "python": platform.python_version()}


def formats(arithmetic) -> dict[str, dict] | None:
    """quantity -> format; None for floats."""
    return {name: asdict(fmt) for name, fmt in arithmetic.spec.formats.items()} if arithmetic.spec else None


# ---- one run -------------------------------------------------------------------------------------------------------
def prepare(directory: Path, config: Config) -> Path:
    """Make the run directory and write its configuration, before a long run finds out that it cannot."""
    make_directory(directory)
    (directory / "manifest.json").unlink(missing_ok=True)     # what follows is not finished
    write_atomic(directory / "config.yaml", dump_config(config).encode())
    return directory


def save(directory: Path, training: Training, duration: float, with_snapshot: bool = True) -> None:
    """Write everything that a finished run leaves."""
    result, config = training.result, training.config
    write_csv(directory / "curves.csv", CURVE_COLUMNS, result.curves)
    write_csv(directory / "telemetry.csv", TELEMETRY_COLUMNS, result.telemetry)
    write_npz(directory / "weights.npz", result.weights)
    if with_snapshot:
        write_npz(directory / "snapshot.npz", snapshot(training))
    write_json(directory / "manifest.json", {
        "finished": True, "stopped_early": result.stopped, "updates": training.iteration, "command": command_line(),
        "task": config.task.name, "rule": config.learning.rule, "precision": training.arithmetic.name, "seed": config.seed,
        "engine": training.engine.name, "threads": config.threads, "versions": versions(), "machine": machine(),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"), "duration_seconds": round(duration, 3),
        "formats": formats(training.arithmetic)})


def is_finished(directory: Path, config: Config) -> bool:
    """True if ``directory`` holds the finished run of this configuration. InputError if it holds another one."""
    try:
        stored = yaml.safe_load((directory / "config.yaml").read_text())
        finished = json.loads((directory / "manifest.json").read_text())["finished"] is True
    except FileNotFoundError:
        return False        # never begun, or not finished: it is run again
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError, KeyError, TypeError) as error:
        raise InputError(directory, "config.yaml, manifest.json", type(error).__name__, "files that fxsim wrote") from None
    wanted, stored = (dict(_leaves(data)) for data in (yaml.safe_load(dump_config(config)), stored))
    for field in {**wanted, **stored}:
        here, there = wanted.get(field), stored.get(field)
        if here != there and field != "threads":
            raise InputError(directory / "config.yaml", field, f"a finished run with {there}, wanted {here}",
                             "the same configuration, or another --out")
    return finished


def _leaves(data: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Dotted names and values of nested mappings."""
    if not isinstance(data, dict):
        yield path, data
        return
    for key, value in data.items():
        yield from _leaves(value, f"{path}.{key}" if path else str(key))


def snapshot(training: Training) -> dict[str, np.ndarray]:
    """One evaluation trial after training, T steps, m inputs, n neurons, S window steps, K outputs:

    spikes (T,n), input (T,m) uint8;  modulator (S, h*w) float32, (0, h*w) if the rule does not diffuse
    readout, target (S,K) float64;  cell (n,), grid (2,)
    """
    config, network, rule = training.config, training.network, training.learning
    trial, arithmetic, weights = training.evaluation_trials.take(slice(0, 1)), training.arithmetic, training.optimizer.weights
    if isinstance(arithmetic, ModelUnits):      # the same weights in the simulator's float twin; it knows no bptt, but a raster needs no rule
        rule, model = replace(rule, rule="eprop") if rule.rule == "bptt" else rule, weights
        arithmetic = make_arithmetic(config.precision, network, rule, trial.steps, config.seed)
        weights = arithmetic.weights_to_raw(model)
    # The oracle records one trial of any size; the fast engine's recording keeps whole blocks of trials in memory.
    result = Oracle(network, rule, arithmetic, config.seed).run(weights, trial, learn=rule.diffuses, record=True)
    record = result.record or {}
    modulator = arithmetic.to_scaled("modulator", record["M"][:, 0]) if rule.diffuses else np.zeros((0, network.topology.n_cells))
    return {"spikes": record["z"][:, 0].astype(np.uint8), "input": trial.x[0], "modulator": modulator.astype(np.float32),
            "readout": result.readout[0], "target": trial.target[0], "cell": network.topology.cell, "grid": np.array(network.topology.grid)}

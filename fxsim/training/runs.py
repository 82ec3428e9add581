"""The directory of one run. Every file is written whole or not at all, see fxsim.files.writing.

    config.yaml     the configuration, complete; precision/: its precision, where that is a file
    manifest.json   versions, command, seed, engine, machine, date, duration, formats; written last: "finished": true
    curves.csv      fxsim.training.CURVE_COLUMNS
    telemetry.csv   fxsim.training.TELEMETRY_COLUMNS
    alignment.csv   fxsim.training.ALIGNMENT_COLUMNS, where the configuration asks for it
    weights.npz     initial and final weights in model units, and as stored (raw_), and the network they belong to (fxsim.model.given.stored)
    snapshot.npz    one evaluation trial after training, see snapshot()
    checkpoints/    the state of training, see fxsim.training.checkpoints
"""
from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shlex
import sys
import time
from dataclasses import replace
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from fxsim.config import Config
from fxsim.config.io import portable
from fxsim.config.network import GivenNetwork
from fxsim.engine.oracle.oracle import Oracle
from fxsim.errors import InputError
from fxsim.files.ownership import claim_directory
from fxsim.files.writing import make_directory, only_user, remove_leftovers, write_atomic, write_csv, write_json, write_npz
from fxsim.model.arithmetic import make_arithmetic
from fxsim.model.given.stored import network_arrays
from quant import PrecisionSpec
from quant.files import parse_yaml, read_text

from .backend import ModelUnits
from .checkpoints import FOLDER as CHECKPOINTS, Checkpoints, OtherRun, require_same
from .initial import pinned
from .interrupts import interruptible
from .loop import ALIGNMENT_COLUMNS, CURVE_COLUMNS, TELEMETRY_COLUMNS, Training, TrainingResult
from .metrics import require_finite
from .progress import Progress

FILES = ("config.yaml", "manifest.json", "curves.csv", "telemetry.csv", "weights.npz", "snapshot.npz")
ALIGNMENT = "alignment.csv"     # where it is asked for


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


def provenance() -> dict[str, Any]:
    """What a manifest says of where a result is from: command, versions, machine, date."""
    return {"command": command_line(), "versions": versions(), "machine": machine(),
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds")}


def default_directory(config: Config) -> str:
    """NAME-RULE-PRECISION-sSEED[-in-NETWORK][-from-INITIAL]; precisions of the same name with other formats have other names. Never a path."""
    numbers = config.resolved_precision()
    name = numbers if isinstance(numbers, str) else Path(config.precision).stem
    if config.formats:
        name += "-" + hashlib.sha256(json.dumps(config.model_dump(mode="json")["formats"], sort_keys=True).encode()).hexdigest()[:6]
    begun = f"-in-{Path(config.network.path).resolve().stem}" if isinstance(config.network, GivenNetwork) else ""
    begun += f"-from-{Path(config.initial.path).resolve().stem}" if config.initial else ""
    return file_name(f"{config.name}-{config.learning.rule}-{name}-s{config.seed}{begun}")


def file_name(text: str) -> str:
    """A name as that of a file: letters, digits and . + - _, never a path."""
    return re.sub(r"[^\w.+-]+", "_", text).lstrip(".")


# ---- one run -------------------------------------------------------------------------------------------------------
def prepare(directory: Path, config: Config) -> Path:
    """Make the run directory and write its configuration, before a long run finds out that it cannot."""
    make_directory(directory)
    (directory / "manifest.json").unlink(missing_ok=True)     # what follows is not finished
    for name in (*FILES, ALIGNMENT):
        remove_leftovers(directory, name)
    for name, text in portable(config).items():
        path = directory / (name or "config.yaml")
        make_directory(path.parent)
        write_atomic(path, text.encode())
    return directory


def save(directory: Path, training: Training, duration: float, with_snapshot: bool = True) -> None:
    """Write everything that a finished run leaves."""
    result, config = training.result, training.config
    with np.errstate(over="ignore", invalid="ignore"):      # refused in the next line
        shown = snapshot(training) if with_snapshot else {}
    require_finite(config.name, {**result.weights, **shown}, "at the end")
    write_csv(directory / "curves.csv", CURVE_COLUMNS, result.curves)
    write_csv(directory / "telemetry.csv", TELEMETRY_COLUMNS, result.telemetry)
    if config.evaluation.alignment:
        write_csv(directory / ALIGNMENT, ALIGNMENT_COLUMNS, result.alignment)
    write_npz(directory / "weights.npz", {**result.weights, **network_arrays(training.network)})
    if shown:
        write_npz(directory / "snapshot.npz", shown)
    write_json(directory / "manifest.json", {
        "finished": True, "stopped_early": result.stopped, "updates": training.iteration, "command": command_line(),
        "task": config.task.name, "rule": config.learning.rule, "precision": training.arithmetic.name, "seed": config.seed,
        "engine": training.engine.name, "threads": config.threads, "versions": versions(), "machine": machine(),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"), "duration_seconds": round(duration, 3),
        "formats": training.formats, "data": training.task.digest})


def is_finished(directory: Path, config: Config, more: bool = False) -> bool:
    """True if ``directory`` holds the finished run of this configuration, False if it is not begun or not finished.

    InputError if it holds another one. ``more``: a run with fewer iterations is one that is not finished.
    """
    if not (directory / "config.yaml").exists():
        return False
    try:
        stored = parse_yaml(read_text(directory / "config.yaml"), str(directory / "config.yaml"))
        require_same(directory / "config.yaml", stored, config, more)
        if stored["iterations"] != config.iterations:
            return False
        if not (directory / "manifest.json").exists():
            return False
        manifest = json.loads(read_text(directory / "manifest.json"))
        numbers = config.resolved_precision()
        if isinstance(numbers, PrecisionSpec) and manifest["formats"] != numbers.to_dict()["quantities"]:
            raise OtherRun(directory / "manifest.json", "formats", f"others than {config.precision} has now", "the same formats, or another --out")
        return manifest["finished"] is True
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(directory, "config.yaml, manifest.json", type(error).__name__, "files that fxsim wrote") from None


def _is_run(directory: Path) -> bool:
    """True where a run has begun; which one, :func:`is_finished` finds out."""
    return any((directory / name).exists() for name in ("config.yaml", CHECKPOINTS))


def train_in(directory: Path, config: Config, progress: Progress | None = None, resume: bool = False,
             threads: int | None = None, with_snapshot: bool = True, planned: int = 0) -> TrainingResult:
    """Train with checkpoints and write the run directory. Whatever ends it leaves a checkpoint; signals raise Interrupted.

    resume      go on from the last checkpoint, if there is one, to the bits of a run that was never interrupted
    threads     instead of the configuration's
    planned     see :class:`fxsim.training.loop.Training`

    Raises InputError if the directory holds another run or, without ``resume``, the checkpoints of an unfinished one, or if
    another process is training there.
    """
    start, progress, config = time.perf_counter(), progress or Progress(), pinned(config)
    claim_directory(directory, (*FILES, CHECKPOINTS), _is_run, hint="another --out")
    with only_user(directory), interruptible() as interrupts:
        checkpoints = Checkpoints(directory, config.checkpoint.every, interrupts)
        finished = is_finished(directory, config, more=resume)
        if checkpoints.paths and not finished and not resume:
            raise InputError(directory, "--out", f"an unfinished run with checkpoints ({checkpoints.paths[0].stem})",
                             "--resume to go on with it, another --out, or deleting it to start anew")
        training = Training(config if threads is None else config.changed({"threads": threads}), planned=planned)
        if resume:
            checkpoints.restore(training, progress.note)
        prepare(directory, config)
        if not resume:
            checkpoints.clear()
        start -= training.seconds_before
        try:
            training.run(progress, checkpoints.offer)
            checkpoints.flush()
            save(directory, training, time.perf_counter() - start, with_snapshot)
        except BaseException:       # also of a progress that cannot print
            checkpoints.flush()
            raise
        checkpoints.finish()
    return training.result


def snapshot(training: Training) -> dict[str, np.ndarray]:
    """One evaluation trial after training, T steps, m inputs, n neurons, S window steps, K outputs:

    spikes (T,n), input (T,m) uint8;  modulator (S, h*w) float32, (0, h*w) if the rule does not diffuse
    readout, target (S,K) float64;  cell (n,), grid (2,)
    """
    config, network, rule = training.config, training.network, training.learning
    trial, arithmetic, weights = training.evaluation_trials.take(slice(0, 1)), training.arithmetic, training.optimizer.weights
    if isinstance(arithmetic, ModelUnits):      # the same weights in the simulator's float twin; it knows no bptt, but a raster needs no rule
        rule, model = replace(rule, rule="eprop") if rule.rule == "bptt" else rule, weights
        arithmetic = make_arithmetic(config.resolved_precision(), network, rule, trial.steps, config.seed)
        weights = arithmetic.weights_to_raw(model)
    # The oracle records one trial of any size; the fast engine's recording keeps whole blocks of trials in memory.
    oracle = Oracle(network, rule, arithmetic, config.seed)
    result = oracle.run(weights, trial, learn=False, record=True)
    record = result.record or {}
    modulator = np.zeros((0, network.topology.n_cells))
    if rule.diffuses:
        modulator = arithmetic.to_scaled("modulator", oracle.modulator(record["y"], trial)[:, 0])
    return {"spikes": record["z"][:, 0].astype(np.uint8), "input": trial.x[0], "modulator": modulator.astype(np.float32),
            "readout": result.readout[0], "target": trial.target[0], "cell": network.topology.cell, "grid": np.array(network.topology.grid)}

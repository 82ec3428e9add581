"""A data set larger than memory: what the check of its file takes, and whether trials are read as fast as a network learns from them.

The files are drawn, of the forms in docs/your_data.md, with recordings like those of the Spiking Heidelberg Digits: about 8000 spikes on 700
channels in a second. Each row is measured in a process of its own, so that its peak memory (above that of the imports) is its own.
"""
from __future__ import annotations

import json
import sys
import tempfile
import zipfile
from functools import partial
from pathlib import Path
from statistics import median
from typing import Callable, Iterable, Iterator

import numpy as np

from .iteration import child, peak_mib, repeated, seconds_of

KINDS = ("events.npz", "dense.npz", "events.h5")
COLUMNS = ("file", "gib", "check_seconds", "batch_seconds", "update_seconds", "ratio", "peak_mib")
CHANNELS, CLASSES, STEPS, SPIKES = 700, 20, 1000, 8000
BATCH, BATCHES = 64, 20
EVENT_BYTES = 6         # float32 seconds and a 16-bit channel
TOGETHER = 64           # trials that are written at a time


def large_files(gib: float, kinds: Iterable[str] = KINDS, folder: str | None = None, threads: int = 0,
                progress: Callable[[dict], None] = lambda row: None) -> list[dict]:
    """Rows of COLUMNS, one for each kind of file of about so many GiB, which is written below ``folder`` (default: the system's) and removed."""
    rows = []
    for kind in kinds:
        with tempfile.TemporaryDirectory(dir=folder) as directory:
            paths = {"train": Path(directory) / kind, "test": Path(directory) / f"test-{kind}"}
            write(paths["train"], max(BATCH, round(gib * 2**30 / trial_bytes(kind))))
            write(paths["test"], BATCH)
            rows.append(child("fxsim.bench.large_file", {**{name: str(path) for name, path in paths.items()}, "threads": threads}))
        progress(rows[-1])
    return rows


def trial_bytes(kind: str) -> int:
    return STEPS * CHANNELS if kind == "dense.npz" else SPIKES * EVENT_BYTES


def write(path: Path, trials: int) -> None:
    """A file of so many trials, of the kind that its name ends in, TOGETHER at a time."""
    labels = np.arange(trials) % CLASSES
    if path.suffix == ".h5":
        import h5py
        with h5py.File(path, "w") as file:
            for name, dtype in (("spikes/times", np.float32), ("spikes/units", np.uint16)):
                rows = file.create_dataset(name, (trials,), h5py.vlen_dtype(dtype))
                column = 0 if name.endswith("times") else 1
                for first, drawn in zip(range(0, trials, TOGETHER), _events(trials)):
                    for b, values in enumerate(np.split(drawn[column], len(drawn[column]) // SPIKES)):
                        rows[first + b] = values
            file["labels"] = labels
        return
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        if path.name.endswith("dense.npz"):
            _stream(archive, "spikes", (trials, STEPS, CHANNELS), np.uint8, _dense(trials))
        else:
            _stream(archive, "times", (trials * SPIKES,), np.float32, (times for times, _ in _events(trials)))
            _stream(archive, "units", (trials * SPIKES,), np.uint16, (units for _, units in _events(trials)))
            _stream(archive, "offsets", (trials + 1,), np.int64, [np.arange(trials + 1) * SPIKES])
        _stream(archive, "labels", (trials,), np.int64, [labels])


def _stream(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...], dtype: type, parts: Iterable[np.ndarray]) -> None:
    """An array of an npz archive, a part after the other."""
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        np.lib.format.write_array_header_1_0(file, {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape})
        for part in parts:
            file.write(np.ascontiguousarray(part, dtype).tobytes())


def _events(trials: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """times (s, ascending in each trial) and units of TOGETHER trials, or of as many as are left: the same trials again and again."""
    rng = np.random.default_rng(3)
    times = np.sort(rng.random((TOGETHER, SPIKES)) * STEPS / 1000 * 0.999, 1)
    units = rng.integers(0, CHANNELS, (TOGETHER, SPIKES))
    for first in range(0, trials, TOGETHER):
        count = min(TOGETHER, trials - first)
        yield times[:count].reshape(-1), units[:count].reshape(-1)


def _dense(trials: int) -> Iterator[np.ndarray]:
    x = np.random.default_rng(3).random((TOGETHER, STEPS, CHANNELS), np.float32) < SPIKES / (STEPS * CHANNELS)
    for first in range(0, trials, TOGETHER):
        yield x[:min(TOGETHER, trials - first)]


def measure_row(train: str, test: str, threads: int) -> dict:
    """One row, in this process: 50 LIF and 50 ALIF neurons learn from batches in the order that the seed draws."""
    import numba  # noqa: F401    (before memory is looked at)

    from fxsim.config import build_config, load_config
    from fxsim.tasks import make_task
    from fxsim.training.loop import Training
    base = load_config("delayed_match", ["precision=q16", f"batch_size={BATCH}", f"evaluation.batch_size={BATCH}", "engine=cpu"])
    config = build_config({**base.model_dump(mode="json"), "threads": threads, "task": {
        "name": "dataset", "train": train, "test": test, "channels": CHANNELS, "classes": CLASSES, "duration": STEPS, "window": 100}}, "bench")
    before = peak_mib()
    check = seconds_of(lambda: make_task(config))
    training = Training(config)     # checks no file again
    training.update(training.task.training_trials(0))
    batches = [seconds_of(partial(training.task.training_trials, i)) for i in range(BATCHES)]
    trials = training.task.training_trials(0)
    updates = repeated(lambda: training.update(trials), BATCHES)
    return {"file": Path(train).name, "gib": Path(train).stat().st_size / 2**30, "check_seconds": check, "batch_seconds": median(batches),
            "update_seconds": median(updates), "ratio": median(batches) / median(updates), "peak_mib": peak_mib() - before}


if __name__ == "__main__":
    print(json.dumps(measure_row(**json.loads(sys.argv[1]))))

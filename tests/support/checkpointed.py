"""A run whose checkpoints tests stop, copy, damage and go on from."""
import io
import json
import os
import signal

import numpy as np

from fxsim.training.checkpoints import Checkpoints, _header
from fxsim.training.interrupts import Interrupts

from tiny import SHORT, tiny, tiny_changes

QUICK = (*SHORT, "engine=oracle", "precision=q16", "iterations=8")      # nothing to compile; weights that round stochastically


def quick(*changes):
    return tiny(*QUICK, *changes)


def same_runs(first, second):
    """Every table and array is identical, but for the seconds."""
    without_seconds = [[line.rpartition(",")[0] for line in (d / "curves.csv").read_text().splitlines()] for d in (first, second)]
    assert without_seconds[0] == without_seconds[1]
    assert (first / "telemetry.csv").read_bytes() == (second / "telemetry.csv").read_bytes()
    for name in ("weights.npz", "snapshot.npz"):
        with np.load(first / name) as a, np.load(second / name) as b:
            assert set(a) == set(b)
            for key in a:
                np.testing.assert_array_equal(a[key], b[key])


def raising(number, method, at):
    """``method``, but its call number ``at`` is interrupted by a signal."""
    calls = []

    def wrapped(*args, **kwargs):
        calls.append(0)
        if len(calls) == at:
            signal.raise_signal(number)
        return method(*args, **kwargs)
    return wrapped


def checkpoints(directory, every=0):
    return Checkpoints(directory, every, Interrupts())


def files(directory):
    return checkpoints(directory).paths


def restored(directory, training):
    """The iteration that ``training`` is restored to, and what is said."""
    said = []
    checkpoints(directory).restore(training, said.append)
    return training.iteration, said


def rewritten(data, change):
    """The checkpoint with changed ``meta``, checksum and all."""
    with np.load(io.BytesIO(data[data.index(b"\n") + 1:])) as archive:
        arrays = dict(archive)
    meta = json.loads(arrays.pop("meta").tobytes())
    return packed({"meta": np.frombuffer(json.dumps(change(meta)).encode(), np.uint8), **arrays})


def packed(arrays, save=np.savez):
    content = io.BytesIO()
    save(content, **arrays)
    return _header(content.getvalue()) + content.getvalue()


def sets(*changes):
    return [part for change in tiny_changes(*QUICK, *changes) for part in ("--set", change)]


def in_child(function):
    """The process id of a fork that runs ``function``."""
    pid = os.fork()
    if pid:
        return pid
    try:
        function()
        os._exit(0)
    finally:
        os._exit(1)


def replaced(data, path, value):
    """``data`` with another value in one place; "gone": without it."""
    if not path:
        return value
    copied = data.copy()
    copied[path[0]] = replaced(data[path[0]], path[1:], value)
    if value == "gone" and len(path) == 1:
        del copied[path[0]]
    return copied

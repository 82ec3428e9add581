"""Checkpoints: the state of a run between two updates, from which it goes on to the same bits.

    DIR/checkpoints/iteration-000000150.ckpt        the last two of an unfinished run, the last one of a finished run

A file is one line, ``fxsim-checkpoint sha256:`` with the checksum of all that follows, and an npz archive: the arrays of
fxsim.training.State, and ``meta``, JSON as bytes: format, config, engine, formats, iteration, seconds, curves, telemetry,
alignment (rows).

Which fields of the configuration may differ between a stored run and the one that goes on, because bits do not depend on
them: ``threads``, ``learning.memory_mib``, ``checkpoint.every``, ``initial.path``, ``network.from``, in fixed point ``engine``, and
``iterations`` if there are more. See require_same.
"""
from __future__ import annotations

import errno
import hashlib
import io
import json
from pathlib import Path
from typing import Callable, Iterator

import numpy as np

from fxsim.config import Config
from fxsim.config.schema import EPOCHS
from fxsim.config.tasks import ADDED
from fxsim.errors import InputError
from fxsim.files.archive import Archive
from fxsim.files.writing import make_directory, remove_leftovers, write_atomic
from quant import FLOATS
from quant.spec import is_file

from .interrupts import Interrupts
from .loop import ALIGNMENT_COLUMNS, CURVE_COLUMNS, TELEMETRY_COLUMNS, State, Training

FORMAT = 1
HEADER = b"fxsim-checkpoint sha256:"
NAMES = f"iteration-{9 * '[0-9]'}.ckpt"
FOLDER = "checkpoints"
KEEP = 2                    # the one before is there if the last one is damaged
LARGEST = 1e150             # no run gets to larger numbers, which would overflow in the optimizer
FREE = ("threads", "learning.memory_mib", "checkpoint.every", "initial.path", "network.from")      # of a given network the checksum counts
TEXTS = ("task", "rule", "precision", "split", "quantity", "rounding",       # columns of text; the others hold numbers
         "gradient", "numbers", "reference", "way", "layer")


class OtherRun(InputError):
    """What is stored belongs to a run that would have other bits."""


# ---- configurations ------------------------------------------------------------------------------------------------
def require_same(source: Path, stored: object, wanted: Config, more: bool) -> None:
    """OtherRun that names the first field in which a run with the configuration ``stored`` (parsed) has other bits than ``wanted``.

    more    wanted may have more iterations: the stored run then is the beginning of it
    """
    there, here = dict(_leaves(stored)), dict(_leaves(wanted.model_dump(mode="json")))
    there = {**{f"task.{field}": value for field, value in ADDED.items() if f"task.{field}" in here}, **there}
    for field in {**here, **there}:
        a, b = there.get(field), here.get(field)
        free = field in FREE or (field == "engine" and wanted.precision not in FLOATS)
        free |= field == "precision" and isinstance(a, str) and is_file(a) and is_file(wanted.precision)      # their formats are compared elsewhere
        longer = more and field == "iterations" and _is_longer(a, b)
        if a != b and not free and not longer:
            raise OtherRun(source, field, f"a run with {str(a)[:80]}, wanted {str(b)[:80]}",
                             f"the same configuration{', with --resume more iterations' if field == 'iterations' else ''}, or another --out")


def _is_longer(stored: object, wanted: object) -> bool:
    """Of two numbers of updates, or of two numbers of epochs."""
    if isinstance(stored, str) and isinstance(wanted, str):
        found, given = EPOCHS.fullmatch(stored), EPOCHS.fullmatch(wanted)
        return found is not None and given is not None and int(found[1]) <= int(given[1])
    return isinstance(stored, int) and isinstance(wanted, int) and stored <= wanted


def _leaves(data: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Dotted names and values of nested mappings; an empty mapping is a value, too."""
    if not isinstance(data, dict) or (path and not data):
        yield path, data
        return
    for key, value in data.items():
        yield from _leaves(value, f"{path}.{key}" if path else str(key))


# ---- files ---------------------------------------------------------------------------------------------------------
def to_bytes(training: Training, state: State) -> bytes:
    """The checkpoint file of a state."""
    meta = {"format": FORMAT, "config": training.config.model_dump(mode="json"), "engine": training.engine.name, "formats": training.formats,
            "data": training.task.digest,
            "iteration": state.iteration, "seconds": state.seconds,
            "curves": [[row[c] for c in CURVE_COLUMNS] for row in state.curves],
            "telemetry": [[row[c] for c in TELEMETRY_COLUMNS] for row in state.telemetry],
            "alignment": [[row[c] for c in ALIGNMENT_COLUMNS] for row in state.alignment]}
    content = io.BytesIO()
    np.savez(content, meta=np.frombuffer(json.dumps(meta).encode(), np.uint8), **state.arrays)
    return _header(content.getvalue()) + content.getvalue()


def _header(content: bytes) -> bytes:
    return HEADER + hashlib.sha256(content).hexdigest().encode() + b"\n"


def read(path: Path, training: Training) -> State:
    """The state in a file. InputError if the file is damaged, OtherRun if it is no state of this very training."""
    try:
        if not path.is_file():
            raise FileNotFoundError(errno.ENOENT, "no regular file")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(path, "", error.strerror, "a readable checkpoint") from None
    size = data.find(b"\n") + 1
    if data[:size] != _header(data[size:]):
        raise InputError(path, "", "damaged: its SHA-256 is not that of its content", "an undamaged checkpoint")
    with Archive(path, io.BytesIO(data[size:]), size=len(data)) as archive:     # written without compression
        meta = _meta(archive)
        require_same(path, meta["config"], training.config, more=True)
        _require_same_bits(path, meta, training)
        return _state(archive, meta, training)


def _meta(archive: Archive) -> dict:
    try:
        meta = json.loads(archive.array("meta", "u", "JSON as bytes", (None,)).tobytes())
    except (ValueError, RecursionError) as error:
        raise archive.error("meta", type(error).__name__, "JSON") from None
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        found = meta.get("format") if isinstance(meta, dict) else type(meta).__name__
        raise archive.error("meta.format", str(found)[:80], f"{FORMAT}, which this version of fxsim reads")
    for name in ("config", "engine", "formats", "iteration", "seconds", "curves", "telemetry"):
        if name not in meta:
            raise archive.error(f"meta.{name}", "nothing", "a value")
    return meta


def _require_same_bits(path: Path, meta: dict, training: Training) -> None:
    """What the configuration only names: the engine behind "auto", the formats in a precision file, the trials or the task in files."""
    if training.arithmetic.spec is None and meta["engine"] != training.engine.name:
        raise OtherRun(path, "engine", f"{training.config.precision} trained by {str(meta['engine'])[:80]}, wanted {training.engine.name}",
                         "the same engine: the last bits of floats differ between engines")
    if meta["formats"] != training.formats:
        raise OtherRun(path, "precision", f"other formats than {training.config.precision} has now", "the same formats, or another --out")
    if meta.get("data", "") != training.task.digest:        # version 0.1 had no such tasks
        raise OtherRun(path, "task", "other data, or another plugin, than its files hold now", "files with the same content, or another --out")


def _state(archive: Archive, meta: dict, training: Training) -> State:
    """The checked state: arrays like the training's own, rows of its tables."""
    own, iteration, seconds = training.state(), meta["iteration"], meta["seconds"]
    if type(iteration) is not int or not 0 <= iteration <= training.config.updates:
        raise archive.error("meta.iteration", str(iteration)[:80], f"0 to {training.config.updates}")
    if type(seconds) is not float or not 0 <= seconds < float("inf"):
        raise archive.error("meta.seconds", str(seconds)[:80], "a finite number from 0")
    arrays = {}
    for name, like in own.arrays.items():
        arrays[name] = values = archive.array(name, like.dtype.kind, f"array of {like.dtype}", like.shape)
        lowest, found = 0.0 if name.startswith(("optimizer_v_", "optimizer_u_")) else -LARGEST, (values.min(initial=0), values.max(initial=0))
        if values.dtype != like.dtype or not (lowest <= found[0] and found[1] <= LARGEST):      # NaN is refused, too
            raise archive.error(name, f"{values.dtype} from {found[0]} to {found[1]}", f"{like.dtype} from {lowest} to {LARGEST}")
        if not name.startswith("optimizer_") and (values != like).any():
            raise OtherRun(archive.path, name, "initial weights that this version of fxsim does not draw", "the version that wrote it")
    if arrays["optimizer_updates"] != iteration:
        raise archive.error("optimizer_updates", arrays["optimizer_updates"], f"{iteration}, the iteration")
    curves = _rows(archive, "curves", meta, CURVE_COLUMNS, training)
    if [row["iteration"] for row in curves if row["split"] == "train"] != list(range(iteration)):
        raise archive.error("meta.curves", "iterations that are not 0, 1, 2, ...", f"a train row for each of {iteration} iterations")
    telemetry, alignment = (_rows(archive, name, {"alignment": [], **meta}, columns, training)       # none in checkpoints of version 0.1
                            for name, columns in (("telemetry", TELEMETRY_COLUMNS), ("alignment", ALIGNMENT_COLUMNS)))
    return State(iteration, seconds, curves, telemetry, alignment, arrays)


def _rows(archive: Archive, name: str, meta: dict, columns: tuple[str, ...], training: Training) -> list[dict]:
    """Rows of a table with the labels of this training."""
    rows = meta[name]
    if not isinstance(rows, list) or not all(isinstance(row, list) and len(row) == len(columns) for row in rows):
        raise archive.error(f"meta.{name}", "no table", f"rows of {len(columns)} values")
    rows = [dict(zip(columns, row)) for row in rows]
    for row in rows:
        for column, value in row.items():
            kinds = (str,) if column in TEXTS else (int, float)
            if type(value) not in (*kinds, type(None)) or (column in training.labels and value != training.labels[column]):
                allowed = training.labels.get(column, "text" if str in kinds else "a number")
                raise archive.error(f"meta.{name}.{column}", str(value)[:80], str(allowed))
    return rows


# ---- the checkpoints of one run ------------------------------------------------------------------------------------
class Checkpoints:
    """Writes and reads the checkpoints of the run in ``directory``.

    every       updates between checkpoints; 0: only :meth:`flush` writes
    interrupts  signals do not cut writing short
    """

    def __init__(self, directory: Path, every: int, interrupts: Interrupts):
        self.directory, self.every, self._interrupts = directory / FOLDER, every, interrupts
        self._latest: tuple[Training, State] | None = None
        self._written = 0           # iteration of the newest file; what iteration 0 holds, a start draws again

    @property
    def paths(self) -> list[Path]:
        """Checkpoint files, the newest first."""
        return sorted(self.directory.glob(NAMES), reverse=True)

    def offer(self, training: Training) -> None:
        """Between two updates: remember the state, and write it if it is due."""
        self._latest = training, training.state()
        self._interrupts.check()
        if self.every and training.iteration % self.every == 0:
            self.flush()

    def flush(self) -> None:
        """Write the remembered state, unless it is written already."""
        if self._latest is None or self._latest[1].iteration == self._written:
            return
        training, state = self._latest
        with self._interrupts.shield():
            make_directory(self.directory)
            path = self.directory / f"iteration-{state.iteration:09d}.ckpt"
            write_atomic(path, to_bytes(training, state))
            self._written = state.iteration
            self._keep(KEEP, path)

    def _keep(self, count: int, last: Path) -> None:
        """Remove all but ``count`` files up to ``last``; later ones could not be used and have been gone back behind."""
        before = [path for path in self.paths if path <= last]
        for path in self.paths:
            if path not in before[:count]:
                path.unlink(missing_ok=True)
        remove_leftovers(self.directory, NAMES)

    def finish(self) -> None:
        """The run is finished and saved: keep the last checkpoint, from which more iterations can go on."""
        for last in self.paths[:1]:
            self._keep(1, last)

    def clear(self) -> None:
        """Remove all checkpoints: a run starts anew."""
        for path in self.paths:
            path.unlink(missing_ok=True)

    def restore(self, training: Training, say: Callable[[str], None]) -> None:
        """Put the newest checkpoint that can be used into ``training``.

        ``say`` is told in a line where the run goes on, and of a checkpoint that cannot be used. InputError if there are
        checkpoints but none can be used, OtherRun if they belong to another run.
        """
        refused: list[InputError] = []
        for path in self.paths:
            try:
                state = read(path, training)
            except OtherRun:
                raise
            except InputError as error:
                refused.append(error)
                continue
            training.restore(state)
            self._written = state.iteration
            for why in refused:
                say(f"{str(why).partition(', allowed:')[0]}; using the checkpoint before it")
            say(f"resuming at iteration {state.iteration} ({path})")
            return
        if refused:
            newest = refused[0]
            raise InputError(newest.source, newest.field, f"{newest.found}{'; the one before cannot be used either' if len(refused) > 1 else ''}",
                             f"an undamaged checkpoint (to start anew, delete {self.directory})")
        say(f"no checkpoint in {self.directory}: starting at iteration 0")

"""Checkpoints: whatever ends a run, it goes on to the same bits; whatever is wrong with a file is found and said in one line."""
import errno
import io
import json
import os
import random
import resource
import signal
import subprocess
import time

import numpy as np
import pytest
from click.testing import CliRunner

import fxsim
from fxsim import InputError
from fxsim.cli.main import main
from fxsim.files.writing import only_user
from fxsim.training.checkpoints import Checkpoints, _header, read
from fxsim.training.interrupts import Interrupted, Interrupts, interruptible
from fxsim.training.loop import Training
from fxsim.training.optimizers import Masters
from fxsim.training.runs import is_finished, train_in

from processes import alive, children, command, needs_proc, wait_until
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


@pytest.fixture(autouse=True)
def signals_as_in_a_terminal():
    """A test run in the background of a shell script ignores SIGINT, and so would what it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    directory = tmp_path_factory.mktemp("undisturbed") / "run"
    fxsim.train(quick(), directory)
    return directory


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A run that stopped after 5 of 8 updates, with checkpoints of 4 and 5."""
    directory = tmp_path_factory.mktemp("stopped") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Training, "update", raising(signal.SIGTERM, Training.update, 6))
        with pytest.raises(Interrupted):
            fxsim.train(quick(), directory)
    assert [p.stem for p in files(directory)] == ["iteration-000000005", "iteration-000000004"]
    return directory


@pytest.fixture
def copy(stopped, tmp_path):
    """A copy of ``stopped`` to do harm to."""
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    for path in [stopped / "config.yaml", *files(stopped)]:
        (tmp_path / "run" / path.relative_to(stopped)).write_bytes(path.read_bytes())
    return tmp_path / "run"


@pytest.fixture(scope="module")
def training():
    return Training(quick())


def checkpoints(directory, every=0):
    return Checkpoints(directory, every, Interrupts())


def files(directory):
    return checkpoints(directory).paths


def restored(directory, training):
    """The iteration that ``training`` is restored to, and what is said."""
    said = []
    checkpoints(directory).restore(training, said.append)
    return training.iteration, said


# ---- runs that end early -------------------------------------------------------------------------------------------
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


def test_twenty_kills_at_random_moments_change_no_bit(undisturbed, tmp_path):
    moments, kills, runs = random.Random(5), 0, 0
    while kills < 20:
        directory, finished = tmp_path / f"run{runs}", False
        while not finished:
            pid = in_child(lambda: fxsim.train(quick(), directory, resume=True))       # noqa: B023 (called at once)
            time.sleep(moments.uniform(0, 0.45))
            os.kill(pid, signal.SIGKILL)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            assert status in (0, -signal.SIGKILL)
            kills, finished = kills + (status != 0), status == 0
        same_runs(undisturbed, directory)
        assert {p.name for p in directory.iterdir()} == {p.name for p in undisturbed.iterdir()}      # no half-written files are left
        assert [p.name for p in (directory / "checkpoints").iterdir()] == ["iteration-000000008.ckpt"]
        runs += 1


@pytest.mark.parametrize("number, status", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("owner, method, at, iteration", [
    (Training, "update", 1, None), (Training, "update", 5, 4), (Masters, "write", 8, 6), (Training, "_evaluate", 2, 3), (Training, "_count_telemetry", 2, 8),
    (fxsim.training.checkpoints, "to_bytes", 4, 4), (fxsim.training.runs, "snapshot", 1, 8), (fxsim.training.runs, "write_json", 1, 8)],
    ids=lambda value: getattr(value, "__name__", value))
def test_signals_leave_a_checkpoint_wherever_they_arrive(number, status, owner, method, at, iteration, undisturbed, tmp_path, monkeypatch):
    arguments = ["train", "delayed_match", "--out", str(tmp_path / "run")]
    for change in tiny_changes(*QUICK, *(["checkpoint.every=0"] if owner is not fxsim.training.checkpoints else [])):
        arguments += ["--set", change]
    with monkeypatch.context() as patch:
        patch.setattr(owner, method, raising(number, getattr(owner, method), at))
        result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == status
    assert result.stderr == f"interrupted by {number.name}; fxsim train --resume goes on from the last checkpoint\n"
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    newest = max((int(p.stem[-9:]) for p in files(tmp_path / "run")), default=None)
    assert newest == iteration      # before the first update there is nothing to keep
    result = CliRunner().invoke(main, [*arguments, "--resume"], catch_exceptions=False)
    assert result.exit_code == 0 and ("resuming at iteration" if iteration else "starting at iteration 0") in result.stderr
    same_runs(undisturbed, tmp_path / "run")


def test_a_signal_that_an_exception_handler_swallows_still_ends_the_run(tmp_path, monkeypatch):
    """As in a destructor, whose exceptions Python drops."""
    def swallow(self, trials):
        try:
            signal.raise_signal(signal.SIGTERM)
        except Interrupted:
            pass
        return update(self, trials)
    update = Training.update
    monkeypatch.setattr(Training, "update", swallow)
    with pytest.raises(Interrupted):
        fxsim.train(quick("checkpoint.every=0"), tmp_path / "run")
    assert [int(p.stem[-9:]) for p in files(tmp_path / "run")] == [1]


def test_shielded_work_is_finished_before_a_signal_ends_the_block():
    done = []
    with pytest.raises(Interrupted, match="SIGINT"), interruptible() as interrupts:
        with interrupts.shield():
            signal.raise_signal(signal.SIGINT)
            done.append("shielded")
        done.append("after")
    assert done == ["shielded"]


def test_a_real_process_that_is_terminated(tmp_path):
    for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        process = command(["train", "delayed_match", *sets("iterations=100000000", "checkpoint.every=0"), "--out", tmp_path / "run", "--resume"])
        for line in process.stdout:
            if line.startswith("iteration"):
                break
        time.sleep(0.3)
        process.send_signal(number)
        assert process.wait(30) == status
    assert len(files(tmp_path / "run")) == 2


@pytest.mark.parametrize("again", [["train", "delayed_match", "--resume"], ["train", "delayed_match"]])
def test_a_directory_is_one_process_s_at_a_time(again, tmp_path):
    """The second is refused in a line and harms nothing; when the first is killed, whatever kills it, the directory is free."""
    long = sets("iterations=100000000", "checkpoint.every=1")
    process = command(["train", "delayed_match", *long, "--out", tmp_path / "run"])
    try:
        for line in process.stdout:
            if line.startswith("iteration"):
                break
        second = CliRunner().invoke(main, [*again, *long, "--out", str(tmp_path / "run")])
        assert second.exit_code == 2 and "another process is training" in second.stderr and second.stderr.count("\n") == 1
        assert process.poll() is None
    finally:
        process.kill()
        process.wait(30)
    with only_user(tmp_path / "run"):
        pass


# ---- comparisons ---------------------------------------------------------------------------------------------------
def sets(*changes):
    return [part for change in tiny_changes(*QUICK, *changes) for part in ("--set", change)]


@needs_proc
def test_comparisons_leave_no_process_and_go_on(tmp_path):
    arguments = ["compare", "delayed_match", *sets("precision=float64", "iterations=120", "evaluation.every=50"), "--rules", "eprop,diffusion",
                 "--precisions", "float64", "--seeds", "0", "--jobs", "2", "--out"]
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        before = files(tmp_path / "c/runs/eprop-float64-s0")[:1]
        process = command([*arguments, tmp_path / "c"])
        wait_until(lambda: files(tmp_path / "c/runs/eprop-float64-s0")[:1] > before)      # noqa: B023 (called at once)
        workers = children(process.pid)
        assert len(workers) >= 2
        process.send_signal(number)
        assert process.wait(30) == (-9 if number == signal.SIGKILL else 128 + number)
        wait_until(lambda: not any(map(alive, workers)))      # noqa: B023 (called at once)
    assert not (tmp_path / "c/report.html").exists()
    for directory in ("c", "undisturbed"):
        process = command([*arguments, tmp_path / directory])
        assert process.communicate()[1] is None and process.returncode == 0
    for rule in ("eprop", "diffusion"):
        same_runs(tmp_path / f"c/runs/{rule}-float64-s0", tmp_path / f"undisturbed/runs/{rule}-float64-s0")


# ---- which runs go on ----------------------------------------------------------------------------------------------
def test_fixed_point_goes_on_with_another_engine_and_other_threads(tmp_path, monkeypatch):
    """The kernels are those of test_training, so they are compiled once."""
    base = ("precision=q16", "batch_size=3", "evaluation.batch_size=4", "evaluation.every=2", "checkpoint.every=0", "iterations=4")
    fxsim.train(tiny(*base, "engine=cpu", "threads=1"), tmp_path / "straight")
    for engine, threads in (("cpu", 2), ("oracle", 1), ("cpu", 3)):
        with monkeypatch.context() as patch:
            patch.setattr(Training, "update", raising(signal.SIGTERM, Training.update, 2))
            with pytest.raises(Interrupted):
                train_in(tmp_path / "run", tiny(*base, f"engine={engine}", f"threads={threads}"), resume=True)
    train_in(tmp_path / "run", tiny(*base, "engine=oracle"), resume=True)
    same_runs(tmp_path / "straight", tmp_path / "run")


@pytest.mark.parametrize("change", ["precision=float32", "learning.optimizer={name: sgd, log2_rate: -6}", "learning.rule=bptt"])
def test_other_precisions_optimizers_and_rules_go_on_too(change, tmp_path, monkeypatch):
    if "bptt" in change:
        pytest.importorskip("torch")
    config = quick(change, *(["precision=float32", "engine=auto"] if "bptt" in change else []), "iterations=5")
    fxsim.train(config, tmp_path / "straight")
    with monkeypatch.context() as patch:
        patch.setattr(Training, "update", raising(signal.SIGTERM, Training.update, 4))
        with pytest.raises(Interrupted):
            fxsim.train(config, tmp_path / "run")
    assert [row["iteration"] for row in fxsim.train(config, tmp_path / "run", resume=True).curves if row["split"] == "train"] == list(range(5))
    same_runs(tmp_path / "straight", tmp_path / "run")


def test_a_finished_run_goes_on_to_more_iterations_and_repeats_to_the_same_bits(undisturbed, tmp_path):
    fxsim.train(quick("iterations=4"), tmp_path / "run")
    config = quick("checkpoint.every=7", "threads=1")
    assert not is_finished(tmp_path / "run", config, more=True)
    with pytest.raises(InputError, match="iterations: found a run with 4, wanted 8"):
        is_finished(tmp_path / "run", config)
    for _ in range(2):
        fxsim.train(config, tmp_path / "run", resume=True)
        same_runs(undisturbed, tmp_path / "run")
        assert is_finished(tmp_path / "run", config)


def test_time_spent_before_a_resume_counts(copy):
    seconds = read(files(copy)[0], Training(quick())).seconds
    rows = fxsim.train(quick(), copy, resume=True).curves
    assert 0 < seconds <= rows[-1]["seconds"] and [row["seconds"] for row in rows] == sorted(row["seconds"] for row in rows)
    assert json.loads((copy / "manifest.json").read_text())["duration_seconds"] > seconds


@pytest.mark.parametrize("change, line", [
    ("learning.k=0.5", "learning.k: found a run with 0.75, wanted 0.5"), ("seed=3", "seed: found a run with 1, wanted 3"),
    ("iterations=6", "iterations: found a run with 8, wanted 6"), ("precision=q24", "precision: found a run with q16, wanted q24"),
    ("learning.optimizer={name: sgd}", "learning.optimizer.name: found a run with adam"), ("evaluation.every=2", "evaluation.every: ")])
def test_another_configuration_is_refused_by_the_name_of_its_field(change, line, copy, training):
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    for resume in (True, False):
        with pytest.raises(InputError) as error:
            fxsim.train(quick(change), copy, resume=resume)
        assert line in str(error.value) and "config.yaml" in str(error.value) and "\n" not in str(error.value)
    (copy / "config.yaml").unlink()         # the checkpoint knows it, too
    with pytest.raises(InputError) as error:
        fxsim.train(quick(change), copy, resume=True)
    assert line in str(error.value) and ".ckpt" in str(error.value) and "\n" not in str(error.value)
    assert all(path.read_bytes() == data for path, data in before.items() if path.name != "config.yaml")


def test_floats_do_not_change_their_engine(copy, training):
    config = tiny(*QUICK, "precision=float64")
    content = rewritten(files(copy)[0].read_bytes(), lambda meta: {**meta, "engine": "cpu", "formats": None, "config": config.model_dump(mode="json")})
    files(copy)[0].write_bytes(content)
    with pytest.raises(InputError, match="engine: found float64 trained by cpu, wanted oracle"):
        restored(copy, Training(config))


def test_formats_that_changed_in_their_file_are_refused(copy, training):
    content = rewritten(files(copy)[0].read_bytes(), lambda meta: replaced(meta, ("formats", "membrane", "frac_bits"), 3))
    files(copy)[0].write_bytes(content)
    with pytest.raises(InputError, match="precision: found other formats"):
        restored(copy, training)


def test_an_unfinished_run_is_not_lost_by_mistake(copy):
    with pytest.raises(InputError, match="an unfinished run with checkpoints .iteration-000000005.*--resume to go on"):
        fxsim.train(quick(), copy)
    assert len(files(copy)) == 2


def test_checkpoints_come_at_every_interval_and_two_are_kept(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(fxsim.training.checkpoints, "write_atomic", lambda path, data: (written.append(path.stem[-2:]), path.write_bytes(data)))
    seen = raising(signal.SIGTERM, Training.update, 8)
    monkeypatch.setattr(Training, "update", lambda self, trials: (seen(self, trials), [len(files(tmp_path / "run")) <= 2 or pytest.fail("three are kept")]))
    with pytest.raises(Interrupted):
        fxsim.train(quick("checkpoint.every=3"), tmp_path / "run")
    assert written == ["03", "06", "07"] and len(files(tmp_path / "run")) == 2


# ---- disks that are full -------------------------------------------------------------------------------------------
def test_a_full_disk_is_one_line_and_the_previous_checkpoint_survives(undisturbed, tmp_path, monkeypatch):
    arguments = ["train", "delayed_match", "--out", str(tmp_path / "run"), *sets()]
    calls, fsync = [], os.fsync

    def full(descriptor):
        calls.append(0)
        if len(calls) > 12:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 2 and result.stderr.count("\n") == 1
    assert "No space left on device while writing" in result.stderr and ".ckpt" in result.stderr
    assert len(files(tmp_path / "run")) == 2 and len(list((tmp_path / "run/checkpoints").iterdir())) == 2      # nothing half written
    assert CliRunner().invoke(main, [*arguments, "--resume"], catch_exceptions=False).exit_code == 0
    same_runs(undisturbed, tmp_path / "run")


@pytest.fixture
def small_disk(tmp_path, stopped):
    """A file system with room for two checkpoints and a half."""
    size, disk = int(2.5 * files(stopped)[0].stat().st_size) + 20_000, tmp_path / "disk"
    disk.mkdir()
    try:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", disk], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("needs the mount command")
    if mounted.returncode:
        pytest.skip(f"needs the right to mount: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_disk_that_is_really_full(undisturbed, small_disk, tmp_path):
    result = CliRunner().invoke(main, ["train", "delayed_match", "--out", str(small_disk / "run"), *sets()], catch_exceptions=False)
    assert result.exit_code == 2 and result.stderr.count("\n") == 1 and "No space left on device while writing" in result.stderr
    left = list((small_disk / "run/checkpoints").iterdir())
    assert sorted(left) == sorted(files(small_disk / "run")) and 1 <= len(left) <= 2
    for path in [small_disk / "run/config.yaml", *left]:
        copied = tmp_path / path.relative_to(small_disk)
        copied.parent.mkdir(parents=True, exist_ok=True)
        copied.write_bytes(path.read_bytes())
    fxsim.train(quick(), tmp_path / "run", resume=True)
    same_runs(undisturbed, tmp_path / "run")


def test_a_file_size_limit_is_one_line(copy, capfd):
    size = max(path.stat().st_size for path in files(copy))

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, size // 2))
        result = CliRunner().invoke(main, ["train", "delayed_match", "--out", str(copy), "--resume", *sets()])
        lines = result.stderr.splitlines()
        os._exit(7 if result.exit_code == 2 and len(lines) == 2 and "File too large while writing" in lines[1] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(in_child(limited), 0)[1]) == 7
    assert [int(p.stem[-9:]) for p in files(copy)] == [5, 4]


# ---- files that are damaged ----------------------------------------------------------------------------------------
def test_truncated_and_flipped_checkpoints_are_found_and_the_one_before_is_used(copy, training):
    newest, rng = files(copy)[0], random.Random(1)
    data = newest.read_bytes()
    sizes = [*range(0, 120, 7), *(rng.randrange(len(data)) for _ in range(60)), len(data) - 1]
    bits = [*range(0, 8 * 100, 5), *(rng.randrange(8 * len(data)) for _ in range(150)), 8 * len(data) - 1]
    damaged = [data[:size] for size in sizes] + [data + b"\0", b"\n" + data]
    for bit in bits:
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        damaged.append(bytes(flipped))
    for content in damaged:
        newest.write_bytes(content)
        iteration, said = restored(copy, training)
        assert iteration == 4 and said[0] == f"{newest}: found damaged: its SHA-256 is not that of its content; using the checkpoint before it"
        assert said[1].startswith("resuming at iteration 4 (") and len(said) == 2
    newest.write_bytes(data)
    assert restored(copy, training)[0] == 5


def test_a_run_goes_on_from_the_checkpoint_before(copy, undisturbed, capfd):
    files(copy)[0].write_bytes(files(copy)[0].read_bytes()[:-100])
    fxsim.train(quick(), copy, resume=True)
    assert "damaged" in capfd.readouterr().err
    same_runs(undisturbed, copy)


def test_what_is_damaged_is_removed_once_training_went_on(copy, training):
    files(copy)[0].write_bytes(b"")
    kept = checkpoints(copy, every=0)
    kept.restore(training, lambda line: None)
    training.update(training.task.training_trials(4))
    kept.offer(training)
    kept.flush()
    assert restored(copy, training) == (5, [f"resuming at iteration 5 ({files(copy)[0]})"])
    assert [int(p.stem[-9:]) for p in files(copy)] == [5, 4]


def test_if_both_are_damaged_the_file_is_named_and_what_to_do(copy, training):
    newest, before = files(copy)
    newest.write_bytes(b"x" + newest.read_bytes())
    before.write_bytes(before.read_bytes()[:-1])
    result = CliRunner().invoke(main, ["train", "delayed_match", "--out", str(copy), "--resume", *sets()])
    assert result.exit_code == 2 and result.stderr == (
        f"{newest}: found damaged: its SHA-256 is not that of its content; the one before cannot be used either, "
        f"allowed: an undamaged checkpoint (to start anew, delete {copy / 'checkpoints'})\n")


# ---- files that are hostile: the checksum is right, the content is not -----------------------------------------------
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


def harmless(directory, content, training):
    """Put ``content`` in the place of the newest checkpoint: an InputError of one line, or one of the two states, complete."""
    files(directory)[0].write_bytes(content)
    try:
        iteration, said = restored(directory, training)
    except InputError as error:
        assert "\n" not in str(error) and ".ckpt" in str(error) and len(str(error)) < 2000
        return "refused"
    assert iteration in (4, 5) and all("\n" not in line for line in said) and len(said) == 6 - iteration
    return {4: "the one before", 5: "accepted"}[iteration]


def places(data, path=()):
    """Paths of all mappings, values, and the first items of lists, without numbers that equal True."""
    if data != 1:
        yield path
    items = data.items() if isinstance(data, dict) else enumerate(data[:3]) if isinstance(data, list) else ()
    for key, value in items:
        yield from places(value, (*path, key))


def replaced(data, path, value):
    """``data`` with another value in one place; "gone": without it."""
    if not path:
        return value
    copied = data.copy()
    copied[path[0]] = replaced(data[path[0]], path[1:], value)
    if value == "gone" and len(path) == 1:
        del copied[path[0]]
    return copied


HOSTILE = ["gone", None, -1, 10**400, 1.5, True, float("nan"), "x" * 5000, "line\nbreak", [], [[]], {}, {"a": {"b": 1}}]


def test_hostile_json_ends_in_one_line_or_the_checkpoint_before(copy, training):
    data, rng, ends, found = files(copy)[0].read_bytes(), random.Random(2), {}, []
    rewritten(data, lambda meta: found.extend(places(meta)) or meta)
    free = {("config", "threads"), ("config", "checkpoint"), ("config", "checkpoint", "every"), ("config", "engine"), ("engine",), ("seconds",),
            ("config", "iterations")}
    for path in found:
        for value in rng.sample(HOSTILE, 3):
            end = harmless(copy, rewritten(data, lambda meta: replaced(meta, path, value)), training)       # noqa: B023 (called at once)
            ends[end] = ends.get(end, 0) + 1
            # accepted are values of one measurement, and what may differ between configurations
            assert end != "accepted" or path in free or path[0] in ("curves", "telemetry"), (path, value)
    assert ends["refused"] > 50 and ends["the one before"] > 50


def test_deep_and_broken_json_ends_in_the_checkpoint_before(copy, training):
    data = files(copy)[0].read_bytes()
    with np.load(io.BytesIO(data[data.index(b"\n") + 1:])) as archive:
        arrays = dict(archive)
    for text in (b"[" * 100_000, b'{"a":' * 100_000, b"", b"\xff\xfe", b"{", b"1" * 10_000, b'{"format": 2}', arrays["meta"].tobytes()[:-9]):
        assert harmless(copy, packed({**arrays, "meta": np.frombuffer(text, np.uint8)}), training) == "the one before"


def test_hostile_arrays_end_in_the_checkpoint_before(copy, training):
    data = files(copy)[0].read_bytes()
    with np.load(io.BytesIO(data[data.index(b"\n") + 1:])) as archive:
        arrays = dict(archive)
    bad = {"removed": lambda a: None, "shorter": lambda a: a.ravel()[:-1], "deeper": lambda a: a[None], "text": lambda a: np.array("x"),
           "complex": lambda a: a.astype(complex), "small": lambda a: a.astype(np.float16), "swapped": lambda a: a.astype(">i8" if a.dtype.kind == "i" else ">f8"),
           "structured": lambda a: np.zeros(a.shape, [("a", "i8")]), "other": lambda a: a + 1 if a.dtype.kind in "iu" else np.full_like(a, np.nan)}
    for name, array in arrays.items():
        for kind, harm in bad.items():
            changed = {**arrays, name: harm(array)}
            if kind == "removed":
                del changed[name]
            end = harmless(copy, packed(changed), training)
            assert end == "the one before" or (kind == "other" and "master" in name) or ("initial" in name and end == "refused"), (name, kind, end)
    ends = {}
    for value in (-1, 1e149, 1e300, np.finfo(float).max):
        for kind in "if":
            huge = np.clip(value, -2**63, 2**63 - 1024) if kind == "i" else value
            changed = {name: np.full_like(a, huge) if a.dtype.kind == kind and a.ndim and "optimizer" in name else a for name, a in arrays.items()}
            ends[value, kind] = harmless(copy, packed(changed), training)
            training.update(training.task.training_trials(training.iteration))      # weights clip
    assert ends[1e149, "f"] == ends[-1, "i"] == "accepted" and ends[-1, "f"] == ends[1e300, "f"] == "the one before"
    bomb = packed({**arrays, "more": np.zeros(10**8, np.uint8)}, np.savez_compressed)
    assert harmless(copy, bomb, training) == "the one before"
    pickled = packed({**arrays, "optimizer_m_in": np.array([print], object)})
    assert harmless(copy, pickled, training) == "the one before"


def test_hostile_archives_end_in_the_checkpoint_before(copy, training):
    """Bytes anywhere in the archive are changed, cut out and doubled, under a right checksum."""
    data, rng, ends = files(copy)[0].read_bytes(), random.Random(3), {}
    content = data[data.index(b"\n") + 1:]
    directory = content.index(b"PK\1\2")         # the table of contents, where most damage is possible
    for turn in range(400):
        mutated = bytearray(content)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(directory if turn % 2 else 0, len(mutated))
            if rng.random() < 0.7:
                mutated[at] = rng.randrange(256)
            elif rng.random() < 0.5:
                del mutated[at:at + rng.randrange(1, 40)]
            else:
                mutated[at:at] = mutated[at:at + rng.randrange(1, 40)]
        end = harmless(copy, _header(bytes(mutated)) + mutated, training)
        ends[end] = ends.get(end, 0) + 1
    assert ends["the one before"] > 200

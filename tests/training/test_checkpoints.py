"""Which runs go on from a checkpoint, and disks that are full."""
import errno
import json
import os
import resource
import signal
import subprocess

import pytest
from click.testing import CliRunner

import fxsim
from fxsim import InputError
from fxsim.cli.main import main
from fxsim.training.checkpoints import read
from fxsim.training.interrupts import Interrupted
from fxsim.training.loop import Training
from fxsim.training.runs import is_finished, train_in

from checkpointed import QUICK, files, in_child, quick, raising, replaced, restored, rewritten, same_runs, sets
from tiny import tiny


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
    backward = "bptt" in change     # quantisation-aware, on float copies of the weights
    config = quick(change, *(["engine=auto", "threads=1"] if backward else []), "iterations=5")
    fxsim.train(config, tmp_path / "straight")
    with monkeypatch.context() as patch:
        patch.setattr(Training, "update", raising(signal.SIGTERM, Training.update, 4))
        with pytest.raises(Interrupted):
            fxsim.train(config, tmp_path / "run")
    config = config.changed({"threads": 2, "learning.memory_mib": 0.008}) if backward else config
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
    monkeypatch.setattr("fxsim.training.checkpoints.write_atomic", lambda path, data: (written.append(path.stem[-2:]), path.write_bytes(data)))
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

"""Whatever ends a run, it goes on to the same bits and nothing is left behind."""
import os
import random
import signal
import time

import pytest
from click.testing import CliRunner

import fxsim
import fxsim.training.checkpoints
import fxsim.training.runs
from fxsim.cli.main import main
from fxsim.files.writing import only_user
from fxsim.training import checkpoints, runs
from fxsim.training.interrupts import Interrupted, interruptible
from fxsim.training.loop import Training
from fxsim.training.optimizers import Masters

from checkpointed import QUICK, files, in_child, quick, raising, same_runs, sets
from processes import alive, children, command, needs_proc, wait_until
from tiny import tiny_changes

KILLS = 10      # then the run is left alone: a busy machine might never end it between two


# ---- runs that end early -------------------------------------------------------------------------------------------
def test_kills_at_random_moments_change_no_bit(undisturbed, tmp_path):
    moments, kills, tried = random.Random(5), 0, 0
    while kills < KILLS:
        directory, finished = tmp_path / f"run{tried}", False
        while not finished:
            pid = in_child(lambda: fxsim.train(quick(), directory, resume=True))       # noqa: B023 (called at once)
            if kills < KILLS:
                time.sleep(moments.uniform(0, 0.45))
                os.kill(pid, signal.SIGKILL)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            assert status in (0, -signal.SIGKILL)
            kills, finished = kills + (status != 0), status == 0
        same_runs(undisturbed, directory)
        assert {p.name for p in directory.iterdir()} == {p.name for p in undisturbed.iterdir()}      # no half-written files are left
        assert [p.name for p in (directory / "checkpoints").iterdir()] == ["iteration-000000008.ckpt"]
        tried += 1


@pytest.mark.parametrize("number, status", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("owner, method, at, iteration", [
    (Training, "update", 1, None), (Training, "update", 5, 4), (Masters, "write", 8, 6), (Training, "_evaluate", 2, 3), (Training, "_count_telemetry", 2, 8),
    (checkpoints, "to_bytes", 4, 4), (runs, "snapshot", 1, 8), (runs, "write_json", 1, 8)],
    ids=lambda value: getattr(value, "__name__", value))
def test_signals_leave_a_checkpoint_wherever_they_arrive(number, status, owner, method, at, iteration, undisturbed, tmp_path, monkeypatch):
    arguments = ["train", "delayed_match", "--out", str(tmp_path / "run")]
    for change in tiny_changes(*QUICK, *(["checkpoint.every=0"] if owner is not checkpoints else [])):
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
        update(self, trials)
        try:
            signal.raise_signal(signal.SIGTERM)
        except Interrupted:
            pass
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


@pytest.mark.long
@needs_proc
def test_comparisons_leave_no_process_and_go_on(tmp_path):
    changes = [part for change in tiny_changes(*QUICK, "iterations=60", "evaluation.every=50") if "precision" not in change for part in ("--set", change)]
    arguments = ["compare", "delayed_match", *changes, "--rules", "eprop,diffusion",
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

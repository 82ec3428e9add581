"""What the terminal does to a command: it goes away, fills up, or sends a signal at any moment. Work is never lost, and the reason is a line."""
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from tiers import first_quick

from fxsim.cli.main import main
from fxsim.training.interrupts import Interrupted, interruptible

from places import ROOT
from processes import alive, needs_proc, wait_until
from tiny import SHORT

pytestmark = pytest.mark.core

TRAIN = ["train", "delayed_match", *(part for change in (*SHORT, "engine=oracle", "iterations=12") for part in ("--set", change))]
STUDY = """
name: s
base: delayed_match
set: {engine: oracle, task.fixation: 0, task.cue: 5, task.delay: 0, task.decision: 5, task.window: 5, batch_size: 2, evaluation.batch_size: 2, iterations: 5000}
seeds: [0, 1]
blocks: [{name: b, grid: {precision: [q16]}}]
figures: [{kind: curves, title: T, panels: [task], lines: precision}]
"""


def begin(arguments, **more):
    return subprocess.Popen([sys.executable, "-m", "fxsim", *map(str, arguments)], stderr=subprocess.PIPE, text=True, start_new_session=True,
                            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}, **more)


def group(number):
    """Processes of a group that are not over."""
    return [pid for pid in os.listdir("/proc") if pid.isdigit() and alive(pid) and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[2] == str(number)]


@pytest.mark.parametrize("statement, status", [("from fxsim.cli.start import main", 2), ("import fxsim.files", 1)])
def test_windows_is_one_clear_line(statement, status):
    """A stand-in for it: the name that Python gives to the system."""
    done = subprocess.run([sys.executable, "-c", f"import sys; sys.platform = 'win32'; {statement}"], cwd=ROOT, capture_output=True, text=True)
    lines = done.stderr.splitlines()
    assert done.returncode == status and lines[-1].endswith("fxsim: system: found Windows, allowed: Linux or macOS; on Windows in WSL, its Linux")
    assert len(lines) == 1 or status == 1       # in Python, an exception like all others


@pytest.mark.parametrize("output, said", [("full", "standard output: No space left on device; going on without\n"), ("pipe", ""), ("closed", "")])
def test_training_goes_on_without_its_output(output, said, tmp_path):
    arguments = [*TRAIN, "--out", tmp_path / "run"]
    if output == "full":
        with open("/dev/full", "w") as full:
            process = begin(arguments, stdout=full)
    elif output == "pipe":
        process = begin(arguments, stdout=subprocess.PIPE)
        process.stdout.readline()
        process.stdout.close()
    else:
        process = begin(arguments, preexec_fn=lambda: os.close(1))
    assert process.stderr.read() == said and process.wait() == 0
    assert (tmp_path / "run/manifest.json").exists() and len((tmp_path / "run/curves.csv").read_text().splitlines()) == 1 + 12 + 5


def test_who_follows_a_log_sees_every_line_at_once():
    statement = "import sys; from fxsim.cli.start import hold_streams; hold_streams(); print('a line'); sys.stdin.readline()"      # input() would flush
    with subprocess.Popen([sys.executable, "-c", statement], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        seen, _, _ = select.select([process.stdout], [], [], 30)
        assert seen and process.stdout.readline() == b"a line\n"
        process.communicate(b"\n")


def test_a_progress_that_cannot_print_costs_no_updates(tmp_path):
    from fxsim import load_config, train
    from fxsim.training.progress import Progress

    class Broken(Progress):
        def trained(self, row):
            if row["iteration"] == 5:
                raise BrokenPipeError

    config = load_config("delayed_match", [*SHORT, "engine=oracle", "iterations=8", "checkpoint.every=0"])
    with pytest.raises(BrokenPipeError):
        train(config, tmp_path / "run", Broken())
    assert [path.name for path in (tmp_path / "run/checkpoints").iterdir()] == ["iteration-000000005.ckpt"]


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("seconds", first_quick([0, 0.3, 0.8, 1.5]))
def test_a_sweep_ends_in_one_line_whenever_its_terminal_says_so(number, seconds, tmp_path):
    """The terminal tells all processes; some are just being started."""
    (tmp_path / "study.yaml").write_text(STUDY)
    process = begin(["sweep", tmp_path / "study.yaml", "--out", tmp_path / "out", "--jobs", 2], stdout=subprocess.DEVNULL)
    wait_until(lambda: (tmp_path / "out").exists())
    time.sleep(seconds)
    os.killpg(process.pid, number)
    assert process.stderr.read() == f"interrupted by {number.name}; the same command goes on from the last checkpoint\n" and process.wait() == 128 + number
    wait_until(lambda: not group(process.pid))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_commands_without_runs_end_in_one_line_too(number, monkeypatch):
    monkeypatch.setattr("fxsim.verify.backends.draw_cases", lambda *_: signal.raise_signal(number))
    result = CliRunner().invoke(main, ["verify", "backends", "--cases", "1"], catch_exceptions=False)
    assert (result.exit_code, result.stderr) == (128 + number, f"interrupted by {number.name}\n")


@pytest.mark.parametrize("error", [EOFError("Ran out of input"), BrokenPipeError("a worker's")])
def test_no_reason_is_hidden_behind_aborted(error, monkeypatch):
    def fails(*_):
        raise error
    monkeypatch.setattr("fxsim.verify.backends.draw_cases", fails)
    result = CliRunner().invoke(main, ["verify", "backends", "--cases", "1"])
    assert "Aborted" not in result.stderr and str(error) in str(result.exception)


class Collected:
    def __del__(self):
        signal.raise_signal(signal.SIGTERM)


def by_a_destructor():
    Collected()


def by_an_import():
    try:
        signal.raise_signal(signal.SIGTERM)
    except BaseException:       # noqa: B036 (as optional packages are looked for)
        pass


@pytest.mark.parametrize("swallowed", [by_a_destructor, by_an_import])
def test_a_signal_whose_exception_is_swallowed_is_raised_again(swallowed, capsys):
    with pytest.raises(Interrupted), interruptible():
        swallowed()
        time.sleep(5)
        pytest.fail("lost")
    assert capsys.readouterr().err == ""

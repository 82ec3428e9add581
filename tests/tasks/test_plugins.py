"""Tasks of a user's file: as good as shipped ones in YAML, --set, errors, processes and clusters; and no configuration runs code."""
import pickle
import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest
from click.testing import CliRunner

import fxsim
from fxsim.cli.main import main
from fxsim.config import load_config, load_plugin, registry
from fxsim.errors import InputError
from fxsim.study.jobs import Run, Workers, run_all
from fxsim.tasks import make_task
from fxsim.training.interrupts import interruptible

from places import ROOT

pytestmark = pytest.mark.core
QUICK = ["engine=oracle", "iterations=2", "task.duration=20", "task.window=5", "batch_size=4", "evaluation.batch_size=4", "evaluation.telemetry=off", "network.n_lif=6", "network.n_alif=6",
         "network.grid=[4, 4]"]


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """The files that ``fxsim new task`` writes, in the current directory, and a registry that forgets them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "_plugged", {})
    assert CliRunner().invoke(main, ["new", "task", "mine"]).exit_code == 0
    return tmp_path / "mine.py"


def settings(*changes):
    return [x for change in (*QUICK, *changes) for x in ("--set", change)]


def test_what_is_written_trains_and_its_section_is_checked(plugin):
    done = CliRunner().invoke(main, ["train", "mine.yaml", "--plugin", "mine.py", *settings("precision=q16", "task.groups=4"), "--out", "run"])
    assert done.exit_code == 0, done.output
    assert "name: mine" in (plugin.parent / "run/config.yaml").read_text()
    config = load_config("mine.yaml", ["task.groups=4"])
    task = make_task(config)
    assert (config.n_in, config.n_out, task.training_trials(0).target.shape) == (40, 4, (32, 20, 4))
    for change, line in (("task.groups=1", "task.groups: found"), ("task.high=5", "task.high: found 5.0 Hz, allowed: more than task.low"), ("task.gruops=3", "an unknown key, allowed: one of name, channels"),
                         ("task.window=200", "at most the trial's 100 ms")):
        with pytest.raises(InputError, match=line):
            load_config("mine.yaml", [change])


def test_processes_of_a_study_know_it(plugin):
    load_plugin("mine.py")
    config = load_config("mine.yaml", QUICK)
    with interruptible() as interrupts:
        for _, future in run_all([Run(config, plugin.parent / "run")], Workers(1), interrupts):
            assert future.result()["task"] == "mine"
    assert (plugin.parent / "run/curves.csv").exists()


def test_a_worker_that_never_heard_of_it_unpickles_a_run(plugin):
    """As on a Dask cluster: nothing but the bytes and the file."""
    load_plugin("mine.py")
    data = pickle.dumps(Run(load_config("mine.yaml", QUICK), plugin.parent / "run"))
    program = "import pickle, sys; from fxsim.tasks import make_task; c = pickle.loads(sys.stdin.buffer.read()).config; print(c.task.name, make_task(c).n_in)"
    done = subprocess.run([sys.executable, "-c", program], input=data, cwd="/", env={"PYTHONPATH": str(ROOT)}, capture_output=True, timeout=60)
    assert done.stdout == b"mine 30\n", done.stderr
    assert pickle.loads(data).config == load_config("mine.yaml", QUICK)


def test_a_sweep_with_a_plugin(plugin):
    (plugin.parent / "study.yaml").write_text(f"name: s\nbase: mine.yaml\nseeds: [1]\nset: {{{', '.join(c.replace('=', ': ', 1) for c in QUICK)}}}\nblocks:\n  - {{name: a, grid: {{task.groups: [2, 3]}}}}\n")
    done = CliRunner().invoke(main, ["sweep", "study.yaml", "--plugin", "mine.py", "--jobs", "1", "--out", "swept"])
    assert done.exit_code == 0, done.output
    assert len(list((plugin.parent / "swept/runs").iterdir())) == 2 and CliRunner().invoke(main, ["report", "swept", "--plugin", "mine.py"]).exit_code == 0


def test_a_changed_plugin_is_no_continuation(plugin):
    load_plugin("mine.py")
    fxsim.train(load_config("mine.yaml", QUICK), out="run")
    plugin.write_text(plugin.read_text().replace("p.high", "p.high + 1"))
    load_plugin("mine.py")
    with pytest.raises(InputError, match="another plugin"):
        fxsim.train(load_config("mine.yaml", [*QUICK, "iterations=3"]), out="run", resume=True)


def test_a_configuration_alone_runs_no_code(plugin):
    plugin.write_text("raise SystemExit('ran')")
    for name in ("mine", "mine.py", "./mine.py", "mine:MyTask", "os.system", "__init__", "base", "../mine"):
        (plugin.parent / "c.yaml").write_text((plugin.parent / "mine.yaml").read_text().replace("  name: mine", f"  name: {name}"))
        with pytest.raises(InputError, match="task.name"):
            load_config("c.yaml")


@pytest.mark.parametrize("text, line", [("x = 1", "no task"), ("import numpyy", "line 1: found ModuleNotFoundError"), ("def f(:", "line 1: found SyntaxError"), ("\n\nassert False", "line 3: found AssertionError"),
                                        ("{0}name: Literal['delayed_match']", "one that no other task has"), ("{0}pass", "one that no other task has"), ("{0}name: Literal['a', 'b']", "one that no other")])
def test_plugins_that_are_none_are_one_line(text, line, plugin):
    start = "from typing import Literal\nfrom fxsim.tasks import Task, TaskSection\nclass T(Task):\n    class section(TaskSection):\n        "
    plugin.write_text(text.replace("{0}", start))
    refused = CliRunner().invoke(main, ["train", "mine.yaml", "--plugin", "mine.py"])
    assert refused.exit_code == 2 and line in refused.output and len(refused.output.splitlines()) == 1, refused.output
    assert CliRunner().invoke(main, ["train", "mine.yaml", "--plugin", "gone.py"]).exit_code == 2


def test_an_installed_package_offers_tasks(plugin, monkeypatch):
    monkeypatch.syspath_prepend(str(plugin.parent))
    points = [EntryPoint("mine", "mine:MyTask", "fxsim.tasks"), EntryPoint("broken", "mine:Nothing", "fxsim.tasks"), EntryPoint("wrong", "mine:MyTask", "fxsim.tasks")]
    monkeypatch.setattr(registry, "entry_points", lambda group: points if group == "fxsim.tasks" else [])
    assert make_task(load_config("mine.yaml", QUICK)).n_out == 3
    for name in ("broken", "wrong"):
        with pytest.raises(InputError, match=f"entry point fxsim.tasks: {name}"):
            load_config("mine.yaml", [f"task.name={name}"])

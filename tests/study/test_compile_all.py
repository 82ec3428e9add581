"""Kernels compiled before they are needed: each once, in processes, and nothing is left to compile."""
from collections import Counter

import pytest
from click.testing import CliRunner

from fxsim.cli.main import main
from fxsim.errors import InputError
from fxsim.files.machine_code import MachineCode
from fxsim.study.comparison import plan
from fxsim.study.jobs import _apart, compile_all
from fxsim.training.backend import compile_kernels, kernels_of
from fxsim.training.interrupts import interruptible
from fxsim.training.loop import Training

from tiny import tiny

pytestmark = pytest.mark.core


@pytest.mark.parametrize("rule", ["eprop", "bptt"])
def test_what_is_compiled_is_all_that_a_run_takes(rule, monkeypatch):
    config = tiny("precision=q16", "iterations=1", f"learning.rule={rule}")
    assert len(set(kernels_of(config))) == (2 if rule == "eprop" else 3)
    compile_kernels(config)
    monkeypatch.setattr(MachineCode, "save_overload", lambda *_: pytest.fail("compiled in the run"))
    Training(config).run()


def test_kernels_have_names_by_what_they_compute():
    one, same, other, floating = (set(kernels_of(tiny(*changes))) for changes in (
        ["precision=q16"], ["precision=q16", "seed=5", "learning.rule=eprop"], ["precision=w8s16"], ["precision=float32"]))
    assert one == same and len(one & other) == 1 and not one & floating       # telemetry has one kernel for all formats
    assert set(kernels_of(tiny("precision=q16", "batch_size=64"))) >= one & other


@pytest.mark.parametrize("rule", ["eprop", "bptt"])
def test_a_long_run_has_kernels_for_its_formats_alone(rule, monkeypatch):
    """As shipped formats have; a run that is measured for a longer one has that one's."""
    changes = ["precision=q16", "formats.trace.word_bits=13", f"learning.rule={rule}"]
    short, long = tiny(*changes), tiny(*changes, "iterations=100000000")
    assert set(kernels_of(short)) & set(kernels_of(long)) == set(kernels_of(short)[-1:])        # telemetry's
    engines = [Training(short).engine, Training(short, planned=long.updates).engine, Training(long).engine]
    assert [getattr(engine, "forward", engine).general for engine in engines] == [True, False, False]


def test_each_kernel_is_compiled_once(monkeypatch):
    """In this process, with names in place of kernels."""
    asked = []
    monkeypatch.setattr("fxsim.study.jobs.kernels_of", lambda config: {"q16": ["a", "t"], "w8s16": ["b", "t"], "q24": ["a", "b"]}[config.precision])
    monkeypatch.setattr("fxsim.study.jobs.compile_kernels", lambda config: asked.append(config.precision))
    monkeypatch.setattr("fxsim.study.jobs.processes", _here)
    configs = [tiny(f"precision={precision}") for precision in ("q16", "q16", "w8s16", "q24")]
    with interruptible() as interrupts:
        found = {config.precision: kernels for config, kernels in compile_all(configs, 0, interrupts)}
    assert asked == ["q16", "w8s16"] and found == {"q16": 2, "w8s16": 1}


class _here:
    def __init__(self, *_):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def __call__(self, function, *arguments):
        from concurrent.futures import Future
        future = Future()
        future.set_result(function(*arguments))
        return future


def test_the_command_compiles_in_processes(tmp_path):
    """float32 is compiled soonest."""
    (tmp_path / "small.yaml").write_text("extends: delayed_match\nname: small\nprecision: float32\nnetwork: {n_lif: 6, n_alif: 6, grid: [4, 4]}\n")
    result = CliRunner().invoke(main, ["build", str(tmp_path / "small.yaml"), "--jobs", "1"], catch_exceptions=False)
    assert result.exit_code == 0 and "small, float32: 2\n2 kernels in " in result.output


def test_what_has_no_kernels_is_refused():
    with pytest.raises(InputError, match="engine: found oracle, allowed: auto or cpu"):
        kernels_of(tiny("engine=oracle"))


def test_runs_that_start_together_have_different_kernels(tmp_path):
    runs = plan([tiny()], ["eprop", "diffusion"], ["float32", "q16", "w8s16"], [0, 1], tmp_path)
    order = _apart(runs)
    assert [run.config.precision for run in order] == ["float32", "q16", "w8s16"] * 4 and Counter(map(str, order)) == Counter(map(str, runs))
    assert {run.config.seed for run in order[:6]} == {0}        # what is done at any time is paired, still

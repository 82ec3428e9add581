"""What a study and a run need lies in their directories: they can be moved, and what they were made from can go."""
import shutil
import signal
from pathlib import Path

import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

from fxsim.cli.main import main
from fxsim.config import dump_config, load_config
from fxsim.errors import InputError
from fxsim.study.plan import load_study, plan
from fxsim.training.interrupts import Interrupted
from fxsim.training.loop import Training
from fxsim.training.runs import is_finished, train_in
from lava_backend.package import load_package, package_of_training, save_package

from checkpointed import raising, same_runs
from tiny import SHORT, tiny

TABLES = ("results.parquet", "curves.parquet", "telemetry.parquet")
QUICK = (*SHORT, "engine=oracle", "iterations=1")


def invoked(*arguments):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def study(tmp_path):
    """A study whose base, precisions and what these extend are files, here and elsewhere."""
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    (home / "sub").mkdir(parents=True)
    elsewhere.mkdir()
    (elsewhere / "ground.yaml").write_text("extends: q16\nquantities: {membrane: {word_bits: 14, frac_bits: 9}}\n")
    (home / "sub/mine.yaml").write_text("extends: ../../elsewhere/ground.yaml\nquantities: {trace: {word_bits: 12, frac_bits: 8}}\n")
    (elsewhere / "theirs.yaml").write_text("extends: ground.yaml\n")
    (elsewhere / "fifth.yaml").write_text("extends: q16\nquantities: {readout: {word_bits: 15, frac_bits: 10}}\n")
    (home / "own.yaml").write_text(dump_config(tiny(*QUICK)).replace("precision: float32", "precision: sub/mine.yaml"))
    data = {"name": "s", "base": "own.yaml", "seeds": [0], "axes": {"words": ["precision"]},
            "blocks": [{"name": "base's"}, {"name": "b", "grid": {"precision": ["q16", "sub/mine.yaml", "../elsewhere/theirs.yaml"]}},
                       {"name": "c", "grid": {"words": [str(elsewhere / "fifth.yaml")]}}],
            "figures": [{"kind": "curves", "title": "T", "panels": ["task"], "lines": "precision", "metric": "loss"}]}
    (home / "study.yaml").write_text(yaml.safe_dump(data))
    return home / "study.yaml"


def test_a_sweep_that_was_moved_is_reported_and_goes_on_without_the_files_it_was_made_from(study, tmp_path, monkeypatch):
    invoked("sweep", study, "--out", tmp_path / "out", "--jobs", 1)
    moved = tmp_path / "other/machine"
    before = {name: (tmp_path / "out" / name).read_bytes() for name in TABLES}
    moved.parent.mkdir()
    (tmp_path / "out").rename(moved)
    shutil.rmtree(study.parent)
    shutil.rmtree(tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path / "other")
    assert invoked("report", moved).startswith("report: ")
    assert "4 runs, 4 finished before" in invoked("sweep", moved / "study.yaml", "--out", moved)
    assert {name: (moved / name).read_bytes() for name in TABLES} == before
    assert "4 runs, 0 finished before" in invoked("sweep", moved / "study.yaml", "--out", tmp_path / "again", "--jobs", 1)
    assert {name: (tmp_path / "again" / name).read_bytes() for name in TABLES} == before
    results = pd.read_parquet(moved / "results.parquet")
    assert list(results["precision"]) == ["mine", "q16", "mine", "theirs", "fifth"] and results["run"].nunique() == 4
    for run in moved.glob("runs/*"):        # each run, too
        shutil.move(run, tmp_path / "alone")
        again = load_config(tmp_path / "alone/config.yaml")
        assert is_finished(tmp_path / "alone", again) and again.resolved_precision()
        shutil.rmtree(tmp_path / "alone")


def test_what_a_sweep_keeps_is_what_it_was_made_from(study, tmp_path):
    invoked("sweep", study, "--out", tmp_path / "out", "--jobs", 1)
    runs = [[run.config.resolved_precision() for run in plan(load_study(path)[0], str(path))] for path in (study, tmp_path / "out/study.yaml")]
    assert runs[0] == runs[1]
    (study.parent / "sub/mine.yaml").write_text("extends: q24\n")       # does not change what was made
    kept = tmp_path / "out/study.yaml"
    assert [run.config.resolved_precision() for run in plan(load_study(kept)[0], str(kept))] == runs[0]
    assert (tmp_path / "out/study.yaml").read_bytes() == study.read_bytes()


def test_a_sweep_is_reported_without_the_networks_that_its_runs_began_with(tmp_path):
    train_in(tmp_path / "source", tiny(*QUICK))
    (tmp_path / "base.yaml").write_text(dump_config(tiny(*QUICK)))
    data = {"name": "s", "base": "base.yaml", "seeds": [1], "blocks": [{"name": "drawn"}, {"name": "given", "set": {"initial": "source"}}],
            "figures": [{"kind": "curves", "title": "T", "panels": ["task"], "lines": "block", "metric": "loss"}]}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(data))
    invoked("sweep", tmp_path / "study.yaml", "--out", tmp_path / "out", "--jobs", 1)
    shutil.rmtree(tmp_path / "source")
    assert invoked("report", tmp_path / "out").startswith("report: ")
    result = CliRunner().invoke(main, ["sweep", str(tmp_path / "out/study.yaml"), "--out", str(tmp_path / "again")])
    assert result.exit_code == 2 and "source" in result.stderr      # but not made again


def test_a_precision_file_is_compared_by_its_formats_not_by_its_place(tmp_path):
    text = "name: mine\nextends: q16\nquantities: {membrane: {word_bits: 14, frac_bits: 9}}\n"
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.yaml").write_text(text)
    first, second = (tiny(*QUICK, f"precision={tmp_path / name / 'mine.yaml'}") for name in ("a", "b"))
    train_in(tmp_path / "run", first)
    assert is_finished(tmp_path / "run", second)
    train_in(tmp_path / "run", second.changed({"iterations": 2}), resume=True)
    (tmp_path / "b/mine.yaml").write_text(text.replace("14", "13"))
    for attempt in (lambda: is_finished(tmp_path / "run", second.changed({"iterations": 2})),
                    lambda: train_in(tmp_path / "run", second.changed({"iterations": 3}), resume=True)):
        with pytest.raises(InputError, match="other"):
            attempt()


def test_an_interrupted_run_that_was_moved_goes_on_without_the_precision_file_it_began_with(tmp_path, monkeypatch):
    (tmp_path / "here/formats").mkdir(parents=True)
    (tmp_path / "here/formats/mine.yaml").write_text("name: mine\nextends: q16\nquantities: {membrane: {word_bits: 14, frac_bits: 9}}\n")
    monkeypatch.chdir(tmp_path / "here")
    config = tiny(*QUICK, "iterations=6", "checkpoint.every=2", "precision=formats/mine.yaml")
    train_in(tmp_path / "whole", config)
    with monkeypatch.context() as patch:
        patch.setattr(Training, "update", raising(signal.SIGTERM, Training.update, 4))
        with pytest.raises(Interrupted):
            train_in(Path("run"), config)
    (tmp_path / "there").mkdir()
    (tmp_path / "here/run").rename(tmp_path / "there/run")
    shutil.rmtree(tmp_path / "here/formats")
    monkeypatch.chdir(tmp_path / "there")
    invoked("train", "run/config.yaml", "--out", "run", "--resume")
    same_runs(tmp_path / "whole", tmp_path / "there/run")


def test_a_package_needs_no_precision_file(tmp_path):
    (tmp_path / "mine.yaml").write_text("extends: q16\n")
    training = Training(tiny(*QUICK, f"precision={tmp_path / 'mine.yaml'}", "formats.membrane.word_bits=14"))
    save_package(package_of_training(training), tmp_path / "package")
    (tmp_path / "mine.yaml").unlink()
    assert load_package(tmp_path / "package").spec == training.arithmetic.spec

"""The command line: exit status, one-line errors, and the files that each command leaves."""
import csv
import importlib.util
import json

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from fxsim.cli.commands.precision import initials
from fxsim.cli.main import main
from fxsim.training.loop import CURVE_COLUMNS, TELEMETRY_COLUMNS
from fxsim.training.runs import FILES

from tiny import tiny_changes

pytestmark = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs PyTorch: pip install 'fxsim[reference]'")


def fxsim(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


def sets(*changes):
    return [part for change in tiny_changes(*changes) for part in ("--set", change)]


def table(path):
    with open(path) as file:
        return list(csv.DictReader(file))


def refused(result, *words):
    assert result.exit_code == 2
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    for word in words:
        assert word in lines[0], lines[0]


@pytest.fixture(scope="module")
def run_directory(tmp_path_factory):
    out = tmp_path_factory.mktemp("train") / "run"
    result = fxsim("train", "delayed_match", *sets("iterations=3", "evaluation.every=2"), "--seed", 7, "--out", out)
    assert result.exit_code == 0, result.output
    return out


def test_train_leaves_every_file(run_directory):
    names = {p.name for p in run_directory.iterdir()}
    assert names == {*FILES, "checkpoints", ".lock"}
    curves, telemetry = table(run_directory / "curves.csv"), table(run_directory / "telemetry.csv")
    assert tuple(curves[0]) == CURVE_COLUMNS and tuple(telemetry[0]) == TELEMETRY_COLUMNS
    assert {row["seed"] for row in curves} == {"7"} and {row["nmse"] for row in curves} == {""}
    manifest = json.loads((run_directory / "manifest.json").read_text())
    assert manifest["finished"] is True and manifest["seed"] == 7 and manifest["versions"]["numpy"] == np.__version__
    assert yaml.safe_load((run_directory / "config.yaml").read_text())["iterations"] == 3


def test_snapshot_has_the_promised_shapes(run_directory):
    with np.load(run_directory / "snapshot.npz", allow_pickle=False) as snapshot:
        (T, n), (S, K) = snapshot["spikes"].shape, snapshot["readout"].shape
        assert snapshot["input"].shape[0] == T and snapshot["target"].shape == (S, K) and snapshot["cell"].shape == (n,)
        assert snapshot["modulator"].shape == (S, np.prod(snapshot["grid"]))


def test_config_file_of_a_run_repeats_it(run_directory, tmp_path):
    assert fxsim("train", run_directory / "config.yaml", "--out", tmp_path / "again").exit_code == 0
    with np.load(run_directory / "weights.npz") as first, np.load(tmp_path / "again" / "weights.npz") as second:
        assert set(first) == set(second)
        for name in first:
            np.testing.assert_array_equal(first[name], second[name])


def test_train_does_not_overwrite_another_run(run_directory):
    other = sets("iterations=4", "evaluation.every=2")
    refused(fxsim("train", "delayed_match", *other, "--seed", 7, "--out", run_directory), "iterations", "3", "4", "another --out")


@pytest.mark.parametrize("arguments, words", [
    (["train", "no_such_config"], ["no_such_config"]),
    (["train", "delayed_match", "--set", "nonsense=1"], ["nonsense"]),
    (["train", "delayed_match", "--set", "batch_size=many"], ["batch_size"]),
    (["train", "delayed_match", "--set", "network.grid=[5, 5]"], ["network.grid"]),
    (["train", "delayed_match", "--set", "precision=q17"], ["q17"]),
    (["compare", "delayed_match", "--precisions", "q17", "--out", "{tmp}/x"], ["q17"]),
    (["compare", "delayed_match", "--rules", "bptt,eprop", "--set", "engine=cuda", "--out", "{tmp}/x"], ["engine", "cuda", "bptt"]),
    (["compare", "delayed_match", "--rules", "", "--out", "{tmp}/x"], ["rules"]),
    (["compare", "delayed_match", "--seeds", "1,1", "--out", "{tmp}/x"], ["seeds"]),
    (["train", "delayed_match", "--out", "/proc/nowhere"], ["/proc/nowhere"]),
    (["verify", "golden", "missing.npz"], ["missing.npz"]),
    # options that would not be followed
    (["compare", "delayed_match", "--set", "precision=q16", "--out", "{tmp}/x"], ["--set", "precision", "--precisions"]),
    (["compare", "delayed_match", "--set", "seed=3", "--out", "{tmp}/x"], ["--set", "seed", "--seeds"]),
    (["compare", "delayed_match", "--set", "learning.rule=eprop", "--out", "{tmp}/x"], ["learning.rule", "--rules"]),
    (["compare", "delayed_match", "--set", "iterations=3", "--iterations", "4", "--out", "{tmp}/x"], ["iterations", "one of"]),
    (["train", "delayed_match", "--set", "seed=3", "--seed", "4", "--out", "{tmp}/x"], ["seed", "one of"]),
    (["calibrate", "delayed_match", "--set", "precision=q16", "--out", "{tmp}/x"], ["precision", "float32"]),
    (["calibrate", "delayed_match", "--set", "formats.membrane.word_bits=9", "--out", "{tmp}/x"], ["formats.membrane.word_bits", "float32"]),
    (["allocate", "delayed_match", "--set", "seed=3", "--loss", "0.1", "--out", "{tmp}/x"], ["seed", "--seeds"]),
    (["allocate", "delayed_match", "--out", "{tmp}/x"], ["none of them", "exactly one goal"]),
    (["allocate", "delayed_match", "--loss", "0.1", "--energy", "3", "--out", "{tmp}/x"], ["loss and energy", "exactly one goal"]),
    (["allocate", "delayed_match", "--memory", "-3", "--out", "{tmp}/x"], ["--memory", "-3", "above 0"]),
    (["allocate", "delayed_match", "--memory", "3", "--base", "float32", "--out", "{tmp}/x"], ["precision", "float32", "fixed-point"]),
    (["allocate", "delayed_match", "--memory", "3", "--roundings", "up", "--out", "{tmp}/x"], ["--roundings", "up", "stochastic"]),
    (["allocate", "delayed_match", "--loss", "0.1", "--max-seeds", "0", "--out", "{tmp}/x"], ["--max-seeds", "at least 5"]),
    (["allocate", "delayed_match", "--loss", "0.1", "--sensitivity", "{tmp}", "--seeds", "2", "--out", "{tmp}/x"], ["--seeds", "--sensitivity"]),
    (["allocate", "delayed_match", "--loss", "0.1", "--sensitivity", "{tmp}", "--out", "{tmp}/x"], ["--sensitivity", "asked.yaml"]),
    (["allocate", "delayed_match", "--loss", "0.1", "--set", "learning.rule=bptt", "--out", "{tmp}/x"], ["learning.rule", "bptt"]),
    (["cost", "delayed_match", "--set", "precision=q16"], ["precision", "--precisions"]),
    (["cost", "delayed_match", "--set", "learning.rule=bptt"], ["learning.rule", "bptt"]),
    (["sweep", "study.yaml", "--jobs", "2", "--scheduler", "tcp://127.0.0.1:1", "--out", "{tmp}/x"], ["--jobs", "--scheduler"]),
    (["bench", "iteration", "--rule", "bptt", "--engine", "cuda"], ["--engine", "reference"]),
    (["bench", "iteration", "--threads", "2", "--engine", "oracle"], ["--threads", "oracle"]),
    (["export", "lava", "run", "{tmp}/x", "--approximate"], ["--approximate", "--stock"]),
    (["verify", "backends", "--engines", "gpu"], ["gpu"]),
    (["bench", "iteration", "--task", "no_such_task"], ["no_such_task"]),
])
def test_bad_input_is_one_line_and_status_2(arguments, words, tmp_path):
    refused(fxsim(*[a.replace("{tmp}", str(tmp_path)) for a in arguments]), *words)
    assert not list(tmp_path.iterdir())


def test_compare_trains_each_pair_once_and_reports(tmp_path):
    arguments = ["compare", "delayed_match", *sets("evaluation.every=1"), "--rules", "eprop,diffusion", "--precisions", "float32",
                 "--out", tmp_path / "c"]
    first = fxsim(*arguments, "--seeds", "0")
    assert first.exit_code == 0, first.output
    before = (tmp_path / "c/runs/eprop-float32-s0/manifest.json").stat().st_mtime_ns
    second = fxsim(*arguments, "--seeds", "0,1")
    assert second.exit_code == 0 and "4 runs, 2 finished before" in second.output
    assert (tmp_path / "c/runs/eprop-float32-s0/manifest.json").stat().st_mtime_ns == before
    rows = table(tmp_path / "c/curves.csv")
    assert {(row["rule"], row["seed"]) for row in rows} == {(rule, seed) for rule in ("eprop", "diffusion") for seed in "01"}
    manifest = json.loads((tmp_path / "c/manifest.json").read_text())
    task = manifest["tasks"]["delayed_match"]
    assert task["iterations"] == 2 and task["paper_size"] is False and task["seeds"] == [0, 1]
    assert (tmp_path / "c/report.html").stat().st_size > 1000
    refused(fxsim(*arguments, "--seeds", "0", "--set", "learning.c_reg=0.5"), "learning.c_reg")


def test_presets_lists_every_format():
    out = fxsim("presets").output
    for word in ("q32", "q16", "loihi_engine", "membrane", "s16.11 U", "diffusion_gain"):
        assert word in out


def test_presets_of_one_name_says_where_its_words_come_from():
    out = fxsim("presets", "reckon").output
    assert "source: ReckOn, doc/README.md" in out and "leaves out: ReckOn keeps no state" in out and "u12.8 S" in out and "q32" not in out
    refused(fxsim("presets", "reckoned"), "reckoned", "did you mean reckon?")


def test_each_rounding_has_a_letter_of_its_own():
    assert initials(["floor", "toward_zero", "nearest_up"]) == {"floor": "F", "toward_zero": "Z", "nearest_up": "U"}
    assert list(initials(["floor", "toward_zero", "away_from_zero", "zero"]).values()) == ["F", "Z", "A", "zero"]


def test_version():
    assert fxsim("--version").output.startswith("fxsim, version ")

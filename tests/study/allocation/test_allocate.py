"""The command from a sensitivity to a precision with its evidence."""
import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import fxsim
from fxsim.cli.main import main
from fxsim.errors import InputError
from fxsim.hardware.memory import memory
from fxsim.model.topology import build_network
from fxsim.study.allocation.allocate import allocate
from fxsim.study.allocation.asked import Asked, Goal
from fxsim.study.allocation.costs import with_formats
from fxsim.study.formats.sensitivity import sensitivity
from fxsim.study.jobs import Workers
from quant import load_spec

from checkpointed import quick
from tiny import tiny_changes

pytestmark = pytest.mark.core
LOUD = ("network.gains={input: 8, recurrent: 4}", "task.window=10", "precision=q24", "iterations=2", "batch_size=4", "evaluation.telemetry=off")
ONE = Workers(1)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A sensitivity of two quantities, one of which is memory, and one energy alone."""
    out = tmp_path_factory.mktemp("sensitivity") / "out"
    sensitivity(quick(*LOUD), out, ["diffusion"], [1], [4, 8, 12], ["stochastic"], ["trace", "eligibility"], ["driven"], ONE, trials=3)
    return out


def base(directory):
    """Cosines of the base precision itself."""
    return pd.read_csv(directory / "sensitivity.csv").query("quantity == 'nothing'")["cosine"].reset_index(drop=True)


def kept(spec):
    config = with_formats(quick(*LOUD), spec)
    return memory(config, build_network(config)).network.total / 8


def test_a_budget_is_kept_with_the_least_noise_that_keeps_it(measured, tmp_path):
    config, whole = quick(*LOUD), kept(load_spec("q24"))
    found = fxsim.allocate(config, tmp_path / "out", memory=whole - 30, sensitivity=measured, max_seeds=0, points=3, jobs=1)
    spec = load_spec(tmp_path / "out" / "allocation.yaml")
    assert spec.formats == found.spec.formats and "not trained" in spec.description and spec.name == f"delayed_match_diffusion_memory_{whole - 30:g}"
    (joint,) = [table for path in (tmp_path / "out" / "joint").iterdir() if len(table := pd.read_csv(path)) and path.name.startswith("s1")
                and table["cosine"].equals(base(measured))]
    assert (joint["way"] == "driven").all(), "the front's first point, on the trials of the sensitivity"
    row = found.front.loc[found.point]
    assert row["memory_bytes"] == kept(spec) <= whole - 30 and (found.front.loc[found.front["noise_predicted"] < row["noise_predicted"], "memory_bytes"] > whole - 30).all()
    assert spec["eligibility"] == load_spec("q24")["eligibility"] and spec["trace"].word_bits < 24      # no memory is saved by narrower words on the way
    points = {int(path.stem.removeprefix("point_")): load_spec(path) for path in (tmp_path / "out" / "points").iterdir()}
    assert [*sorted(points)] == [*found.front["point"]] and points[found.point].formats == spec.formats != points[0].formats
    formats = pd.read_csv(tmp_path / "out" / "formats.csv").set_index(["point", "quantity"])["word_bits"]
    assert formats[found.point, "trace"] == spec["trace"].word_bits and formats[0, "trace"] == 24
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Nothing was trained" in page and f"<td>{found.point} (chosen)</td>" in page and "data:image/png" in page
    with pytest.raises(InputError, match="--memory: found 3, allowed: at least"):
        allocate(Asked(config, Goal(memory=3), measured, max_seeds=0), tmp_path / "none", ONE)
    with pytest.raises(InputError, match="another --out"):
        allocate(Asked(config, Goal(memory=whole - 31), measured, max_seeds=0), tmp_path / "out", ONE)


@pytest.mark.long
def test_noises_together_are_measured_and_an_energy_is_kept(measured, tmp_path):
    config = quick(*LOUD)
    dear = allocate(Asked(config, Goal(energy=1e12), measured, max_seeds=0, points=3), tmp_path / "dear", ONE)
    assert dear.point == 0 and dear.front["noise"].iloc[0] == 0 and dear.front["energy_high_pJ"].is_monotonic_decreasing
    table = pd.read_csv(measured / "sensitivity.csv").query("layer != 'all' and quantity == 'trace' and word_bits == 4")["cosine"]
    narrow = pd.read_csv(tmp_path / "dear" / "noise.csv").set_index(["quantity", "word_bits"])["noise"]
    assert narrow["trace", 4] == pytest.approx((1 / table**2 - 1).max(), abs=1e-3)
    last = dear.front.iloc[-1]
    assert 0.5 < last["noise"] / last["noise_predicted"] < 2        # the two quantities are far apart: they add up
    cheap = allocate(Asked(config, Goal(energy=float(last["energy_high_pJ"]) + 1), measured, max_seeds=0, points=2), tmp_path / "cheap", ONE)
    assert cheap.front.loc[cheap.point, "energy_high_pJ"] <= last["energy_high_pJ"] + 1 and cheap.spec["eligibility"].word_bits < 24


def test_trainings_of_fresh_seeds_decide(measured, tmp_path, monkeypatch):
    """Every bit that is taken from the trace costs accuracy here."""
    told, made = [], []

    def curves(planned, out, workers, progress):
        for run in planned:
            spec, folder = run.config.resolved_precision(), out / "runs" / run.folder
            loss = 0.0 if spec == "float32" else 0.01 * (24 - spec["trace"].word_bits) + 0.001 * (run.config.seed % 2)
            folder.mkdir(parents=True, exist_ok=True)
            made.append(run.config.seed)
            pd.DataFrame({"split": "eval", "iteration": [0, 1, 2], "accuracy": 0.9 - loss, "nmse": np.nan, "rate_hz": 9.0}).to_csv(folder / "curves.csv", index=False)
        return {}
    monkeypatch.setattr("fxsim.study.allocation.confirm.make_planned", curves)
    found = allocate(Asked(quick(*LOUD), Goal(loss=0.15), measured, max_seeds=6, points=4), tmp_path / "out", ONE, announce=told.append)
    passed = {point: look.word for point, look in found.tests.items()}
    bits = pd.read_csv(tmp_path / "out" / "formats.csv").query("quantity == 'trace'").set_index("point")["word_bits"]
    assert all((word == "loses less") == (24 - bits[point] < 15) for point, word in passed.items()) and set(passed.values()) == {"loses less", "loses more"}
    assert found.spec["trace"].word_bits == 12 and set(made) == {2, 3, 4, 5, 6} and len(told) == len(passed)       # seed 1 chose the formats
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["point"] == found.point and {test["point"]: test["word"] for test in manifest["tests"]} == passed
    trained = pd.read_csv(tmp_path / "out" / "trained.csv")
    assert np.allclose(trained["difference"], trained["allocated"] - trained["reference"]) and len(trained) == 5 * len(passed)
    lost = allocate(Asked(quick(*LOUD), Goal(loss=1e-9), measured, max_seeds=5, points=2), tmp_path / "lost", ONE, announce=told.append)
    assert lost.spec is None and lost.point is None and not (tmp_path / "lost" / "allocation.yaml").exists() and 0 in lost.tests


@pytest.mark.parametrize("changes, words", [(["network.n_lif=7"], "config.network: found another than CONFIG's"), (["learning.c_reg=3"], "config.learning"),
                                            (["precision=q16"], "formats: found others than those of q16"), (["learning.rule=eprop"], "rule: found diffusion, allowed: eprop")])
def test_a_sensitivity_of_something_else_is_refused(changes, words, measured, tmp_path):
    with pytest.raises(InputError, match=words):
        allocate(Asked(quick(*LOUD, *changes), Goal(memory=1e9), measured, max_seeds=0), tmp_path / "out", ONE)


@pytest.mark.long
def test_the_command_trains_and_goes_on(measured, tmp_path):
    changes = [word for change in tiny_changes("task.fixation=0", "task.cue=10", "task.delay=0", "task.decision=10", "task.window=5", "batch_size=2",
                                               "evaluation.batch_size=2", "evaluation.every=3", "checkpoint.every=1", "engine=oracle", "iterations=8", *LOUD[:2],
                                               *LOUD[3:]) for word in ("--set", change)]
    arguments = ["allocate", "delayed_match", *changes, "--energy", "1e12", "--margin", "2", "--sensitivity", str(measured), "--points", "2", "--max-seeds", "5",
                 "--jobs", "1", "--out", str(tmp_path / "out")]
    first = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert first.exit_code == 0 and "loses less than 2 in 5 seeds of 2 updates" in first.output, first.output
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*") if path.name in ("curves.csv",) or path.parent.name == "joint"}
    again = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert again.exit_code == 0 and len(before) > 10 and {path: path.stat().st_mtime_ns for path in before} == before
    assert "loses less than 2" in (tmp_path / "out" / "report.html").read_text()

"""Trained weights in other precisions: the same trials, intervals that are right, counts that are true."""
import csv
import importlib.util
import json

import numpy as np
import pytest
from click.testing import CliRunner

import fxsim
from fxsim.cli.main import main
from fxsim.config import dump_config
from fxsim.errors import InputError
from fxsim.training.evaluation import COLUMNS, Outcome, bootstrap, evaluate, flipped, wilson

from checkpointed import quick

pytestmark = pytest.mark.core
LOUD = "network.gains={input: 8}"       # so that there are spikes to flip


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """precision -> run directory, of equal seed and length."""
    folder = tmp_path_factory.mktemp("runs")
    for precision in ("float64", "q16"):
        fxsim.train(quick(f"precision={precision}", "iterations=3", "evaluation.batch_size=12", LOUD), folder / precision)
    return {precision: folder / precision for precision in ("float64", "q16")}


def last_row(run):
    with open(run / "curves.csv") as file:
        return [row for row in csv.DictReader(file) if row["split"] == "eval"][-1]


@pytest.mark.parametrize("precision", ["float64", "q16"])
def test_in_its_own_precision_a_run_measures_what_it_measured(precision, runs):
    [row] = evaluate(runs[precision], [precision]).rows
    for name in ("loss", "accuracy", "rate_hz"):
        assert repr(row[name]) == last_row(runs[precision])[name]
        assert name == "rate_hz" or row[f"{name}_low"] <= row[name] <= row[f"{name}_high"]
    assert row["trials"] == 12 and row["rate_hz"] > 1 and (precision == "q16" or row["flipped"] == 0)


def test_fewer_bits_flip_more_spikes_on_the_same_trials(runs):
    found = evaluate(runs["float64"], ["float32", "q24", "w8s16", "w4s8"], trials=5)
    flips = found.frame["flipped"].tolist()
    assert flips == sorted(flips) and flips[0] < flips[-1] <= 1 and set(found.frame["trials"]) == {5}
    assert tuple(found.frame.columns) == COLUMNS
    again = evaluate(runs["float64"], ["w8s16"], trials=5)
    assert again.rows == [found.rows[2]]        # a precision does not depend on what it is compared with


def test_flipped_is_the_share_of_spikes_that_one_network_fires_alone():
    def outcome(z):
        z = np.array(z, bool)
        return Outcome(np.zeros(0), z.sum(0)[None], [np.packbits(z)], {})
    a, b = outcome([[1, 0], [0, 1], [1, 1]]), outcome([[1, 0], [1, 0], [1, 1]])
    assert flipped(a, b) == 2 / 8 and flipped(a, a) == 0 and flipped(outcome([[0, 0]]), outcome([[0, 0]])) == 0
    assert flipped(outcome([[1, 0]]), outcome([[0, 1]])) == 1


def test_clipped_weights_are_counted(runs):
    found = evaluate(runs["float64"], ["q16"], ["formats.weight_in={word_bits: 4, frac_bits: 3}"])
    counts = {row["quantity"]: row for row in found.counts}
    network, _ = fxsim.training.initial.network_of_run(runs["float64"])
    scaled = network.weights["in"] * (1 - network.constants.alpha) / network.constants.threshold
    assert counts["weight_in"]["saturated"] == ((scaled > 0.9375) | (scaled < -1.0625)).sum() > 0
    assert found.rows[0]["most_saturated"] == "weight_in" and counts["weight_in"]["stored"] == scaled.size and counts["membrane"]["stored"] > 0
    assert found.rows[0]["saturated"] == sum(c["saturated"] for c in found.counts) / sum(c["stored"] for c in found.counts)


def test_changes_hold_for_trials_and_formats(runs):
    plain, other = (evaluate(runs["float64"], ["float64"], changes) for changes in ([], ["task.cue_rate=200"]))
    assert other.rows[0]["rate_hz"] > plain.rows[0]["rate_hz"]
    narrow = evaluate(runs["float64"], ["float64", "q16"], ["formats.membrane={word_bits: 6}"])
    assert narrow.rows[0] == plain.rows[0] and narrow.rows[1] != evaluate(runs["float64"], ["q16"]).rows[0]


def test_a_regression_has_an_nmse_with_an_interval(tmp_path):
    config = fxsim.load_config("pattern_generation", [
        "task.duration=40", "task.channels=5", "network.n_lif=9", "network.grid=[3,3]", "network.gains={input: 8}", "batch_size=4", "iterations=1",
        "engine=oracle", "precision=float64", "network.input_sparsity=0.5", "network.readout_sparsity=0.5"])
    fxsim.train(config, tmp_path / "run")
    [row] = evaluate(tmp_path / "run", ["float64"]).rows
    assert repr(row["nmse"]) == last_row(tmp_path / "run")["nmse"] and row["nmse_low"] < row["nmse"] < row["nmse_high"] and row["accuracy"] is None
    assert evaluate(tmp_path / "run", ["float64"], trials=7).rows[0]["trials"] == 7


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs PyTorch")
def test_weights_that_bptt_learned_are_evaluated_in_fixed_point(tmp_path):
    fxsim.train(quick("learning.rule=bptt", "engine=reference", "precision=float64", "iterations=1", LOUD), tmp_path / "run")
    found = evaluate(tmp_path / "run", ["float64", "q16"], ["engine=oracle"])
    assert found.rows[0]["loss"] == pytest.approx(float(last_row(tmp_path / "run")["loss"]), rel=1e-12) and found.rows[1]["loss"] > 0


# ---- intervals -------------------------------------------------------------------------------------------------------
def test_wilson_s_interval():
    assert wilson(8, 10) == pytest.approx((0.4901625, 0.9433178), abs=1e-7)
    low, high = wilson(10, 10)
    assert low == pytest.approx(10 / (10 + 1.9599640**2), abs=1e-7) and high == 1


def test_the_bootstrap_s_interval():
    values = np.random.default_rng(5).normal(3, 2, 400)
    low, high = bootstrap(values)
    half = 1.96 * values.std() / 20
    assert low == pytest.approx(values.mean() - half, abs=0.1 * half) and high == pytest.approx(values.mean() + half, abs=0.1 * half)
    weights = np.linspace(1, 2, 50)
    assert bootstrap(2 * weights, weights) == pytest.approx((2, 2))
    low, high = bootstrap(np.append(np.zeros(49), 50), np.ones(50))
    assert low == 0 and high > 2


# ---- refusals, files -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("arguments, line", [
    ({"precisions": []}, "evaluate: precisions: found nothing, allowed: at least one"),
    ({"precisions": ["q16", "q16"]}, "evaluate: precisions: found q16, q16, allowed: at least one, each only once"),
    ({"precisions": ["q17"]}, "q17"), ({"precisions": ["float32"], "changes": ["formats.membrane.word_bits=8"]}, "at least one precision in fixed point"),
    ({"precisions": ["q16"], "changes": ["network.refractory=0"]}, "refractory: found 5, allowed: 0, as network.refractory says"),
    ({"precisions": ["q16"], "changes": ["task.channels=9"]}, "layer in: found 80 x 12, allowed: 36 x 12")])
def test_what_cannot_be_evaluated_is_one_line(arguments, line, runs):
    with pytest.raises(InputError, match=line):
        evaluate(runs["float64"], **arguments)


def test_weights_alone_need_a_configuration(runs, tmp_path):
    (tmp_path / "bare.npz").write_bytes((runs["float64"] / "weights.npz").read_bytes())
    with pytest.raises(InputError, match="bare.npz: configuration: found nothing, allowed: --config"):
        evaluate(tmp_path / "bare.npz", ["float64"])
    config = fxsim.load_config(runs["float64"] / "config.yaml")
    assert evaluate(tmp_path / "bare.npz", ["float64"], config=config).rows == evaluate(runs["float64"], ["float64"]).rows


def test_the_command_prints_a_table_and_leaves_a_page(runs, tmp_path):
    (tmp_path / "config.yaml").write_text(dump_config(quick("evaluation.batch_size=12", LOUD)))
    arguments = ["evaluate", str(runs["float64"] / "weights.npz"), "--config", str(tmp_path / "config.yaml"), "--precisions", "float32,w8s16",
                 "--set", "formats.membrane.word_bits=9", "--trials", "4", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0 and "flipped" in result.output and "w8s16" in result.output and "nmse" not in result.output
    page = (tmp_path / "out" / "report.html").read_text()
    assert "w8s16" in page and "data:image/png" in page and "formats.membrane.word_bits=9" in page
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["trials"] == 4
    assert CliRunner().invoke(main, ["report", str(tmp_path / "out")]).exit_code == 0
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "manifest.json").write_text("{}")
    refused = CliRunner().invoke(main, [*arguments[:-1], str(tmp_path / "other")])
    assert refused.exit_code == 2 and "something else in it" in refused.stderr

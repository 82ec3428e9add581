"""Gradients of rules and precisions at the same weights: what is held against what, in a training and at its ends."""
import csv
import json
import signal

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import fxsim
from fxsim.cli.main import main
from fxsim.config.evaluation import AlignmentConfig
from fxsim.engine.cpu.engine import CpuEngine
from fxsim.engine.oracle.oracle import Oracle
from fxsim.errors import InputError
from fxsim.model.arithmetic import make_arithmetic
from fxsim.model.network import LAYERS
from fxsim.model.topology import learning_of
from fxsim.report.build import build_report
from fxsim.study.comparison import compare
from fxsim.tasks import make_task
from fxsim.training.alignment.gradients import TWIN, Gradients, Groups
from fxsim.training.alignment.rows import COLUMNS, align
from fxsim.training.initial import network_of
from fxsim.training.interrupts import Interrupted
from fxsim.training.loop import ALIGNMENT_COLUMNS, Training
from fxsim.verify.random_case import arithmetic_for, cut, random_case
from quant import load_spec

from checkpointed import quick, raising, same_runs

pytestmark = pytest.mark.core
LOUD = ("network.gains={input: 8, recurrent: 4}", "batch_size=6")
MEASURED = "evaluation.alignment={every: 2, rules: [eprop], precisions: [own]}"


def subject(*precisions):
    """A network, its Gradients in these precisions, and its first batches."""
    config = quick("precision=float64", *LOUD)
    network, task = network_of(config), make_task(config)
    return config, network, Gradients(config, network, {name: load_spec(name) for name in precisions}, task.steps), task.training_trials


def row(rows, *keys, batches=1):
    """The row of gradient, numbers, reference, way and layer (all)."""
    wanted = dict(zip(("gradient", "numbers", "reference", "way", "layer"), (*keys, "all") if len(keys) == 4 else keys), batches=batches)
    [found] = [row for row in rows if wanted.items() <= row.items()]
    return found


@pytest.mark.parametrize("engine", ["oracle", "cpu"])
def test_groups_add_up_to_the_gradient_of_the_batch(engine):
    config, network, _, batch = subject()
    gradients = Gradients(config.changed({"engine": engine}), network, {"q16": load_spec("q16")}, batch(0).steps)
    groups = Groups.of(batch(0), 4)
    assert groups.sizes == (2, 2, 1, 1) == tuple(part.size for part in groups.parts()) and len(Groups.of(batch(0), 99).sizes) == 6
    arithmetic = make_arithmetic("q16", network, learning_of(config), batch(0).steps, config.seed)
    oracle, weights = Oracle(network, learning_of(config), arithmetic, config.seed), arithmetic.weights_to_raw(network.weights)
    whole = arithmetic.gradient_to_model(oracle.run(weights, batch(0)).gradients, 6)
    found = gradients.of("diffusion", "q16", network.weights, [groups])
    for layer in LAYERS:
        assert found[layer].shape == (4, whole[layer].size) and whole[layer].any()
        np.testing.assert_allclose(found[layer].mean(0), whole[layer], rtol=1e-12, atol=1e-15)
        for one, part in zip(found[layer], groups.parts()):
            expected = arithmetic.gradient_to_model({layer: oracle.run(weights, part).gradients[layer] * (4 / 6)}, 1)[layer]
            np.testing.assert_allclose(one, expected, rtol=1e-12, atol=1e-15)


def test_the_engine_sums_groups_that_lie_across_its_blocks():
    """Groups in any order, of more trials than a block has lanes."""
    case = random_case(np.random.default_rng(4), "diffusion")
    case = cut(case, 5, 12)
    trials = case.trials.take(np.arange(41) % case.trials.size)
    arithmetic = arithmetic_for(case, load_spec("q16"))
    weights, group = arithmetic.weights_to_raw(case.network.weights), np.random.default_rng(1).integers(0, 3, 41)
    oracle, engine = Oracle(case.network, case.learning, arithmetic, case.seed), CpuEngine(case.network, case.learning, arithmetic, case.seed, 2)
    found, silent = engine.run(weights, trials, group=group).gradients, engine.run(weights, trials, learn=False, group=group)
    whole = engine.run(weights, trials).gradients
    for layer in LAYERS:
        expected = [oracle.run(weights, trials.take(np.flatnonzero(group == g))).gradients[layer] for g in range(3)]
        assert np.array_equal(found[layer], expected) and np.array_equal(whole[layer], np.sum(expected, 0)) and whole[layer].any()
    assert silent.gradients is None


def test_driven_gradients_are_those_of_a_network_that_spikes_as_its_twin_does():
    config, network, gradients, batch = subject("w4s8")
    groups = Groups.of(batch(0), 2)
    (spikes,) = gradients.spikes(network.weights, [groups])
    assert spikes.shape == (6, batch(0).steps, 12) and spikes.any()
    arithmetic = make_arithmetic("w4s8", network, learning_of(config), batch(0).steps, config.seed)
    weights, oracle = arithmetic.weights_to_raw(network.weights), Oracle(network, learning_of(config), arithmetic, config.seed)
    found = gradients.of("diffusion", "w4s8", network.weights, [groups], [spikes])
    for part, own, i in zip(groups.parts(), (spikes[:3], spikes[3:]), range(2)):
        expected = arithmetic.gradient_to_model(oracle.run(weights, part, driven=own).gradients, part.size)
        for layer in LAYERS:
            np.testing.assert_allclose(found[layer][i], expected[layer], rtol=1e-12, atol=1e-15)
    assert any((found[layer] != gradients.of("diffusion", "w4s8", network.weights, [groups])[layer]).any() for layer in LAYERS)


def test_what_is_held_against_what():
    _, network, gradients, batch = subject("q16")
    asked = AlignmentConfig(rules=("eprop", "bptt"), batches=(1, 2), driven=True)
    rows = align(gradients, asked, network.weights, batch, 7)
    assert {tuple(row) for row in rows} == {COLUMNS} and {row["iteration"] for row in rows} == {7}
    keys = {(row["gradient"], row["numbers"], row["reference"], row["way"]) for row in rows}
    assert len(rows) == len(keys) * 2 * 4 and keys == {
        ("eprop", TWIN, "bptt", "run"), ("eprop", TWIN, "twin", "floor"), ("bptt", TWIN, "twin", "floor"), ("eprop", "q16", "bptt", "run"),
        ("eprop", "q16", "twin", "run"), ("eprop", "q16", "twin", "driven"), ("bptt", "q16", "twin", "run")}
    exact = row(rows, "eprop", TWIN, "bptt", "run", "out")      # nothing is approximated there
    assert exact["cosine"] > 1 - 1e-9 and abs(exact["bias"]) < 1e-9 and exact["angle"] < 0.01
    assert row(rows, "eprop", TWIN, "bptt", "run", "rec")["cosine"] < 0.99
    assert 0.999 < row(rows, "eprop", TWIN, "twin", "floor")["cosine"] < 1
    moved = gradients.moved(network.weights, 0.01)["in"] / network.weights["in"] - 1
    assert 0.008 < moved.std() < 0.012 and abs(moved.mean()) < 0.002
    assert row(rows, "eprop", "q16", "twin", "run", batches=2) != row(rows, "eprop", "q16", "twin", "run")


def test_fewer_bits_agree_less_and_with_the_twin_s_spikes_more():
    _, network, gradients, batch = subject("q16", "w4s8")
    rows = align(gradients, AlignmentConfig(rules=("eprop",), driven=True, floor=0), network.weights, batch, 0)
    assert not any(row["way"] == "floor" for row in rows)
    q16, w4s8 = (row(rows, "eprop", precision, "twin", "run")["cosine"] for precision in ("q16", "w4s8"))
    assert 0 < w4s8 < q16 - 0.01 < 1 and row(rows, "eprop", "w4s8", "twin", "driven")["cosine"] > w4s8


# ---- in a training -----------------------------------------------------------------------------------------------------
def test_a_run_measures_on_its_way_and_goes_on_to_the_same_table(tmp_path, monkeypatch):
    config = quick(MEASURED, *LOUD, "iterations=5")
    result = fxsim.train(config, tmp_path / "straight")
    assert {(row["iteration"], row["numbers"]) for row in result.alignment} == {(i, p) for i in (0, 2, 4, 5) for p in (TWIN, "q16")}
    with open(tmp_path / "straight" / "alignment.csv") as file:
        table = list(csv.DictReader(file))
    assert tuple(table[0]) == ALIGNMENT_COLUMNS and len(table) == len(result.alignment) and {row["rule"] for row in table} == {"diffusion"}
    with monkeypatch.context() as patch:
        patch.setattr(Training, "update", raising(signal.SIGTERM, Training.update, 4))
        with pytest.raises(Interrupted):
            fxsim.train(config, tmp_path / "run")
    fxsim.train(config, tmp_path / "run", resume=True)
    same_runs(tmp_path / "straight", tmp_path / "run")
    assert (tmp_path / "straight" / "alignment.csv").read_bytes() == (tmp_path / "run" / "alignment.csv").read_bytes()
    plain = fxsim.train(quick(*LOUD, "iterations=5"), tmp_path / "plain")
    assert not (tmp_path / "plain" / "alignment.csv").exists() and not plain.alignment
    for name, weights in plain.weights.items():     # what is measured changes nothing
        np.testing.assert_array_equal(weights, result.weights[name])


def test_an_early_end_is_measured_too():
    stopping = ("iterations=6", "evaluation.every=3", "evaluation.stop=true", "evaluation.accuracy=0", "evaluation.confirmations=0")
    def met(self, row):
        return self.iteration == 3
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Training, "_meets", met)
        result = Training(quick(MEASURED, *LOUD, *stopping)).run()
        aligned = fxsim.align(quick(*LOUD, *stopping, "precision=float64"), ["eprop"], ["float64"], every=2)
    assert result.stopped and {row["iteration"] for row in result.alignment} == {row["iteration"] for row in aligned.rows} == {0, 2, 3}


@pytest.mark.parametrize("change, line", [
    ("{rules: [hebb]}", "evaluation.alignment.rules.0"), ("{rules: []}", "evaluation.alignment.rules"), ("{every: 0}", "evaluation.alignment.every"),
    ("{precisions: [q17]}", "evaluation.alignment.precisions: found q17, allowed: own, or one of float32, float64, "),
    ("{batches: [1, 1]}", "evaluation.alignment.batches: found 1, 1, allowed: each only once"), ("{precision: q16}", "evaluation.alignment.precision: found an unknown key")])
def test_what_cannot_be_measured_is_one_line(change, line):
    with pytest.raises(InputError) as error:
        quick(f"evaluation.alignment={change}")
    assert line in str(error.value)


# ---- fxsim align -------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("run") / "run"
    fxsim.train(quick(*LOUD, "precision=float64", "iterations=4", MEASURED), directory)
    return directory


def test_a_run_is_measured_at_both_of_its_ends(run):
    found = fxsim.align(run, ["eprop"], ["q16"])
    assert list(found.frame.columns) == list(COLUMNS) and set(found.frame["iteration"]) == {0, 4}
    with open(run / "alignment.csv") as file:
        measured = [row for row in csv.DictReader(file) if row["iteration"] in "04"]
    ours = [row for row in found.rows if row["numbers"] == TWIN]
    assert len(measured) == len(ours) and all(repr(row["cosine"]) == other["cosine"] for row, other in zip(ours, measured))
    final = fxsim.align(run / "weights.npz", ["eprop"], ["q16"], config=fxsim.load_config(run / "config.yaml"))
    assert [row["norm"] for row in final.rows] != [row["norm"] for row in found.rows[-len(final.rows):]]        # of another batch: the file tells no update
    narrow = fxsim.align(run, ["eprop"], ["q16"], floor=0, changes=["formats.trace.word_bits=3"])
    assert {row["way"] for row in narrow.rows} == {"run"} and {row["numbers"] for row in narrow.rows} == {TWIN, "q16"}
    cosines = [[row["cosine"] for row in rows if (row["numbers"], row["reference"], row["layer"], row["way"]) == ("q16", "twin", "in", "run")]
               for rows in (narrow.rows, found.rows)]
    assert all(a < b for a, b in zip(*cosines))


def test_a_configuration_is_trained_and_its_page_shows_it(tmp_path):
    changes = [part for change in ("iterations=3", "batch_size=2") for part in ("--set", change)]
    from fxsim.config import dump_config
    (tmp_path / "config.yaml").write_text(dump_config(quick(*LOUD, "precision=float64")))
    arguments = ["align", str(tmp_path / "config.yaml"), "--rules", "eprop,diffusion", "--precisions", "w4s8", "--every", "2", *changes, "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0 and "floor" in result.output, result.output
    with open(tmp_path / "out" / "alignment.csv") as file:
        table = list(csv.DictReader(file))
    assert {row["iteration"] for row in table} == {"0", "2", "3"} and {row["gradient"] for row in table} == {"eprop", "diffusion"}
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Against BPTT" in page and "Against the float64 twin" in page and "w4s8" in page and "data:image/png" in page
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["aligned"].endswith("config.yaml")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "manifest.json").write_text("{}")
    refused = CliRunner().invoke(main, [*arguments[:-1], str(tmp_path / "other")])
    assert refused.exit_code == 2 and "something else in it" in refused.stderr


@pytest.mark.parametrize("arguments, line", [
    ({"rules": ["hebb"]}, "align: rules.0"), ({"rules": ["eprop"], "batches": [0]}, "align: batches.0"),
    ({"rules": ["eprop"], "precisions": ["q16", "q16"]}, "align: precisions: found q16, q16, allowed: at least one, each only once"),
    ({"rules": ["eprop"], "precisions": ["q17"]}, "q17")])
def test_what_cannot_be_aligned_is_one_line(arguments, line, run):
    with pytest.raises(InputError) as error:
        fxsim.align(run, **{"precisions": ["q16"], **arguments})
    assert line in str(error.value) and "\n" not in str(error.value)


def test_a_comparison_gathers_and_draws_what_its_runs_measured(tmp_path, monkeypatch):
    drawn = []      # beside another picture that the page embeds in its place
    monkeypatch.setattr("fxsim.report.formats.aligned_runs.save_picture", lambda figure, folder, name, **_: drawn.append((name, figure)) or folder / "network_delayed_match.png")
    compare([quick(MEASURED, "iterations=2", *LOUD)], ["diffusion"], ["q16"], [1, 2], tmp_path / "out", jobs=1, announce=lambda line: None)
    table = pd.read_csv(tmp_path / "out" / "alignment.csv")
    assert sorted(set(zip(table["rule"], table["seed"]))) == [("diffusion", 1), ("diffusion", 2)]
    page = build_report(tmp_path / "out").read_text()
    assert "How gradients agreed" in page and "Cosines of gradients over weight updates" in page
    (name, figure), = drawn
    assert name == "alignment_delayed_match" and figure.axes[0].get_title() == "trained: diffusion, q16"
    rows = table.query("reference == 'twin' and way == 'run' and layer == 'all' and numbers == 'q16'")
    line = next(bars for bars in figure.axes[1].containers if bars.get_label() == "e-prop, q16")[0]
    assert line.get_ydata() == pytest.approx(rows.groupby("iteration")["cosine"].mean())

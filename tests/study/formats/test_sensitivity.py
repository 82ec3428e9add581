"""Bits that each quantity needs: points that are what they say, made once, and what is read from them."""
import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from fxsim.cli.main import main
from fxsim.errors import InputError
from fxsim.report.formats.sensitivity_page import MARKS
from fxsim.study.formats.points import COLUMNS, MOMENTS, Unit, quantities_of, train
from fxsim.study.formats.sensitivity import GOALS, NEEDED, needed, sensitivity
from fxsim.study.jobs import Workers
from fxsim.training.alignment.gradients import TWIN, Gradients, Groups
from fxsim.training.alignment.measures import compared
from fxsim.training.alignment.rows import layer_of
from fxsim.training.loop import Training
from quant import load_spec
from quant.rounding import ROUNDINGS

from checkpointed import quick

pytestmark = pytest.mark.core
LOUD = ("network.gains={input: 8, recurrent: 4}", "precision=q24", "iterations=3", "batch_size=4")
ASKED = {"rules": ["eprop"], "seeds": [3], "bits": [3, 12], "roundings": ["floor", "stochastic"], "quantities": ["trace", "decay"], "workers": Workers(1)}


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    out = tmp_path_factory.mktemp("sensitivity") / "out"
    return out, sensitivity(quick(*LOUD), out, **ASKED)


def test_points_are_gradients_of_one_changed_format(measured):
    out, table = measured
    assert list(table.columns) == list(COLUMNS) and set(table["moment"]) == set(MOMENTS) and set(table["layer"]) == {"in", "rec", "out", "all"}
    assert (table.groupby(["quantity", "way"]).size() == pd.Series({("decay", "driven"): 24, ("decay", "run"): 24, ("nothing", "driven"): 12, ("nothing", "run"): 12,
                                                                    ("trace", "driven"): 48, ("trace", "run"): 48})).all()
    config = quick(*LOUD).changed({"precision": "float32", "learning.rule": "eprop", "seed": 3})
    training = Training(config)
    training.run()
    weights, groups = training.arithmetic.weights_to_model(training.optimizer.weights), [Groups.of(training.task.training_trials(3), 1)]
    spec = load_spec("q24").changed({"trace": {"word_bits": 3, "rounding": "floor"}})
    gradients = Gradients(config, training.network, {"changed": spec}, training.task.steps)
    for way, spikes in (("run", None), ("driven", gradients.spikes(weights, groups))):
        expected = compared(*(layer_of(gradients.of("eprop", *of), "all") for of in (("changed", weights, groups, spikes), (TWIN, weights, groups))))
        point = table.query(f"quantity == 'trace' and word_bits == 3 and rounding == 'floor' and moment == 'end' and way == '{way}' and layer == 'all'")
        assert len(point) == 1 and point["cosine"].item() == pytest.approx(expected["cosine"], rel=1e-12) and point["cosine"].item() < 0.999


def test_what_is_measured_is_not_measured_again(measured, monkeypatch):
    out, table = measured
    before = {path: path.stat().st_mtime_ns for path in (out / "points").rglob("*.csv")}
    assert len(before) == 3
    few = sensitivity(quick(*LOUD), out.with_name("few"), **{**ASKED, "quantities": ["trace"], "bits": [12], "roundings": ["floor"], "trials": 2})
    one = [rows.query("quantity == 'trace' and word_bits == 12 and rounding == 'floor' and layer == 'rec' and moment == 'end'")["cosine"].to_list() for rows in (few, table)]
    assert all(a != b and abs(a - b) < 0.1 for a, b in zip(*one)), "of two of the four trials"
    again = sensitivity(quick(*LOUD), out, **{**ASKED, "quantities": ["trace", "decay", "error"], "workers": None})
    assert {path: path.stat().st_mtime_ns for path in before} == before and len(again) == len(table) + 96
    pd.testing.assert_frame_equal(again[again["quantity"] != "error"].reset_index(drop=True), table)
    with pytest.raises(InputError, match="another --out"):
        sensitivity(quick(*LOUD), out, **{**ASKED, "bits": [3]})


def test_formats_of_a_unit():
    unit = Unit(quick(*LOUD), load_spec("q24"), "decay", (4, 9), tuple(ROUNDINGS), ("run",), None, 4, None)
    assert [(bits, rounding) for bits, rounding, _ in unit.formats] == [(b, r) for b in (4, 9) for r in ROUNDINGS if r != "stochastic"]
    for bits, rounding, spec in Unit(quick(*LOUD), load_spec("q24"), "membrane", (4, 9), tuple(ROUNDINGS), ("run",), None, 4, None).formats:
        changed = {name for name, fmt in spec.formats.items() if fmt != load_spec("q24")[name]}
        assert changed == {"membrane"} and (spec["membrane"].word_bits, spec["membrane"].rounding) == (bits, rounding)
        assert spec["membrane"].max == pytest.approx(load_spec("q24")["membrane"].max, rel=0.2)
    assert "modulator" not in quantities_of("eprop", load_spec("q24")) and "learning_signal" not in quantities_of("shuffled_fixed", load_spec("q24"))


def test_bits_are_enough_where_all_longer_words_are():
    def rows(cosines, quantity="trace", rounding="floor", seed=1, moment="end", layer="rec"):
        return [{**dict.fromkeys(COLUMNS), "rule": "eprop", "seed": seed, "quantity": quantity, "rounding": rounding, "word_bits": bits, "moment": moment, "way": "run",
                 "layer": layer, "cosine": cosine} for bits, cosine in cosines.items()]
    base = [row for seed in (1, 2) for moment in ("start", "end") for row in rows({None: 1.0}, "nothing", None, seed, moment)]
    table = pd.DataFrame([
        *base, *rows({2: 0.5, 4: 0.96, 6: 0.8, 8: 0.97}), *rows({2: 0.9, 4: 0.9, 6: 0.99, 8: 1.0}, rounding="stochastic"),
        *rows({2: 0.9, 4: 1.0, 6: 0.95, 8: 1.0}, rounding="stochastic", seed=2), *rows({2: 0.1, 4: 1, 6: 1, 8: 1}, rounding="stochastic", seed=1, moment="start"),
        *rows({2: 0.1, 4: 1, 6: 1, 8: 1}, rounding="stochastic", seed=2, moment="start"), *rows({2: None, 4: 0.5, 6: 0.5, 8: 0.5}, "membrane")])
    table["cosine"] = table["cosine"].astype(float)

    def found(table, goal):
        return needed(table, goal, "run").set_index(["quantity", "rounding"])["word_bits"]
    assert found(table, 0.95)["trace", "floor"] == 8 and found(table, 0.95)["trace", "stochastic"] == 6 and np.isnan(found(table, 0.95)["membrane", "floor"])
    assert found(table, 0.94)["trace", "stochastic"] == 4      # noises are averaged, 0.23 and 0
    assert found(table, 0.4)["membrane", "floor"] == 4          # refused at 2 bits
    other = pd.DataFrame([*table.to_dict("records"), *rows({2: 0.9, 4: 0.9, 6: 0.9, 8: 0.9}, rounding="stochastic", layer="in"), *rows({None: 1.0}, "nothing", None, layer="in")])
    assert np.isnan(found(other, 0.95)["trace", "stochastic"]), "a layer that loses"
    coarse = other.assign(cosine=other["cosine"].where((other["quantity"] != "nothing") | (other["layer"] != "in"), 0.98))
    assert found(coarse, 0.95)["trace", "stochastic"] == 6, "the base loses, too: not judged"
    assert found(table.assign(cosine=table["cosine"].where(table["quantity"] != "nothing", 0.9)), 0.95).empty


def test_the_command_leaves_a_page(tmp_path):
    from fxsim.config import dump_config
    (tmp_path / "config.yaml").write_text(dump_config(quick(*LOUD[:1], *LOUD[2:])))
    arguments = ["sensitivity", str(tmp_path / "config.yaml"), "--rules", "diffusion", "--bits", "2,8", "--roundings", "nearest_up,floor",
                 "--quantities", "modulator,readout", "--ways", "driven", "--jobs", "1", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "out" / "sensitivity.csv")
    assert table.query("quantity == 'readout' and word_bits == 2")["cosine"].isna().all() and table.query("quantity == 'modulator'")["cosine"].notna().all()
    told = pd.read_csv(tmp_path / "out" / "needed.csv")
    assert list(told.columns) == list(NEEDED) and set(told["goal"]) == set(GOALS) and set(told["quantity"]) == {"modulator", "readout"}
    for goal, rows in told.groupby("goal"):
        pd.testing.assert_frame_equal(rows[["rule", "quantity", "rounding", "word_bits"]].reset_index(drop=True), needed(table, goal, "driven"), check_dtype=False)
    page = (tmp_path / "out" / "report.html").read_text()
    assert "modulator" in page and "data:image/png" in page and all(f"<th>{goal}</th>" in page for goal in GOALS) and set(MARKS) == set(ROUNDINGS)
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["points"] == 21


@pytest.mark.parametrize("changes, line", [
    ({"bits": [1]}, "sensitivity: bits: found 1, allowed: 2, 3,"), ({"roundings": ["up"]}, "sensitivity: roundings: found up, allowed: floor"), ({"bits": []}, "bits: found nothing"),
    ({"quantities": ["hope"]}, "sensitivity: quantities: found hope, allowed: weight_in"), ({"ways": ["run", "run"]}, "ways: found run, run, allowed: at least one, each only once"),
    ({"rules": ["bptt"]}, "bptt"), ({"trials": 5}, "sensitivity: trials: found 5, allowed: 1 to 4")])
def test_what_cannot_be_asked_is_one_line(changes, line, tmp_path):
    with pytest.raises(InputError) as error:
        sensitivity(quick(*LOUD), tmp_path / "out", **{**ASKED, **changes})
    assert line in str(error.value) and not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="precision: found float32, allowed: a fixed-point precision"):
        sensitivity(quick(*LOUD).changed({"precision": "float32"}), tmp_path / "out", **ASKED)


def test_a_training_that_stops_early_has_its_last_weights_at_the_end(tmp_path):
    config = quick(*LOUD, "precision=float32", "learning.rule=eprop", "iterations=8", "evaluation.stop=true", "evaluation.accuracy=0.001", "evaluation.confirmations=0", "evaluation.every=1")
    train(config, tmp_path / "weights.npz")
    with np.load(tmp_path / "weights.npz") as kept:
        assert len(kept.files) == 9 and all(np.array_equal(kept[f"start_{layer}"], kept[f"end_{layer}"]) for layer in ("in", "rec", "out"))

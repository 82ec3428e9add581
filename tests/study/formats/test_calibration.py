"""Calibration: formats that fit what was observed, and the fewest bits that learn."""
import math

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from fxsim.cli.main import main
from fxsim.errors import InputError
from fxsim.study.formats.calibration import ACCUMULATORS, calibrate, fit
from fxsim.study.formats.histograms import observe
from fxsim.study.formats.minimise import START, TOGETHER, Search, Tried, minimise
from fxsim.study.jobs import Workers
from fxsim.training.loop import Training
from fxsim.training.progress import SweepProgress
from quant import QUANTITIES, load_spec

from tiny import SHORT, tiny

QUICK = (*SHORT, "engine=oracle", "iterations=4", "task.decision=20", "task.window=20")


@pytest.fixture(scope="module")
def config():
    return tiny(*QUICK)


@pytest.fixture(scope="module")
def largest(config):
    return observe(config, {"float32": "float32"})["float32"].largest


def test_a_fitted_run_saturates_nothing_and_one_range_bit_less_does(config, largest):
    """The formats hold what was observed, with no bit to spare but the headroom."""
    for headroom, saturates in ((1, False), (-2, True)):
        formats = {f.quantity: f.format for f in fit(load_spec("q16"), largest, 20, 31, headroom)}
        changes = {q: {"word_bits": f.word_bits, "frac_bits": f.frac_bits} for q, f in formats.items()}
        rows = Training(config.changed({"precision": "q16", "formats": changes})).run().telemetry
        assert any(row["saturated"] for row in rows if row["quantity"] != "pseudo_derivative") == saturates


def test_every_quantity_gets_the_most_fraction_bits_that_hold_it(largest):
    for fitted in fit(load_spec("q16"), largest, 12, 24, 0):
        fmt = fitted.format
        assert fmt.word_bits == (24 if fitted.quantity in ACCUMULATORS else 12)
        if fitted.largest is not None:
            assert fitted.largest < 2.0 ** (fmt.word_bits - fmt.signed - fmt.frac_bits) <= 2 * fitted.largest * (1 + 1e-12)
    assert {f.quantity for f in fit(load_spec("q16"), {}, 12, 24, 0)} == set(QUANTITIES)


def test_what_was_not_observed_keeps_its_range_sign_and_rounding(largest):
    base = load_spec("q16")
    assert "learning_signal" not in largest                 # under diffusion
    (fitted,) = [f for f in fit(base, largest, 12, 24, 1) if f.quantity == "learning_signal"]
    assert fitted.largest is None and math.isclose(fitted.format.max, base["learning_signal"].max, rel_tol=1e-3)
    assert (fitted.format.signed, fitted.format.rounding) == (base["learning_signal"].signed, base["learning_signal"].rounding)


def test_weights_and_coefficients_are_observed_in_scaled_units(config, largest):
    network, arithmetic = Training(config).network, Training(config.changed({"precision": "float32"})).arithmetic
    assert largest["weight_in"] >= abs(network.weights["in"]).max() * arithmetic.weight_scale["in"] * (1 - 1e-6)
    assert largest["diffusion_gain"] == pytest.approx(0.75 / 9)


def test_a_tiny_rate_error_gets_no_finer_format_than_there_is(largest):
    (fitted,) = [f for f in fit(load_spec("q16"), {**largest, "rate_error": 1e-9}, 16, 24, 1) if f.quantity == "rate_error"]
    assert fitted.format.frac_bits == 37


def test_words_that_are_too_long_are_refused_by_the_quantities_that_need_them(config):
    assert calibrate(config, 12)[0].name == "delayed_match_12"
    with pytest.raises(InputError, match="need 66 bits.*fewer word or fraction bits for adaptation"):
        calibrate(config, 30, 32)


# ---- the fewest bits -------------------------------------------------------------------------------------------------
class Judge(Search):
    """A search in which 6 bits of trace and 3 of membrane are enough alone, and together one bit more of each."""

    def run(self, questions):
        found, needed = {}, {"trace": 6, "membrane": 3}
        for key, bits in questions.items():
            more = len(bits) == 2
            enough = all(bits[name] >= needed[name] + more for name in bits)
            found[key] = Tried(*key, enough, 0.0 if enough else -1.0, 0.0, 0.0, 1, 0)
        self.tried += found.values()
        return found


def test_the_search_finds_the_fewest_bits_alone_and_together(config, tmp_path, monkeypatch):
    monkeypatch.setattr("fxsim.study.formats.minimise.Search", Judge)
    told = []
    spec, decided = minimise(config.changed({"precision": "q16"}), [0], 0.05, tmp_path, Workers(), SweepProgress(), told.append, ["trace", "membrane"])
    assert (decided["trace"].word_bits, decided["membrane"].word_bits) == (6, 3)
    assert (spec["trace"].word_bits, spec["membrane"].word_bits, spec["readout"].word_bits) == (7, 4, 16)
    assert decided[TOGETHER].enough and load_spec(tmp_path / "minimal.yaml").formats == spec.formats


@pytest.mark.parametrize("losses, margin, enough", [((0.04, 0.06), 0.051, True), ((0.04, 0.07), 0.051, False), ((0.0, 0.11), 0.051, False), ((0.0, 0.2), 0.101, True)])
def test_what_is_enough_is_judged_by_the_mean_of_the_tails(losses, margin, enough, config, tmp_path, monkeypatch):
    """Neither by the last evaluation nor by what the error of the mean leaves open."""
    def curves(planned, out, workers, progress):
        for run in planned:
            loss = 0.0 if run.config.precision == "float32" else losses[run.config.seed]
            (out / "runs" / run.folder).mkdir(parents=True, exist_ok=True)
            pd.DataFrame({"split": "eval", "iteration": [0, 50, 75, 100], "accuracy": [0.5, 0.9 - loss, 0.8 - loss, 0.7 - loss], "nmse": np.nan}).to_csv(
                out / "runs" / run.folder / "curves.csv", index=False)
        return {}
    monkeypatch.setattr("fxsim.study.formats.minimise.make_planned", curves)
    settings = config.changed({"precision": "q16", "iterations": 100})
    (tried,) = Search(settings, load_spec("q16"), [0, 1], margin, tmp_path, Workers(), SweepProgress()).run({("trace", 6): {"trace": 6}}).values()
    assert tried.enough == enough and tried.difference == pytest.approx(-np.mean(losses)) and tried.half_interval > abs(tried.difference)


def test_a_search_leaves_evidence_and_goes_on_where_it_stopped(tmp_path):
    config = tiny(*QUICK, "iterations=1", "precision=q16")
    arguments = config, [0, 1], 1.0, tmp_path, Workers(2), SweepProgress(), lambda line: None, ["trace"]
    spec, decided = minimise(*arguments)
    assert spec["trace"].word_bits == 2 == decided["trace"].word_bits                # nothing loses more than 100 points
    evidence = pd.read_csv(tmp_path / "evidence.csv")
    assert list(evidence["quantity"]) == [START, *["trace"] * 4, TOGETHER] and list(evidence["word_bits"]) == [0, 8, 5, 3, 2, 0] and set(evidence["runs"]) == {2}
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*/manifest.json")}
    assert minimise(*arguments)[0] == spec and before == {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*/manifest.json")}


@pytest.mark.parametrize("arguments, words", [
    (["--margin", "1"], ["--margin", "without --minimise"]), (["--minimise", "--headroom", "2"], ["--headroom", "with --minimise"]),
    (["--minimise"], ["precision", "float32", "fixed-point"]), (["--word-bits", "40"], ["--word-bits", "40", "2 to 32"]),
    (["--set", "learning.rule=bptt", "--set", "engine=auto"], ["learning.rule", "bptt"]), (["--preset", "q17"], ["q17"]),
    (["--minimise", "--set", "precision=q16", "--quantities", "trase"], ["--quantities", "trase", "trace"])])
def test_what_cannot_be_calibrated_is_one_line(arguments, words, tmp_path):
    changes = [part for change in (*QUICK, "iterations=0") for part in ("--set", change)]
    result = CliRunner().invoke(main, ["calibrate", "delayed_match", *changes, *arguments, "--out", str(tmp_path / "out")])
    assert result.exit_code == 2 and result.output.splitlines()[-1:] and all(word in result.output.splitlines()[-1] for word in words), result.output

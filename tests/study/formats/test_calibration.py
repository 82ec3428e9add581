"""Calibration: formats that fit what was observed."""
import math

import pytest
from click.testing import CliRunner

from fxsim.cli.main import main
from fxsim.errors import InputError
from fxsim.study.formats.calibration import ACCUMULATORS, calibrate, fit
from fxsim.study.formats.histograms import observe
from fxsim.training.loop import Training
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


@pytest.mark.parametrize("arguments, words", [
    (["--word-bits", "40"], ["--word-bits", "40", "2 to 32"]), (["--set", "learning.rule=bptt", "--set", "engine=auto"], ["learning.rule", "bptt"]),
    (["--preset", "q17"], ["q17"])])
def test_what_cannot_be_calibrated_is_one_line(arguments, words, tmp_path):
    changes = [part for change in (*QUICK, "iterations=0") for part in ("--set", change)]
    result = CliRunner().invoke(main, ["calibrate", "delayed_match", *changes, *arguments, "--out", str(tmp_path / "out")])
    assert result.exit_code == 2 and result.output.splitlines()[-1:] and all(word in result.output.splitlines()[-1] for word in words), result.output

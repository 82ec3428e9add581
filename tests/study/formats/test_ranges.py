"""Histograms of magnitudes: every stored value is in them, and what formats lose is told."""
import csv
import json

import numpy as np
import pytest
from click.testing import CliRunner

import fxsim
from fxsim.cli.main import main
from fxsim.engine.oracle.oracle import Oracle
from fxsim.errors import InputError
from fxsim.model.arithmetic import make_arithmetic
from fxsim.model.topology import learning_of
from fxsim.study.formats.histograms import HIGHEST, LOWEST, Histogram, Observer
from fxsim.study.formats.ranges import COLUMNS, SUMMARY, ranges
from fxsim.tasks import make_task
from fxsim.training.initial import network_of
from quant import QUANTITIES, load_spec

from checkpointed import quick

pytestmark = pytest.mark.core
LOUD = ("network.gains={input: 8, recurrent: 4}", "precision=float64", "iterations=2")
NAMES = {"V": "membrane", "a": "adaptation", "X": "trace", "H": "pseudo_derivative", "E": "eligibility", "F": "filtered_eligibility", "y": "readout",
         "Z": "readout_trace", "err": "error", "M": "modulator", "D": "rate_error", "Esum": "eligibility_sum"}


def test_values_are_counted_by_the_power_of_two_of_their_magnitude():
    histogram = Histogram()
    histogram.add(np.array([[0.0, 1.0, -1.5], [-2.0, 0.2499, 0.25]]))
    histogram.add(np.array([1e-300, -1e300, 0.0]))
    assert dict(histogram.items()) == {LOWEST: 1, -3: 1, -2: 1, 0: 2, 1: 1, HIGHEST: 1}
    assert histogram.zeros == 2 and histogram.total == 9 and histogram.largest == 1e300


def test_every_stored_value_of_a_trial_is_seen():
    config = quick(*LOUD)
    network, task = network_of(config), make_task(config)
    spec = load_spec("w4s8")
    observer = Observer(config, network, spec, task.steps)
    batch = task.evaluation_trials()
    observer.look(network.weights, batch)
    arithmetic = make_arithmetic(spec, network, learning_of(config), task.steps, config.seed)
    result = Oracle(network, learning_of(config), arithmetic, config.seed).run(arithmetic.weights_to_raw(network.weights), batch, telemetry=True, record=True)
    for name, quantity in NAMES.items():
        expected = Histogram()
        expected.add(arithmetic.to_scaled(quantity, result.record[name]))
        found = observer.observed.histograms[quantity]
        assert np.array_equal(found.bins, expected.bins) and (found.zeros, found.largest) == (expected.zeros, expected.largest), quantity
        assert found.total == result.telemetry[quantity]["stored"]
    for quantity, counts in result.telemetry.items():
        assert observer.observed.counts[quantity] == counts
        assert observer.observed.histograms[quantity].total == counts["stored"]
    fmt = spec["membrane"]
    bins = [log2 for log2, _ in observer.observed.histograms["membrane"].items()]
    assert min(bins) >= -fmt.frac_bits and 2.0 ** max(bins) <= -fmt.min
    assert observer.observed.histograms["weight_rec"].total == network.weights["rec"].size
    assert {*QUANTITIES} - {*observer.observed.histograms} == {"learning_signal"}


def test_what_formats_lose_is_told_by_quantity(tmp_path):
    fxsim.train(quick(*LOUD), tmp_path / "run")
    found = fxsim.ranges(tmp_path / "run", ["q16"], 2, ["formats.membrane={word_bits: 6, frac_bits: 5}", "formats.filtered_eligibility={word_bits: 32, frac_bits: 0}"])
    rows = {row["quantity"]: row for row in found.summary}
    assert {tuple(row) for row in found.summary} == {SUMMARY} and list(found.frame.columns) == list(COLUMNS)
    assert rows["membrane"]["spare"] < 0 < rows["membrane"]["saturated"] and (rows["membrane"]["last_bit"], rows["membrane"]["end"]) == (-5, 0)
    eligibility = rows["filtered_eligibility"]
    assert eligibility["below"] > 0 < eligibility["underflowed"] and eligibility["spare"] > 10 and eligibility["saturated"] == 0
    frame = found.frame
    needed = frame[(frame["numbers"] == "float32") & (frame["quantity"] == "filtered_eligibility") & frame["log2"].notna()]
    assert eligibility["below"] == needed.loc[needed["log2"] < 0, "count"].sum() / needed["count"].sum()
    assert (eligibility["smallest"], eligibility["largest"]) == (needed["log2"].min(), needed["log2"].max() + 1)
    start = ranges(tmp_path / "run" / "weights.npz", ["q16"], 2, config=fxsim.load_config(tmp_path / "run" / "config.yaml"))
    both = frame[(frame["numbers"] == "float32") & (frame["quantity"] == "membrane")]["count"].sum()
    alone = start.frame[(start.frame["numbers"] == "float32") & (start.frame["quantity"] == "membrane")]["count"].sum()
    assert both == 2 * alone        # a run has two ends


def test_the_command_prints_a_table_and_leaves_a_page(tmp_path):
    from fxsim.config import dump_config
    (tmp_path / "config.yaml").write_text(dump_config(quick(*LOUD)))
    arguments = ["ranges", str(tmp_path / "config.yaml"), "--precisions", "w4s8", "--trials", "1", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0 and "underflowed" in result.output, result.output
    with open(tmp_path / "out" / "summary.csv") as file:
        assert {row["quantity"] for row in csv.DictReader(file)} == {*QUANTITIES} - {"learning_signal"}
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Where the bits go" in page and "data:image/png" in page and "filtered eligibility" in page
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["trials"] == 1
    (tmp_path / "out" / "manifest.json").write_text("{}")
    refused = CliRunner().invoke(main, arguments)
    assert refused.exit_code == 2 and "something else in it" in refused.stderr


@pytest.mark.parametrize("changes, precisions, line", [
    ((), ["float64"], "ranges: precisions: found float64, allowed: at least one in fixed point"), ((), ["q17"], "q17"),
    (("learning.rule=bptt", "engine=auto"), ["q16"], "learning.rule: found bptt, which has no eligibility to count, allowed: another rule")])
def test_what_has_no_ranges_is_one_line(changes, precisions, line):
    with pytest.raises(InputError) as error:
        fxsim.ranges(quick(*LOUD), precisions, changes=changes)
    assert line in str(error.value)

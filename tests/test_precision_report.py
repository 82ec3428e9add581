"""The figures in reports/precision/README.md are those of the tables beside it."""
import re
from pathlib import Path

import pandas as pd
import pytest

from fxsim.study import load_study, plan

FOLDER = Path(__file__).parent.parent / "reports/precision"
TEXT = " ".join((FOLDER / "README.md").read_text().split())
PRECISIONS = ("float32", "q24", "q16", "w8s16", "loihi2")


def results(name):
    table = pd.read_parquet(FOLDER / name / "results.parquet")
    return table.assign(accuracy=100 * table["accuracy"])


@pytest.mark.parametrize("label, study, rule", [(f"{task.replace('_', ' ')}, {said}", task, rule) for task in ("delayed_match", "cue_accumulation")
                                                for said, rule in (("diffusion", "diffusion"), ("e-prop", "eprop"))])
def test_curves_in_the_text(label, study, rule):
    (row,) = [line for line in (FOLDER / "README.md").read_text().splitlines() if line.startswith(f"| {label} |")]
    found = results(study).query(f"rule == '{rule}'").groupby("precision")["accuracy"].agg(["mean", "sem"])
    assert re.findall(r"[\d.]+ \+- [\d.]+", row) == [f"{found['mean'][p]:.1f} +- {found['sem'][p]:.1f}" for p in PRECISIONS]


def test_paired_differences_in_the_text():
    stats = pytest.importorskip("scipy.stats")
    found = {}
    for study in ("delayed_match", "cue_accumulation"):
        for rule, rows in results(study).groupby("rule"):
            wide = rows.pivot(index="seed", columns="precision", values="accuracy")
            for precision in PRECISIONS[1:]:
                difference = wide[precision] - wide["float32"]
                found[study, rule, precision] = stats.ttest_1samp(difference, 0).pvalue, difference.mean(), difference.sem()
    (key, (p, mean, sem)), *others = sorted(found.items(), key=lambda item: item[1][0])
    assert key == ("delayed_match", "diffusion", "loihi2") and max(abs(m) for _, m, _ in found.values()) == mean
    assert f"{mean:+.1f} +- {sem:.1f} points (t test: p = {p:.3f}, which {len(found)} comparisons make {len(found) * p:.2f})" in TEXT
    assert min(value for _, (value, _, _) in others) > 0.05


@pytest.mark.parametrize("quantity, bits, rounding, said", [
    *(("adaptation", b, "floor", "the adaptation (48.8)") for b in (3, 10)), *(("modulator", b, "floor", "the modulator (49.7)") for b in (3, 10)),
    ("eligibility", 10, "floor", "in the eligibility (55.7)"), ("adaptation_eligibility", 10, "floor", "adaptation eligibility (52.9)"),
    ("filtered_eligibility", 10, "floor", "the filtered eligibility (50.9)"), ("trace", 4, "stochastic", "4 bits of trace 76.3"),
    ("trace", 4, "nearest_even", "76.3 against 48.4"), ("modulator", 8, "stochastic", "8 bits of modulator 69.1"),
    ("modulator", 8, "nearest_even", "69.1 against 48.4"), ("filtered_eligibility", 8, "stochastic", "eligibility 79.0"),
    ("filtered_eligibility", 8, "nearest_even", "79.0 against 60.7"), ("eligibility", 8, "stochastic", "of eligibility 74.6"),
    ("eligibility", 8, "nearest_even", "74.6 against 52.5"), ("weights", 8, "stochastic", "shadow) 65.8"), ("weights", 8, "nearest_even", "65.8 against 54.3"),
    ("pseudo_derivative", 3, "floor", "3 bits (61.2"), ("pseudo_derivative", 3, "stochastic", "to 65.8)"), ("readout_trace", 3, "floor", "with 3 (65.4)")])
def test_single_quantities_in_the_text(quantity, bits, rounding, said):
    prefix = "weights." if quantity == "weights" else f"formats.{quantity}."
    names = {"bits": "weights.bits" if quantity == "weights" else f"{prefix}word_bits", "rounding": f"{prefix}rounding"}
    table = results("bits").query(f"block == '{quantity}'")
    value = table[(table[names["bits"]] == bits) & (table[names["rounding"]] == rounding)]["accuracy"].mean()
    assert said in TEXT and f"{value:.1f}" in said


def test_failed_runs_and_the_grid_in_the_text():
    bits, grid = results("bits"), results("weights_by_state")
    failed = bits[bits["status"] == "failed"]
    assert set(failed["block"]) == {"readout"} and f"The {len(failed)} readout runs with 3 and 4 bits failed" in TEXT
    assert set(failed["formats.readout.word_bits"]) == {3, 4}
    assert {f"{value:.1f}" for value in grid[grid["state bits"] == 6].groupby("weight bits")["accuracy"].mean()} == {"49.7"}


@pytest.mark.parametrize("name", ["bits", "cue_accumulation", "delayed_match", "weights_by_state"])
def test_tables_hold_all_runs_of_the_committed_studies(name):
    study, text = load_study(FOLDER / f"{name}.yaml")
    assert text == (FOLDER / name / "study.yaml").read_text()
    assert [(p.block, p.folder) for p in plan(study, str(FOLDER / f"{name}.yaml"))] == list(zip(*(results(name)[c] for c in ("block", "run"))))

"""The figures in reports/precision/README.md are those of the tables beside it."""
import re

import numpy as np
import pandas as pd
import pytest

from fxsim.report import published
from fxsim.study.plan import load_study, plan

from places import ROOT

FOLDER = ROOT / "reports/precision"
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
        for rule, rows in results(study).query("rule != 'bptt'").groupby("rule"):
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
    table = results("bits").query(f"block == '{quantity}'")
    value = table[(table["bits"] == bits) & (table["rounding"] == rounding)]["accuracy"].mean()
    assert said in TEXT and f"{value:.1f}" in said


def test_failed_runs_and_the_grid_in_the_text():
    bits, grid = results("bits"), results("weights_by_state")
    failed = bits[bits["status"] == "failed"]
    assert set(failed["block"]) == {"readout"} and f"The {len(failed)} readout runs with 3 and 4 bits failed" in TEXT
    assert set(failed["bits"]) == {3, 4}
    assert {f"{value:.1f}" for value in grid[grid["state bits"] == 6].groupby("weight bits")["accuracy"].mean()} == {"49.7"}
    odd = grid[(grid["state bits"] == 8) & (grid["weight bits"] == 4)]
    assert f"below chance ({odd['accuracy'].mean():.1f})" in TEXT and (odd["accuracy"] < 50).all() and (odd["loss"] > np.log(2)).all()


@pytest.mark.parametrize("rule, said", [("diffusion", "diffusion"), ("eprop", "e-prop")])
def test_pattern_generation_in_the_text(rule, said):
    (row,) = [line for line in (FOLDER / "README.md").read_text().splitlines() if line.startswith(f"| pattern generation, {said} |")]
    table = results("pattern_generation").query(f"rule == '{rule}'")
    found = table.groupby("precision")["nmse"].agg(["mean", "sem"])
    assert re.findall(r"[\d.]+ \+- [\d.]+", row) == [f"{found['mean'][p]:.3f} +- {found['sem'][p]:.3f}" for p in PRECISIONS]
    stats, wide = pytest.importorskip("scipy.stats"), table.pivot(index="seed", columns="precision", values="nmse")
    assert all(stats.ttest_1samp(wide[p] - wide["float32"], 0).pvalue > 0.05 for p in PRECISIONS[1:])


def test_bptt_in_the_text():
    found = {study: results(study).query("rule == 'bptt'")["accuracy"] for study in ("delayed_match", "cue_accumulation")}
    text = ", ".join(f"{study.replace('_', ' ')} {a.mean():.1f} +- {a.sem():.1f}" for study, a in found.items())
    assert f"BPTT, float32: {text} (published" in TEXT and all(len(a) == 5 for a in found.values())


def half_way(task, kind, rule):
    """seed -> word length at which half of float32's gain is gained, by straight lines between the tried lengths; NaN where it never is."""
    table, (metric, worst) = pd.read_parquet(FOLDER / "rules/results.parquet"), {"cue": ("accuracy", 0.5), "pattern": ("nmse", 1.0)}[task]
    column = {"states": "state bits", "weights": "weight bits"}[kind]
    goal = table[(table["block"] == f"{task}_reference") & (table["rule"] == rule) & (table["precision"] == "float32")][metric].mean()
    out = {}
    for seed, rows in table[(table["block"] == f"{task}_{kind}") & (table["rule"] == rule)].groupby("seed"):
        rows = rows.sort_values(column)
        bits, gained = rows[column].to_numpy(float), np.maximum.accumulate(((rows[metric] - worst) / (goal - worst)).to_numpy())
        i = int(np.argmax(gained >= 0.5))
        out[seed] = np.nan if gained[-1] < 0.5 else bits[0] if i == 0 else np.interp(0.5, gained[i - 1:i + 1], bits[i - 1:i + 1])
    return pd.Series(out)


@pytest.mark.parametrize("task, kind, said", [("pattern", "states", "states in pattern generation {} bits"), ("pattern", "weights", "weights in pattern generation {}"),
                                              ("cue", "weights", "weights in cue accumulation {}"), ("cue", "states", "States in cue accumulation, {} (4 seeds)")])
def test_the_answer_about_the_two_rules(task, kind, said):
    stats = pytest.importorskip("scipy.stats")
    difference = (half_way(task, kind, "diffusion") - half_way(task, kind, "eprop")).dropna()
    interval = stats.t.ppf(0.975, len(difference) - 1) * difference.sem()
    assert said.format(f"{difference.mean():+.2f} +- {interval:.2f}") in TEXT


def test_learning_on_the_chip_in_the_text():
    table = results("onchip")
    cells = {name: group["accuracy"] for name, group in table.groupby(["block", "log2 rate"])}
    for (block, rate), words in {("delayed_match", -5): "delayed match {}", ("cue_accumulation", -5): "accumulation {} after 300", ("delayed_match", -6): "({} and",
                                 ("cue_accumulation", -6): "and {} at -6", ("adamax", -5): "has {} at its best rate", ("batch_1", -6): "{} (batch 1",
                                 ("batch_8", -6): "{} (batch 8"}.items():
        assert words.format(f"{cells[block, rate].mean():.1f} +- {cells[block, rate].sem():.1f}") in TEXT, (block, rate)
    means = table.groupby(["block", "log2 rate"])["accuracy"].mean()
    assert f"at every rate ({means['sgd'].min():.1f} to {means['sgd'].max():.1f})" in TEXT and means["adamax"].idxmax() == -5
    rounding = table.query("block == 'rounding'").groupby(["log2 rate", "weights.rounding"])["accuracy"].mean().round(1)
    said = [rounding[-6]["nearest_even"], rounding[-6]["stochastic"], rounding[-5]["nearest_even"], rounding[-5]["stochastic"]]
    assert "nothing ({}), stochastic rounding {}. At -5 both learn ({} and {})".format(*said) in TEXT and rounding[-5]["floor"] < 52
    shadow = table.query("block == 'shadow'").groupby(["log2 rate", "shadow bits"])["accuracy"].mean()
    assert f"({shadow.min():.1f} to {shadow.max():.1f}, without them {means['adamax'][[-6, -5, -4]].min():.1f} to {means['adamax'].max():.1f})" in TEXT
    memory = table.query("block == 'memory'").groupby("learning.optimizer.beta1_shift")["accuracy"]
    slow = table.query("block == 'memory'").groupby(["learning.optimizer.beta1_shift", "learning.optimizer.beta2_shift"])["accuracy"].mean()[5]
    assert len(memory) == 3 and f"(5) has {slow.min():.1f} to {slow.max():.1f}" in TEXT

@pytest.mark.parametrize("name", ["bits", "cue_accumulation", "delayed_match", "onchip", "pattern_generation", "rules", "weights_by_state"])
def test_tables_hold_all_runs_of_the_committed_studies(name):
    study, text = load_study(FOLDER / f"{name}.yaml")
    assert text == (FOLDER / name / "study.yaml").read_text()
    assert [(p.block, p.folder) for p in plan(study, str(FOLDER / f"{name}.yaml"))] == list(zip(*(results(name)[c] for c in ("block", "run"))))


def test_memory_and_operations_in_the_text():
    from click.testing import CliRunner

    from fxsim.cli.main import main
    printed = CliRunner().invoke(main, ["cost", "delayed_match"]).output
    assert "\n".join("    " + line if line else "" for line in printed.rstrip().splitlines()) in (FOLDER / "README.md").read_text()


def test_accumulators_in_the_text():
    """How many bits of the sums are used, and how G does with fewer."""
    used, saturated = {}, {}
    for study in ("delayed_match", "cue_accumulation", "pattern_generation"):
        table = pd.read_parquet(FOLDER / study / "telemetry.parquet").query("precision == 'q16'")
        for quantity in ("eligibility_sum", "gradient"):
            rows = table[table["quantity"] == quantity]
            used[study, quantity] = int(np.ceil(np.log2(rows["max_abs"].max() * 2.0 ** (rows["word_bits"].max() - 1))))
            saturated[study, quantity] = int(rows["saturated"].sum())
    sums = [used[study, "eligibility_sum"] for study in ("delayed_match", "cue_accumulation", "pattern_generation")]
    assert f"used {sums[0]} and the sign in delayed match and cue accumulation, {sums[2]} in pattern generation" in TEXT and sums[0] == sums[1]
    assert not any(saturated[study, "eligibility_sum"] for study in ("delayed_match", "cue_accumulation", "pattern_generation")) and max(sums) + 1 < 22
    assert f"({used['delayed_match', 'gradient']} bits and the sign in delayed match, {used['cue_accumulation', 'gradient']} in cue accumulation" in TEXT
    assert f"{saturated['pattern_generation', 'gradient']} of the values that were counted saturated" in TEXT and used["pattern_generation", "gradient"] > 30
    table = results("bits")
    found = table[table["block"] == "gradient"].groupby(["bits", "rounding"])["accuracy"].mean()
    q16 = table.query("block == 'reference' and precision == 'q16' and rule == 'diffusion'")["accuracy"].mean()
    assert f"to nearest, have {found[20, 'nearest_even']:.1f} (q16: {q16:.1f}), 16 bits rounded stochastically {found[16, 'stochastic']:.1f}, and rounded to nearest " \
        f"{found[16, 'nearest_even']:.1f}" in TEXT


def test_headings_and_published_values_in_the_text():
    (head,) = [line for line in (FOLDER / "README.md").read_text().splitlines() if line.startswith("| task, rule |")]
    assert head == "| task, rule | " + " | ".join(PRECISIONS) + " |"
    rows = [line.split(" | ")[0].strip("| ") for line in (FOLDER / "README.md").read_text().splitlines() if re.match(r"\| [a-z ]+, (diffusion|e-prop) \|", line)]
    assert rows == [f"{task}, {rule}" for task in ("delayed match", "cue accumulation", "pattern generation") for rule in ("diffusion", "e-prop")]
    said = {}
    for task, updates in (("delayed_match", 500), ("cue_accumulation", 250)):
        for rule in ("diffusion", "eprop", "bptt"):
            said[task, rule, updates] = dict(zip(published.UPDATES, published.ACCURACY[task, rule], strict=True))[updates]
    values = ", ".join(f"{mean:.1f} +- {sem:.1f}" for (_, rule, _), (mean, sem) in said.items() if rule != "bptt")
    assert f"at 500 updates (delayed match) and 250 (cue accumulation): {values}." in TEXT
    bptt = [dict(zip(published.UPDATES, published.ACCURACY[task, "bptt"], strict=True))[250] for task in ("delayed_match", "cue_accumulation")]
    assert "(published at 250 updates: {}).".format(", ".join(f"{mean:.1f} +- {sem:.1f}" for mean, sem in bptt)) in TEXT


def test_cost_in_the_text():
    """Sentences about the printed table."""
    from fxsim.config import load_config
    from fxsim.model.topology import build_network
    from fxsim.study.cost import ELIGIBILITY, FORWARD, WINDOW, memory, operations
    config = load_config("delayed_match")
    network = build_network(config)
    counted = {name: {o.phase: o for o in operations(config.changed({"precision": name}), network)} for name in ("q16", "q24")}
    narrow, wide = (counted[name][ELIGIBILITY] for name in ("q16", "q24"))
    assert f"q24 takes {wide.total / narrow.total:.2f} times the operations of q16 on the eligibilities, and {wide.result_bits / narrow.result_bits:.2f} times the bits" in TEXT
    every = narrow.total + counted["q16"][FORWARD].total
    assert f"{narrow.total:.0f} of {every:.0f} are eligibilities at most steps, of {every + counted['q16'][WINDOW].total:.0f} at those of the window" in TEXT
    kept = memory(config.changed({"precision": "q16", "learning.optimizer": {"name": "adamax", "log2_rate": -5}}), network).synapse_onto_lif
    assert f"`adamax` {kept.optimizer:.0f} bits with `beta1_shift` 3" in TEXT and config.batch_size == 64
    alone = memory(config.changed({"precision": "q16", "learning.optimizer": {"name": "sgd", "log2_rate": -5}, "batch_size": 1}), network).synapse_onto_lif
    assert f"of the {alone.total:.0f} bits that a synapse of q16 holds in a trial, {alone.accumulators:.0f} are sums" in TEXT


def test_minimal_bits_in_the_text():
    """The table quantity -> bits against the evidence of the search."""
    evidence = pd.read_csv(FOLDER / "minimal/evidence.csv")
    text = (FOLDER / "README.md").read_text()
    alone = evidence[evidence["enough"] & ~evidence["quantity"].isin(["as given", "all together"])]
    fewest = alone.loc[alone.groupby("quantity")["word_bits"].idxmin()]
    for row in fewest.itertuples():
        assert f"| {row.quantity.replace('_', ' ')} | {row.word_bits} | {100 * row.difference:+.1f} +- {100 * row.standard_error:.1f} |" in text
    together = evidence[evidence["quantity"] == "all together"].set_index("word_bits").sort_index()
    assert together["enough"].tolist() == [False] * (len(together) - 1) + [True]
    for more, row in together.iterrows():
        assert f"| all together, {more} more | | {100 * row['difference']:+.1f} +- {100 * row['standard_error']:.1f} |" in text

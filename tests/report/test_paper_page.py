"""The page of several sweeps: its sentences are its tables', and its charts do not get in each other's way."""
import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml

from fxsim.config import load_config
from fxsim.files.pictures import panels, style
from fxsim.report.build import build_report
from fxsim.report.figures import STYLE
from fxsim.report.paper.answer import RULES, sentences
from fxsim.report.paper.figure import _curves
from fxsim.report.paper.page import folders
from fxsim.report.paper.trained import trained_trials
from fxsim.report.statistics.questions import families
from fxsim.report.study_data import read_sweep

from places import ROOT

CONTRAST = {"name": RULES, "of": {"block": "diffusion", "precision": "float32"}, "against": {"block": "eprop", "precision": "float32"}}
TASKS = ("pattern_generation", "delayed_match")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Two committed sweeps, 5 seeds, side by side, in one of which w8s16 loses 30 points everywhere."""
    folder = tmp_path_factory.mktemp("paper")
    for task in TASKS:
        source = ROOT / "reports/precision" / task
        (folder / task).mkdir()
        for name in ("results.parquet", "curves.parquet", "telemetry.parquet", "manifest.json"):
            shutil.copy(source / name, folder / task / name)
        study = yaml.safe_load((source / "study.yaml").read_text())
        (folder / task / "study.yaml").write_text(yaml.safe_dump({**study, "statistics": {"margin": 0.02, "contrasts": [CONTRAST]}}))
    curves = pd.read_parquet(folder / "delayed_match/curves.parquet")
    lost = curves[curves["precision"] == "float32"].set_index(["rule", "seed", "iteration", "split"])["accuracy"] - 0.3
    rows = curves["precision"] == "w8s16"
    keys = curves.loc[rows, ["rule", "seed", "iteration", "split"]].itertuples(index=False, name=None)
    curves.loc[rows, "accuracy"] = [lost[key] for key in keys]
    curves.to_parquet(folder / "delayed_match/curves.parquet")
    return folder, build_report(folder).read_text()


def test_the_answer_comes_first_and_is_that_of_the_tables(page):
    folder, html = page
    assert [path.name for path in folders(folder)] == list(TASKS)
    found = [(sweep, families(sweep)) for sweep in map(read_sweep, folders(folder))]
    rules, fixed, alone = sentences(found)
    assert re.search(r"pattern generation −0\.\d+ ± 0\.\d+ of nMSE \(better, 5 pairs\); delayed match \+\d+\.\d ± \d+\.\d points \(better, 5 pairs\)\.", rules)
    words = [answer.end.word for _, (first, *_) in found for answer in first.answers if "mean of these" not in answer.question.name]
    assert len(words) == 16 and words.count("worse") >= 2
    assert f"of 16 comparisons {words.count('equivalent')} equivalent, {words.count('worse')} worse" in fixed
    assert "delayed match, diffusion: w8s16 −30.0 ± 0.0 points (worse, 5 pairs)" in fixed and "not enough runs yet" in alone
    assert html.index(rules.split(":")[0]) < html.index(fixed.split(":")[0]) < html.index(alone.split(":")[0]) < html.index("<table>")


def test_charts_have_places_of_their_own_and_nothing_is_fetched(page):
    folder, html = page
    charts = json.loads(re.search(r"const CHARTS = (.*?); const FIELDS", html)[1])
    assert len({chart["id"] for chart in charts}) == len(charts) and {chart["root"].split("-")[0] for chart in charts} == set(TASKS)
    assert all(html.count(f'<div id="{root}" class="charts">') == 1 for root in {chart["root"] for chart in charts})
    assert "http://" not in re.sub(r'xmlns="[^"]*"|"http://www.w3.org/[^"]*"', "", html) and "<img alt=\"A trial of each task" in html
    assert all(f'href="{task}/report.html"' in html for task in TASKS) and (folder / "figures/figure_2.svg").stat().st_size > 1000


@pytest.mark.long
def test_trained_networks_are_shown_where_their_runs_are_at_hand(page, tmp_path):
    folder = tmp_path / "paper"
    shutil.copytree(page[0], folder)
    sweep = read_sweep(folder / "delayed_match")
    assert trained_trials(sweep) == {} and "The neuromodulator of trained networks" not in page[1]
    runs = sweep.results.query("rule == 'diffusion' and precision == 'loihi2'")["run"]
    results = sweep.results.assign(block=sweep.results["rule"])
    results.to_parquet(folder / "delayed_match/results.parquet")
    kept = folder / "delayed_match/runs" / runs.iloc[1] / "snapshot.npz"
    kept.parent.mkdir(parents=True)
    rng = np.random.default_rng(1)
    np.savez(kept, spikes=rng.integers(0, 2, (1100, 100), np.uint8), input=rng.integers(0, 2, (1100, 40), np.uint8), modulator=rng.standard_normal((50, 100), np.float32),
             readout=np.zeros((50, 2)), target=np.eye(2)[np.zeros(50, int)], cell=np.arange(100, dtype=np.int32), grid=np.array([10, 10]))
    found = trained_trials(read_sweep(folder / "delayed_match"))
    assert list(found) == ["loihi2"] and np.array_equal(found["loihi2"]["modulator"], np.load(kept)["modulator"])
    html = build_report(folder).read_text()
    fields = json.loads(re.search(r"const FIELDS = (.*?);</script>", html)[1])
    assert [field["label"] for field in fields] == ["delayed match"] and [run["label"] for run in fields[0]["runs"]] == ["loihi2"] and fields[0]["window"] == 50
    assert "The neuromodulator of trained networks" in html and '<div id="field"' in html


def test_published_points_stand_only_beside_runs_like_theirs(page):
    folder, _ = page
    sweep = read_sweep(folder / "delayed_match")

    def labels():
        with style(STYLE):
            _, ax = panels(figsize=(4, 3))
            _curves(ax, sweep, load_config("delayed_match"))
            return [label for label in ax.get_legend_handles_labels()[1] if "published" in label]
    blocks = {rule: sweep.results["rule"] == rule for rule in ("eprop", "diffusion")}
    for rule, rows in blocks.items():
        sweep.results.loc[rows, "block"] = rule
    facts, said = sweep.facts, [f"{rule}, published" for rule in ("BPTT", "diffusion", "e-prop")]
    assert labels() == said
    sweep.__dict__["facts"] = {run: {**fact, "k": 0.5} for run, fact in facts.items()}
    assert labels() == [said[0], said[2]]       # of another decay only what does not diffuse
    sweep.__dict__["facts"] = {run: {**fact, "paper_size": False} for run, fact in facts.items()}
    assert labels() == []

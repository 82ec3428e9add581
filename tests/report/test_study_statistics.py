"""Differences by seed on a sweep's page: made-up curves whose truth is known, in the tables of a committed sweep."""
import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml

from fxsim.errors import InputError
from fxsim.report.build import build_report
from fxsim.report.published import CONDITIONS, obstacle
from fxsim.report.statistics.questions import FIXED, NAMED, families, times
from fxsim.report.statistics.replication import against_published
from fxsim.report.statistics.rows import family_tables, time_rows
from fxsim.report.study_data import read_sweep
from fxsim.study.plan import parse_study

from places import ROOT

ASKED = {"margin": 0.02, "marks": [100, 250, 5000], "levels": [0.75, 0.99],
         "contrasts": [{"name": "rules", "of": {"block": "diffusion", "precision": "float32"}, "against": {"block": "eprop", "precision": "float32"}}]}
TRUTH = {"float32": 0.0, "q24": 0.0, "q16": -0.05, "w8s16": 0.06, "loihi2": 0.0}
SPREAD = {"float32": 0.0, "q24": 0.002, "q16": 0.002, "w8s16": 0.002, "loihi2": 0.2}      # of a run about its float twin


@pytest.fixture
def made(tmp_path):
    """Delayed match at the paper's size, 5 seeds, 500 updates, with accuracies of our own: e-prop 0.6, diffusion up to 0.8, from update 125 on."""
    for name in ("results.parquet", "curves.parquet", "telemetry.parquet"):
        shutil.copy(ROOT / "reports/precision/delayed_match" / name, tmp_path / name)
    (tmp_path / "manifest.json").write_text(json.dumps({"seconds": {"eprop": 100.0}}))
    study = yaml.safe_load((ROOT / "reports/precision/delayed_match.yaml").read_text())
    (tmp_path / "study.yaml").write_text(yaml.safe_dump({**study, "statistics": ASKED, "figures": []}))
    curves, rng = pd.read_parquet(tmp_path / "curves.parquet"), np.random.default_rng(1)
    own = {run: (rng.standard_normal(), rng.standard_normal()) for run in dict.fromkeys(curves["run"])}
    seeds = rng.normal(0, 0.03, 6)
    level = np.where(curves["rule"] == "eprop", 0.6, 0.75 + 0.05 * curves["iteration"] / 500) + seeds[curves["seed"]]
    noise = curves["precision"].map(SPREAD) * curves["run"].map(lambda run: own[run][0])
    curves["accuracy"] = np.where(curves["iteration"] < 125, 0.5, level + curves["precision"].map(TRUTH) + noise)
    curves.to_parquet(tmp_path / "curves.parquet")
    return tmp_path


def test_verdicts_are_those_of_the_curves(made):
    fixed, named = families(read_sweep(made))
    assert (fixed.name, named.name) == (FIXED, NAMED)
    words = {answer.question.name: answer.end.word for answer in fixed.answers}
    for rule in ("diffusion", "e-prop"):
        assert {name.split(": ")[1]: word for name, word in words.items() if name.startswith(rule)} == {
            "q24": "equivalent", "q16": "worse", "w8s16": "better", "loihi2": "undecided", "mean of these 4": "undecided"}
    (rules,) = named.answers
    assert rules.end.word == "better" and rules.end.difference.n == 5 and rules.end.difference.mean == pytest.approx(0.195)     # at 400 to 500
    for answer in fixed.answers:
        assert list(answer.others) == ["area", "100", "250"]       # no mark beyond the runs
        assert answer.others["100"].difference.mean == 0 and answer.others["100"].word == "equivalent"
    q16 = next(answer for answer in fixed.answers if answer.question.name == "diffusion: q16")
    assert q16.question.correlation > 0.9 and q16.end.difference.mean == pytest.approx(-0.05, abs=0.003)
    assert q16.others["area"].difference.mean == pytest.approx(-0.05 * 387.5 / 500, abs=0.003)


def test_the_page_says_them_with_times_and_what_is_open(made):
    results = pd.read_parquet(made / "results.parquet")
    of_bptt = results["block"] == "bptt"
    results.loc[of_bptt, ["status", "updates", "loss", "accuracy"]] = ["open", np.nan, np.nan, np.nan]
    results.to_parquet(made / "results.parquet")
    curves = pd.read_parquet(made / "curves.parquet")
    curves[curves["block"] != "bptt"].to_parquet(made / "curves.parquet")
    html = build_report(made).read_text()
    assert "50 done, 5 of 55 not yet: about 0.14 hours" in html and "<td class=\"number\">0 of 5</td>" in html
    rows = [re.sub("<[^>]+>", "|", row) for row in re.findall("<tr>.*</tr>", html)]
    assert any(re.search(r"diffusion: q16\|+−[45]\.\d ± \d\.\d\|+worse\|", row) for row in rows) and "within ± 2 points" in html
    sweep = read_sweep(made)
    found = {(row["label"], row["precision"]): row["levels"] for row in time_rows(times(sweep), "accuracy")}
    assert found["e-prop", "float32"] == {"75 %": "beyond 500 (0 of 5 reach it)", "99 %": "beyond 500 (0 of 5 reach it)"}
    assert re.fullmatch(r"\d+( \(\d of 5 reach it\))?", found["diffusion", "w8s16"]["75 %"])
    (fixed, named) = family_tables(families(sweep), "accuracy")
    assert fixed["columns"] == ["area", "100 updates", "250 updates"] and len(fixed["rows"]) == 10 and named["rows"][0]["correlation"] != "–"


def test_less_nmse_is_better_and_is_shown_as_less(made):
    for name in ("results", "curves"):
        table = pd.read_parquet(made / f"{name}.parquet")
        table["nmse"] = table["accuracy"]
        table.to_parquet(made / f"{name}.parquet")
    fixed = families(read_sweep(made))[0]
    words = {answer.question.name: answer.end.word for answer in fixed.answers}
    assert words["diffusion: q16"] == "better" and words["diffusion: w8s16"] == "worse" and words["diffusion: q24"] == "equivalent"
    shown = {row["name"]: row["end"] for row in family_tables([fixed], "nmse")[0]["rows"]}
    assert shown["diffusion: q16"].startswith("−0.0") and shown["diffusion: w8s16"].startswith("+0.0")


def test_a_study_without_a_margin_has_nothing_equivalent(made):
    study = yaml.safe_load((made / "study.yaml").read_text())
    (made / "study.yaml").write_text(yaml.safe_dump({**study, "statistics": {}}))
    (fixed,) = families(read_sweep(made))
    assert {answer.end.word for answer in fixed.answers} == {"worse", "better", "undecided"} and times(read_sweep(made)) == []
    assert "for the study states no margin" in build_report(made).read_text()


@pytest.mark.parametrize("change, words", [({"margin": 0}, "statistics.margin: found 0"), ({"marks": [0]}, "statistics.marks.0"), ({"margn": 1}, "statistics.margn: found an unknown key"),
                                           ({"contrasts": [{"name": "a", "of": {}, "against": {"seed": 1}}]}, "statistics.contrasts.0.of")])
def test_wrong_questions_are_refused(change, words):
    with pytest.raises(InputError, match=re.escape(words)):
        parse_study({"name": "a", "base": "delayed_match", "blocks": [{"name": "b"}], "statistics": change}, "s.yaml")


def test_a_contrast_of_no_such_rows_is_one_line(made):
    study = yaml.safe_load((made / "study.yaml").read_text())
    for of, words in (({"blok": "a"}, "statistics.contrasts.0.of: found blok, allowed: a column"), ({"block": "a"}, "statistics.contrasts.0.of: found {'block': 'a'}")):
        study["statistics"] = {"contrasts": [{"name": "a", "of": of, "against": {"block": "eprop"}}]}
        (made / "study.yaml").write_text(yaml.safe_dump(study))
        with pytest.raises(InputError, match=re.escape(words)):
            build_report(made)


def test_published_seeds_are_compared_with_where_runs_are_like_theirs(made):
    """20 seeds of theirs, evaluated after one update more, with an accuracy of our mean: diffusion is theirs and e-prop 30 points above."""
    rows = [("delayed_match", CONDITIONS["delayed_match", rule], seed, 25 * i + 1, 1.0, (0.5 if 25 * i < 125 else 0.75 + 0.05 * 25 * i / 500) + 0.01 * (seed % 2 - 0.5) + up, 0, 0)
            for rule, up in (("diffusion", 0.0), ("eprop", 0.3)) for seed in range(20) for i in range(81)]
    columns = ("task", "condition", "seed", "iteration", "loss_eval", "accuracy_eval", "loss_training", "accuracy_training")
    (made / "theirs").mkdir()
    pd.DataFrame(rows, columns=columns).to_csv(made / "theirs/delayed_match.csv", index=False)
    found = {(r.label, r.measure): r for r in against_published(read_sweep(made, made / "theirs"))}
    assert [key[0] for key in found] == ["diffusion", "diffusion", "e-prop", "e-prop"]      # none of BPTT's are there
    same, above = found["diffusion", "accuracy"], found["e-prop", "accuracy"]
    assert list(same.differences) == ["100", "250", "end"] and same.seeds == (5, 20)
    assert same.differences["100"].mean == pytest.approx(0, abs=1e-9) and abs(same.differences["end"].mean) < same.differences["end"].half < 0.1
    assert above.differences["100"].mean == pytest.approx(-0.3) and above.differences["end"].high < -0.3
    html = build_report(made, made / "theirs").read_text()
    assert "5 and 20" in html and re.search(r'<td class="number bad">−30.0 ± 0.2</td>', html)
    with pytest.raises(InputError, match="no curves of these tasks"):
        build_report(made, made)


def test_runs_that_stand_in_two_blocks_are_asked_about_once(made):
    for name in ("results", "curves"):
        table = pd.read_parquet(made / f"{name}.parquet")
        again = table[(table["rule"] == "eprop") & table["precision"].isin(["float32", "q16"])].assign(block="again")
        pd.concat([table, again]).to_parquet(made / f"{name}.parquet")
    study = yaml.safe_load((made / "study.yaml").read_text())
    again = {"name": "again", "set": {"learning.rule": "eprop", "learning.c_reg": 0.1}, "grid": {"precision": ["float32", "q16"]}}
    (made / "study.yaml").write_text(yaml.safe_dump({**study, "blocks": [*study["blocks"], again]}))
    names = [answer.question.name for answer in families(read_sweep(made))[0].answers]
    assert len(names) == 10 and not any(name.startswith("again") for name in names)


def test_published_runs_have_one_decay():
    facts = {"paper_size": True, "c_reg": 0.01, "iterations": 2000}
    assert obstacle("delayed_match", "diffusion", {**facts, "k": 0.75}) is None and "k 0.75, here 0.5" in obstacle("delayed_match", "diffusion", {**facts, "k": 0.5})

"""Committed studies of reports/precision are what their files say; their page is held in tests/docs/test_pages.py."""
import pandas as pd
import pytest

from fxsim.study.plan import load_study, plan

from places import ROOT

FOLDER = ROOT / "reports/precision"


@pytest.mark.parametrize("name", ["bits", "cue_accumulation", "delayed_match", "onchip", "pattern_generation", "rules", "weights_by_state"])
def test_tables_hold_all_runs_of_the_committed_studies(name):
    study, text = load_study(FOLDER / f"{name}.yaml")
    table = pd.read_parquet(FOLDER / name / "results.parquet")
    assert text == (FOLDER / name / "study.yaml").read_text()
    assert [(p.block, p.folder) for p in plan(study, str(FOLDER / f"{name}.yaml"))] == list(zip(table["block"], table["run"]))

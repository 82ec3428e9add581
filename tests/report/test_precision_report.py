"""Committed studies of reports/precision are what their files say; their page is held in tests/docs/test_pages.py."""
import pandas as pd
import pytest

from fxsim.study.plan import load_study, plan

from places import ROOT

FOLDER = ROOT / "reports/precision"


@pytest.mark.parametrize("name", ["bits", "cue_accumulation", "delayed_match", "onchip", "pattern_generation", "rules", "shadows", "weights_by_state"])
def test_tables_hold_all_runs_of_the_committed_studies(name):
    study, text = load_study(FOLDER / f"{name}.yaml")
    table = pd.read_parquet(FOLDER / name / "results.parquet")
    assert text == (FOLDER / name / "study.yaml").read_text()
    assert [(p.block, p.folder) for p in plan(study, str(FOLDER / f"{name}.yaml"))] == list(zip(table["block"], table["run"]))


def test_the_study_of_the_start_holds_its_runs_but_for_their_names():
    """Which depend on the networks that it says how to make."""
    study, text = load_study(FOLDER / "start.yaml")
    table = pd.read_parquet(FOLDER / "start/results.parquet")
    assert text == (FOLDER / "start/study.yaml").read_text() and set(table["status"]) == {"done"}
    planned = plan(study, str(FOLDER / "start.yaml"), given=False)
    assert [(p.block, p.config.seed, p.precision, p.config.updates) for p in planned] == list(zip(*(table[c] for c in ("block", "seed", "precision", "updates"))))
    drawn = [(p.folder, run) for p, run in zip(planned, table["run"]) if p.config.drawn]
    assert len(drawn) == 16 and all(folder == run for folder, run in drawn)


@pytest.mark.parametrize("task", ["delayed_match", "cue_accumulation"])
def test_the_studies_of_deployment_can_be_planned(task):
    """Trained outside or not, every world is met by networks that learn and by one that does not."""
    path = FOLDER / "off_chip" / f"{task}.yaml"
    runs = plan(load_study(path)[0].model_copy(update={"seeds": (1,)}), str(path))
    assert len(runs) == 51 and len({p.folder for p in runs}) == 49        # 8 bits of loihi2 with the rounding in the loop stand in three blocks
    worlds = {block.split(",")[0] for block in (p.block for p in runs) if "as it is" in block}
    assert worlds == {"dead", "weak", "permuted"}
    for world in worlds:
        learning = [p for p in runs if p.block in (f"{world}, programmed", f"{world}, aware")]
        still = [p for p in runs if p.block in (f"{world}, as it is", f"{world}, aware as it is")]
        assert len(learning) == 4 and len(still) == 2 and all(p.begins and p.config.initial for p in learning) and all(p.source for p in still)
        assert len({p.config.task for p in (*learning, *still)}) == 1 and {p.config.precision for p in (*learning, *still)} == {"loihi2"}

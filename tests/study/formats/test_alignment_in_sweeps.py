"""Alignments that the runs of a study measure: one table, and curves of it."""
import pytest
from studies import SMALL, study, swept

from fxsim.errors import InputError
from fxsim.report.build import build_report
from fxsim.study.plan import load_study, parse_study, plan
from fxsim.study.store import read_store

from places import ROOT

pytestmark = pytest.mark.core
ASKED = {"every": 2, "rules": ["eprop", "diffusion"], "precisions": ["own"], "floor": 0}
FIGURE = {"kind": "curves", "title": "Agreement", "metric": "cosine", "lines": "gradient", "where": {"reference": "bptt", "numbers": "float64"}, "panels": ["layer"]}
STUDY = {"set": {**SMALL, "iterations": 2, "network.gains": {"input": 8}}, "seeds": [3], "axes": {},
         "blocks": [{"name": "measured", "set": {"evaluation.alignment": ASKED}, "runs": [{"precision": "q16"}]}, {"name": "plain", "runs": [{"precision": "float64"}]}]}


def test_alignments_are_a_table_and_curves_of_the_page(tmp_path):
    done = swept(study(tmp_path / "s.yaml", **STUDY, figures=[FIGURE]), "--out", tmp_path / "out", "--jobs", "1")
    assert done.exit_code == 0, done.output
    table = read_store(tmp_path / "out", "alignment")
    assert set(table["block"]) == {"measured"} and set(table["iteration"]) == {0, 2} and set(table["numbers"]) == {"float64", "q16"}
    assert set(table["precision"]) == {"q16"} and set(table["rule"]) == {"diffusion"} and set(table["gradient"]) == {"eprop", "diffusion"}
    page = build_report(tmp_path / "out").read_text()
    assert "cosine with the reference" in page and "Agreement" in page
    (tmp_path / "out" / "study.yaml").write_text(study(tmp_path / "s.yaml", **STUDY, figures=[{**FIGURE, "panels": []}]).read_text())
    with pytest.raises(InputError, match="figures.0.where: found several of layer in one line, allowed: one of in, rec, out, all"):
        build_report(tmp_path / "out")


def test_what_is_not_measured_leaves_runs_their_names(tmp_path):
    folders = {p.block: p.folder for p in plan(load_study(study(tmp_path / "s.yaml", **STUDY))[0], str(tmp_path / "s.yaml"))}
    assert folders["plain"].endswith("-s3-fe54bf07e9")        # as before there were alignments
    others = {"set": {**STUDY["set"], "evaluation.alignment": ASKED}, "blocks": STUDY["blocks"][1:]}
    measured = plan(parse_study({**load_study(tmp_path / "s.yaml")[0].model_dump(), **others}, str(tmp_path / "s.yaml")), str(tmp_path / "s.yaml"))
    assert measured[0].folder != folders["plain"]


def test_alignments_are_drawn_as_curves_alone():
    with pytest.raises(InputError, match="figures.0.metric: found cosine with kind lines"):
        parse_study({"name": "s", "base": "delayed_match", "blocks": [{"name": "a"}],
                     "figures": [{"kind": "lines", "title": "t", "x": "seed", "metric": "cosine"}]}, "s.yaml")


@pytest.mark.parametrize("name, runs", [("authors", 30), ("chaos", 6)])
def test_the_studies_of_the_reports_can_be_made(name, runs):
    path = ROOT / "reports/alignment" / f"{name}.yaml"
    planned = plan(load_study(path)[0], str(path))
    assert len(planned) == runs and all(p.config.evaluation.alignment for p in planned)
    if name == "authors":
        assert {(p.config.learning.rule, p.config.learning.c_reg, p.config.iterations, p.config.batch_size) for p in planned if p.block != "pattern_generation"} == {
            ("bptt", 0, 1051, 64)}


def test_the_study_of_random_formats_can_be_made():
    path = ROOT / "reports/alignment/heldout.yaml"
    planned = plan(load_study(path)[0], str(path))
    assert len(planned) == 3 * (3 + 60 + 3 * 60) and len({p.folder for p in planned}) == len(planned)

"""The page of a sweep: what its study asks for, with the numbers of its tables."""
import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml
from tiers import first_quick

from fxsim.errors import InputError
from fxsim.report import published as paper
from fxsim.report.build import build_report
from fxsim.report.study_data import charts, heatmap, read_sweep, summary
from fxsim.study.figure import Figure
from fxsim.study.plan import parse_study, plan
from fxsim.study.store import write_store

from browser import needs_chromium, opened
from places import ROOT

PRECISION = ROOT / "reports/precision"
FILES = ("study.yaml", "manifest.json", "results.parquet", "curves.parquet", "telemetry.parquet")


def copied(name, folder, figures=None):
    """A committed sweep's tables in a directory of their own, with other figures."""
    for file in FILES:
        shutil.copy(PRECISION / name / file, folder / file)
    if figures is not None:
        study = yaml.safe_load((folder / "study.yaml").read_text())
        (folder / "study.yaml").write_text(yaml.safe_dump({**study, "figures": figures}))
    return folder


def tails(name):
    """The results of a study with each run's mean over its last five evaluations, none of the first half."""
    results, curves = (pd.read_parquet(PRECISION / name / f"{table}.parquet") for table in ("results", "curves"))
    rows = curves[(curves["split"] == "eval") & (curves["iteration"] >= 75)].drop_duplicates(["run", "iteration"]).sort_values("iteration")
    assert set(results.loc[results["status"] == "done", "updates"]) == {150} and not results["stopped_early"].astype(float).fillna(0).any()
    return results.assign(accuracy=results["run"].map(rows.groupby("run").tail(5).groupby("run")["accuracy"].mean()))


def test_lines_are_means_over_seeds_with_levels(tmp_path):
    where = {"block": ["membrane", "trace"]}
    sweep = read_sweep(copied("bits", tmp_path))
    figure = Figure(kind="lines", title="t", where=where, panels=["block"], x="bits", lines="rounding",
                    levels={"float32": {"block": "reference", "precision": "float32", "rule": "diffusion"}})
    drawn = charts(sweep, 0, figure)
    table = tails("bits")
    assert [c["title"] for c in drawn] == ["membrane", "trace"]
    (series,) = [s for s in drawn[1]["series"] if s["label"] == "stochastic"]
    rows = table[(table["block"] == "trace") & (table["rounding"] == "stochastic")]
    assert series["x"] == [3, 4, 6, 8, 10] and series["n"] == [3] * 5
    np.testing.assert_allclose(series["mean"], rows.groupby("bits")["accuracy"].mean())
    np.testing.assert_allclose(series["sem"], rows.groupby("bits")["accuracy"].sem())
    level = drawn[0]["series"][-1]
    assert level["label"] == "float32" and level["x"] == [3, 10]
    assert level["mean"][0] == pytest.approx(table.query("block == 'reference' and precision == 'float32' and rule == 'diffusion'")["accuracy"].mean())


def test_learning_curves_have_the_published_means_beside_them(tmp_path):
    figure = Figure(kind="curves", title="t", panels=["rule"])
    drawn = {c["title"]: c for c in charts(read_sweep(copied("delayed_match", tmp_path)), 0, figure)}
    assert drawn["diffusion"]["points"] == paper.points("delayed_match", "diffusion", {"paper_size": True, "c_reg": 0.01, "iterations": 500})
    assert [s["label"] for s in drawn["e-prop"]["series"]][0] == "float32" and drawn["diffusion"]["series"][0]["x"][-1] == 500
    reduced = tmp_path / "reduced"
    reduced.mkdir()
    figure = Figure(kind="curves", title="t", where={"block": "reference"}, panels=["rule"])
    assert not any(c["points"] for c in charts(read_sweep(copied("bits", reduced)), 0, figure))     # not the paper's size


def test_heat_map(tmp_path):
    cells = heatmap(read_sweep(copied("weights_by_state", tmp_path)), 0, Figure(kind="heatmap", title="t", x="state bits", y="weight bits"))
    table = tails("weights_by_state")
    assert (cells["x"], cells["y"]) == ([6, 7, 8, 10, 12, 16], [4, 5, 6, 8, 12, 16])
    assert cells["mean"][3][2] == pytest.approx(table[(table["state bits"] == 8) & (table["weight bits"] == 8)]["accuracy"].mean())
    assert {n for row in cells["n"] for n in row} == {3}


def test_failed_runs_are_in_the_table_and_not_in_the_means(tmp_path):
    rows = summary(read_sweep(copied("bits", tmp_path)))
    failed = [r for r in rows if r["failed"]]
    assert sum(r["failed"] for r in failed) == 18 and {r["block"] for r in failed} == {"readout"}
    assert all(r["n"] == 0 and np.isnan(r["mean"]) and "frac_bits" in r["error"] for r in failed)


def test_a_study_in_which_every_run_failed_has_a_page_with_the_reasons(tmp_path):
    figures = [{"kind": "curves", "title": "Learning"}, {"kind": "lines", "title": "Bits", "x": "bits", "lines": "rule"},
               {"kind": "heatmap", "title": "Both", "x": "bits", "y": "seed"}]
    study = {"name": "n", "base": "delayed_match", "seeds": [1, 2], "axes": {"bits": ["formats.trace.word_bits"]},
             "blocks": [{"name": "b", "set": {"precision": "q16"}, "grid": {"bits": [8, 9]}}], "figures": figures}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    (tmp_path / "manifest.json").write_text("{}")
    planned = plan(parse_study(study, "s"), "s")
    write_store(tmp_path, planned, {p.folder: f"InputError: no room for {p.axes['bits']} <bits>" for p in planned})
    html = build_report(tmp_path).read_text()
    assert html.count("every run that it shows failed") == 3 and "0 done, 4 failed" in html
    assert all(f"2 failed: InputError: no room for {bits} &lt;bits&gt;" in html for bits in (8, 9))


def test_a_figure_whose_runs_failed_is_left_out_and_said(tmp_path):
    figures = [{"kind": "lines", "title": "t", "where": {"block": "readout", "bits": 3, "rounding": "nearest_even"}, "x": "bits"}, {"kind": "curves", "title": "u"}]
    copied("bits", tmp_path, figures)
    table = pd.read_parquet(tmp_path / "results.parquet")
    chosen = (table["block"] == "readout") & (table["bits"] == 3) & (table["rounding"] == "nearest_even")
    table.loc[chosen, "status"] = "failed"
    assert chosen.any()
    table.to_parquet(tmp_path / "results.parquet")
    assert build_report(tmp_path).read_text().count("every run that it shows failed") == 1


TOUCH = """
const chart = document.querySelector(".chart"), svg = chart.querySelector(":scope > svg"), area = svg.getBoundingClientRect();
const button = chart.querySelector("button[aria-pressed]"), curve = svg.querySelector("g > g");
svg.dispatchEvent(new PointerEvent("pointermove", { clientX: area.left + area.width * 0.97, clientY: area.top + 50 }));
seen.push(chart.querySelector(".tip").textContent.split("float32")[0]);
button.click(); seen.push(curve.style.display);
let csv = null; URL.createObjectURL = (blob) => { csv = blob; return "blob:none"; };
HTMLAnchorElement.prototype.click = function () { seen.push(this.download); };
chart.querySelector(".csv").click(); seen.push(csv.type, csv.size > 100);
seen.push(document.documentElement.scrollWidth <= window.innerWidth);
"""


@needs_chromium
def test_the_page_works_in_a_browser(tmp_path):
    html = build_report(copied("delayed_match", tmp_path)).read_text()
    assert "default-src 'none'" in html and not re.search(r"(?:src|href)\s*=\s*[\"']?(?:https?:)?//", html)
    seen, _ = opened(html, TOUCH, tmp_path)
    assert seen == ["weight updates: 500", "none", "figure-0-0.csv", "text/csv", True, True]


@pytest.mark.parametrize("name", first_quick(["delayed_match", "bits", "weights_by_state", "cue_accumulation", "pattern_generation", "onchip", "rules"]))
def test_pages_and_pictures_are_those_of_the_committed_tables(name, tmp_path):
    """The data in the committed page, without what depends on versions of fonts and libraries."""
    made = build_report(copied(name, tmp_path)).read_text()
    data = [json.loads(re.search(r"const CHARTS = (\[.*?\]); const FIELDS", html, re.S)[1]) for html in (made, (PRECISION / name / "report.html").read_text())]
    assert data[0] == data[1]
    for i in range(len(read_sweep(tmp_path).study.figures)):
        assert all((PRECISION / name / "figures" / f"figure-{i}.{ending}").stat().st_size > 3000 for ending in ("png", "svg"))


@pytest.mark.parametrize("figure, field", [
    ({"kind": "pie", "title": "t"}, "figures.0.kind"), ({"kind": "curves"}, "figures.0.title"), ({"kind": "lines", "title": "t"}, "figures.0.x"),
    ({"kind": "heatmap", "title": "t", "x": "bits"}, "figures.0.y"), ({"kind": "curves", "title": "t", "x": "bits"}, "figures.0.x"),
    ({"kind": "curves", "title": "t", "colour": "red"}, "figures.0.colour")])
def test_wrong_figures_are_refused_before_anything_runs(figure, field):
    with pytest.raises(InputError, match=re.escape(field)):
        parse_study({"name": "n", "base": "delayed_match", "blocks": [{"name": "b"}], "figures": [figure]}, "study.yaml")


@pytest.mark.parametrize("figure, field", [
    ({"kind": "lines", "title": "t", "x": "nothing"}, "figures.0.x"), ({"kind": "lines", "title": "t", "x": "bits"}, "figures.0.x"),    # not in all rows
    ({"kind": "curves", "title": "t", "lines": "colour"}, "figures.0.lines"), ({"kind": "curves", "title": "t", "panels": ["colour"]}, "figures.0.panels"),
    ({"kind": "curves", "title": "t", "where": {"block": "nothing"}}, "figures.0.where"), ({"kind": "curves", "title": "t", "metric": "nmse"}, "figures.0.metric"),
    ({"kind": "lines", "title": "t", "where": {"block": "trace"}, "x": "rounding"}, "figures.0.x")])
def test_figures_of_columns_that_are_not_there_are_one_error(figure, field, tmp_path):
    copied("bits", tmp_path, [figure])
    with pytest.raises(InputError, match=re.escape(field)) as error:
        build_report(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("file", FILES[:4])
def test_missing_and_damaged_files_are_named(file, tmp_path):
    copied("weights_by_state", tmp_path)
    (tmp_path / file).write_bytes(b"{broken")
    with pytest.raises(InputError, match=re.escape(file)):
        build_report(tmp_path)

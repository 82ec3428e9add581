"""The report of a comparison: self-contained, complete, and strict about what it reads."""
import base64
import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest

from fxsim.errors import InputError
from fxsim.report import published as paper
from fxsim.report.build import build_report
from fxsim.report.data import read_comparison
from fxsim.report.page import charts, header, notes
from fxsim.report.tables import final_table, learning_curve, losses
from fxsim.training.loop import TELEMETRY_COLUMNS

from browser import needs_chromium, opened
from comparisons import QUALITY, snapshot, synthetic_comparison


def published_curves(folder):
    """A table of published seeds 0..4 with accuracy 0.1 seed + 0.001 iteration, evaluated at 1, 26, ..."""
    folder.mkdir(exist_ok=True)
    condition = paper.CONDITIONS["delayed_match", "diffusion"]
    rows = [("delayed_match", condition, seed, i, 0.7, 0.1 * seed + 0.001 * i, 0.7, 0.5) for seed in range(5) for i in range(1, 201, 25)]
    pd.DataFrame(rows, columns=["task", "condition", "seed", "iteration", "loss_eval", "accuracy_eval", "loss_training", "accuracy_training"]).to_csv(
        folder / "delayed_match.csv", index=False)
    return folder


def embedded_charts(html):
    return json.loads(re.search(r"const CHARTS = (\[.*?\]); const FIELDS", html, re.S)[1])


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    directory = synthetic_comparison(tmp_path_factory.mktemp("comparison"))
    return directory, build_report(directory, published_curves(tmp_path_factory.mktemp("published"))).read_text()


def test_the_page_is_self_contained(built):
    _, html = built
    assert not re.search(r"(?:src|href)\s*=\s*[\"']?(?:https?:)?//", html)
    assert "@import" not in html and "fetch(" not in html and "XMLHttpRequest" not in html
    assert "default-src 'none'" in html         # the browser itself refuses any request
    assert len(html) < 2e6


def test_the_page_shows_what_was_run_and_escapes_it(built):
    _, html = built
    assert "fxsim compare &lt;tiny&gt;" in html and "made-up data" in html
    for name in ("float32", "q16", "w4s8", "delayed match", "pattern generation", "e-prop", "diffusion"):
        assert name in html


def test_charts_hold_the_data_of_every_task_rule_and_precision(built):
    directory, html = built
    shown = embedded_charts(html)
    assert {c["id"] for c in shown} == {f"chart-{t}-{r}-{m}" for t, m0 in (("delayed_match", "accuracy"), ("pattern_generation", "nmse"))
                                         for r in ("eprop", "diffusion") for m in (m0, "loss")}
    chart = next(c for c in shown if c["id"] == "chart-delayed_match-diffusion-accuracy")
    curve = learning_curve(read_comparison(directory), "delayed_match", "diffusion", "q16", "accuracy")
    series = next(s for s in chart["series"] if s["label"] == "q16")
    assert series["x"] == [0, 25, 50, 75, 100] and np.allclose(series["mean"], curve["mean"], atol=1e-6)
    assert chart["points"][0][0] == 100         # the published mean after 100 updates stands beside it


def test_pictures_are_drawn_as_png_and_svg(built):
    directory, _ = built
    for name in ("curves_delayed_match", "raster_delayed_match_eprop", "modulator_delayed_match_diffusion", "losses_delayed_match_diffusion"):
        for ending in ("png", "svg"):
            assert (directory / "figures" / f"{name}.{ending}").stat().st_size > 3000
    assert not (directory / "figures" / "modulator_delayed_match_eprop.png").exists()      # nothing diffuses there


def test_published_seeds_are_drawn_as_range_and_quartiles_where_runs_are_comparable(built):
    _, html = built
    shown = {c["id"]: c for c in embedded_charts(html)}
    band = shown["chart-delayed_match-diffusion-accuracy"]["band"]
    assert band["x"] == [1, 26, 51, 76, 101]        # no further than the runs themselves
    assert np.allclose([band[k][0] for k in ("lowest", "lower", "upper", "highest")], [0.001, 0.101, 0.301, 0.401])
    assert shown["chart-delayed_match-eprop-accuracy"]["band"] is None
    assert "published with c_reg 0.1, here 0.01" in html        # and the page says why


@pytest.mark.parametrize("facts", [{}, {"paper_size": False, "c_reg": 0.01}, {"paper_size": True, "c_reg": 0.5}, {"paper_size": True}])
def test_published_results_stand_only_beside_comparable_runs(facts):
    assert paper.points("delayed_match", "diffusion", {"iterations": 2000, **facts}) == []
    assert len(paper.points("delayed_match", "diffusion", {"iterations": 600, "paper_size": True, "c_reg": 0.01})) == 3


def test_losses_come_from_the_last_count(built):
    table = losses(read_comparison(built[0]), "delayed_match", "diffusion").set_index(["quantity", "precision"])
    assert table.loc[("membrane", "w4s8"), "saturated"] == pytest.approx(0.005)
    assert table.loc[("eligibility", "q16"), "underflowed"] == pytest.approx(0.04)
    assert table.loc[("membrane", "w4s8"), "headroom"] == pytest.approx(1.5) and table.loc[("membrane", "w4s8"), "format"] == "8.4 nearest even"


def test_precisions_share_one_colour_scale_in_the_animation(built):
    fields = json.loads(re.search(r"const FIELDS = (\[.*?\]);</script>", built[1], re.S)[1])
    assert [f["label"] for f in fields] == ["delayed match, diffusion", "pattern generation, diffusion"]
    levels = [np.frombuffer(base64.b64decode(run["levels"]), np.int8) for run in fields[0]["runs"]]
    assert [run["label"] for run in fields[0]["runs"]] == list(QUALITY) and max(np.abs(x).max() for x in levels) == 127
    assert all(x.size == fields[0]["frames"] * 20 for x in levels)


@pytest.mark.parametrize("manifest", [{}, {"tasks": {"delayed_match": {}}, "notes": None, "machine": None}, {"tasks": None, "versions": {"torch": None}}])
def test_a_manifest_may_lack_anything(tmp_path, manifest):
    directory = synthetic_comparison(tmp_path, tasks=("delayed_match",), rules=("diffusion",))
    (directory / "manifest.json").write_text(json.dumps(manifest))
    comparison = read_comparison(directory)
    assert dict(header(comparison)) == {"Command": "unknown", "delayed match": "100 updates", "Date": "unknown"}      # updates: from the curves
    assert len(notes(comparison)) == 1 and not any(c["points"] for c in charts(comparison))


def test_runs_without_manifest_entries_snapshots_or_counts_make_a_report(tmp_path):
    directory = synthetic_comparison(tmp_path, tasks=("delayed_match",))
    (directory / "manifest.json").write_text("{}")
    shutil.rmtree(directory / "runs")
    (directory / "telemetry.csv").write_text(",".join(TELEMETRY_COLUMNS) + "\n")
    html = build_report(directory).read_text()
    assert "No trial was stored" in html and "Nothing was counted" in html


def test_differences_are_paired_by_seed(tmp_path):
    directory = synthetic_comparison(tmp_path)
    curves = pd.read_csv(directory / "curves.csv")
    last = (curves["iteration"] >= 50) & (curves["task"] == "delayed_match") & (curves["rule"] == "eprop")
    offset = curves["seed"] * 0.1 + 0.3
    curves.loc[last & (curves["precision"] == "float32"), "accuracy"] = offset
    curves.loc[last & (curves["precision"] == "q16"), "accuracy"] = offset - 0.05
    curves.to_csv(directory / "curves.csv", index=False)
    row = final_table(read_comparison(directory)).set_index(["task", "rule", "precision"]).loc[("delayed_match", "eprop", "q16")]
    assert row["difference"] == pytest.approx(-0.05) and row["difference_half"] == pytest.approx(0, abs=1e-12)


def test_a_single_seed_has_no_error_bar(tmp_path):
    html = build_report(synthetic_comparison(tmp_path, seeds=(4,), tasks=("delayed_match",))).read_text()
    assert "NaN" not in re.search(r"const CHARTS = .*", html)[0]


@pytest.mark.parametrize("damage", [
    lambda d: (d / "curves.csv").unlink(), lambda d: (d / "curves.csv").write_text("a,b\n1,2\n"), lambda d: (d / "curves.csv").write_text(""),
    lambda d: (d / "manifest.json").write_text("{"), lambda d: (d / "manifest.json").write_text("[]"),
    lambda d: next((d / "runs").glob("**/snapshot.npz")).write_bytes(b"PK\x03\x04broken"),
    lambda d: np.savez(next((d / "runs").glob("**/snapshot.npz")), spikes=np.array([object()])),
    lambda d: np.savez(next((d / "runs").glob("**/snapshot.npz")), **snapshot(np.random.default_rng(0), "eprop", True) | {"grid": np.array([3, 3])}),
    lambda d: next((d / "runs").glob("**/manifest.json")).unlink(), lambda d: (d / "telemetry.csv").unlink(),
    lambda d: (d / "curves.csv").write_text((d / "curves.csv").read_text().replace(",100,eval,", ",100,eval,x"))])
def test_broken_input_is_one_error_that_names_the_file(tmp_path, damage):
    directory = synthetic_comparison(tmp_path, tasks=("delayed_match",))
    damage(directory)
    with pytest.raises(InputError) as error:
        build_report(directory)
    assert str(tmp_path) in str(error.value) and "\n" not in str(error.value)


TOUCH = """
const chart = document.querySelector(".chart"), svg = chart.querySelector(":scope > svg"), area = svg.getBoundingClientRect();
const curve = svg.querySelector("g > g"), button = chart.querySelector("button[aria-pressed]");
svg.dispatchEvent(new PointerEvent("pointermove", { clientX: area.left + area.width * 0.97, clientY: area.top + 50 }));
seen.push(chart.querySelector(".tip").textContent);
button.click(); seen.push(curve.style.display, button.getAttribute("aria-pressed"));
button.click(); seen.push(curve.style.display, button.getAttribute("aria-pressed"));
const slider = document.querySelector("input[type=range]"), [grid, raster] = document.querySelectorAll("canvas");
const before = [grid.toDataURL(), raster.toDataURL()];
slider.value = 40; slider.dispatchEvent(new Event("input"));
seen.push(before[0] !== grid.toDataURL(), before[1] !== raster.toDataURL(), document.querySelector("output").textContent);
seen.push(document.documentElement.scrollWidth <= window.innerWidth);
"""


@needs_chromium
def test_curves_toggle_values_show_and_the_animation_moves_in_a_browser(built, tmp_path):
    (tip, *seen), page = opened(built[1], TOUCH, tmp_path)
    assert page.count('class="legend"') == 8
    assert tip.startswith("weight updates: 100") and "float32: " in tip and "n = 3" in tip
    assert seen == ["none", "false", "", "true", True, True, "41 ms of 50 ms", True]      # the last: a phone need not scroll sideways

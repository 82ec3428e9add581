"""The report of a comparison: self-contained, complete, and strict about what it reads."""
import json
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from fxsim.errors import InputError
from fxsim.report import build_report
from fxsim.report.data import read_comparison
from fxsim.report.tables import final_table, learning_curve
from fxsim.training import CURVE_COLUMNS, TELEMETRY_COLUMNS


def synthetic_comparison(directory, seeds=(0, 1, 2), tasks=("delayed_match", "pattern_generation"), rules=("eprop", "diffusion")):
    """A comparison directory as fxsim.comparison leaves it, with made-up curves."""
    rng, curves, telemetry = np.random.default_rng(0), [], []
    quality = {"float32": 1.0, "q16": 0.95, "w4s8": 0.2}
    for task in tasks:
        accuracy = task != "pattern_generation"
        for rule in rules:
            for precision, good in quality.items():
                for seed in seeds:
                    for iteration in range(0, 101, 25):
                        level = good * iteration / 100 + rng.normal(0, 0.02)
                        curves.append((task, rule, precision, seed, iteration, "eval", 0.69 - 0.3 * level, 0.5 + 0.4 * level if accuracy else None,
                                       None if accuracy else 1.05 - 0.9 * level, 10.0, iteration / 10))
                    for quantity in ("membrane", "eligibility", "filtered_eligibility"):
                        if precision != "float32":
                            telemetry.append((task, rule, precision, seed, 100, quantity, 16, 11, "nearest_even", 1000, 3, 200, 10, 0.5))
                run = directory / "runs" / task / f"{rule}-{precision}-s{seeds[0]}"
                run.mkdir(parents=True)
                (run / "manifest.json").write_text(json.dumps({"task": task, "rule": rule, "precision": precision}))
                modulator = rng.normal(size=(50, 20)) if rule == "diffusion" else np.zeros((0, 20))
                np.savez(run / "snapshot.npz", spikes=rng.random((200, 18)) < 0.05, input=rng.random((200, 8)) < 0.05,
                         modulator=modulator.astype(np.float32), readout=rng.normal(size=(50, 2)), target=np.zeros((50, 2)),
                         cell=np.arange(18), grid=np.array([4, 5]))
    pd.DataFrame(curves, columns=CURVE_COLUMNS).to_csv(directory / "curves.csv", index=False)
    pd.DataFrame(telemetry, columns=TELEMETRY_COLUMNS).to_csv(directory / "telemetry.csv", index=False)
    description = {"n": 18, "steps": 200, "batch_size": 4, "iterations": 100, "seeds": list(seeds), "paper_size": True, "c_reg": 0.01}
    (directory / "manifest.json").write_text(json.dumps({
        "command": "fxsim compare <tiny>", "versions": {"numpy": "1"}, "machine": {"cpu": "any"}, "date": "2026-01-01",
        "tasks": {task: description for task in tasks}, "notes": ["made-up data"]}))
    return directory


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    directory = synthetic_comparison(tmp_path_factory.mktemp("comparison"))
    return directory, build_report(directory).read_text()


def test_the_page_is_self_contained(built):
    _, html = built
    assert not re.search(r"(?:src|href)\s*=\s*[\"']?(?:https?:)?//", html)
    assert "@import" not in html and "fetch(" not in html and "XMLHttpRequest" not in html


def test_the_page_shows_what_was_run_and_escapes_it(built):
    _, html = built
    assert "fxsim compare &lt;tiny&gt;" in html and "made-up data" in html
    for name in ("float32", "q16", "w4s8", "delayed match", "pattern generation", "e-prop", "diffusion"):
        assert name in html


def test_charts_hold_the_data_of_every_task_rule_and_precision(built):
    directory, html = built
    charts = json.loads(re.search(r"const CHARTS = (\[.*?\]); const FIELDS", html, re.S)[1])
    assert {c["id"] for c in charts} == {f"chart-{t}-{r}-{m}" for t, m0 in (("delayed_match", "accuracy"), ("pattern_generation", "nmse"))
                                         for r in ("eprop", "diffusion") for m in (m0, "loss")}
    chart = next(c for c in charts if c["id"] == "chart-delayed_match-diffusion-accuracy")
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


def test_differences_are_paired_by_seed(tmp_path):
    directory = synthetic_comparison(tmp_path)
    curves = pd.read_csv(directory / "curves.csv")
    last = (curves["iteration"] == 100) & (curves["task"] == "delayed_match") & (curves["rule"] == "eprop")
    offset = curves["seed"] * 0.1 + 0.3
    curves.loc[last & (curves["precision"] == "float32"), "accuracy"] = offset
    curves.loc[last & (curves["precision"] == "q16"), "accuracy"] = offset - 0.05
    curves.to_csv(directory / "curves.csv", index=False)
    row = final_table(read_comparison(directory)).set_index(["task", "rule", "precision"]).loc[("delayed_match", "eprop", "q16")]
    assert row["difference"] == pytest.approx(-0.05) and row["difference_sem"] == pytest.approx(0, abs=1e-12)


def test_a_single_seed_has_no_error_bar(tmp_path):
    html = build_report(synthetic_comparison(tmp_path, seeds=(4,), tasks=("delayed_match",))).read_text()
    assert "NaN" not in re.search(r"const CHARTS = .*", html)[0]


@pytest.mark.parametrize("damage", [
    lambda d: (d / "curves.csv").unlink(), lambda d: (d / "curves.csv").write_text("a,b\n1,2\n"), lambda d: (d / "curves.csv").write_text(""),
    lambda d: (d / "manifest.json").write_text("{"), lambda d: (d / "manifest.json").write_text("[]"),
    lambda d: next((d / "runs").glob("**/snapshot.npz")).write_bytes(b"PK\x03\x04broken"),
    lambda d: np.savez(next((d / "runs").glob("**/snapshot.npz")), spikes=np.array([object()]))])
def test_broken_input_is_one_error_that_names_the_file(tmp_path, damage):
    directory = synthetic_comparison(tmp_path, tasks=("delayed_match",))
    damage(directory)
    with pytest.raises(InputError) as error:
        build_report(directory)
    assert str(tmp_path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs headless Chromium")
def test_scripts_run_in_a_browser(built, tmp_path):
    directory, _ = built
    dom = subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
                          "--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path}", "--enable-logging=stderr", "--dump-dom",
                          f"file://{directory}/report.html"], capture_output=True, text=True, timeout=100)
    assert "CONSOLE" not in dom.stderr
    assert dom.stdout.count('class="legend"') == 8 and "<canvas" in dom.stdout

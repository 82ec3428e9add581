"""Blocks whose runs have values drawn at random, and whether alignment ranks what they come to."""
import numpy as np
import pandas as pd
import pytest
import yaml
from studies import SMALL, STUDY, study, swept

from fxsim.errors import InputError
from fxsim.report.build import build_report
from fxsim.study.plan import parse_study, plan
from fxsim.study.statistics.ranks import matched, ranking
from fxsim.study.store import read_store

pytestmark = pytest.mark.core
RANDOM = {"count": 4, "seed": 2, "values": {"state bits": [9, 10, 12, 14], "formats.trace.rounding": ["floor", "stochastic"]}}
ASKED = {"rules": ["diffusion"], "precisions": ["own"], "floor": 0}
BLOCKS = [{"name": "float", "set": {"precision": "float32"}}, {"name": "drawn", "set": {"precision": "q16"}, "random": RANDOM},
          {"name": "aligned", "evaluate": "float", "draws": "drawn", "set": {"precision": "q16", "evaluation.alignment": ASKED}}]
FIGURE = {"kind": "ranks", "title": "Held out", "metric": "cosine", "against": "drawn", "where": {"layer": "all", "reference": "twin"}, "panels": ["block"]}
SETTINGS = {"set": {**SMALL, "iterations": 2, "network.gains": {"input": 8}}, "blocks": BLOCKS}


def planned(**changes):
    return plan(parse_study({**STUDY, **SETTINGS, **changes}, "s.yaml"), "s.yaml")


def test_sets_are_the_same_in_every_block_and_more_of_them_begin_with_these():
    runs = planned()
    formats = {block: [(p.axes, p.config.formats) for p in runs if p.block == block and p.config.seed == 3] for block in ("drawn", "aligned")}
    assert formats["drawn"] == formats["aligned"] and [axes for axes, _ in formats["drawn"]] == [{"draw": i} for i in (1, 2, 3, 4)]
    assert len({str(found) for _, found in formats["drawn"]}) > 1
    longer = planned(blocks=[BLOCKS[0], {**BLOCKS[1], "random": {**RANDOM, "count": 9}}])
    assert [p.folder for p in longer if p.config.seed == 3][:5] == [p.folder for p in runs if p.config.seed == 3][:5]


@pytest.mark.parametrize("block, words", [
    ({"random": RANDOM, "grid": {"precision": ["q16"]}}, "blocks.1: found grid and random, allowed: one of them"),
    ({"draws": "float"}, "blocks.1.draws: found float"), ({"draws": "later"}, "blocks.1.draws: found later"),
    ({"random": {"count": 2, "values": {"draw": [1]}}}, "draw"), ({"random": {"count": 2, "values": {"iterations": []}}}, "random.values"),
    ({"random": {"count": 2, "values": {"state bits": [1], "formats.membrane.word_bits": [2]}}}, "formats.membrane.word_bits more than once")])
def test_random_blocks_are_checked(block, words):
    with pytest.raises(InputError, match=words):
        planned(blocks=[BLOCKS[0], {"name": "b", **block}])


def test_alignment_at_evaluated_weights_is_held_against_what_the_same_sets_come_to(tmp_path):
    done = swept(study(tmp_path / "s.yaml", **SETTINGS, figures=[FIGURE]), "--out", tmp_path / "out", "--jobs", "1")
    assert done.exit_code == 0, done.output
    table, results = read_store(tmp_path / "out", "alignment"), read_store(tmp_path / "out", "results")
    assert set(table["block"]) == {"aligned"} and set(table["draw"]) == {1, 2, 3, 4} and set(table["iteration"]) == {2}
    assert set(results.loc[results["block"] == "drawn", "draw"]) == {1, 2, 3, 4}
    assert "Held out" in build_report(tmp_path / "out").read_text()
    several = yaml.safe_load((tmp_path / "out" / "study.yaml").read_text())
    several["figures"][0]["where"] = {"layer": "all"}
    (tmp_path / "out" / "study.yaml").write_text(yaml.safe_dump(several))
    with pytest.raises(InputError, match="figures.0.where: found several of numbers in one panel"):
        build_report(tmp_path / "out")


def test_what_is_ranked():
    rng = np.random.default_rng(1)
    x = rng.standard_normal(200)
    found = ranking(x, x**3)
    assert found.spearman == found.low == found.high == found.kendall == pytest.approx(1)
    y = x + rng.standard_normal(200)
    found, turned = ranking(x, y), ranking(x, -y)
    assert found.spearman == pytest.approx(pd.Series(x).corr(pd.Series(y), "spearman")) and found.low < found.spearman < found.high < 1
    assert (turned.spearman, turned.kendall) == pytest.approx((-found.spearman, -found.kendall)) and found.kendall < found.spearman
    assert np.isnan(ranking(x, np.ones(200)).spearman)
    expected = 6 / np.pi * np.arcsin(0.5 / np.sqrt(5))      # of two normal numbers whose correlation is 1 / sqrt(5)
    assert np.mean([(r := ranking(a, a + 2 * b)).low < expected < r.high for a, b in rng.standard_normal((60, 2, 50))]) > 0.85


def test_seeds_are_means_and_what_is_not_defined_is_farthest():
    alignment = pd.DataFrame({"draw": [1, 1, 2, 2], "seed": [1, 2, 1, 2], "bias": [-0.2, 0.1, np.nan, 0.5]})
    results = pd.DataFrame({"block": "b", "draw": [1, 2, 1, 2], "seed": [1, 1, 2, 2], "accuracy": [0.5, 0.6, 0.7, 0.8]})
    found = matched(alignment, results, "bias", "accuracy")
    assert found["y"].tolist() == pytest.approx([0.6, 0.7]) and found["close"].tolist() == pytest.approx([-0.15, -np.inf])
    with pytest.raises(KeyError, match="axes"):
        matched(alignment.drop(columns="draw"), results, "bias", "accuracy")

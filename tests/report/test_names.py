"""Names are text: in pictures, tables, pages, and names of files."""
import warnings

import matplotlib
import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st
from matplotlib.figure import Figure

from fxsim.config import load_config
from fxsim.errors import InputError
from fxsim.report.data import WORDS, read_comparison
from fxsim.report.figures import draw_figures, plain
from fxsim.study.comparison import plan
from fxsim.training.loop import CURVE_COLUMNS
from quant import load_spec

from comparisons import synthetic_comparison

matplotlib.use("Agg")
STRANGE = ("float32", "$$", "$x^$", "_hidden", "NA", "a,b")


@pytest.fixture(scope="module")
def strange(tmp_path_factory):
    return synthetic_comparison(tmp_path_factory.mktemp("strange"), (0,), ("delayed_match",), ("diffusion",), dict.fromkeys(STRANGE, 0.5))


@pytest.mark.long
def test_precisions_of_any_name_are_read_and_drawn(strange):
    comparison = read_comparison(strange)
    assert comparison.precisions() == list(STRANGE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")      # a legend warns of what it leaves out
        assert len(draw_figures(comparison, strange / "figures")) == 4
    from fxsim.report.figures import _curves
    legend = _curves(comparison, "delayed_match").legends[0]
    names = [text.get_text().strip().replace(r"\$", "$") for text in legend.get_texts()]
    assert [name for name in names if not name.startswith("published")] == list(STRANGE)


TEXT = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=8)


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(text=st.one_of(TEXT, st.text("$_\\^{}ab", min_size=1, max_size=8)))
@example(text="$$")
@example(text=r"\$")
def test_matplotlib_draws_any_text_as_it_is(text):
    figure = Figure()
    shown = figure.text(0, 0, plain(text))
    assert shown._preprocess_math(shown.get_text()) == (f" {text}" if text.startswith("_") else text, False)
    assert not plain(text).startswith("_")


@pytest.mark.parametrize("name", ["=1+1", "+x", "-x", "@x", " x", "", "a\nb", "\x1b[31m", "float32"])
def test_names_that_are_more_than_text_are_refused(name, tmp_path):
    import yaml
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"name": name, "extends": "q16"}))
    with pytest.raises(InputError, match="name: found .*spreadsheets"):
        load_spec(path)


@pytest.mark.parametrize("name", ["../../escaped", "/tmp/escaped", "a/b", "x" * 200, ".."])
def test_a_precisions_name_leads_nowhere_else(name, tmp_path):
    (tmp_path / "mine.yaml").write_text(f"name: {name}\nextends: q16\n")
    (tmp_path / "other.yaml").write_text(f"name: {name.replace('/', ' ')}x\nextends: q16\n")
    runs = plan([load_config("delayed_match")], ["eprop"], [str(tmp_path / "mine.yaml"), str(tmp_path / "other.yaml")], [1], tmp_path / "out")
    assert {run.directory.parent for run in runs} == {tmp_path / "out/runs"} and len({run.directory for run in runs}) == 2
    assert all(len(run.directory.name) < 200 for run in runs)


@pytest.mark.parametrize("column", ["task", "rule"])
def test_a_table_does_not_choose_where_pictures_go(column, strange, tmp_path):
    assert column in WORDS and column in CURVE_COLUMNS
    lines = (strange / "curves.csv").read_text().replace("delayed_match,diffusion", {"task": "../x,diffusion", "rule": "delayed_match,../x"}[column])
    for name in ("telemetry.csv", "manifest.json"):
        (tmp_path / name).write_bytes((strange / name).read_bytes())
    (tmp_path / "curves.csv").write_text(lines)
    with pytest.raises(InputError, match=f"curves.csv: {column}: found ../x, allowed: one of"):
        read_comparison(tmp_path)

"""Every command and every line of Python in the README runs."""
import importlib.util
import re

import pytest

from documents import ROOT, run_blocks

pytestmark = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs PyTorch: pip install 'fxsim[reference]'")

README = (ROOT / "README.md").read_text()


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A fresh directory that has the project's tests folder in it."""
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_command_and_example_runs(elsewhere, capsys):
    assert run_blocks("README.md") == {"sh": 3, "python": 2, "yaml": 0}
    for left in ("runs/first/curves.csv", "runs/compare/report.html", "runs/bench.json", "runs/mine/curves.csv"):
        assert (elsewhere / left).exists()
    printed = capsys.readouterr().out
    assert "[  5 127] 7.9375" in printed and "s8.6 stochastic" in printed and "accuracy" in printed


def test_pictures_and_folders_that_the_readme_names_exist():
    for path in re.findall(r"!\[[^]]*\]\(([^)]*)\)", README) + re.findall(r"`(reports/[a-z_]+/)`", README):
        assert (ROOT / path).exists(), path


def test_targets_that_the_readme_names_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^    make (\w+)", README, re.M):
        assert re.search(rf"^{target}:", makefile, re.M)

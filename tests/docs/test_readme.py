"""Every command and every line of Python in the README runs."""
import importlib.util
import re

import pytest

from lava_backend.runtime.availability import why_not

from documents import ROOT, indented_commands, run_blocks, run_command, understand

NIR = importlib.util.find_spec("nir") is not None
pytestmark = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs PyTorch: pip install 'fxsim[reference]'")

README = (ROOT / "README.md").read_text()
INDENTED = [line for line in indented_commands("README.md") if NIR or " nir " not in line if not why_not() or "fxsim lava run" not in line]
TOO_LONG = ("fxsim sweep", "fxsim verify backends", "fxsim bench", "fxsim lava prove")     # minutes and hours; what they do is tested elsewhere


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A fresh directory that has the project's tests folder in it."""
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.long
def test_every_command_and_example_runs(elsewhere, capsys):
    assert run_blocks("README.md") == {"sh": 3, "python": 2, "yaml": 0}
    for left in ("runs/first/curves.csv", "runs/compare/report.html", "runs/bench.json", "runs/mine/curves.csv"):
        assert (elsewhere / left).exists()
    printed = capsys.readouterr().out
    for line in INDENTED:
        if not line.startswith(TOO_LONG):
            run_command(line, status=line.startswith("fxsim fit"))        # which finds that q16 does not fit
    assert "[  5 127] 7.9375" in printed and "s8.6 stochastic" in printed and "accuracy" in printed


def test_pictures_and_folders_that_the_readme_names_exist():
    for path in re.findall(r"!\[[^]]*\]\(([^)]*)\)", README) + re.findall(r"`(reports/[a-z_]+/)`", README):
        assert (ROOT / path).exists(), path


def test_targets_that_the_readme_names_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^    make (\w+)", README, re.M):
        assert re.search(rf"^{target}:", makefile, re.M)


PAGES = ["README.md", *(str(path.relative_to(ROOT)) for folder in ("docs", "reports") for path in sorted((ROOT / folder).rglob("*.md")))]


@pytest.mark.parametrize("page", [page for page in PAGES if indented_commands(page)])
def test_every_indented_command_is_one(page, elsewhere):
    """What is there to be read, not run: its names, options and values."""
    for name in ("reports", "docs"):
        (elsewhere / name).symlink_to(ROOT / name)
    for line in indented_commands(page):
        understand(line)

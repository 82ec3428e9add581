"""Every command and every line of Python in the README runs."""
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from fxsim.cli import main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", README, re.S) for line in block.splitlines() if line.strip()]
PYTHON = re.findall(r"```python\n(.*?)```", README, re.S)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A fresh directory that has the project's tests folder in it."""
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_command_runs(elsewhere):
    assert len(COMMANDS) >= 8
    for command in COMMANDS:
        program, *arguments = shlex.split(command)
        assert program == "fxsim"
        result = CliRunner().invoke(main, arguments, catch_exceptions=False)
        assert result.exit_code == 0, f"{command}\n{result.output}"
    for left in ("runs/first/curves.csv", "runs/compare/report.html", "runs/bench.json"):
        assert (elsewhere / left).exists()


def test_python_examples_run_and_print_what_they_say(elsewhere, capsys):
    (code,) = PYTHON
    exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "[  5 127] 7.9375" in printed and "s8.6 stochastic" in printed and "accuracy" in printed


def test_pictures_and_folders_that_the_readme_names_exist():
    for path in re.findall(r"!\[[^]]*\]\(([^)]*)\)", README) + re.findall(r"`(reports/[a-z_]+/)`", README):
        assert (ROOT / path).exists(), path


def test_targets_that_the_readme_names_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^    make (\w+)", README, re.M):
        assert re.search(rf"^{target}:", makefile, re.M)

"""Every command of the deployment guide runs."""
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from fxsim.cli import main
from lava_backend.availability import why_not

GUIDE = (Path(__file__).parent.parent / "docs" / "lava_deployment.md").read_text()


@pytest.mark.skipif(why_not() is not None, reason=f"Lava cannot run here: {why_not()}")
def test_every_command_of_the_guide_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    commands = [line for block in re.findall(r"```sh\n(.*?)```", GUIDE, re.S) for line in block.splitlines()]
    assert len(commands) >= 9
    for command in commands:
        result = CliRunner().invoke(main, shlex.split(command)[1:], catch_exceptions=False)
        assert result.exit_code == 0, f"{command}\n{result.output}\n{result.stderr}"
    assert (tmp_path / "runs/learned/package.yaml").exists()

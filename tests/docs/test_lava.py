"""Every command of the deployment guide runs."""
import pytest

from lava_backend.runtime.availability import why_not

from documents import run_blocks


@pytest.mark.long
@pytest.mark.skipif(why_not() is not None, reason=f"Lava cannot run here: {why_not()}")
def test_every_command_of_the_guide_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_blocks("docs/lava_deployment.md")["sh"] >= 1
    assert (tmp_path / "runs/learned/package.yaml").exists()

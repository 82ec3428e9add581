"""A whole run against its updates: the two runs that are timed are the same one."""
import pytest

from fxsim.bench import whole_run
from fxsim.training.loop import Training

from tiny import tiny

pytestmark = pytest.mark.core


@pytest.mark.long
def test_both_runs_make_the_same_updates(monkeypatch):
    made = []

    class Kept(Training):
        def __init__(self, config):
            super().__init__(config)
            made.append(self)
    config = tiny("evaluation.every=2")
    monkeypatch.setattr("fxsim.config.load_config", lambda task: config)
    monkeypatch.setattr("fxsim.training.loop.Training", Kept)
    row = whole_run.measure_whole_run("delayed_match", "q16", 2, 3)
    whole, alone = made
    assert tuple(row) == whole_run.COLUMNS and row["updates"] == whole.iteration == alone.iteration == 3 and row["run_seconds"] > 0
    assert all((whole.optimizer.weights[layer] == w).all() for layer, w in alone.optimizer.weights.items())
    assert [r["iteration"] for r in whole.result.curves if r["split"] == "eval"] == [0, 2, 3] and "final_in" in whole.result.weights

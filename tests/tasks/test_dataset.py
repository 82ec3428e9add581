"""Training on files: every rule and kind of arithmetic, more than two classes, going on later, and the command that writes the configuration."""
import importlib.util

import numpy as np
import pytest
from click.testing import CliRunner

from fxsim import load_config, train
from fxsim.cli.main import main
from fxsim.errors import InputError
from fxsim.training.loop import Training

from tiny import config_of, drawn, write_dense, write_events

pytestmark = pytest.mark.core
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs PyTorch")


@pytest.mark.parametrize("changes", [("precision=q16", "engine=oracle"), ("precision=float32", "engine=oracle", "learning.rule=eprop"),
                                     pytest.param(("precision=float32", "learning.rule=bptt"), marks=needs_torch)])
def test_a_network_learns_the_classes_of_a_file(changes, tmp_path):
    train_file, test_file = write_events(tmp_path / "a.npz", *drawn(40)), write_events(tmp_path / "b.npz", *drawn(40, 1))
    result = train(config_of(train_file, test_file, *changes, "batch_size=20", "iterations=25", "evaluation.batch_size=40", "learning.optimizer.rate=0.03",
                             "network.tau_out=5", "network.tau_m=5", "network.readout_sparsity=1", "network.input_sparsity=1", "evaluation.telemetry=off"))
    curve = result.frame.query("split == 'eval'")
    assert curve["loss"].iloc[0] == pytest.approx(np.log(3), abs=0.3)
    assert curve["accuracy"].iloc[-1] > 0.6 and curve["loss"].iloc[-1] < 0.9 * curve["loss"].iloc[0]


def test_three_hundred_classes(tmp_path):
    labels, times, units = drawn(12)
    labels[0] = 299
    path = write_dense(tmp_path / "a.npz", labels, times, units)
    config = config_of(path, path, "task.classes=300", "engine=oracle", "precision=q16", "task.window=4")
    training = Training(config)
    result = training.engine.run(training.optimizer.weights, training.task.training_trials(0))
    assert result.readout.shape == (4, 4, 300) and np.any(result.gradients["out"])
    assert train(config).frame["loss"].iloc[0] == pytest.approx(np.log(300), abs=0.3)


def test_a_run_goes_on_only_with_the_same_data(tmp_path):
    path = write_events(tmp_path / "a.npz", *drawn(10))
    config = config_of(path, path, "task.trials=10", "iterations=1 epoch", "engine=oracle", "checkpoint.every=1")
    train(config, out=tmp_path / "run")
    longer = config.changed({"iterations": "2 epochs"})
    assert train(longer, out=tmp_path / "run", resume=True).frame.query("split == 'train'").shape[0] == 5 == longer.updates
    labels, times, units = drawn(10)
    write_events(path, labels[::-1].copy(), times, units)
    with pytest.raises(InputError, match="task: found other data, or another plugin, than its files hold now"):
        train(config.changed({"iterations": "3 epochs"}), out=tmp_path / "run", resume=True)
    with pytest.raises(InputError, match="iterations: found a run with 2 epochs, wanted 1 epoch"):
        train(config, out=tmp_path / "run", resume=True)


def test_the_command_writes_a_configuration_that_fits_the_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_events("a.npz", *drawn(12))
    write_events("b.npz", None, *drawn(9)[1:], targets=np.zeros((9, 20, 2)))
    write_events("c.npz", *drawn(12, 3))

    def run(*arguments):
        return CliRunner().invoke(main, ["new", "dataset", *arguments])
    assert "12 trials, 6 channels, 3 classes" in run("a.npz", "c.npz", "--out", "mine.yaml").output
    config = load_config("mine.yaml")
    assert (config.name, config.task.trials, config.task.channels, config.task.classes, config.updates) == ("mine", 12, 6, 3, 10)
    assert config.task.duration == max(r.facts.longest for r in (Training(config).task.train, Training(config).task.test))
    assert run("b.npz", "b.npz", "--out", "regression.yaml").exit_code == 0 and load_config("regression.yaml").task.targets == 2
    for arguments, word in ((("a.npz", "b.npz"), "files of one kind"), (("a.npz", "c.npz", "--out", "mine.yaml"), "a file that exists"), (("a.npz", "gone.npz"), "No such file")):
        refused = run(*arguments)
        assert refused.exit_code == 2 and word in refused.output and len(refused.output.splitlines()) <= 3

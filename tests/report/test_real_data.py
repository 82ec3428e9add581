"""The studies on real data: what a value becomes as spikes, whose error reaches whom, and what is planned. The data themselves need extras."""
import importlib.util

import numpy as np
import pytest

import fxsim
from fxsim.report.network_picture import fed_back
from fxsim.study.plan import load_study, plan

from places import ROOT

FOLDER = ROOT / "reports/data"
pytestmark = pytest.mark.core


@pytest.fixture(scope="module")
def prepare():
    spec = importlib.util.spec_from_file_location("prepare", FOLDER / "prepare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_value_is_that_many_spikes_on_the_line_of_its_sign(prepare):
    values = np.array([[1.0, -1.0, 0.0, 0.4], [-0.09, 0.2, -0.61, 0.59]])
    x = prepare.spikes_of(values, 15)
    assert x.shape == (2 * 15 + prepare.DECISION, 2 * 4 + prepare.DECISION_LINES) and set(np.unique(x)) == {0, 1}
    counts = np.stack([x[:15].sum(0, int), x[15:30].sum(0, int)])[:, :8]
    assert (counts[:, :4] - counts[:, 4:]).tolist() == np.rint(prepare.MOST * values).tolist() and not (counts[:, :4] & counts[:, 4:]).any()
    assert not x[:30, 8:].any() and not x[30:, :8].any() and x[30:, 8:].sum(0).tolist() == [3] * 4
    assert np.ptp(np.diff(np.flatnonzero(x[:15, 0]))) == 0         # evenly spaced


def test_files_are_trials_of_a_data_set_and_networks_have_few_who_hear_the_error(prepare, tmp_path):
    rng = np.random.default_rng(0)
    frames = prepare.Frames([rng.uniform(-1, 1, (count, 12)) for count in (7, 29, 8, 9)], np.array([0, 8, 3, 1]))
    for part in ("train", "test"):
        prepare.write_trials(tmp_path / f"{part}.npz", frames, 10, 320)
    config = fxsim.load_config(FOLDER / "vowels_network.yaml")
    network = prepare.network(config, 3)
    assert fed_back(network).sum() == prepare.HEAR and np.array_equal(network.topology.cell, fxsim.build_network(config.changed({"seed": 3})).topology.cell)
    fxsim.save_network(network, tmp_path / "net-3.npz")
    run = fxsim.load_config(FOLDER / "vowels_run.yaml", [f"network.from={tmp_path}/net-3.npz", f"task.train={tmp_path}/train.npz", f"task.test={tmp_path}/test.npz", "iterations=1",
                                                         "batch_size=4", "evaluation.batch_size=4", "engine=oracle", "precision=q16"])
    task = fxsim.training.loop.Training(run).task
    assert sorted(task.training_trials(0).duration) == [100, 110, 120, 320] and task.training_trials(0).x.sum() > 1000


@pytest.mark.parametrize("name, trials, inputs, classes", [("digits", 899, 20, 10), ("vowels", 370, 28, 9)])
def test_studies_are_paired_and_on_the_whole_test_split(name, trials, inputs, classes):
    runs = plan(load_study(FOLDER / f"{name}.yaml")[0], str(FOLDER / f"{name}.yaml"), given=False)
    assert len({p.folder for p in runs}) == len(runs) == 120 and {p.rule for p in runs} == {"eprop", "diffusion", "bptt"} and {p.precision for p in runs} == {"float32", "q16", "w8s16", "loihi2"}
    for p in runs:
        c = p.config
        assert c.network.path == f"runs/data/{name}-network-{c.seed}.npz" and c.evaluation.batch_size == trials and (c.n_in, c.n_out) == (inputs, classes)


def test_digits_are_whole_and_split_in_halves(prepare):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed (extra data)")
    train, test = prepare.digits()
    assert (len(train.labels), len(test.labels)) == (898, 899) and all(values.shape == (8, 8) and np.abs(values).max() <= 1 for values in (*train.values, *test.values))

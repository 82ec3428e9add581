"""Trials: rates, timing, labels, padding, and a dependence on nothing but seed and trial id."""
import numpy as np
import pytest

from fxsim.config import config_names, load_config
from fxsim.errors import InputError
from fxsim.tasks import make_task
from fxsim.tasks.poisson_kernel import fill, mix32
from fxsim.training.loop import Training
from quant import random as quant_random

pytestmark = pytest.mark.core


def task(name, *overrides):
    return make_task(load_config(name, overrides))


def rates(x, start, stop, channels):
    """Hz of each population in [start, stop), (B, P)."""
    return 1000 * x[:, start:stop].reshape(len(x), stop - start, -1, channels).mean((1, 3))


def test_the_hash_is_the_one_of_quant_random():
    values = np.random.default_rng(0).integers(0, 2**32, 200)
    assert [int(mix32(np.uint32(v))) for v in values] == [quant_random.mix32(int(v)) for v in values]


@pytest.mark.parametrize("name", config_names())
def test_trials_depend_on_seed_and_id_only(name):
    a, b, other = task(name), task(name), task(name, "seed=2")
    first, again = a.training_trials(3), b.training_trials(3)
    assert np.array_equal(first.x, again.x) and np.array_equal(first.target, again.target)
    assert not np.array_equal(first.x, other.training_trials(3).x)
    first = a.training_trials(0)
    part = a.trials(first.ids[2:5])
    assert np.array_equal(part.x, first.x[2:5]) and np.array_equal(part.target, first.target[2:5])
    rule = task(name, "learning.rule=eprop", "precision=q16", "batch_size=4")
    assert np.array_equal(rule.trials(first.ids).x, first.x)


@pytest.mark.parametrize("name", ["delayed_match", "cue_accumulation"])
def test_every_set_of_trials_is_fresh(name):
    t = task(name, "evaluation.batch_size=16", "batch_size=16")
    sets = [t.training_trials(0), t.training_trials(1), t.evaluation_trials(), t.confirmation_trials(0), t.confirmation_trials(1)]
    assert len(np.unique(np.concatenate([s.ids for s in sets]))) == 80
    assert all(not np.array_equal(a.x, b.x) for i, a in enumerate(sets) for b in sets[:i])


def test_pattern_generation_repeats_its_trials_and_target():
    t = task("pattern_generation")
    a, b, e = t.training_trials(0), t.training_trials(9), t.evaluation_trials()
    assert len(np.unique(np.concatenate([a.ids, b.ids, e.ids]))) == 24      # but rounding noise is drawn afresh
    assert a.x.shape == (8, 2000, 100) and np.array_equal(a.x, b.x) and np.array_equal(a.x, e.x)
    assert a.x.mean() * 1000 == pytest.approx(50, rel=0.02)
    y = a.target[0, :, 0]
    assert np.array_equal(a.target[3, :, 0], y) and y.mean() == pytest.approx(0, abs=1e-12) and np.abs(y).max() < 2
    spectrum = np.abs(np.fft.rfft(y)) / 1000
    weights = spectrum[[1, 2, 4, 6, 8]]         # bins of 0.5, 1, 2, 3, 4 Hz in 2 s
    assert weights.sum() == pytest.approx(1, abs=1e-9) and np.delete(spectrum, [1, 2, 4, 6, 8]).max() < 1e-9


def test_delayed_match_follows_its_time_line():
    t = task("delayed_match", "batch_size=256")
    trials = t.training_trials(0)
    x, label = trials.x, trials.target[:, 0].argmax(-1)
    assert x.shape == (256, 1100, 80) and trials.target.shape == (256, 50, 2) and (trials.duration == 1100).all()
    assert rates(x, 0, 1100, 20)[:, 0].mean() == pytest.approx(10, rel=0.02)
    assert rates(x, 1050, 1100, 20)[:, 1].mean() == pytest.approx(40, rel=0.03) and x[:, :1050, 20:40].sum() == 0
    one, two = rates(x, 50, 200, 20)[:, 2], rates(x, 900, 1050, 20)[:, 3]
    assert x[:, :50, 40:].sum() == x[:, 200:, 40:60].sum() == x[:, 200:900, 60:].sum() == x[:, 1050:, 40:].sum() == 0
    assert np.array_equal(label, ((one > 0) == (two > 0)).astype(int))
    assert one[one > 0].mean() == pytest.approx(40, rel=0.03)
    assert (one > 0).mean() == pytest.approx(0.5, abs=0.1) and label.mean() == pytest.approx(0.5, abs=0.1)


def test_cue_accumulation_follows_its_time_line():
    t = task("cue_accumulation", "batch_size=128")
    trials = t.training_trials(0)
    x, label = trials.x, trials.target[:, 0].argmax(-1)
    assert x.shape == (128, 2050, 40) and trials.target.shape == (128, 150, 2)
    right = np.zeros(128, int)
    for cue in range(7):
        assert x[:, cue * 150:cue * 150 + 50, 20:].sum() == 0
        on = rates(x, cue * 150 + 50, cue * 150 + 150, 10)
        assert ((on[:, 2] > 0) != (on[:, 3] > 0)).all()
        right += on[:, 3] > 0
    assert np.array_equal(label, (right > 3).astype(int)) and label.mean() == pytest.approx(0.5, abs=0.15)
    assert x[:, 1050:, 20:].sum() == 0 and x[:, :1900, 10:20].sum() == 0
    assert rates(x, 1900, 2050, 10)[:, 1].mean() == pytest.approx(40, rel=0.05)


def test_shorter_trials_start_with_silence():
    t = task("cue_accumulation", "task.cues=[1,3]", "task.delay=[150,400]", "batch_size=64")
    trials = t.training_trials(0)
    assert t.steps == 3 * 150 + 400 == trials.steps
    assert trials.duration.min() >= 300 and trials.duration.max() <= 850 and len(np.unique(trials.duration)) > 10
    for x, duration in zip(trials.x, trials.duration):
        assert x[:850 - duration].sum() == 0 and x[850 - duration:850 - duration + 100].sum() > 0


def test_an_even_number_of_cues_calls_a_tie_left():
    t = task("cue_accumulation", "task.cues=2", "batch_size=200")
    trials = t.training_trials(0)
    on = np.stack([rates(trials.x, c * 150 + 50, c * 150 + 150, 10)[:, 3] > 0 for c in range(2)]).sum(0)
    assert np.array_equal(trials.target[:, 0].argmax(-1), (on == 2).astype(int))


def test_a_decision_delay_is_background_alone():
    t = task("delayed_match", "task.decision_delay=300", "batch_size=128")
    trials = t.training_trials(0)
    x = trials.x
    assert x.shape == (128, 1400, 80) and x[:, 1050:1350, 20:].sum() == 0
    assert rates(x, 1050, 1350, 20)[:, 0].mean() == pytest.approx(10, rel=0.05) and rates(x, 1350, 1400, 20)[:, 1].mean() == pytest.approx(40, rel=0.05)
    one, two = rates(x, 50, 200, 20)[:, 2], rates(x, 900, 1050, 20)[:, 3]
    assert np.array_equal(trials.target[:, 0].argmax(-1), ((one > 0) == (two > 0)).astype(int))


def test_modified_cue_accumulation_murmurs_where_nothing_drives_it():
    t = task("cue_accumulation", "task.input=modified", "task.cues=[3, 7]", "batch_size=128")
    trials, plain = t.training_trials(0), task("cue_accumulation", "task.cues=[3, 7]", "batch_size=128").training_trials(0)
    assert trials.x.shape == (128, 2050, 30) and np.array_equal(trials.target, plain.target)
    long = trials.x[trials.duration == 2050]
    assert trials.x[trials.duration < 2050][:, :600].sum() == 0         # silent in the padding
    quiet = rates(long, 1050, 1900, 10)
    assert quiet.mean(0) == pytest.approx([10 / 3] * 3, rel=0.15) and rates(long, 1900, 2050, 10).mean(0) == pytest.approx([40, 10 / 3, 10 / 3], rel=0.2)
    label = np.zeros(len(long))
    for cue in range(7):
        on = rates(long, cue * 150 + 50, cue * 150 + 150, 10)
        assert (np.abs(on.max(1) - 40) < 25).all()
        label += on[:, 2] > on[:, 1]
    assert np.array_equal(trials.target[trials.duration == 2050, 0].argmax(-1), (label > 3).astype(int))


@pytest.mark.parametrize("name", config_names())
def test_every_shipped_configuration_trains(name):
    sizes = ["network.n_lif=4", "network.n_alif=4", "network.grid=[3, 3]", "network.input_sparsity=0.5", "network.readout_sparsity=0.5", "network.gains={input: 3}"]
    short = {"delayed": ["task.fixation=0", "task.cue=15", "task.delay=5", "task.decision=10", "task.window=10"], "cue": ["task.cues=1", "task.delay=20", "task.cue=20", "task.window=10"],
             "pattern": ["task.duration=50"]}[name.split("_")[0]]
    training = Training(load_config(name, [*sizes, *short, "batch_size=2", "precision=q16", "engine=oracle"]))
    before = training.optimizer.weights
    training.update(training.task.training_trials(0))
    assert any((training.optimizer.weights[layer] != before[layer]).any() for layer in before)


def test_a_channel_spikes_where_its_hash_is_below_the_threshold_and_not_where_it_is_equal():
    hashed, key, trial, t = quant_random.mix32, 7, 3, 5
    step = hashed((hashed((hashed(key) + trial) & quant_random.M32) + t) & quant_random.M32)
    at = [hashed(step ^ channel) for channel in range(4)]
    thresholds = np.array([[[at[0], at[1] + 1, 2**32, 0]]], np.uint64)
    spikes = np.zeros((1, t + 2, 4), np.uint8)
    fill(np.uint32(key), np.array([trial], np.uint32), thresholds, np.array([[t]]), np.array([[t + 1]]), 1, spikes)
    assert spikes[0, t].tolist() == [0, 1, 1, 0] and spikes.sum() == 2


# ---- sensors ------------------------------------------------------------------------------------------------------------
def test_dead_channels_are_silent_and_the_others_as_before():
    before, after = task("delayed_match").training_trials(2), task("delayed_match", "task.sensors={dead: 0.25}").training_trials(2)
    silent = ~after.x.any((0, 1)) & before.x.any((0, 1))
    assert silent.sum() == 20 and np.array_equal(after.x[:, :, ~silent], before.x[:, :, ~silent])
    assert np.array_equal(after.target, before.target) and np.array_equal(after.ids, before.ids)
    evaluated = task("delayed_match", "task.sensors={dead: 0.25}", "evaluation.batch_size=8").evaluation_trials()
    assert not evaluated.x[:, :, silent].any()       # the same ones
    other = task("delayed_match", "task.sensors={dead: 0.25}", "seed=5").training_trials(2)
    assert other.x[:, :, silent].any()


def test_permuted_populations_keep_their_spikes_in_other_places():
    before, after = task("delayed_match").training_trials(0).x, task("delayed_match", "task.sensors={permuted: [0, 2]}").training_trials(0).x
    kept, moved = np.r_[20:40, 60:80], np.r_[0:20, 40:60]
    assert np.array_equal(after[:, :, kept], before[:, :, kept]) and not np.array_equal(after[:, :, moved], before[:, :, moved])
    trains = [sorted(x[:, :, c].tobytes() for c in moved) for x in (before, after)]
    assert trains[0] == trains[1]


def test_sensors_go_with_any_task(tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "d.npz", spikes=(rng.random((6, 20, 8)) < 0.4).astype(np.uint8), labels=np.arange(6) % 2)
    data = f"name: dataset, train: {tmp_path / 'd.npz'}, test: {tmp_path / 'd.npz'}, channels: 8, classes: 2, duration: 20"
    x, y = (task("delayed_match", f"task={{{data}{more}}}", "batch_size=4", "evaluation.batch_size=4") for more in ("", ", sensors: {dead: 0.5}"))
    for a, b in ((x.training_trials(1), y.training_trials(1)), (x.evaluation_trials(), y.evaluation_trials())):
        silent = ~b.x.any((0, 1))
        assert silent.sum() == 4 and np.array_equal(a.x[:, :, ~silent], b.x[:, :, ~silent])
    assert x.digest == y.digest


@pytest.mark.parametrize("given, words", [
    ("{permuted: [4]}", r"task.sensors.permuted: found \[4\], allowed: populations from 0 to 3, each once"),
    ("{permuted: [1, 1]}", "each once"), ("{dead: 1.5}", "task.sensors.dead"), ("{deaf: 1}", "task.sensors.deaf")])
def test_wrong_sensors_are_one_line(given, words):
    with pytest.raises(InputError, match=words):
        task("delayed_match", f"task.sensors={given}")

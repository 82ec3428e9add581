"""Files of trials: three forms that hold the same trials, bins, groups and padding, and a line for whatever is wrong in one."""
import importlib.util
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from fxsim import load_config
from fxsim.errors import InputError
from fxsim.tasks import make_task
from fxsim.tasks.recordings import Clock, Recording, dense as dense_module, events as events_module

from tiny import CHANNELS, config_of, drawn, write_dense, write_events, write_heidelberg

pytestmark = pytest.mark.core
needs_h5py = pytest.mark.skipif(importlib.util.find_spec("h5py") is None, reason="needs h5py: pip install 'fxsim[hdf5]'")


def by_hand(times, units, channels=CHANNELS, steps=20):
    """One trial, (steps, channels), with silence in front."""
    x = np.zeros((steps, channels), np.uint8)
    own = int(max(times)) + 1
    for t, u in zip(times, units):
        x[steps - own + int(t), u] = 1
    return x


@pytest.mark.parametrize("write, ending", [(write_events, "npz"), (write_dense, "npz"), pytest.param(write_heidelberg, "h5", marks=needs_h5py)])
def test_every_form_gives_the_trials_that_were_written(write, ending, tmp_path, monkeypatch):
    monkeypatch.setattr(events_module, "PIECE", 7)      # trials in many pieces
    monkeypatch.setattr(events_module, "LISTS", 3)
    monkeypatch.setattr(dense_module, "VALUES", 250)
    labels, times, units = drawn()
    path = write(tmp_path / f"a.{ending}", labels, times, units)
    task = make_task(config_of(path, path, "batch_size=10"))
    trials = task.training_trials(0)
    order = task._order("epoch 0", 10)
    assert sorted(order) == list(range(10)) and list(order) != list(range(10))
    for b, i in enumerate(order):
        assert np.array_equal(trials.x[b], by_hand(times[i], units[i]))
        assert trials.duration[b] == int(times[i].max()) + 1 and (trials.target[b].argmax(-1) == labels[i]).all()
    assert trials.target.shape == (10, 20, 3) and (trials.target.sum(-1) == 1).all()


def test_a_trial_number_for_each_event_says_the_same_as_offsets(tmp_path):
    labels, times, units = drawn()
    a = write_events(tmp_path / "a.npz", labels, times, units)
    b = write_events(tmp_path / "b.npz", labels, times, units, offsets=None, trial=np.repeat(np.arange(10), [len(t) for t in times]))
    assert np.array_equal(make_task(config_of(a, a)).training_trials(1).x, make_task(config_of(b, b)).training_trials(1).x)


def test_what_is_stored_plainly_is_read_in_slices_and_what_is_packed_is_the_same(tmp_path):
    labels, times, units = drawn()
    plain = write_events(tmp_path / "a.npz", labels, times, units)
    with np.load(plain) as arrays:
        np.savez_compressed(tmp_path / "b.npz", **arrays)
    read = [Recording(str(tmp_path / name), Clock()) for name in ("a.npz", "b.npz")]
    assert [type(r.spikes._times).__name__ for r in read] == ["Stored", "ndarray"]
    assert all(np.array_equal(a, b) for i in range(10) for a, b in zip(read[0].spikes.trial(i), read[1].spikes.trial(i)))
    assert read[0].facts.digest == read[1].facts.digest


def test_bins_groups_and_units_of_time(tmp_path):
    path = write_events(tmp_path / "a.npz", np.array([0, 1]), [np.array([0.0, 3.9, 4.0, 19.0]), np.array([8.0])], [np.array([0, 1, 2, 5]), np.array([3])])
    task = make_task(config_of(path, path, "task.bin=4", "task.group=4", "task.duration=6", "task.classes=2", "batch_size=2"))
    assert task.n_in == 2
    trials = task.trials(np.argsort(task._order("epoch 0", 2)).astype(np.uint32))
    assert trials.duration.tolist() == [5, 3]
    assert np.argwhere(trials.x[0]).tolist() == [[1, 0], [2, 0], [5, 1]] and np.argwhere(trials.x[1]).tolist() == [[5, 0]]
    late = make_task(config_of(path, path, "task.duration=4", "task.late=cut", "task.classes=2", "batch_size=2", "task.bin=4"))
    trials = late.trials(np.argsort(late._order("epoch 0", 2)).astype(np.uint32))
    assert trials.duration.tolist() == [4, 3] and np.argwhere(trials.x[0]).tolist() == [[0, 0], [0, 1], [1, 2]]


@given(step=st.integers(0, 10**5), bin=st.sampled_from([0.1, 0.5, 1.0, 3.0, 7.3]), kind=st.sampled_from([np.float64, np.float32]))
def test_a_multiple_of_the_bin_falls_into_its_own_step(step, bin, kind):
    time = np.array([step * bin / 1000]).astype(kind)
    if kind is np.float64 or step < 8000:       # as far as float32 tells a thousandth of a step
        assert Clock(bin=bin).step_of(time)[0] == step


def test_durations_and_regression(tmp_path):
    labels, times, units = drawn(4)
    targets = np.arange(4 * 20 * 2).reshape(4, 20, 2) / 7
    path = write_events(tmp_path / "a.npz", None, times, units, targets=targets, durations=np.array([0.02, 0.0195, 0.019, 0.02]))
    task = make_task(config_of(path, path, "task.classes=0", "task.targets=2", "task.window=3", "task.duration=25"))
    assert not task.classification
    trials = task.trials(np.argsort(task._order("epoch 0", 4)).astype(np.uint32))
    assert trials.duration.tolist() == [20, 20, 19, 20]
    assert np.array_equal(trials.target, [targets[i, own - 3:own] for i, own in enumerate([20, 20, 19, 20])])
    whole = make_task(config_of(path, path, "task.classes=0", "task.targets=2", "task.duration=25"))
    trials = whole.trials(np.argsort(whole._order("epoch 0", 4)).astype(np.uint32))
    assert (trials.target[2, :6] == 0).all() and np.array_equal(trials.target[2, 6:], targets[2, :19])


def test_epochs_evaluations_and_confirmations_go_through_the_files(tmp_path):
    train, test = write_events(tmp_path / "a.npz", *drawn(10)), write_events(tmp_path / "b.npz", *drawn(8, 1))
    task = make_task(config_of(train, test))
    places = [task._place(i) for i in range(30)]
    assert all(sorted(place for _, place in places[e:e + 10]) == list(range(10)) for e in (0, 10, 20))
    assert [p for _, p in places[:10]] != [p for _, p in places[10:20]]
    evaluated, confirmed = task.evaluation_trials(), task.confirmation_trials(0)
    found = [task._place(int(i)) for i in (*evaluated.ids, *confirmed.ids)]
    assert all(recording is task.test for recording, _ in found)
    assert len({p for _, p in found[:5]}) == 5 and len({p for _, p in found[:8]}) == 8       # 5, then the other 3 and on from the beginning
    assert make_task(config_of(train, test, "evaluation.batch_size=100")).evaluation_trials().size == 8
    assert [task._place(i)[1] for i in range(10)] != [make_task(config_of(train, test, "seed=2"))._place(i)[1] for i in range(10)]


def test_iterations_in_epochs(tmp_path):
    path = write_events(tmp_path / "a.npz", *drawn(10))
    assert config_of(path, path, "task.trials=10", "iterations=3 epochs").updates == 8       # 30 trials in batches of 4
    assert config_of(path, path, "task.trials=10", "iterations=3 epochs", "batch_size=10").updates == 3
    for changes in (["iterations=3 epochs"], ["iterations=0 epochs", "task.trials=10"], ["iterations=epochs", "task.trials=10"]):
        with pytest.raises(InputError, match="iterations: found"):
            config_of(path, path, *changes)
    with pytest.raises(InputError, match="epochs need task.trials"):
        load_config("delayed_match", ["iterations=3 epochs"])


def refused(tmp_path, match, *changes, write=write_events, **arrays):
    path = write(tmp_path / f"{len(list(tmp_path.iterdir()))}.npz", *drawn(), **arrays)
    with pytest.raises(InputError) as found:
        make_task(config_of(path, path, *changes))
    line = str(found.value)
    assert line.startswith(f"{path}: {match}") and ", allowed: " in line and "\n" not in line, line


EVENTS = sum(len(t) for t in drawn()[1])


def test_whatever_is_wrong_in_a_file_is_one_line(tmp_path):
    times, nan = np.full(EVENTS, 0.001), np.full(EVENTS, 0.001)
    times[40], nan[41] = -0.001, np.nan
    trial = int(np.searchsorted(np.cumsum([len(t) for t in drawn()[1]]), 40, "right"))
    refused(tmp_path, f"times: found -0.001 in trial {trial}", times=times)
    refused(tmp_path, "times: found nan in trial", times=nan)
    refused(tmp_path, "times: found inf in trial", times=np.full(EVENTS, np.inf))
    refused(tmp_path, "times: found 21 steps in trial 0", times=np.full(EVENTS, 0.0205))
    refused(tmp_path, "times: found shape", times=times[:-1].copy().reshape(1, -1))
    refused(tmp_path, "units: found shape", units=np.zeros(3, int))
    refused(tmp_path, "units: found float64", units=np.zeros(EVENTS))
    refused(tmp_path, "units: found channel 5 in trial", "task.channels=5")
    refused(tmp_path, "units: found -1 in trial 0", units=np.full(EVENTS, -1))
    refused(tmp_path, "labels: found 2 in trial", "task.classes=2")
    refused(tmp_path, "labels: found -1 in trial 3", labels=np.array([0, 1, 2, -1, 0, 0, 0, 0, 0, 0]))
    refused(tmp_path, "labels: found float64", labels=np.zeros(10))
    refused(tmp_path, "labels: found shape (3,)", labels=np.zeros(3, int))
    refused(tmp_path, "labels: found nothing", labels=None)
    refused(tmp_path, "labels: found labels and targets", targets=np.zeros((10, 20, 1)))
    refused(tmp_path, "labels: found labels", "task.classes=0", "task.targets=1")
    refused(tmp_path, "targets: found nan in trial 0", "task.classes=0", "task.targets=1", labels=None, targets=np.full((10, 20, 1), np.nan))
    refused(tmp_path, "targets: found 2 values", "task.classes=0", "task.targets=1", labels=None, targets=np.zeros((10, 20, 2)))
    refused(tmp_path, "targets: found 5 steps", "task.classes=0", "task.targets=1", labels=None, targets=np.zeros((10, 5, 1)))
    refused(tmp_path, "offsets: found nothing", offsets=None)
    refused(tmp_path, "offsets: found offsets and trial", trial=np.zeros(EVENTS, int))
    refused(tmp_path, "offsets: found 11 numbers", offsets=np.arange(11))
    refused(tmp_path, "trial: found 0 at event 1", offsets=None, trial=np.r_[1, np.zeros(EVENTS - 1, int)])
    refused(tmp_path, "trial: found 10 at event 5", offsets=None, trial=np.r_[np.zeros(5, int), np.full(EVENTS - 5, 10)])
    refused(tmp_path, "durations: found 1 steps of trial", durations=np.full(10, 0.001))
    refused(tmp_path, "durations: found nan of trial 0", durations=np.full(10, np.nan))
    refused(tmp_path, "times: found 10 trials", "task.trials=11")
    refused(tmp_path, "spikes: found 2 in trial 0", write=write_dense, spikes=np.full((10, 20, CHANNELS), 2, np.uint8))
    refused(tmp_path, "spikes: found 6 channels", "task.channels=7", write=write_dense)
    refused(tmp_path, "spikes: found shape", write=write_dense, spikes=np.zeros((10, 20), np.uint8))
    refused(tmp_path, "durations: found 21 steps of trial 0", write=write_dense, durations=np.full(10, 21))


def test_files_that_are_none(tmp_path):
    good = write_events(tmp_path / "a.npz", *drawn())
    (tmp_path / "text.npz").write_text("no archive")
    (tmp_path / "text.h5").write_text("no archive")
    for name, word in (("gone.npz", "No such file"), ("text.npz", "no npz archive"), ("a.csv", "the ending .csv"), ("text.h5", "h5"), ("gone.h5", "h5")):
        with pytest.raises(InputError, match=word) as found:
            make_task(config_of(good, str(tmp_path / name)))
        assert "\n" not in str(found.value)


@settings(max_examples=60)
@given(cut=st.integers(0, 2000), flips=st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), max_size=6))
def test_a_damaged_archive_is_one_line_or_other_numbers(cut, flips, tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged")
    data = bytearray((folder / write_events(folder / "a.npz", *drawn(4))).read_bytes())
    for place, value in flips:
        data[place % len(data)] ^= value
    (folder / "b.npz").write_bytes(data[:len(data) - cut] if cut % 3 == 0 else data)
    try:
        make_task(config_of(str(folder / "b.npz"), str(folder / "b.npz"))).training_trials(0)
    except InputError as error:
        assert "\n" not in str(error)


def test_a_lying_archive_gets_no_memory(tmp_path):
    path = write_events(tmp_path / "a.npz", *drawn())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("durations.npy", b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999,), }".ljust(127) + b"\n")
    with pytest.raises(InputError, match="durations"):
        make_task(config_of(path, path))


@needs_h5py
def test_links_and_wrong_types_in_hdf5_are_refused(tmp_path):
    import h5py
    good = write_heidelberg(tmp_path / "good.h5", *drawn())
    for number, (change, word) in enumerate(((lambda f: f.__setitem__("spikes/times", h5py.ExternalLink(good, "spikes/times")), "a link"),
                                            (lambda f: f.__setitem__("spikes/times", np.zeros(10)), "variable length"),
                                            (lambda f: None, "nothing"))):
        bad = write_heidelberg(tmp_path / f"{number}.h5", *drawn())
        with h5py.File(bad, "a") as file:
            del file["spikes/times"]
            change(file)
        with pytest.raises(InputError, match=word) as found:
            make_task(config_of(good, bad))
        assert str(found.value).startswith(f"{bad}: spikes/times: ")

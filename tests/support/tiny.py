"""A network and task small enough to train in a test; small files of trials, and the configuration that reads them."""
import numpy as np

from fxsim import load_config
from fxsim.config import build_config
from fxsim.config.io import override

NETWORK = ("network.n_lif=6", "network.n_alif=6", "network.grid=[4, 4]", "network.gains={input: 2}", "network.input_sparsity=0.5",
           "network.readout_sparsity=0.5")
TINY = (*NETWORK, "task.delay=100", "batch_size=8", "evaluation.batch_size=8", "iterations=2")
SHORT = ("task.fixation=0", "task.cue=10", "task.delay=0", "task.decision=10", "task.window=5", "batch_size=2", "evaluation.batch_size=2",
         "evaluation.every=3", "checkpoint.every=1")
"""Trials so short that the oracle trains within a second."""


def tiny_changes(*changes):
    return [*TINY, *changes]


def tiny(*changes):
    return load_config("delayed_match", tiny_changes(*changes))


# ---- trials in files ---------------------------------------------------------------------------------------------------
CHANNELS, CLASSES = 6, 3


def drawn(trials=10, seed=0, steps=20):
    """labels (B,), and of each trial times in ms, ascending, and units: a class is two channels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, trials)
    labels[:CLASSES] = range(CLASSES)
    times = [np.sort(rng.uniform(0, rng.integers(5, steps), rng.integers(1, 30))) for _ in range(trials)]
    return labels, times, [2 * label + rng.integers(0, 2, len(t)) for label, t in zip(labels, times)]


def write_events(path, labels, times, units, /, **changes):
    offsets = np.concatenate([[0], np.cumsum([len(t) for t in times])])
    arrays = {"times": np.concatenate(times) / 1000, "units": np.concatenate(units), "offsets": offsets, "labels": labels, **changes}
    np.savez(path, **{name: a for name, a in arrays.items() if a is not None})
    return str(path)


def write_heidelberg(path, labels, times, units):
    import h5py
    with h5py.File(path, "w") as file:
        for name, rows, kind in (("spikes/times", [t / 1000 for t in times], np.float32), ("spikes/units", units, np.uint16)):
            data = file.create_dataset(name, (len(rows),), h5py.vlen_dtype(kind))
            for i, row in enumerate(rows):
                data[i] = row.astype(kind)
        file["labels"] = labels
    return str(path)


def write_dense(path, labels, times, units, /, steps=20, **changes):
    spikes, own = np.zeros((len(times), steps, CHANNELS), np.uint8), np.zeros(len(times), np.int64)
    for b, (t, u) in enumerate(zip(times, units)):
        spikes[b, t.astype(int), u] = 1
        own[b] = int(t.max()) + 1
    arrays = {"spikes": spikes, "labels": labels, "durations": own, **changes}
    np.savez(path, **{name: a for name, a in arrays.items() if a is not None})
    return str(path)


def config_of(train, test, *changes):
    data = load_config("delayed_match", ["batch_size=4", "evaluation.batch_size=5", "iterations=2", "network.n_lif=6", "network.n_alif=6", "network.grid=[4, 4]",
                                         "network.input_sparsity=0.5", "network.readout_sparsity=0.5", "network.gains={input: 2}"]).model_dump(mode="json")
    data |= {"name": "mine", "task": {"name": "dataset", "train": train, "test": test, "channels": CHANNELS, "classes": CLASSES, "duration": 20}}
    config = build_config(data, "mine.yaml")
    return override(config, changes, "mine.yaml")

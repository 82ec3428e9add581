"""What ordinary classifiers make of the same frames: python reports/data/peers.py digits vowels, after reports/data/prepare.py

logistic    regression on the pixels of a digit; of an utterance on each coefficient's mean and standard deviation over its frames
gru         GRU units that read frame by frame, their last state to a linear layer; Adam, batches of 32, as many updates as the spiking networks
"""
from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from prepare import SEEDS, SOURCES, Frames

import fxsim
from fxsim.files.writing import write_json
from fxsim.training.runs import versions

UNITS, RATE, BATCH = 32, 0.01, 32


def read(path: Path) -> Frames:
    with np.load(path) as stored:
        return Frames(np.split(stored["values"], np.cumsum(stored["frames"])[:-1]), stored["labels"])


def features(frames: Frames) -> np.ndarray:
    if len({len(values) for values in frames.values}) == 1:
        return np.stack([values.ravel() for values in frames.values])
    return np.stack([np.concatenate([values.mean(0), values.std(0)]) for values in frames.values])


def logistic(train: Frames, test: Frames) -> float:
    """Accuracy on the test trials."""
    from sklearn.linear_model import LogisticRegression
    return float(LogisticRegression(max_iter=5000).fit(features(train), train.labels).score(features(test), test.labels))


def gru(train: Frames, test: Frames, updates: int, seed: int) -> float:
    """Accuracy on the test trials after training."""
    import torch
    from torch.nn.utils.rnn import pack_sequence
    torch.manual_seed(seed)
    rng, classes = np.random.default_rng(seed), int(train.labels.max()) + 1
    reader, readout = torch.nn.GRU(train.values[0].shape[1], UNITS), torch.nn.Linear(UNITS, classes)
    optimizer = torch.optim.Adam([*reader.parameters(), *readout.parameters()], lr=RATE)

    def logits(values: list[np.ndarray]) -> torch.Tensor:
        return readout(reader(pack_sequence([torch.as_tensor(v, dtype=torch.float32) for v in values], enforce_sorted=False))[1][0])
    order = np.concatenate([rng.permutation(len(train.labels)) for _ in range(-(-updates * BATCH // len(train.labels)))])
    for chosen in np.split(order[:updates * BATCH], updates):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(logits([train.values[b] for b in chosen]), torch.as_tensor(train.labels[chosen])).backward()
        optimizer.step()
    with torch.no_grad():
        return float((logits(test.values).argmax(1).numpy() == test.labels).mean())


def main() -> None:
    import sklearn
    import torch
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", choices=SOURCES)
    parser.add_argument("--data", type=Path, default=Path("runs/data"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    path = Path(__file__).with_name("peers.json")
    found = json.loads(path.read_text()) if path.exists() else {}
    for name in given.names:
        train, test = (read(given.data / f"{name}-{part}-frames.npz") for part in ("train", "test"))
        updates = fxsim.load_config(Path(__file__).with_name(f"{name}_run.yaml")).updates
        found[name] = {"train": len(train.labels), "test": len(test.labels), "logistic": logistic(train, test),
                       "gru": [gru(train, test, updates, seed) for seed in SEEDS], "gru_units": UNITS, "gru_updates": updates}
        print(name, found[name])
    write_json(path, {**found, "versions": {**versions(), "scikit-learn": sklearn.__version__, "torch": torch.__version__}})


if __name__ == "__main__":
    main()

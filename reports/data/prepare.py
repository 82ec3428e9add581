"""Real data as spikes, and the networks that learn from them: python reports/data/prepare.py digits vowels --out runs/data

digits  scikit-learn's 1797 digits, a row of 8 pixels a frame; the first half trains, the second, in the order of the file, tests
vowels  aeon's Japanese vowels (Kudo, Toyama and Shimbo, 1999), 9 speakers, 12 cepstral coefficients a frame, 7 to 29 frames; its own split

A value between -1 and 1 becomes 0 to MOST spikes, evenly spaced over its frame, on one of two lines: one for values above 0, one for those
below. After the last frame follow steps in which only lines of their own fire: what was seen has to be remembered until then.
"""
from __future__ import annotations

import argparse
from pathlib import Path
from typing import Callable, NamedTuple

import numpy as np

import fxsim
from fxsim.config import Config
from fxsim.model.network import Network

SEEDS = range(1, 11)
DECISION, DECISION_LINES, EVERY = 30, 4, 10     # steps after the last frame; lines that fire in them, once in so many steps
HEAR = 20                                       # neurons that are read out, and get feedback
MOST = 5                                        # spikes of a value in a frame
WIDE = 2.5                                      # standard deviations that become 1


class Frames(NamedTuple):
    """values: for each trial (frames, D) in -1 to 1;  labels (B,)"""

    values: list[np.ndarray]
    labels: np.ndarray


class Split(NamedTuple):
    train: Frames
    test: Frames


def digits() -> Split:
    from sklearn.datasets import load_digits
    images, labels = load_digits(return_X_y=True)
    values, half = list(images.reshape(-1, 8, 8) / 8 - 1), len(labels) // 2
    return Split(Frames(values[:half], labels[:half]), Frames(values[half:], labels[half:]))


def vowels() -> Split:
    from aeon.datasets import load_classification
    (train, train_labels), (test, test_labels) = (
        load_classification("JapaneseVowels", split=part, load_equal_length=False) for part in ("train", "test"))
    seen = np.concatenate([trial.T for trial in train])
    mean, spread = seen.mean(0), WIDE * seen.std(0)

    def frames(trials: list[np.ndarray], labels: np.ndarray) -> Frames:
        return Frames([np.clip((trial.T - mean) / spread, -1, 1) for trial in trials], labels.astype(int) - 1)
    return Split(frames(train, train_labels), frames(test, test_labels))


SOURCES: dict[str, tuple[Callable[[], Split], int]] = {"digits": (digits, 15), "vowels": (vowels, 10)}      # and steps of a frame


def spikes_of(values: np.ndarray, steps: int) -> np.ndarray:
    """(frames * steps + DECISION, 2 D + DECISION_LINES) spikes of one trial's (frames, D) values."""
    frames, lines = values.shape
    counts = np.rint(MOST * np.abs(values)).astype(int)
    phase = (np.arange(steps) + 0.5) / steps
    fired = np.floor(phase * counts[..., None] + 0.5)
    fires = np.diff(fired, axis=-1, prepend=0).astype(np.uint8).transpose(0, 2, 1)          # (frames, steps, D)
    x = np.zeros((frames * steps + DECISION, 2 * lines + DECISION_LINES), np.uint8)
    x[:frames * steps, :lines] = (fires * (values > 0)[:, None]).reshape(-1, lines)
    x[:frames * steps, lines:2 * lines] = (fires * (values < 0)[:, None]).reshape(-1, lines)
    for line in range(DECISION_LINES):
        x[frames * steps + 2 * line::EVERY, 2 * lines + line] = 1
    return x


def write_trials(path: Path, frames: Frames, steps: int, longest: int) -> None:
    """A dense file, docs/your_data.md."""
    trials = [spikes_of(values, steps) for values in frames.values]
    spikes = np.zeros((len(trials), longest, trials[0].shape[1]), np.uint8)
    for b, trial in enumerate(trials):
        spikes[b, :len(trial)] = trial
    np.savez(path, spikes=spikes, labels=frames.labels, durations=np.array([len(trial) for trial in trials]))


def network(config: Config, seed: int) -> Network:
    """The network that the configuration draws with this seed, with a readout of HEAR neurons to all classes, which alone get feedback."""
    drawn, rng, K = fxsim.build_network(config.changed({"seed": seed})), np.random.default_rng(seed), config.n_out
    topology, n = drawn.topology, drawn.topology.n
    readout = np.zeros((n, K))
    heard = rng.choice(n, HEAR, replace=False)
    readout[heard] = rng.normal(0, np.sqrt(2 / n), (HEAR, K))
    constants = {name: getattr(config.network, name) for name in ("tau_m", "tau_out", "tau_adaptation", "threshold", "gamma", "refractory")}
    return fxsim.make_network(topology.syn_in.dense(drawn.weights["in"]), topology.syn_rec.dense(drawn.weights["rec"]), readout,
                              beta=drawn.constants.beta, cells=topology.cell, grid=topology.grid, seed=seed, **constants)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", choices=SOURCES)
    parser.add_argument("--out", type=Path, default=Path("runs/data"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for name in given.names:
        source, steps = SOURCES[name]
        split = source()
        longest = steps * max(len(values) for part in split for values in part.values) + DECISION
        for kind, part in split._asdict().items():
            write_trials(given.out / f"{name}-{kind}.npz", part, steps, longest)
            np.savez(given.out / f"{name}-{kind}-frames.npz", values=np.concatenate(part.values), labels=part.labels,
                     frames=np.array([len(values) for values in part.values]))
        config = fxsim.load_config(Path(__file__).with_name(f"{name}_network.yaml"))
        for seed in SEEDS:
            fxsim.save_network(network(config, seed), given.out / f"{name}-network-{seed}.npz")
        print(f"{name}: {len(split.train.labels)} and {len(split.test.labels)} trials of up to {longest} steps")


if __name__ == "__main__":
    main()

"""fxsim: train recurrent spiking networks with e-prop and diffusing neuromodulators, in float and in fixed point.

config, configs/    what a run is, as validated YAML        topology, tasks/    networks and trials, drawn from a seed
network             the network and its trials as data      arithmetic          model units <-> stored numbers
steps               the update equations, written once      oracle              the same in NumPy: the specification
engine/             the fast CPU engine, built from steps   reference/          PyTorch: BPTT and the float anchor
optimizers          Adam; integer SGD, AdaMax               training, runs      the loop, and what a run leaves on disk
comparison, report/ paired runs and their report            verify/, bench      exactness and speed
cli                 the ``fxsim`` command

Number formats live in the package :mod:`quant`. Read network, then steps or oracle, then training.

    >>> import fxsim
    >>> config = fxsim.load_config("delayed_match", ["precision=q16", "iterations=100"])
    >>> result = fxsim.train(config, out="runs/first")
    >>> result.frame.query("split == 'eval'")[["iteration", "accuracy"]]
"""
from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING

from .errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from .config import Config
    from .progress import Progress
    from .training import TrainingResult

try:
    __version__ = metadata.version("fxsim")
except metadata.PackageNotFoundError:       # a source tree that is not installed
    __version__ = "0+unknown"


def load_config(name_or_path: str | Path, changes: list[str] | tuple[str, ...] = ()) -> Config:
    """A shipped configuration by name or a YAML file by path, with ``"key.subkey=value"`` changes. Raises InputError."""
    from .config import load_config
    return load_config(name_or_path, list(changes))


def train(config: Config, out: str | Path | None = None, progress: Progress | None = None, resume: bool = False) -> TrainingResult:
    """Train one network; with ``out`` its run directory is written, with checkpoints that ``resume`` goes on from (see :mod:`fxsim.runs`)."""
    from pathlib import Path

    from .runs import train_in
    from .training import Training
    return Training(config).run(progress) if out is None else train_in(Path(out), config, progress, resume)


def compare(configs: list[Config], rules: list[str], precisions: list[str], seeds: list[int], out: str | Path, jobs: int = 0) -> Path:
    """Paired runs of every combination and their report, whose path is returned (see :mod:`fxsim.comparison`)."""
    from .comparison import compare
    return compare(configs, rules, precisions, seeds, out, jobs)


__all__ = ["InputError", "__version__", "compare", "load_config", "train"]

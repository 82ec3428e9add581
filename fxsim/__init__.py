"""fxsim: train recurrent spiking networks with e-prop and diffusing neuromodulators, in float and in fixed point.

config/     what a run is, as validated YAML            model/      the network as data, and the equations written once
tasks/      trials, drawn from a seed                   reference/  PyTorch: the float anchor
engine/     oracle, CPU, CUDA: one arithmetic           training/   the loop, optimizers, and what a run leaves on disk
hardware/   cost in memory and energy, fit of chips     study/      many runs and their tables
report/     the pages that show them                    files/      writing and reading without trust
verify/     exactness                                   bench/      speed
cli/        the ``fxsim`` command                       errors      the one error that bad input ends in

Imports run down: cli, then report, bench and verify, study, hardware, training, engine, tasks and reference, model, config, files, and the
package :mod:`quant`, where number formats live. Read model/network, then model/steps or engine/oracle, then training/loop.

    >>> import fxsim
    >>> config = fxsim.load_config("delayed_match", ["precision=q16", "iterations=100"])
    >>> result = fxsim.train(config, out="runs/first")
    >>> result.frame.query("split == 'eval'")[["iteration", "accuracy"]]

:class:`Simulator` does the same on your own arrays, a batch or a step at a time.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from fxsim.hardware.cost import Cost
    from fxsim.model.given.arrays import make_network
    from fxsim.model.given.stored import load_network, save_network
    from fxsim.model.network import Network
    from fxsim.model.topology import build_network
    from fxsim.study.allocation.allocate import Allocation
    from fxsim.study.formats.align import Alignment
    from fxsim.study.formats.ranges import Ranges
    from fxsim.training.arrays.simulator import Simulator
    from fxsim.training.evaluation import Evaluation
    from fxsim.training.loop import TrainingResult
    from fxsim.training.progress import Progress

    from .config import Config

    __version__: str


_LATE = {"Network": "fxsim.model.network", "Simulator": "fxsim.training.arrays.simulator", "build_network": "fxsim.model.topology",
         "load_network": "fxsim.model.given.stored", "make_network": "fxsim.model.given.arrays", "save_network": "fxsim.model.given.stored"}


def __getattr__(name: str) -> Any:
    """``__version__`` and what takes long to import, looked up when it is asked for: ``fxsim --help`` does not wait for it."""
    if name in _LATE:
        from importlib import import_module
        return getattr(import_module(_LATE[name]), name)
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import metadata
    try:
        return metadata.version("fxsim")
    except metadata.PackageNotFoundError:       # a source tree that is not installed
        return "0+unknown"


def load_config(name_or_path: str | Path, changes: list[str] | tuple[str, ...] = ()) -> Config:
    """A shipped configuration by name or a YAML file by path, with ``"key.subkey=value"`` changes. Raises InputError."""
    from .config import load_config
    return load_config(name_or_path, list(changes))


def load_plugin(path: str | Path) -> list[str]:
    """Run a Python file that defines tasks (``fxsim new task`` writes one); returns the names that configurations now can have. Raises InputError."""
    from .config import load_plugin
    return load_plugin(path)


def train(config: Config | str | Path, out: str | Path | None = None, progress: Progress | None = None, resume: bool = False) -> TrainingResult:
    """Train one network, of a configuration or of its name or path.

    With ``out`` its run directory is written, with checkpoints that ``resume`` goes on from (:mod:`fxsim.training.runs`).
    """
    from pathlib import Path

    from fxsim.training.loop import Training
    from fxsim.training.runs import train_in
    config = _configuration(config)
    if out == "":
        raise InputError("fxsim.train", "out", "an empty path", "a path, or None")
    return Training(config).run(progress) if out is None else train_in(Path(out), config, progress, resume)


def _configuration(given: Config | str | Path) -> Config:
    """A configuration, or the one of this name or path."""
    from pathlib import Path

    from .config import Config
    if isinstance(given, (str, Path)):
        return load_config(given)
    if not isinstance(given, Config):
        raise InputError("fxsim", "config", type(given).__name__, "a configuration (fxsim.load_config), its name or its path")
    return given


def compare(configs: list[Config | str | Path], rules: list[str], precisions: list[str], seeds: list[int], out: str | Path, jobs: int = 0) -> Path:
    """Paired runs of every combination and their report, whose path is returned (see :mod:`fxsim.study.comparison`)."""
    from fxsim.report.build import build_report
    from fxsim.study.comparison import compare
    compare([_configuration(config) for config in configs], rules, precisions, seeds, out, jobs)
    return build_report(out)


def evaluate(source: str | Path, precisions: list[str], changes: list[str] | tuple[str, ...] = (), trials: int | None = None,
             config: Config | None = None, out: str | Path | None = None) -> Evaluation:
    """Trained weights (a run directory, a weights.npz, a NIR file) in every precision on the same trials; with ``out`` also as tables and a page.

    See :func:`fxsim.training.evaluation.evaluate`.
    """
    from pathlib import Path

    from fxsim.training.evaluation import evaluate, save
    found = evaluate(source, precisions, changes, trials, config)
    if out is not None:
        from fxsim.report.build import build_report
        save(found, Path(out), source, changes)
        build_report(out)
    return found


def align(source: str | Path | Config, rules: list[str], precisions: list[str], every: int = 50, batches: list[int] | tuple[int, ...] = (1,),
          driven: bool = False, floor: float = 1e-6, changes: list[str] | tuple[str, ...] = (), config: Config | None = None,
          out: str | Path | None = None) -> Alignment:
    """Gradients of rules and precisions against BPTT's and float64's, along a training or at given weights; with ``out`` also as a table and a page.

    See :func:`fxsim.study.formats.align.align`.
    """
    from pathlib import Path

    from fxsim.study.formats.align import align, save
    found = align(source, rules, precisions, every, batches, driven, floor, changes, config)
    if out is not None:
        from fxsim.report.build import build_report
        save(found, Path(out), source if isinstance(source, (str, Path)) else source.name, changes)
        build_report(out)
    return found


def ranges(source: str | Path | Config, precisions: list[str], trials: int = 4, changes: list[str] | tuple[str, ...] = (),
           config: Config | None = None, out: str | Path | None = None) -> Ranges:
    """Histograms of the magnitudes of every quantity, in float32 and in each precision; with ``out`` also as tables and a page.

    See :func:`fxsim.study.formats.ranges.ranges`.
    """
    from pathlib import Path

    from fxsim.study.formats.ranges import ranges, save
    found = ranges(source, precisions, trials, changes, config)
    if out is not None:
        from fxsim.report.build import build_report
        save(found, Path(out), source if isinstance(source, (str, Path)) else source.name, changes)
        build_report(out)
    return found


def allocate(config: Config | str | Path, out: str | Path, loss: float | None = None, memory: float | None = None, energy: float | None = None,
             sensitivity: str | Path | None = None, jobs: int = 0, **asked: Any) -> Allocation:
    """Word bits of all quantities at once that lose less than ``loss``, or within ``memory`` bytes or ``energy`` pJ of an update; one of the three.

    config          with the widest formats in ``precision``
    sensitivity     directory of ``fxsim sensitivity``; None: it is measured
    asked           ``margin``, and other fields of :class:`fxsim.study.allocation.asked.Asked`: seeds, bits, roundings, against, max_seeds, points

    Writes ``out`` with allocation.yaml and its page. See :func:`fxsim.study.allocation.allocate.allocate`.
    """
    from pathlib import Path

    from fxsim.report.build import build_report
    from fxsim.study.allocation.allocate import allocate
    from fxsim.study.allocation.asked import Asked, Goal
    from fxsim.study.jobs import Workers
    margin = {"margin": asked.pop("margin")} if "margin" in asked else {}
    question = Asked(_configuration(config), Goal(loss, memory, energy, **margin), None if sensitivity is None else Path(sensitivity), **asked)
    found = allocate(question, Path(out), Workers(jobs), announce=lambda line: None)
    build_report(out)
    return found


def cost(source: str | Path, precisions: list[str] | None = None, changes: list[str] | tuple[str, ...] = (), trials: int = 8) -> Cost:
    """Memory and operations (counted), spikes (measured) and energies (estimated) of a run directory, or of a configuration with its initial weights.

    See :func:`fxsim.hardware.cost.cost`.
    """
    from fxsim.hardware.cost import cost
    return cost(source, precisions or [], changes, trials)


__all__ = ["InputError", "Network", "Simulator", "__version__", "align", "allocate", "build_network", "compare", "cost", "evaluate", "load_config",
           "load_network", "load_plugin", "make_network", "ranges", "save_network", "train"]

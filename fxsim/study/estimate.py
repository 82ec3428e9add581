"""What a sweep will take, before it is begun: runs, hours on this machine and disk, from a few measured updates of each kind of run.

Runs of one kind have the same task, sizes, rule, engine and optimizer, and the same precision, or both formats of their own. A run of each
kind is begun in a temporary directory, twice: the first time its kernels may have to be compiled. One is measured at a time; runs beside each
other share caches and are slower, and a run that meets its criterion ends earlier.
"""
from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Callable, Sequence

import numpy as np

from fxsim.config import Config
from fxsim.errors import InputError
from fxsim.training.runs import train_in

from .jobs import Workers
from .plan import Planned
from .sweep import runs_in

UPDATES = 6         # of a run that is measured
COPIES = 2          # rows of a curve are in curves.csv and in the last checkpoint


@dataclass(frozen=True)
class Expected:
    """Of a block: its runs, those of them that are finished, and what the others take. ``seconds``: one after the other."""

    block: str
    runs: int
    done: int
    seconds: float
    bytes: int


@dataclass(frozen=True)
class Measured:
    """A short run: seconds and bytes in all, and of a row more."""

    updates: int
    evaluations: int
    seconds: float
    size: int
    update: float
    evaluation: float
    row: float

    def expected(self, config: Config) -> tuple[float, int]:
        """Seconds and bytes of a whole run of this kind."""
        updates, evaluations = config.updates - self.updates, evaluations_of(config) - self.evaluations
        return (max(0.0, self.seconds + updates * self.update + evaluations * self.evaluation),
                max(0, round(self.size + COPIES * self.row * (updates + evaluations))))


def evaluations_of(config: Config) -> int:
    """How often a run is evaluated, before the first update and after the last one included."""
    every = config.evaluation.every
    return 1 + config.updates // every + (config.updates % every > 0)


def measured(config: Config, threads: int) -> Measured:
    """Begin a run twice and measure it the second time."""
    short = config.changed({"iterations": min(UPDATES, config.updates), "evaluation.stop": False})
    for _ in range(2):
        with tempfile.TemporaryDirectory() as place:
            directory = Path(place) / "run"
            curves = train_in(directory, short, threads=threads, with_snapshot=False, planned=config.updates).curves
            seconds = json.loads((directory / "manifest.json").read_text())["duration_seconds"]
            size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
            row = (directory / "curves.csv").stat().st_size / (1 + len(curves))
    steps = np.diff([0.0, *(row["seconds"] for row in curves)])
    kinds = {split: [float(step) for step, row in zip(steps, curves) if row["split"] == split] for split in ("train", "eval")}
    return Measured(short.updates, len(kinds["eval"]), seconds, size, median(kinds["train"] or [0.0]), kinds["eval"][-1], row)


def expected(planned: Sequence[Planned], out: Path, workers: Workers, announce: Callable[[str], None] = lambda line: None) -> list[Expected]:
    """What the runs that are not finished in ``out`` take, by block. A run in two blocks counts in the first one. An evaluation of trained weights
    counts as two evaluations: of the precision and of its float twin."""
    runs, kinds, blocks = runs_in(out, planned), dict[str, Measured](), dict[str, Expected]()
    unfinished = {folder for folder, run in runs.items() if not run.is_finished}
    jobs = workers.side_by_side(max(1, len(unfinished)))
    for p in reversed({p.folder: p for p in reversed(planned)}.values()):
        seconds, size = 0.0, 0
        if p.folder in unfinished:
            kind = kind_of(p)
            if kind not in kinds:
                announce(f"measuring {UPDATES} updates: {runs[p.folder]}")
                alone = p.config.changed({"initial": None}) if p.begins else p.config
                try:
                    kinds[kind] = measured(alone, workers.share(p.config, jobs))
                except InputError as error:     # such a run fails at once, and the sweep goes on; another may stand for its kind
                    announce(f"would be refused: {error}")
            if kind in kinds:
                seconds, size = kinds[kind].expected(p.config)
                seconds += kinds[kind].evaluation if p.source else 0.0
        old, done = blocks.get(p.block, Expected(p.block, 0, 0, 0.0, 0)), p.folder not in unfinished
        blocks[p.block] = Expected(p.block, old.runs + 1, old.done + done, old.seconds + seconds, old.bytes + size)
    return [blocks[name] for name in dict.fromkeys(p.block for p in planned) if name in blocks]


def kind_of(p: Planned) -> str:
    """What the time of an update depends on."""
    c = p.config
    data = c.model_dump(mode="json", include={"task", "network", "batch_size", "engine", "evaluation", "threads"})
    numbers = "other formats" if c.formats else c.precision
    return json.dumps([data, c.learning.rule, c.learning.optimizer.name, numbers, c.updates])      # a long run has kernels of its own

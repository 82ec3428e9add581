"""The noise of all formats at once, measured: so that its sum over quantities is checked, not trusted."""
from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

import pandas as pd

from fxsim.config import Config
from fxsim.files.writing import make_directory, write_csv
from fxsim.training.alignment import measures
from fxsim.training.interrupts import interruptible
from fxsim.training.processes import in_turns, processes
from fxsim.training.progress import SweepProgress
from quant import PrecisionSpec

from ..formats.noise import beyond
from ..formats.points import held_against_twin
from ..jobs import THREADS, Workers

COLUMNS = ("seed", "moment", "way", "layer", *measures.VALUES, "seconds")


@dataclass(frozen=True)
class Measurement:
    """Formats at the weights of one training. ``config``: of the training, in float; ``weights``, ``trials``: see
    :class:`fxsim.study.formats.points.Unit`."""

    config: Config
    spec: PrecisionSpec
    ways: tuple[str, ...]
    weights: Path
    trials: int
    folder: Path

    @property
    def path(self) -> Path:
        """Its table, the same for the same formats."""
        formats = json.dumps(self.spec.to_dict()["quantities"], sort_keys=True)
        return self.folder / f"s{self.config.seed}-{hashlib.sha256(formats.encode()).hexdigest()[:10]}.csv"


def measure_one(asked: Measurement) -> None:
    """Write its table."""
    rows = held_against_twin(asked.config, asked.weights, asked.trials, asked.ways, [({"seed": asked.config.seed}, asked.spec)])
    make_directory(asked.path.parent)
    write_csv(asked.path, COLUMNS, rows)


def measure_all(asked: Sequence[Measurement], workers: Workers, progress: SweepProgress) -> None:
    """Make the tables that are not there yet."""
    todo = [one for one in asked if not one.path.is_file()]
    if not todo:
        return
    jobs = workers.side_by_side(len(todo))
    with interruptible() as interrupts, progress.of(len(asked), len(asked) - len(todo)), \
            processes(jobs, interrupts, dict.fromkeys(THREADS, "1")) as submit:
        for one in in_turns(submit, measure_one, todo, jobs):
            progress.finished(f"all formats together, {one.path.stem}")


def measured_noise(asked: Sequence[Measurement], calm: pd.DataFrame) -> pd.Series:
    """moment -> noise beyond the base's, mean over seeds, the worst of layers and ways. ``asked``: the same formats; ``calm``: see
    fxsim.study.formats.noise."""
    rows = beyond(pd.concat([pd.read_csv(one.path) for one in asked]), calm)
    return rows.groupby(["layer", "way", "moment"])["noise"].mean().groupby("moment").max()

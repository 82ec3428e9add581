"""Does a precision learn as well as another one? Trainings with paired seeds, one seed after the other until the test says."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Sequence

import pandas as pd

from fxsim.config import Config
from fxsim.errors import InputError
from fxsim.training.progress import SweepProgress
from quant import PrecisionSpec

from ..jobs import Workers
from ..plan import Planned
from ..statistics.outcome import settled
from ..statistics.sequential import FIRST, MORE, UNDECIDED, Look, look
from ..sweep import make_planned
from .costs import with_formats

COLUMNS = ("point", "seed", "measure", "allocated", "reference", "difference", "rate_hz", "reference_rate_hz")


@dataclass(frozen=True)
class Confirmation:
    """Trains and tests.

    config      in the base precision; rule, task and updates of the trainings
    against     name or file of the precision to compare with
    seeds       in the order in which they are used
    margin      of the measure: a smaller loss is none
    """

    config: Config
    against: str
    seeds: Sequence[int]
    margin: float
    out: Path
    workers: Workers
    progress: SweepProgress
    announce: Callable[[str], None]

    @property
    def measure(self) -> str:
        return "accuracy" if self.config.task.classification else "nmse"

    def test(self, point: int, spec: PrecisionSpec) -> tuple[Look, list[dict[str, Any]]]:
        """What so many seeds show as it takes, and COLUMNS of each."""
        for count in range(FIRST, len(self.seeds) + 1):
            reference = [self._planned(self.against, seed) for seed in self.seeds[:count]]
            allocated = [self._planned(spec, seed) for seed in self.seeds[:count]]
            failures = make_planned([run for pair in zip(reference, allocated) for run in pair], self.out, self.workers, self.progress)
            if lost := [run for run in reference if run.folder in failures]:
                raise InputError(self.out, self.against, failures[lost[0].folder], "runs to compare with")
            rows = [self._row(point, *pair) for pair in zip(allocated, reference) if pair[0].folder not in failures]
            found = look([row["difference"] for row in rows], self.margin)
            if len(rows) < count:       # what cannot be trained has lost
                found = Look(MORE, found.n, found.mean, found.low, found.high)
            self.announce(f"point {point}, {count} seeds: {found.says(self.margin)} of {self.measure}, {found.mean:+.4f} "
                          f"({found.low:+.4f} to {found.high:+.4f})")
            if found.word != UNDECIDED:
                break
        return found, rows

    def _planned(self, precision: str | PrecisionSpec, seed: int) -> Planned:
        config = self.config.changed({"seed": seed})
        changed = with_formats(config, precision) if isinstance(precision, PrecisionSpec) else config.changed({"precision": precision, "formats": {}})
        return Planned("", {}, changed)

    def _row(self, point: int, allocated: Planned, reference: Planned) -> dict[str, Any]:
        ours, theirs = self._outcome(allocated), self._outcome(reference)
        sign = -1 if self.measure == "nmse" else 1
        return {"point": point, "seed": allocated.config.seed, "measure": self.measure, "allocated": float(ours[self.measure]),
                "reference": float(theirs[self.measure]), "difference": sign * float(ours[self.measure] - theirs[self.measure]),
                "rate_hz": float(ours["rate_hz"]), "reference_rate_hz": float(theirs["rate_hz"])}

    def _outcome(self, planned: Planned) -> pd.Series:
        curves = pd.read_csv(self.out / "runs" / planned.folder / "curves.csv")
        return settled(curves[curves["split"] == "eval"], planned.config.updates)


def walk(start: int, last: int, test: Callable[[int], bool]) -> int | None:
    """The narrowest point that passes ``test``, of 0 (widest) to ``last``: from ``start`` to narrower ones while they pass, to wider ones until one
    does. None if none does."""
    tried: dict[int, bool] = {}
    at = start
    while 0 <= at <= last and at not in tried:
        tried[at] = test(at)
        at += 1 if tried[at] else -1
    return max((point for point, passed in tried.items() if passed), default=None)

"""What a study asks of its runs before they are made (its section ``statistics``), and the paired differences that answer it.

    statistics:
      margin: 0.02                  # of the measure: 2 points of accuracy, or 0.02 of nMSE; what is smaller is equivalent
      marks: [100, 500, 2000]       # updates at which differences are looked at, too
      levels: [0.75, 0.9]           # of the measure, to which times are taken
      contrasts:                    # beside every fixed precision against float; columns are those of the tables
        - {name: k = 0.5, of: {block: decay, learning.k: 0.5}, against: {block: diffusion, precision: float32}}
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Sequence

import numpy as np
import pandas as pd
from pydantic import Field

from fxsim.config.base import Name, NonNegative, Positive, PositiveReal, Section

from .outcome import Crossing, area, crossing, settled

END, AREA = "end", "area"


class Contrast(Section):
    """Two sets of runs, paired by seed: column -> value or values that their rows have."""

    name: Name
    of: dict[str, Any] = Field(min_length=1)
    against: dict[str, Any] = Field(min_length=1)


class Statistics(Section):
    """What is asked beside the means."""

    margin: PositiveReal | None = None
    marks: tuple[Positive, ...] = ()
    levels: tuple[NonNegative, ...] = ()
    contrasts: list[Contrast] = []


@dataclass(frozen=True)
class Curves:
    """Evaluations of runs of one condition, a run a seed. ``measure``: accuracy, or nmse, of which less is better."""

    evaluations: pd.DataFrame       # columns seed, iteration, measure
    measure: str
    end: int                        # updates that the runs were to make

    @property
    def sign(self) -> int:
        """Of the measure, so that more is better."""
        return -1 if self.measure in ("nmse", "loss") else 1

    def outcomes(self, marks: Sequence[int]) -> pd.DataFrame:
        """A row per seed: the tail at the end and at each mark (:func:`.outcome.settled`), and the mean over all updates."""
        rows = {seed: self._outcomes(run, marks) for seed, run in self.evaluations.groupby("seed")}
        return pd.DataFrame.from_dict(rows, orient="index", columns=[END, AREA, *map(str, marks)])

    def _outcomes(self, run: pd.DataFrame, marks: Sequence[int]) -> list[float]:
        tails = {end: settled(run[run["iteration"] <= end], end)[self.measure] for end in (self.end, *marks)}
        return [tails[self.end], area(run, self.measure, self.end), *(tails[mark] for mark in marks)]

    def times(self, level: float) -> list[Crossing]:
        """Of each run: the updates after which an evaluation first reaches the level; "above": not within the run, which is no number to average."""
        return [crossing(run["iteration"].to_numpy(), self.sign * run[self.measure].to_numpy(float), self.sign * level)
                for _, run in self.evaluations.groupby("seed")]


def median_time(times: Sequence[Crossing]) -> float:
    """Median over runs of which those that do not reach the level take longer than all others; infinite where half of them do not."""
    values = sorted(time.x if time.kind != "above" else np.inf for time in times)
    middle = values[(len(values) - 1) // 2], values[len(values) // 2]
    return float(np.mean(middle))


def paired(of: pd.DataFrame, against: pd.DataFrame) -> pd.DataFrame:
    """Differences of :meth:`Curves.outcomes` on the seeds that both have."""
    seeds = of.index.intersection(against.index)
    return of.loc[seeds] - against.loc[seeds]

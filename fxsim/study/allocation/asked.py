"""What an allocation is asked for, checked before anything runs."""
from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Sequence

import pandas as pd

from fxsim.config import Config
from fxsim.errors import InputError
from fxsim.files.writing import read_csv_text
from fxsim.hardware.cost import refuse_bptt
from fxsim.training.initial import pinned
from quant import PrecisionSpec
from quant.files import dump_yaml, parse_yaml, read_text
from quant.rounding import ROUNDINGS

from ..formats.points import COLUMNS
from ..formats.sensitivity import TRIALS
from ..statistics.sequential import FIRST

SHARED = ("task", "network", "initial", "batch_size", "learning")       # what a sensitivity must have in common, but for rule and optimizer


@dataclass(frozen=True)
class Goal:
    """One of: the fewest bits that lose less than ``loss`` (of accuracy, or nMSE); the least noise within ``memory``, bytes of the whole network, or
    within ``energy``, pJ of an update at the upper end of its estimate. ``margin``: the loss that trainings test where ``loss`` is not the goal."""

    loss: float | None = None
    memory: float | None = None
    energy: float | None = None
    margin: float = 0.02

    def __post_init__(self) -> None:
        given = {name: value for name in ("loss", "memory", "energy") if (value := getattr(self, name)) is not None}
        if len(given) != 1:
            raise InputError("allocate", "--loss, --memory, --energy", " and ".join(given) or "none of them", "exactly one goal")
        for name, value in {**given, "margin": self.margin}.items():
            if not 0 < value < float("inf"):
                raise InputError("allocate", f"--{name}", value, "a number above 0")

    @property
    def tested(self) -> float:
        return self.margin if self.loss is None else self.loss

    def __str__(self) -> str:
        return next(f"{name} {value:g}" for name, value in asdict(self).items() if value is not None)


@dataclass(frozen=True)
class Asked:
    """The question. InputError for what cannot be asked.

    config      rule, task and network; in ``precision`` and ``formats`` the base: the widest formats that are chosen
    given       directory of a sensitivity of this task, network and base; None: one is measured, of ``seeds`` and ``bits``
    roundings   that quantities may have
    against     precision that trainings are compared with
    max_seeds   of each test; 0: nothing is trained, which is no answer to a loss
    points      of the front that are measured
    """

    config: Config
    goal: Goal
    given: Path | None = None
    seeds: Sequence[int] = ()
    bits: Sequence[int] = ()
    roundings: Sequence[str] = tuple(ROUNDINGS)
    against: str = "float32"
    max_seeds: int = 20
    points: int = 12

    def __post_init__(self) -> None:
        refuse_bptt(self.config)
        if isinstance(base := self.config.resolved_precision(), str):
            raise InputError("allocate", "precision", base, "a fixed-point precision, the widest that quantities may have")
        if self.given is not None and (self.seeds or self.bits):
            raise InputError("allocate", "--seeds, --bits", "with --sensitivity", "neither: they are those of that table")
        if (wrong := [name for name in self.roundings if name not in ROUNDINGS]) or not self.roundings:
            raise InputError("allocate", "--roundings", wrong[0] if wrong else "nothing", ", ".join(ROUNDINGS))
        if not (self.max_seeds >= FIRST or self.max_seeds == 0 and self.goal.loss is None):
            none = "" if self.goal.loss is not None else ", or 0: nothing is trained"
            raise InputError("allocate", "--max-seeds", self.max_seeds, f"at least {FIRST}, the fewest that the test can say something of{none}")
        if self.points < 2:
            raise InputError("allocate", "--points", self.points, "at least 2")
        self.config.changed({"precision": self.against, "formats": {}}).resolved_precision()
        object.__setattr__(self, "config", pinned(self.config))

    @cached_property
    def base(self) -> PrecisionSpec:
        base = self.config.resolved_precision()
        assert isinstance(base, PrecisionSpec)
        return base

    @property
    def rule(self) -> str:
        return self.config.learning.rule

    @cached_property
    def trials(self) -> int:
        """Of a batch, of which gradients are: as many as the given sensitivity has taken."""
        if self.given is None:
            return self.config.batch_size
        source, found = self.given / "asked.yaml", _question(self.given).get(TRIALS)
        if not isinstance(found, int) or not 0 < found <= self.config.batch_size:
            raise InputError(source, TRIALS, found, f"1 to {self.config.batch_size}, the trials of a batch")
        return found

    def __str__(self) -> str:
        """YAML of all that the answer depends on; more seeds make it surer."""
        told = {"goal": asdict(self.goal), "sensitivity": None if self.given is None else str(self.given), "against": self.against,
                "points": self.points, **{name: [*getattr(self, name)] for name in ("seeds", "bits", "roundings")}}
        return dump_yaml({**self._compared, **told})

    @property
    def _compared(self) -> dict[str, Any]:
        return {"config": self.config.model_dump(mode="json"), "formats": {name: asdict(fmt) for name, fmt in self.base.formats.items()}}

    def read(self, source: Path) -> pd.DataFrame:
        """The rows of a sensitivity's table that are of the rule. InputError, also for a table of another task, network or base."""
        theirs, ours = _question(source), self._compared
        for name in SHARED:
            if _plain(theirs, name) != _plain(ours, name):
                raise InputError(source / "asked.yaml", f"config.{name}", "another than CONFIG's", "a sensitivity of the same task and learning")
        if theirs.get("formats") != ours["formats"]:
            raise InputError(source / "asked.yaml", "formats", f"others than those of {self.base.name}", "a sensitivity of the same --base")
        table = pd.read_csv(io.StringIO(read_csv_text(source / "sensitivity.csv")))
        if list(table.columns) != list(COLUMNS):
            raise InputError(source / "sensitivity.csv", "header", ", ".join(table.columns)[:100], ", ".join(COLUMNS))
        of = table[table["rule"] == self.rule]
        if of.empty:
            raise InputError(source / "sensitivity.csv", "rule", ", ".join(dict.fromkeys(table["rule"])) or "nothing", self.rule)
        return of


def _question(source: Path) -> dict[str, Any]:
    """What a sensitivity was asked. InputError."""
    path = source / "asked.yaml"
    asked = parse_yaml(read_text(path, "--sensitivity", "a directory of fxsim sensitivity"), str(path))
    if not isinstance(asked, dict):
        raise InputError(path, "asked.yaml", type(asked).__name__, "the fields of fxsim sensitivity")
    return asked


def _plain(asked: dict[str, Any], section: str) -> Any:
    """A section of a question's configuration, without what sensitivities of several rules differ in."""
    config = asked.get("config")
    found = config.get(section) if isinstance(config, dict) else None
    if section == "learning" and isinstance(found, dict):
        return {name: value for name, value in found.items() if name not in ("rule", "optimizer")}
    return found

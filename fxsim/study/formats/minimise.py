"""The fewest word bits of each quantity at which learning keeps its quality, found by paired runs.

1. Alone: for each quantity by itself, bisection between 2 bits and the bits it has, everything else as it was. Fewer bits keep a format's range.
   A word length is enough if, in the mean over the seeds, a run's tail of evaluations (fxsim.study.statistics.outcome.settled) is no worse than
   float32's, with the same initial weights and trials, by more than ``margin``.
2. Together: all quantities at once with the bits found, and if that is not enough one bit more everywhere (never more than before), until it is.

    DIR/runs/...            a directory for each run; finished ones are not repeated, so an interrupted search goes on
    DIR/evidence.csv        every word length tried, with the mean difference to float, its 95 % interval, and the smallest loss that so many
                            seeds would have shown; rows "as given" and "all together" have in word_bits the bits added to what was found
    DIR/minimal.yaml        the formats that are enough together
"""
from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Callable, Sequence

import numpy as np
import pandas as pd

from fxsim.config import Config
from fxsim.errors import InputError
from fxsim.files.ownership import claim_directory
from fxsim.files.writing import make_directory, write_atomic, write_csv
from fxsim.training.initial import pinned
from fxsim.training.progress import SweepProgress
from quant import PrecisionSpec
from quant.files import dump_yaml
from quant.formats import WORD_BITS

from ..jobs import Workers
from ..plan import Planned
from ..statistics.outcome import mean_of, settled
from ..sweep import make_planned

FLOAT = "float32"
START, TOGETHER = "as given", "all together"
COLUMNS = ("quantity", "word_bits", "enough", "difference", "half_interval", "detectable", "runs", "failed")


@dataclass(frozen=True)
class Tried:
    """One word length. ``difference``: metric minus float's, mean over seeds, positive is better; NaN if a run failed. ``half_interval``,
    ``detectable``: see :class:`fxsim.study.statistics.outcome.Mean`."""

    quantity: str
    word_bits: int
    enough: bool
    difference: float
    half_interval: float
    detectable: float
    runs: int
    failed: int


@dataclass
class Search:
    """Makes and judges runs."""

    config: Config
    spec: PrecisionSpec
    seeds: Sequence[int]
    margin: float
    out: Path
    workers: Workers
    progress: SweepProgress

    def __post_init__(self) -> None:
        self.config = pinned(self.config)
        self.metric = "accuracy" if self.config.task.classification else "nmse"
        self.tried: list[Tried] = []

    def run(self, questions: dict[tuple[str, int], dict[str, int]]) -> dict[tuple[str, int], Tried]:
        """(quantity, bits) -> word bits of the changed quantities, tried with every seed; float32 besides."""
        changes = {key: {f"formats.{q}.word_bits": b for q, b in bits.items()} for key, bits in questions.items()}
        planned = {(key, seed): Planned(key[0], {}, self.config.changed({"seed": seed, **change}))
                   for seed in self.seeds for key, change in changes.items()}
        reference = {seed: Planned(FLOAT, {}, self.config.changed({"seed": seed, "precision": FLOAT, "formats": {}})) for seed in self.seeds}
        failures = make_planned([*reference.values(), *planned.values()], self.out, self.workers, self.progress)
        if any(p.folder in failures for p in reference.values()):
            raise InputError(self.out, FLOAT, next(iter(failures.values())), "a float32 run to compare with")
        found = {}
        for key in questions:
            done = [seed for seed in self.seeds if planned[key, seed].folder not in failures]
            better = np.array([self._quality(planned[key, seed]) - self._quality(reference[seed]) for seed in done])
            seen = mean_of(better)
            mean = seen.mean if len(done) == len(self.seeds) else float("nan")
            found[key] = Tried(*key, mean >= -self.margin, mean, seen.half, seen.detectable, len(done), len(self.seeds) - len(done))
        self.tried += found.values()
        write_csv(self.out / "evidence.csv", COLUMNS, [asdict(t) for t in self.tried])
        return found

    def _quality(self, planned: Planned) -> float:
        curves, last = pd.read_csv(self.out / "runs" / planned.folder / "curves.csv"), int(planned.config.iterations)
        value = float(settled(curves[curves["split"] == "eval"], last)[self.metric])
        return -value if self.metric == "nmse" else value


def _is_search(directory: Path) -> bool:
    """True where a search wrote its evidence, or had only begun with its runs."""
    table, others = directory / "evidence.csv", ("study.yaml", "manifest.json", "minimal.yaml")
    return table.read_bytes().startswith(",".join(COLUMNS).encode()) if table.is_file() else not any((directory / name).exists() for name in others)


def minimise(config: Config, seeds: Sequence[int], margin: float, out: Path, workers: Workers, progress: SweepProgress,
             announce: Callable[[str], None] = print, quantities: Sequence[str] = ()) -> tuple[PrecisionSpec, dict[str, Tried]]:
    """Search from the formats of ``config``'s precision (InputError for a float). Returns the minimal formats and what decided, by quantity.

    quantities      to be searched; empty: all of the precision
    """
    spec = config.resolved_precision()
    if isinstance(spec, str):
        raise InputError(config.name, "precision", spec, "a fixed-point precision to start from")
    unknown = [name for name in quantities if name not in spec.formats]
    if unknown:
        raise InputError("calibrate", "--quantities", unknown[0], "one of " + ", ".join(spec.formats))
    claim_directory(out, ("runs", "evidence.csv", "minimal.yaml"), _is_search, hint="another --out")
    make_directory(out / "runs")
    search = Search(config, spec, seeds, margin, out, workers, progress)
    before = {name: fmt.word_bits for name, fmt in spec.formats.items() if not quantities or name in quantities}
    start = search.run({(START, 0): {}})[START, 0]
    if not start.enough:
        raise InputError(config.name, "precision", f"{spec.name}: {start.difference:+.4f} +- {start.half_interval:.4f} against {FLOAT}",
                         f"formats to start from that are no worse by more than {margin}, more seeds, or a wider margin")
    low, high, decided = dict.fromkeys(before, WORD_BITS[0]), dict(before), {}
    while True:
        open_ = {name: (low[name] + high[name]) // 2 for name in before if low[name] < high[name]}
        if not open_:
            break
        announce("trying " + ", ".join(f"{name} {bits}" for name, bits in open_.items()))
        for (name, tried_bits), tried in search.run({(name, bits): {name: bits} for name, bits in open_.items()}).items():
            if tried.enough:
                high[name], decided[name] = tried_bits, tried
            else:
                low[name] = tried_bits + 1
    together_bits, more = dict(high), 0
    while True:
        together = search.run({(TOGETHER, more): together_bits})[TOGETHER, more]
        announce(f"{TOGETHER}, {more} bits more: {together.difference:+.4f} +- {together.half_interval:.4f}")
        if together.enough:     # at the latest with the bits of the start
            break
        more += 1
        together_bits = {name: min(before[name], high[name] + more) for name in before}
    minimal = spec.changed({name: {"word_bits": b} for name, b in together_bits.items() if b != before[name]})
    described = f"fewest bits for {config.task.name} ({config.learning.rule}) within {margin} of {FLOAT}"
    minimal = replace(minimal, name=f"{spec.name}_minimal", description=described)
    write_atomic(out / "minimal.yaml", dump_yaml(minimal.to_dict()).encode())
    return minimal, {**decided, TOGETHER: together}

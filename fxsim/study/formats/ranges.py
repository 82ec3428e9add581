"""Where the bits go: histograms of log2 magnitudes of every quantity, in float32 and as stored in fixed point, over real trials.

    DIR/ranges.csv      COLUMNS: how many stored values of a quantity have a magnitude of 2^log2 to 2^(log2+1), scaled units; log2 is empty for zeros
    DIR/summary.csv     SUMMARY: of each precision and quantity the format; log2 of its last bit and of where its range ends, and of the smallest
                        and largest values of float32; spare: bits at the top that none of them needed;  below: share of them that is less than
                        the last bit;  zeros: share of the stored ones that is 0;  the rest as telemetry counts it, shares of what is stored
    DIR/manifest.json   what was looked at, where
"""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Sequence

from fxsim.config import Config
from fxsim.config.io import override
from fxsim.errors import InputError
from fxsim.files.ownership import claim_directory, has_json
from fxsim.files.writing import write_csv, write_json
from fxsim.tasks import make_task
from fxsim.training.evaluation import numbers_in, of_formats
from fxsim.training.initial import fitted
from fxsim.training.runs import provenance
from quant import FLOATS, QUANTITIES, PrecisionSpec, QFormat

from .align import Updates, configuration_of, weights_of
from .histograms import TRIALS, Observed, Observer, observe

if TYPE_CHECKING:
    from pandas import DataFrame

FLOAT = "float32"
COLUMNS = ("numbers", "quantity", "log2", "count")
SUMMARY = ("numbers", "quantity", "format", "last_bit", "end", "smallest", "largest", "spare", "below", "zeros", "saturated", "underflowed",
           "stalled")
FILES, KIND = ("ranges.csv", "summary.csv", "manifest.json"), "ranges"


@dataclass(frozen=True)
class Ranges:
    """What ``fxsim ranges`` finds. ``observed``: label -> what that precision stored; ``specs``: the formats of those in fixed point."""

    config: Config
    trials: int
    observed: dict[str, Observed]
    specs: dict[str, PrecisionSpec]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """COLUMNS; quantities in the order of QUANTITIES."""
        return [{"numbers": name, "quantity": quantity, "log2": log2, "count": count} for name, seen in self.observed.items()
                for quantity in QUANTITIES if quantity in seen.histograms
                for log2, count in ([(None, seen.histograms[quantity].zeros)] if seen.histograms[quantity].zeros else [])
                + list(seen.histograms[quantity].items())]

    @property
    def frame(self) -> DataFrame:
        """``rows`` as a pandas DataFrame."""
        import pandas as pd
        return pd.DataFrame(self.rows, columns=list(COLUMNS))

    @property
    def summary(self) -> list[dict[str, Any]]:
        """A row with SUMMARY for each precision in fixed point and quantity that occurred."""
        return [row for name, spec in self.specs.items() for quantity in QUANTITIES if (row := self._summary(name, quantity, spec[quantity]))]

    def _summary(self, name: str, quantity: str, fmt: QFormat) -> dict[str, Any] | None:
        stored, needed = (self.observed[numbers].histograms.get(quantity) for numbers in (name, FLOAT))
        if stored is None or needed is None or not needed.bins.any():
            return None
        counts, bins = self.observed[name].counts.get(quantity, {}), list(needed.items())
        of, last_bit, end = counts.get("stored", 0), -fmt.frac_bits, fmt.word_bits - fmt.signed - fmt.frac_bits
        return {"numbers": name, "quantity": quantity, "format": str(fmt), "last_bit": last_bit, "end": end,
                "smallest": bins[0][0], "largest": bins[-1][0] + 1, "spare": end - bins[-1][0] - 1,
                "below": sum(count for log2, count in bins if log2 < last_bit) / int(needed.bins.sum()), "zeros": stored.zeros / stored.total,
                **{kind: counts[kind] / of if of else None for kind in ("saturated", "underflowed", "stalled")}}


def ranges(source: str | Path | Config, precisions: Sequence[str], trials: int = TRIALS, changes: Sequence[str] = (), config: Config | None = None,
           progress: Updates | None = None) -> Ranges:
    """What every quantity needs of range and of last bits, in float32 and in each precision.

    source      a configuration, its name or path: trained in float32, and looked at on its way, as ``fxsim calibrate`` does; a run directory: its
                initial and its final weights;  a file of weights: these
    trials      of the evaluation set, the first
    changes     ``field=value`` of the configuration; those of ``formats`` hold for precisions in fixed point
    config      task and network, where a file has no configuration of its own
    progress    of a training, by its number of updates

    Raises InputError.
    """
    formats, others = of_formats(changes)
    trained = configuration_of(source)
    if trained is not None:
        base = override(trained, others, trained.name)
        numbers = _numbers(base, precisions, formats)
        observed = observe(base, numbers, trials, progress and progress(base.updates))
    else:
        assert not isinstance(source, Config)
        found, own = weights_of(Path(source), config)
        base = override(own, others, str(source))
        numbers = _numbers(base, precisions, formats)
        task = make_task(base)
        networks = [fitted(str(source), network, base) for network in found.values()]
        batch = task.evaluation_trials().take(slice(trials))
        observed = {}
        for name, precision in numbers.items():
            observer = Observer(base, networks[0], precision, task.steps)
            for network in networks:
                observer.look(network.weights, batch)
            observed[name] = observer.observed
    return Ranges(base, trials, observed, {name: spec for name, spec in numbers.items() if isinstance(spec, PrecisionSpec)})


def _numbers(config: Config, precisions: Sequence[str], formats: Sequence[str]) -> dict[str, str | PrecisionSpec]:
    """label -> float or formats; float32 is always among them."""
    base = config.changed({"precision": FLOAT, "formats": {}})
    if not [name for name in precisions if name not in FLOATS]:
        raise InputError("ranges", "precisions", ", ".join(precisions) or "nothing", "at least one in fixed point; float32 is always beside it")
    return {FLOAT: FLOAT, **numbers_in("ranges", base, precisions, formats, config.name)}


def save(found: Ranges, directory: Path, source: str | Path, changes: Sequence[str] = (), force: bool = False) -> None:
    """Write ranges.csv, summary.csv and manifest.json, of which ``fxsim report`` makes a page."""
    claim_directory(directory, FILES, has_json("manifest.json", KIND), force)
    write_csv(directory / "ranges.csv", COLUMNS, found.rows)
    write_csv(directory / "summary.csv", SUMMARY, found.summary)
    c = found.config
    write_json(directory / "manifest.json", {KIND: str(source), "task": c.task.name, "rule": c.learning.rule, "seed": c.seed, "trials": found.trials,
                                             "changes": list(changes), **provenance()})

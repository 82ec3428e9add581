"""How well gradients agree, by any rules and in any precisions: along a training, or at given weights.

    DIR/alignment.csv       columns of fxsim.training.alignment.rows
    DIR/manifest.json       what was measured, where
"""
from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Mapping, Sequence

from pydantic import ValidationError

from fxsim.config import Config, config_names, load_config
from fxsim.config.evaluation import AlignmentConfig
from fxsim.config.io import override
from fxsim.config.schema import one_line
from fxsim.files.ownership import claim_directory, has_json
from fxsim.files.writing import write_csv, write_json
from fxsim.model.network import Network
from fxsim.tasks import make_task
from fxsim.training.alignment.gradients import TWIN, Gradients
from fxsim.training.alignment.rows import COLUMNS, align as aligned
from fxsim.training.evaluation import label, numbers_in, of_formats, plain
from fxsim.training.initial import fitted, network_in_file, network_of_run
from fxsim.training.loop import Training
from fxsim.training.progress import Progress
from fxsim.training.runs import provenance
from quant import PrecisionSpec
from quant.files import read_text

if TYPE_CHECKING:
    from pandas import DataFrame

Updates = Callable[[int], Progress]
FILES, KIND = ("alignment.csv", "manifest.json"), "aligned"


@dataclass(frozen=True)
class Alignment:
    """What ``fxsim align`` finds: ``rows`` with the columns of :mod:`fxsim.training.alignment.rows`."""

    config: Config
    rows: list[dict[str, Any]]

    @property
    def frame(self) -> DataFrame:
        """``rows`` as a pandas DataFrame."""
        import pandas as pd
        return pd.DataFrame(self.rows, columns=list(COLUMNS))


def align(source: str | Path | Config, rules: Sequence[str], precisions: Sequence[str], every: int = 50, batches: Sequence[int] = (1,),
          driven: bool = False, floor: float = 1e-6, changes: Sequence[str] = (), config: Config | None = None,
          progress: Updates | None = None) -> Alignment:
    """Gradients by each rule in each precision against BPTT's and against their float64 twins'.

    source      a configuration, its name or the path of its YAML: it is trained, and measured every ``every`` updates and at the end;
                a run directory: its initial and its final weights;  a file of weights: these
    batches     over how many training batches gradients are means; several: one after the other
    driven      precisions also with the spikes of their twins
    floor       float64 also with weights moved by this share of themselves; 0: not
    changes     ``field=value`` of the configuration; those of ``formats`` hold for precisions in fixed point
    config      task and network, where a file has no configuration of its own
    progress    of a training, by its number of updates

    Raises InputError.
    """
    asked = _asked({"rules": tuple(rules), "every": every, "batches": tuple(batches), "driven": driven, "floor": floor})
    formats, others = of_formats(changes)
    if (trained := configuration_of(source)) is not None:
        trained = override(trained, others, trained.name)
        measured = trained.changed({"evaluation.alignment": asked.model_dump()})
        rows = Training(measured, _numbers(trained, precisions, formats)).run(progress and progress(trained.updates)).alignment
        return Alignment(trained, [{name: row[name] for name in COLUMNS} for row in rows])
    assert not isinstance(source, Config)
    found, own = weights_of(Path(source), config)
    own = override(own, others, str(source))
    task, numbers = make_task(own), _numbers(own, precisions, formats)
    networks = {update: fitted(str(source), network, own) for update, network in found.items()}
    gradients = Gradients(own, next(iter(networks.values())), numbers, task.steps)
    return Alignment(own, [row for update, network in networks.items()
                           for row in aligned(gradients, asked, network.weights, task.training_trials, update)])


def _asked(fields: Mapping[str, Any]) -> AlignmentConfig:
    try:
        return AlignmentConfig.model_validate(fields)
    except ValidationError as error:
        raise one_line(error.errors(include_url=False)[0], "align", AlignmentConfig) from None


def configuration_of(source: str | Path | Config) -> Config | None:
    """What is to be trained; None for what has weights."""
    if isinstance(source, Config):
        return source
    return load_config(source) if Path(source).suffix in (".yaml", ".yml") or str(source) in config_names() or not Path(source).exists() else None


def _numbers(config: Config, precisions: Sequence[str], formats: Sequence[str]) -> dict[str, str | PrecisionSpec]:
    """label -> float or formats."""
    if list(precisions) in ([], [TWIN]) and not formats:
        return {}
    return numbers_in("align", plain(config), precisions, formats, config.name)


def weights_of(source: Path, config: Config | None) -> tuple[dict[int, Network], Config]:
    """Updates done -> the network with its weights then."""
    if not source.is_dir():
        network, own = network_in_file(source, config)
        return {0: network}, own
    final, own = network_in_file(source)
    updates = int(json.loads(read_text(source / "manifest.json"))["updates"])
    return ({0: network_of_run(source, "initial")[0]} if updates else {}) | {updates: final}, config or own


def save(alignment: Alignment, directory: Path, source: str | Path, changes: Sequence[str] = (), force: bool = False) -> None:
    """Write alignment.csv and manifest.json, of which ``fxsim report`` makes a page."""
    claim_directory(directory, FILES, has_json("manifest.json", KIND), force)
    write_csv(directory / "alignment.csv", COLUMNS, alignment.rows)
    c = alignment.config
    write_json(directory / "manifest.json", {KIND: str(source), "task": c.task.name, "rule": c.learning.rule, "precision": label(c), "seed": c.seed,
                                             "batch_size": c.batch_size, "changes": list(changes), **provenance()})

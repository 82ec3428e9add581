"""Trained weights in other precisions: nothing is learned, every precision meets the same trials, and each is held against its float64 twin.

    precision                       its name
    loss, accuracy, nmse            each with _low and _high, a 95 % interval over trials: Wilson's for accuracy, else the bootstrap's
    rate_hz                         mean firing rate
    flipped                         share of spikes that flip: spikes of one network that the other does not fire, of all spikes of the two
    saturated, most_saturated       share of stored values, weights included, that the format clips; the quantity with the largest share

Weights are rounded as a run's initial weights are: by their format, with the random bits of update 0 where that is stochastic.
"""
from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Mapping, Sequence

import numpy as np

from fxsim.config import Config, dump_config, load_config
from fxsim.config.io import override
from fxsim.engine.interface import Engine, given
from fxsim.errors import InputError
from fxsim.files.ownership import claim_directory, has_json
from fxsim.files.writing import make_directory, write_atomic, write_csv, write_json
from fxsim.model.arithmetic import Arithmetic
from fxsim.model.network import LAYERS, Network, Trials
from fxsim.model.topology import learning_of
from fxsim.tasks import make_task
from quant import FLOATS, PrecisionSpec
from quant.files import read_text

from .alignment.gradients import Gradients
from .alignment.rows import align
from .backend import simulator
from .initial import checksum, fitted, network_in_file, network_of_run
from .loop import ALIGNMENT_COLUMNS, CURVE_COLUMNS, TELEMETRY_COLUMNS
from .metrics import accuracy, cross_entropy, measure, require_finite, squared_error
from .runs import ALIGNMENT, command_line, machine, provenance, versions

if TYPE_CHECKING:
    from pandas import DataFrame

TWIN = "float64"
TOGETHER = 8            # trials recorded at a time
RESAMPLES, SEED = 2000, 1
LEVEL = 0.95            # of intervals
FILES, KIND = ("evaluation.csv", "counts.csv", "manifest.json"), "evaluated"
MEASURES = ("loss", "accuracy", "nmse")
COLUMNS = ("precision", "trials", *(f"{measure}{end}" for measure in MEASURES for end in ("", "_low", "_high")), "rate_hz", "flipped",
           "saturated", "most_saturated")
COUNTED = ("precision", "quantity", "stored", "saturated", "underflowed", "stalled", "max_abs")


@dataclass(frozen=True)
class Evaluation:
    """What ``fxsim evaluate`` finds: ``rows`` with COLUMNS, a row per precision; ``counts`` with COUNTED, a row per precision and quantity."""

    config: Config
    rows: list[dict[str, Any]]
    counts: list[dict[str, Any]]

    @property
    def frame(self) -> DataFrame:
        """``rows`` as a pandas DataFrame."""
        import pandas as pd
        return pd.DataFrame(self.rows, columns=list(COLUMNS))


@dataclass(frozen=True)
class Outcome:
    """What a network did. B trials: y (B, S, K) in model units, counts (B, n), z packed bits of each part's (T, B', n) spikes."""

    y: np.ndarray
    spike_counts: np.ndarray
    z: list[np.ndarray]
    telemetry: dict[str, dict[str, float]]

    @property
    def readout(self) -> np.ndarray:
        return self.y


def evaluate(source: str | Path, precisions: Sequence[str], changes: Sequence[str] = (), trials: int | None = None,
             config: Config | None = None) -> Evaluation:
    """The network of ``source`` (a run directory, a weights.npz or a NIR file, see :mod:`fxsim.training.initial`) in every precision.

    changes     ``field=value`` of the configuration; those of ``formats`` hold for precisions in fixed point
    trials      evaluation trials, the first of the run's own and more of the same kind; None: as many as the configuration says
    config      task and network, where the file has no configuration of its own, or for other trials than the run's

    Raises InputError.
    """
    network, own = network_in_file(Path(source), config)
    formats, others = of_formats(changes)
    base = override(plain(own), others, str(source))
    if trials is not None:
        field = "evaluation.batch_size" if base.task.classification else "batch_size"      # a regression is evaluated on its training trials
        base = base.changed({field: trials})
    return compared(str(source), network, in_precisions("evaluate", base, precisions, formats, str(source)))


def of_formats(changes: Sequence[str]) -> tuple[list[str], list[str]]:
    """The changes of ``formats``, which hold for precisions in fixed point, and all others."""
    formats = [change for change in changes if change.startswith("formats")]
    return formats, [change for change in changes if change not in formats]


def in_precisions(command: str, base: Config, precisions: Sequence[str], formats: Sequence[str], source: str) -> list[Config]:
    """The configuration, of a float, in each precision, with changes of ``formats``. Raises InputError."""
    if not precisions or len(set(precisions)) < len(precisions):
        raise InputError(command, "precisions", ", ".join(precisions) or "nothing", "at least one, each only once")
    chosen = [base.changed({"precision": precision}) for precision in precisions]
    if formats and all(c.precision in FLOATS for c in chosen):
        raise InputError(command, formats[0].partition("=")[0], ", ".join(precisions), "at least one precision in fixed point")
    return [c if c.precision in FLOATS else override(c, formats, source) for c in chosen]


def numbers_in(command: str, base: Config, precisions: Sequence[str], formats: Sequence[str], source: str) -> dict[str, str | PrecisionSpec]:
    """label -> float or formats of :func:`in_precisions`."""
    return {label(c): c.resolved_precision() for c in in_precisions(command, base, precisions, formats, source)}


def plain(config: Config) -> Config:
    """The configuration in the twin's precision, with a rule that engines know: nothing is learned."""
    changes: dict[str, Any] = {"precision": TWIN, "formats": {}, "engine": "auto" if config.engine == "reference" else config.engine}
    return config.changed({**changes, "learning.rule": "eprop"} if config.learning.rule == "bptt" else changes)


def compared(source: str, network: Network, configs: Sequence[Config]) -> Evaluation:
    """The network in the precision of each configuration; they differ in nothing else that matters here."""
    base = plain(configs[0])
    network, batch = fitted(source, network, base), make_task(base).evaluation_trials()
    twin = run(base, network, batch)
    found = [(c, twin if c.precision == TWIN else run(c, network, batch)) for c in configs]
    return Evaluation(base, [row(c, outcome, twin, batch) for c, outcome in found],
                      [{"precision": label(c), "quantity": name, **counts} for c, outcome in found for name, counts in outcome.telemetry.items()])


def label(config: Config) -> str:
    """What tables call a configuration's precision."""
    return config.precision if config.precision in FLOATS else Path(config.precision).stem


def engine_of(config: Config, network: Network, steps: int) -> tuple[Engine, Arithmetic]:
    """An engine to evaluate with, whatever rule the weights came from. The PyTorch reference records nothing."""
    learning = learning_of(config)
    learning = replace(learning, rule="eprop") if learning.rule == "bptt" else learning
    return simulator(config, network, learning, config.resolved_precision(), steps)


def run(config: Config, network: Network, trials: Trials) -> Outcome:
    """All trials in one precision, recorded and counted, a few at a time."""
    engine, arithmetic = engine_of(config, network, trials.steps)
    weights = arithmetic.weights_to_raw(network.weights)
    results, spikes = [], []
    for start in range(0, trials.size, TOGETHER):
        result = engine.run(weights, trials.take(slice(start, start + TOGETHER)), learn=False, telemetry=True, record=True)
        spikes.append(np.packbits(given(result.record)["z"].astype(bool)))
        results.append(replace(result, record=None))
    return Outcome(np.concatenate([r.readout for r in results]), np.concatenate([r.spike_counts for r in results]), spikes,
                   {**clipped_weights(arithmetic, network), **summed([given(result.telemetry) for result in results])})


def clipped_weights(arithmetic: Arithmetic, network: Network) -> dict[str, dict[str, float]]:
    """Counters of the weights, as engines count what they store."""
    if arithmetic.spec is None:
        return {}
    found = {}
    for layer in LAYERS:
        fmt, scaled = arithmetic.spec[f"weight_{layer}"], network.weights[layer] * arithmetic.weight_scale[layer]
        stored = arithmetic.weight_to_raw(f"weight_{layer}", layer, network.weights[layer], 0)
        half = fmt.resolution / 2
        found[f"weight_{layer}"] = {
            "stored": scaled.size, "saturated": int(((scaled > fmt.max + half) | (scaled < fmt.min - half)).sum()),
            "underflowed": int(((stored == 0) & (scaled != 0)).sum()), "stalled": 0, "max_abs": float(np.abs(scaled).max(initial=0) / fmt.max)}
    return found


def summed(tables: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    """Counters of several runs together, quantity -> counters."""
    total: dict[str, dict[str, float]] = {}
    for table in tables:
        for name, counts in table.items():
            before = total.get(name, dict.fromkeys(counts, 0))
            total[name] = {key: max(before[key], value) if key == "max_abs" else before[key] + value for key, value in counts.items()}
    return total


def row(config: Config, outcome: Outcome, twin: Outcome, trials: Trials) -> dict[str, Any]:
    """The table's row of one precision."""
    task = config.task.classification
    out: dict[str, Any] = dict.fromkeys(COLUMNS)
    out |= {"precision": label(config), "trials": trials.size, **measure(outcome, trials, task)}
    require_finite(config.name, {name: out[name] for name in (*MEASURES, "rate_hz")}, f"in {label(config)}")
    parts = [(outcome.y[b:b + 1], trials.target[b:b + 1]) for b in range(trials.size)]
    losses = np.array([(cross_entropy if task else squared_error)(*part) for part in parts])
    out["loss_low"], out["loss_high"] = bootstrap(losses)
    if task:
        right = round(trials.size * accuracy(outcome.y, trials.target))
        out["accuracy_low"], out["accuracy_high"] = wilson(right, trials.size)
    else:
        power = np.array([np.square(target).mean() for _, target in parts])
        out["nmse_low"], out["nmse_high"] = bootstrap(2 * losses, power)
    out["flipped"] = flipped(outcome, twin)
    if config.precision not in FLOATS:
        shares = {name: counts["saturated"] / counts["stored"] for name, counts in outcome.telemetry.items()}
        stored = sum(counts["stored"] for counts in outcome.telemetry.values())
        out["saturated"] = sum(counts["saturated"] for counts in outcome.telemetry.values()) / stored
        out["most_saturated"] = max(shares, key=lambda name: shares[name]) if any(shares.values()) else ""
    return out


def flipped(first: Outcome, second: Outcome) -> float:
    """Share of the two networks' spikes that only one of them fires; 0 where neither fires."""
    apart = sum(int(np.unpackbits(a ^ b).sum()) for a, b in zip(first.z, second.z, strict=True))
    return apart / max(1, int(first.spike_counts.sum() + second.spike_counts.sum()))


# ---- intervals -------------------------------------------------------------------------------------------------------
def wilson(right: int, trials: int) -> tuple[float, float]:
    """95 % interval of a binomial share (Wilson 1927), which also holds near 0 and 1."""
    from scipy.stats import binomtest
    low, high = binomtest(right, trials).proportion_ci(LEVEL, "wilson")
    return float(low), float(high)


def bootstrap(values: np.ndarray, weights: np.ndarray | None = None) -> tuple[float, float]:
    """95 % percentile interval over trials of the mean of (B,) values, or of sum(values) / sum(weights) (Efron 1979)."""
    B = values.size
    drawn = np.random.default_rng(SEED).multinomial(B, np.full(B, 1 / B), RESAMPLES)        # how often each trial is drawn
    means = drawn @ values / (B if weights is None else drawn @ weights)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


# ---- files -----------------------------------------------------------------------------------------------------------
def save(evaluation: Evaluation, directory: Path, source: str | Path, changes: Sequence[str] = (), force: bool = False) -> None:
    """Write evaluation.csv, counts.csv and manifest.json, of which ``fxsim report`` makes a page."""
    claim_directory(directory, FILES, has_json("manifest.json", KIND), force)
    write_csv(directory / "evaluation.csv", COLUMNS, evaluation.rows)
    write_csv(directory / "counts.csv", COUNTED, evaluation.counts)
    c = evaluation.config
    write_json(directory / "manifest.json", {
        KIND: str(source), "task": c.task.name, "trials": evaluation.rows[0]["trials"], "changes": list(changes), **provenance()})


def evaluate_in(directory: Path, config: Config, source: Path) -> dict[str, Any]:
    """Evaluate the trained weights of the run ``source`` and write a directory like that of a run that learns nothing; returns its row of the curve.

    The tables of :func:`save` stand in it, too, and where ``evaluation.alignment`` is asked for how gradients agree at these weights. Raises
    InputError.
    """
    network, _ = network_of_run(source)
    found, updates = compared(str(source), network, [config]), json.loads(read_text(source / "manifest.json"))["updates"]
    labels = {"task": config.task.name, "rule": config.learning.rule, "precision": label(config), "seed": config.seed, "iteration": updates}
    spec = config.resolved_precision()
    formats = {} if isinstance(spec, str) else {name: asdict(fmt) for name, fmt in spec.formats.items()}
    measured = {**labels, "split": "eval", "seconds": 0.0, **{name: found.rows[0][name] for name in (*MEASURES, "rate_hz")}}
    blank = dict.fromkeys(TELEMETRY_COLUMNS)
    counted = [{name: {**formats.get(counts["quantity"], {}), **counts, **labels}.get(name) for name in blank} for counts in found.counts]
    make_directory(directory)
    (directory / "manifest.json").unlink(missing_ok=True)
    write_atomic(directory / "config.yaml", dump_config(config).encode())
    write_csv(directory / "curves.csv", CURVE_COLUMNS, [measured])
    write_csv(directory / "telemetry.csv", TELEMETRY_COLUMNS, counted)
    write_csv(directory / "evaluation.csv", COLUMNS, found.rows)
    if (asked := config.evaluation.alignment) is not None:
        task = make_task(config)
        gradients = Gradients(config, network, config.aligned_precisions, task.steps)
        rows = align(gradients, asked, network.weights, task.training_trials, updates)
        write_csv(directory / ALIGNMENT, ALIGNMENT_COLUMNS, [{**labels, **row} for row in rows])
    write_json(directory / "manifest.json", {"finished": True, "stopped_early": False, "updates": updates, KIND: str(source),
                                             "sha256": checksum(source), "command": command_line(), "versions": versions(), "machine": machine()})
    return measured


def is_evaluated(directory: Path, config: Config, source: Path) -> bool:
    """Whether the directory holds the evaluation of this configuration with the weights that ``source`` has now. Raises InputError."""
    try:
        stored = json.loads(read_text(directory / "manifest.json"))
        return stored["sha256"] == checksum(source) and load_config(directory / "config.yaml") == config
    except (InputError, ValueError, KeyError, TypeError):       # none, one that was not finished, or a damaged one: it is made again
        return False

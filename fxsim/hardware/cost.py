"""What a network costs in several precisions: counted, measured and estimated, of a run with its trained weights or of a configuration with its
initial ones.

    inference       a trial: what neurons and readouts do at each step, and for each spike and each connection that it goes to an addition to a
                    current, whose word is read and written, and a weight that is read
    learning        the same trial with eligibilities at each step, learning signal and gradients in the window, and what its end takes
    update          a batch of such trials, and one update of all weights; of adam, which runs on the host, only the trials

A trial of training is taken to spike as those that were measured do.
"""
from __future__ import annotations

from dataclasses import asdict, astuple, dataclass, fields, replace
from pathlib import Path
from typing import Any, Sequence

from fxsim.config import Config
from fxsim.config.io import override
from fxsim.errors import InputError
from fxsim.model.network import Network
from fxsim.model.topology import learning_of
from fxsim.training.initial import network_of
from quant import FLOATS

from .activity import TRIALS, Activity, Traffic, evaluation_trials, measure_activity
from .energy import Energy, computing, moving, table, total
from .memory import Kept, Memory, Words, memory
from .operations import ADD, ELIGIBILITY, END, FORWARD, WIDTHS, WINDOW, Counted, Operation, Operations, batch_sums, count, operations, weight_updates
from .source import network_and_config

LEFT_OUT = ("softmax, random numbers, addresses of spikes and their way through the chip, control, input and output",
            "static power: no row of the table says it; published figures stand apart")


@dataclass(frozen=True)
class Estimate:
    """Dynamic energy of something that is done, pJ; ``memory``: what of it accesses take."""

    energy: Energy
    memory: Energy


@dataclass(frozen=True)
class PrecisionCost:
    """One precision. Counted: memory, operations (None for floats, whose operations have one width); measured: activity; estimated: inference,
    learning, update, pJ, None where the table of energies has no row for the numbers; learning and update also where ``learns`` is False, for a
    precision whose hardware only infers."""

    precision: str
    learns: bool
    memory: Memory
    operations: list[Operations] | None
    activity: Activity
    inference: Estimate | None
    learning: Estimate | None
    update: Estimate | None


@dataclass(frozen=True)
class Cost:
    """What ``fxsim cost`` finds. ``measured_on``: whose spikes these are; ``without``: what no figure has in it."""

    source: str
    measured_on: str
    batch: int
    on_chip: bool           # the optimizer
    precisions: list[PrecisionCost]
    without: tuple[str, ...] = LEFT_OUT

    def to_dict(self) -> dict[str, Any]:
        """Plain data: counted, measured and estimated apart, and what is published of chips."""
        return {"source": self.source, "measured_on": self.measured_on, "batch": self.batch, "optimizer_on_chip": self.on_chip,
                "without": list(self.without), "precisions": {c.precision: {
                    "learns": c.learns,
                    "counted": {"memory_bits": asdict(c.memory), "operations": c.operations and [asdict(o) for o in c.operations]},
                    "measured": asdict(c.activity),
                    "estimated_pJ": {name: estimate and asdict(estimate) for name, estimate in
                                     (("inference_trial", c.inference), ("learning_trial", c.learning), ("update", c.update))}}
                    for c in self.precisions},
                "published": {name: table()[name] for name in ("sources", "operations", "accesses", "chips", "static")}}


def cost(source: str | Path, precisions: Sequence[str] = (), changes: Sequence[str] = (), trials: int = TRIALS) -> Cost:
    """Memory, operations, spikes and energies of a run directory or of a configuration.

    source      a run directory, whose trained weights are measured, or a configuration's name or path: its initial weights
    changes     ``field=value`` of the configuration; those of ``formats`` hold for precisions in fixed point
    precisions  names or files; none: the source's own
    trials      evaluation trials that are measured

    Raises InputError.
    """
    if len(set(precisions)) < len(precisions) or trials < 1:
        raise InputError("cost", "precisions, trials", f"{', '.join(precisions)}, {trials}", "each precision once, at least one trial")
    formats = [change for change in changes if change.startswith("formats")]
    network, config, measured_on = network_and_config(source, [change for change in changes if change not in formats])
    refuse_bptt(config)
    chosen = [config.changed({"precision": p, "formats": {}}) for p in precisions] or [config]
    if formats and all(c.precision in FLOATS for c in chosen):
        raise InputError("cost", formats[0].partition("=")[0], ", ".join(c.precision for c in chosen), "at least one precision in fixed point")
    chosen = [c if c.precision in FLOATS else override(c, formats, str(source)) for c in chosen]
    measured = evaluation_trials(config, trials)
    found = []
    for c in chosen:
        kept, activity, words = memory(c, network), measure_activity(c, network, measured), Words(c.resolved_precision())
        found.append(PrecisionCost(c.precision, words.learns, kept, operations(c, network) if words.fixed else None, activity,
                                   *estimates(c, network, activity, kept.network.total / 8)))
    return Cost(str(source), measured_on, config.batch_size, config.learning.optimizer.name != "adam", found)


def refuse_bptt(config: Config) -> None:
    """InputError for what learns nowhere but on a host."""
    if config.learning.rule == "bptt":
        raise InputError(config.name, "learning.rule", "bptt, which no chip runs", "another rule: --set learning.rule=eprop")


def estimates(config: Config, network: Network, activity: Activity | Traffic, kept_bytes: float
              ) -> tuple[Estimate | None, Estimate | None, Estimate | None]:
    """Of a trial without and with learning, and of an update."""
    words, window = Words(config.resolved_precision()), learning_of(config).window
    times = {FORWARD: activity.steps, ELIGIBILITY: activity.steps, WINDOW: float(window), END: 1.0}
    floats = not words.fixed

    def of(counted: Counted, often: float = 1.0) -> Estimate | None:
        computed, moved = computing(counted, floats), moving(counted, kept_bytes)
        return None if computed is None else Estimate((computed + moved) * often, moved * often)

    phases = {c.phase: of(c, times[c.phase]) for c in count(config, network)}
    inference = added([phases[FORWARD], of(delivery(config, network, activity))])
    if not words.learns:
        return inference, None, None
    learning = added([inference, *(phases[phase] for phase in (ELIGIBILITY, WINDOW, END)), of(batch_sums(config, network))])
    weights = weight_updates(config, network)
    update = learning and added([replace(learning, energy=learning.energy * config.batch_size, memory=learning.memory * config.batch_size),
                                 *([of(weights)] if weights else [])])
    return inference, learning, update


def added(parts: Sequence[Estimate | None]) -> Estimate | None:
    """Their sum; None if one of them is."""
    energy, moved = total(part.energy if part else None for part in parts), total(part.memory if part else None for part in parts)
    return None if energy is None or moved is None else Estimate(energy, moved)


def delivery(config: Config, network: Network, activity: Activity | Traffic) -> Counted:
    """A trial's spikes on their connections: an addition to a current of the target, whose word is read and written, and a weight that is read."""
    words, made, accessed = Words(config.resolved_precision()), [], []
    for layer, events in activity.delivered.items():
        fan_in = network.topology.synapses(layer).size / max(1, network.topology.synapses(layer).n_post)
        weight = words(f"weight_{layer}")
        current = weight + (max(1, round(fan_in)).bit_length() if words.fixed else 0)         # a sum of as many weights as a neuron has
        made.append(Operation(ADD, (current, weight), current, events))
        accessed += [(weight, events), (current, 2 * events)]
    return Counted("delivery of spikes, a trial", made, [], 0.0, accessed)


# ---- as text -----------------------------------------------------------------------------------------------------------
def counted_tables(config: Config, precisions: Sequence[str]) -> tuple[list[list[str]], list[list[str]]]:
    """Rows of text, headed: memory of each precision, and operations of the fixed ones. Nothing runs."""
    refuse_bptt(config)
    network = network_of(config)
    chosen = [config.changed({"precision": precision}) for precision in precisions]
    return _counted([(c.precision, memory(c, network), operations(c, network) if Words(c.resolved_precision()).fixed else None) for c in chosen])


def _counted(rows: Sequence[tuple[str, Memory, list[Operations] | None]]) -> tuple[list[list[str]], list[list[str]]]:
    memories = [["precision", "bits of", *(field.name for field in fields(Kept)), "all"]]
    counts = [["precision", "phase", "operations", *(f"<= {w} bits" for w in WIDTHS), "bits of results", "roundings", "random words"]]
    for precision, kinds, phases in rows:
        for what, kept in vars(kinds).items():
            unit, scale = ("KiB", 8 * 1024) if what == "network" else ("", 1)
            memories.append([precision, f"{what.replace('_', ' ')} {unit}".strip(),
                             *(f"{value / scale:.{1 if unit else 0}f}" for value in (*astuple(kept), kept.total))])
        counts += [[precision, o.phase, f"{o.total:.0f}", *(f"{o.by_width[w]:.0f}" for w in WIDTHS), f"{o.result_bits:.0f}", f"{o.roundings:.0f}",
                    f"{o.random_words:.0f}"] for o in phases or []]
    return memories, counts


def text_tables(cost: Cost) -> list[tuple[str, list[list[str]]]]:
    """(heading, rows of text, headed) of everything."""
    memories, counts = _counted([(c.precision, c.memory, c.operations) for c in cost.precisions])
    update = f"update of {cost.batch} trials" + ("" if cost.on_chip else ", without adam")
    spikes = [["precision", "rate Hz", "input spikes", "spikes", *(f"delivered {layer}" for layer in ("in", "rec", "out"))]]
    bench = [["precision", "footprint", "connection sparsity", "activation sparsity", "Dense", "Effective_ACs", "Effective_MACs"]]
    energy = [["precision", "inference, a trial", "learning, a trial", update, "of inference: memory", "of learning: memory"]]
    published = [["chip", "pJ", "uJ a trial", "year", "source"]]
    for c in cost.precisions:
        a = c.activity
        spikes.append([c.precision, f"{a.rate_hz:.2f}", f"{a.input_spikes:.0f}", f"{a.spikes:.1f}",
                       *(f"{events:.0f}" for events in a.delivered.values())])
        bench.append([c.precision, f"{a.footprint:.0f}", f"{a.connection_sparsity:.4f}", f"{a.activation_sparsity:.5f}",
                      *(f"{a.synaptic_operations[name]:.0f}" for name in bench[0][4:])])
        parts = [*(None if e is None else e.energy for e in (c.inference, c.learning, c.update)),
                 *(None if e is None else e.memory for e in (c.inference, c.learning))]
        energy.append([c.precision, *(_uJ(part) if c.learns or column in (0, 3) else "does not learn" for column, part in enumerate(parts))])
    events = sum(cost.precisions[0].activity.delivered.values())
    for row in table()["chips"]:
        pJ = Energy(row["low"], row["high"])
        published.append([row["chip"], _range(pJ), _uJ(pJ * events), str(row["year"]), table()["sources"][row["source"]]])
    static = [["chip", "mW", "uJ a trial", "year", "source"]]
    steps = cost.precisions[0].activity.steps
    for row in table()["static"]:
        mW = Energy(row["low"], row["high"])
        static.append([row["chip"], _range(mW), _range(mW * steps), str(row["year"]), f"{table()['sources'][row['source']]}; {row['also']}"])
    trials = cost.precisions[0].activity.trials
    return [("counted: bits of memory", memories), ("counted: operations of one trial at a step", counts),
            (f"measured: spikes of a trial, mean of {trials} evaluation trials of {steps:.0f} steps; {cost.measured_on}", spikes),
            ("measured: metrics of NeuroBench (footprint in bytes, synaptic operations of a trial)", bench),
            ("estimated: dynamic energy, uJ, low to high, from 45 nm figures of operations and memory (fxsim/hardware/energies.yaml)", energy),
            (f"published, for orientation: energy of a synaptic operation on chips, times the {events:.0f} of a trial in "
             f"{cost.precisions[0].precision}; no estimate of this network there", published),
            (f"published: static power, times a trial of {steps:.0f} ms in real time", static)]


def _range(value: Energy) -> str:
    low, high = (f"{end:.3g}" if end < 1000 else f"{end:.0f}" for end in (value.low, value.high))
    return low if low == high else f"{low} to {high}"


def _uJ(energy: Energy | None) -> str:
    return "no row" if energy is None else _range(energy * 1e-6)

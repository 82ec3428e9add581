"""Does a package fit a chip? What it needs, limit by limit, how many cores, which limit binds, and what to change.

The estimate is of resources only: Loihi's own process models are closed, and nothing here has run on a chip. What is
counted: recurrent neurons, readouts, and for learning one unit per grid cell that diffuses; their synapses, diffusion and
feedback included; for each synapse its weight and the index of its target, and for learning the state that e-prop keeps
in it. Neurons fill core after core in the order of their cells, so that neighbours share cores.
"""
from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from fxsim.errors import InputError
from quant.files import parse_yaml, read_text

from .package import Package

CHIPS = ("loihi1", "loihi2")
STATUS = ("published", "unverified", "assumed", "unknown", "given")
FILLED = {"neurons in a core": "neurons_per_core", "synapse memory in a core": "synapse_bits_per_core", "input axons of a core": "axons_in_per_core"}
SYNAPSE_STATE = ("adaptation_eligibility", "filtered_eligibility", "eligibility_sum", "gradient")
CHANGES = {
    "bits of a weight": "a precision with narrower weights (loihi2: 8 bits, loihi_engine: 9)",
    "bits of a potential": "a precision with narrower potentials (q16, loihi2)",
    "bits of a decay": "a precision with decays of 12 bits (loihi2)",
    "bits of a message": "a chip with graded spikes: errors and modulators are numbers",
    "bits of a trace": "preset loihi_engine, or traces in neuron microcode instead of the learning engine",
    "bits of an eligibility": "preset loihi_engine, or eligibilities in neuron microcode instead of the learning engine",
    "neurons in a core": "fewer neurons", "synapse memory in a core": "narrower weights or synapse state, or lower fan-in",
    "input axons of a core": "lower fan-in: sparser input, or neurons placed closer to their partners",
    "output axons of a core": "fewer neurons in a core, or more local connections",
    "synapses of the chip": "sparser connections, or several chips", "cores": "several chips, sparser connections or narrower formats",
}


@dataclass(frozen=True)
class Limit:
    value: int | None
    status: str
    source: str


@dataclass(frozen=True)
class Need:
    """One line of the check: the most that the network needs of something, and what the chip offers."""

    name: str
    needed: int
    limit: Limit

    @property
    def fits(self) -> bool:
        return self.limit.value is None or self.needed <= self.limit.value

    @property
    def share(self) -> float:
        """Needed / offered; 0 if the limit is not known."""
        return self.needed / self.limit.value if self.limit.value else 0.0


@dataclass(frozen=True)
class Fit:
    """needs: every line; cores: how many, None if some neuron fits no core; binding: the line that decides the number of cores."""

    chip: str
    learning: bool
    needs: list[Need]
    cores: int | None
    binding: str

    @property
    def fits(self) -> bool:
        return self.cores is not None and all(need.fits for need in self.needs)

    @property
    def advice(self) -> list[str]:
        """What to change where it does not fit."""
        return [f"{need.name}: {CHANGES[need.name]}" for need in self.needs if not need.fits]


def load_limits(chip: str, path: Path | None = None) -> dict[str, Limit]:
    """The table of one chip, with what a file replaces in it. Raises InputError."""
    table = dict(parse_yaml(resources.files("lava_backend").joinpath("limits.yaml").read_text(), "limits.yaml")[chip])
    if path is not None:
        given = parse_yaml(read_text(path, "--limits"), str(path))
        if not isinstance(given, dict) or not all(name in CHIPS and isinstance(limits, dict) for name, limits in given.items()):
            raise InputError(path, "--limits", "something else", f"a mapping {{chip: {{limit: {{value: N}}}}}} with chips {', '.join(CHIPS)}")
        for name, entry in given.get(chip, {}).items():
            value = entry.get("value") if isinstance(entry, dict) else entry
            if name not in table or (value is not None and (type(value) is not int or value < 1)):
                raise InputError(path, f"{chip}.{name}", repr(entry)[:80], f"a positive integer or null, for one of {', '.join(table)}")
            table[name] = {"value": value, "status": "given", "source": str(path)}
    return {name: Limit(entry["value"], entry["status"], entry["source"]) for name, entry in table.items()}


def check_fit(package: Package, chip: str = "loihi2", learning: bool = False, limits: dict[str, Limit] | None = None) -> Fit:
    """Hold a package against a chip's limits, for inference or with learning on the chip."""
    limits, spec = limits or load_limits(chip), package.spec

    def widest(*names: str) -> int:
        return max(spec[name].word_bits for name in names)

    needs = [Need("bits of a weight", widest("weight_in", "weight_rec", "weight_out"), limits["weight_bits"]),
             Need("bits of a potential", widest("membrane", "readout"), limits["membrane_bits"]),
             Need("bits of a decay", widest("decay"), limits["decay_bits"])]
    if learning:
        signal = "modulator" if package.learning.diffuses else "learning_signal"
        needs += [Need("bits of a message", widest("error", signal), limits["message_bits"]),
                  Need("bits of a trace", widest("trace", "pseudo_derivative"), limits["trace_bits"]),
                  Need("bits of an eligibility", widest("filtered_eligibility"), limits["eligibility_bits"])]
    pre, post, bits, n_units = connections(package, learning, limits["index_bits"].value or 0)
    cores, binding, oversized = fill_cores(pre, post, bits, n_units, limits)
    per_core = core_needs(pre, post, bits, cores)
    needs += [Need(name, most, limits[limit]) for name, limit, most in (
        ("neurons in a core", "neurons_per_core", per_core["neurons"]), ("synapse memory in a core", "synapse_bits_per_core", per_core["bits"]),
        ("input axons of a core", "axons_in_per_core", per_core["in"]), ("output axons of a core", "axons_out_per_core", per_core["out"]))]
    if "synapses_per_chip" in limits:
        needs.append(Need("synapses of the chip", pre.size, limits["synapses_per_chip"]))
    needs.append(Need("cores", int(cores.max()) + 1, limits["cores_per_chip"]))
    if not binding:         # one core holds everything
        binding = max((need for need in needs if need.name in FILLED), key=lambda need: need.share).name
    return Fit(chip, learning, needs, None if oversized else int(cores.max()) + 1, binding)


def connections(package: Package, learning: bool, index_bits: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """(pre, post, bits) of every synapse and the number of units.

    Units: neurons in the order of their cells, readouts, and with learning the grid's cells; sources outside the chip
    (input channels) have numbers above.
    """
    topo, spec, rule = package.network.topology, package.spec, package.learning
    n, K, cells = topo.n, topo.n_out, topo.n_cells if learning and rule.diffuses else 0
    place = np.empty(n, np.int64)
    place[np.argsort(topo.cell)] = np.arange(n)         # a neuron's number: its rank among the cells
    n_units = n + K + cells
    width = {layer: spec[f"weight_{layer}"].word_bits for layer in ("in", "rec", "out")}
    state = sum(spec[name].word_bits for name in SYNAPSE_STATE) if learning else 0
    parts = [(n_units + topo.syn_in.pre, place[topo.syn_in.post], width["in"] + state),
             (place[topo.syn_rec.pre], place[topo.syn_rec.post], width["rec"] + state),
             (place[topo.syn_out.pre], n + topo.syn_out.post, width["out"] + (spec["gradient_out"].word_bits if learning else 0))]
    if learning:
        j, k = np.nonzero(package.network.feedback)
        onto = n + K + topo.cell[j] if cells else place[j]
        parts.append((n + k, onto, spec["feedback"].word_bits))
    if cells:
        moore = topo.moore()
        parts.append((n + K + moore.ravel(), n + K + np.repeat(np.arange(cells), 9), spec["diffusion_gain"].word_bits))
        parts.append((n + K + topo.cell, place, 1))     # each cell tells its neuron
    pre, post = (np.concatenate([np.asarray(part[i], np.int64) for part in parts]) for i in (0, 1))
    bits = np.concatenate([np.full(len(part[0]), part[2] + index_bits, np.int64) for part in parts])
    return pre, post, bits, n_units


def fill_cores(pre: np.ndarray, post: np.ndarray, bits: np.ndarray, n_units: int, limits: dict[str, Limit]) -> tuple[np.ndarray, str, bool]:
    """The core of each unit, filled one after the other; which limit closed most cores; whether some unit alone is too large."""
    top = {name: limits[limit].value or np.inf for name, limit in FILLED.items()}
    order = np.argsort(post, kind="stable")
    sources, bounds = np.split(pre[order], np.searchsorted(post[order], np.arange(1, n_units))), np.bincount(post, bits, n_units)
    core, closed, oversized = np.zeros(n_units, np.int64), [], False
    axons: set[int] = set()
    used, memory = 0, 0.0
    for unit in range(n_units):
        both = axons | set(sources[unit].tolist())
        full = [name for name, need in zip(top, (used + 1, memory + bounds[unit], len(both))) if need > top[name]]
        if full and used:
            closed.append(full[0])
            used, memory, both = 0, 0.0, set(sources[unit].tolist())
            core[unit:] += 1
        used, memory, axons = used + 1, memory + bounds[unit], both
        oversized |= memory > top["synapse memory in a core"] or len(both) > top["input axons of a core"]
    return core, max(set(closed), key=closed.count) if closed else "", oversized


def core_needs(pre: np.ndarray, post: np.ndarray, bits: np.ndarray, core: np.ndarray) -> dict[str, int]:
    """The most that any core needs: neurons, synapse memory in bits, input axons (sources), output axons (source, target core)."""
    cores = int(core.max()) + 1
    routes = np.unique(np.stack([pre, core[post]]), axis=1)         # each source reaches a core by one axon
    inside = routes[0] < core.size
    return {"neurons": int(np.bincount(core).max()), "bits": int(np.bincount(core[post], bits, cores).max()),
            "in": int(np.bincount(routes[1], minlength=cores).max()),
            "out": int(np.bincount(core[routes[0][inside]], minlength=cores).max())}

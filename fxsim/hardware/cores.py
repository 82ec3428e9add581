"""Neurons on cores: what the synapses onto each take, and the cores that they fill, one after the other, in the order of their cells, so that
neighbours share cores."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fxsim.model.network import Learning, Network
from quant import PrecisionSpec

from .limits import Limit
from .memory import Words, refractory_bits

FILLED = {"neurons in a core": "neurons_per_core", "synapse memory in a core": "synapse_bits_per_core", "memory of a core": "memory_bits_per_core",
          "input axons of a core": "axons_in_per_core"}
SYNAPSE_STATE = ("adaptation_eligibility", "filtered_eligibility", "eligibility_sum", "gradient")


@dataclass(frozen=True)
class Units:
    """Neurons in the order of their cells, readouts, and with learning the grid's cells that diffuse; sources outside the chip (input channels) have
    numbers above.

    pre, post, bits     (n_syn,) of every synapse
    state               (n_units,) bits of what a unit keeps itself
    """

    pre: np.ndarray
    post: np.ndarray
    bits: np.ndarray
    state: np.ndarray


def units_of(network: Network, spec: PrecisionSpec, rule: Learning, learning: bool, index_bits: int) -> Units:
    """Every synapse, diffusion and feedback included: its weight, the index of its target, and for learning the state that e-prop keeps in it."""
    topo, words = network.topology, Words(spec)
    n, K, cells = topo.n, topo.n_out, topo.n_cells if learning and rule.diffuses else 0
    order = np.argsort(topo.cell)
    place = np.empty(n, np.int64)
    place[order] = np.arange(n)         # a neuron's number: its rank among the cells
    n_units = n + K + cells
    width = {layer: words(f"weight_{layer}") for layer in ("in", "rec", "out")}
    state = words(*SYNAPSE_STATE) if learning else 0
    parts = [(n_units + topo.syn_in.pre, place[topo.syn_in.post], width["in"] + state),
             (place[topo.syn_rec.pre], place[topo.syn_rec.post], width["rec"] + state),
             (place[topo.syn_out.pre], n + topo.syn_out.post, width["out"] + (words("gradient_out") if learning else 0))]
    if learning:
        j, k = np.nonzero(network.feedback)
        onto = n + K + topo.cell[j] if cells else place[j]
        parts.append((n + k, onto, words("feedback")))
    if cells:
        moore = topo.moore()
        parts.append((n + K + moore.ravel(), n + K + np.repeat(np.arange(cells), 9), words("diffusion_gain")))
        parts.append((n + K + topo.cell, place, 1))     # each cell tells its neuron
    pre, post = (np.concatenate([np.asarray(part[i], np.int64) for part in parts]) for i in (0, 1))
    bits = np.concatenate([np.full(len(part[0]), part[2] + index_bits, np.int64) for part in parts])
    neuron = words("membrane") + refractory_bits(network) + (words("trace", "readout_trace") if learning else 0)
    adapting = network.constants.beta[order] > 0
    own = np.concatenate([neuron + words("adaptation") * adapting, np.full(K, words("readout")), np.full(cells, words("modulator"))])
    return Units(pre, post, bits, own)


def fill_cores(units: Units, limits: dict[str, Limit]) -> tuple[np.ndarray, str, bool]:
    """The core of each unit, filled one after the other; which limit closed most cores; whether some unit alone is too large."""
    n_units = units.state.size
    top = {name: np.inf if (known := limits.get(limit)) is None or known.value is None else known.value for name, limit in FILLED.items()}
    order = np.argsort(units.post, kind="stable")
    sources = np.split(units.pre[order], np.searchsorted(units.post[order], np.arange(1, n_units)))
    bounds = np.bincount(units.post, units.bits, n_units)
    core, closed, oversized = np.zeros(n_units, np.int64), [], False
    axons: set[int] = set()
    used, synapses, memory = 0, 0.0, 0.0
    for unit in range(n_units):
        both = axons | set(sources[unit].tolist())
        own = bounds[unit] + units.state[unit]
        full = [name for name, need in zip(top, (used + 1, synapses + bounds[unit], memory + own, len(both))) if need > top[name]]
        if full and used:
            closed.append(full[0])
            used, synapses, memory, both = 0, 0.0, 0.0, set(sources[unit].tolist())
            core[unit:] += 1
        used, synapses, memory, axons = used + 1, synapses + bounds[unit], memory + own, both
        oversized |= any(need > top[name] for name, need in zip(list(top)[1:], (synapses, memory, len(both))))
    return core, max(set(closed), key=closed.count) if closed else "", oversized


def core_needs(units: Units, core: np.ndarray) -> dict[str, int]:
    """The most that any core needs: neurons, memory of synapses and of everything in bits, input axons (sources), output axons (source, target
    core)."""
    cores = int(core.max()) + 1
    routes = np.unique(np.stack([units.pre, core[units.post]]), axis=1)         # each source reaches a core by one axon
    inside = routes[0] < core.size
    synapses = np.bincount(core[units.post], units.bits, cores)
    return {"neurons_per_core": int(np.bincount(core).max()), "synapse_bits_per_core": int(synapses.max()),
            "memory_bits_per_core": int((synapses + np.bincount(core, units.state, cores)).max()),
            "axons_in_per_core": int(np.bincount(routes[1], minlength=cores).max()),
            "axons_out_per_core": int(np.bincount(core[routes[0][inside]], minlength=cores).max())}

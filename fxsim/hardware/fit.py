"""Does a network fit a chip? What it needs, limit by limit, how many cores, which limit binds, and what to change.

The estimate is of resources only: chips' own processes are closed, and nothing here has run on one. What is counted: recurrent neurons, readouts,
and for learning one unit per grid cell that diffuses; their synapses, diffusion and feedback included. A chip is held against the limits that
limits.yaml has of it, each with its source; what it does not have is not checked.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

import numpy as np

from fxsim.model.network import LAYERS, Learning, Network
from quant import PrecisionSpec

from .cores import FILLED, SYNAPSE_STATE, core_needs, fill_cores, units_of
from .limits import Limit, load_limits


@dataclass(frozen=True)
class Design:
    """A network with its formats and its rule: what is held against a chip."""

    name: str
    network: Network
    spec: PrecisionSpec
    learning: Learning

    def widest(self, *quantities: str) -> int:
        """Bits of the widest of these words."""
        return max(self.spec[name].word_bits for name in quantities)

    @property
    def signal(self) -> str:
        """The quantity that tells neurons what to learn."""
        return "modulator" if self.learning.diffuses else "learning_signal"


@dataclass(frozen=True)
class Row:
    """One limit: what it is called, what a design needs of it, what to change where that is too much, and whether only learning needs it."""

    name: str
    needed: Callable[[Design], int]
    change: str
    learning: bool = False


ENGINE = "preset loihi_engine, or {} in neuron microcode instead of the learning engine"
ROWS: dict[str, Row] = {
    "inputs": Row("input channels", lambda d: d.network.topology.n_in, "fewer input channels"),
    "neurons": Row("neurons", lambda d: d.network.topology.n, "fewer neurons"),
    "outputs": Row("readouts", lambda d: d.network.topology.n_out, "fewer classes or targets"),
    "adaptive_neurons": Row("neurons with an adaptive threshold", lambda d: int((d.network.constants.beta > 0).sum()), "network.n_alif=0"),
    "refractory_steps": Row("refractory steps", lambda d: d.network.constants.refractory, "network.refractory=0"),
    "recurrent_synapses": Row("recurrent synapses", lambda d: d.network.topology.syn_rec.size, "sparser recurrent connections"),
    "recurrent_fan_in": Row("recurrent fan-in of a neuron", lambda d: _most(d.network.topology.syn_rec.post), "sparser recurrent connections"),
    "recurrent_fan_out": Row("recurrent fan-out of a neuron", lambda d: _most(d.network.topology.syn_rec.pre), "sparser recurrent connections"),
    "weight_bits": Row("bits of a weight", lambda d: d.widest("weight_in", "weight_rec", "weight_out"),
                       "a precision with narrower weights (loihi2, reckon, xylo: 8 bits, loihi_engine: 9)"),
    "potential_bits": Row("bits of a potential", lambda d: d.widest("membrane", "readout"),
                          "a precision with narrower potentials (q16, reckon, loihi2)"),
    "decay_bits": Row("bits of a decay", lambda d: d.widest("decay"), "a precision with decays of 12 bits (loihi2, reckon)"),
    "decay_fraction_bits": Row("fraction bits of a decay", lambda d: d.spec["decay"].frac_bits, "a precision with decays in steps of 2^-15 (reckon)"),
    "plastic_synapses": Row("synapses that learn", lambda d: sum(d.network.topology.synapses(layer).size for layer in LAYERS),
                            "another chip: this one does not learn", True),
    "message_bits": Row("bits of a message", lambda d: d.widest("error", d.signal),
                        "a chip with graded spikes: errors and modulators are numbers", True),
    "signal_bits": Row("bits of a learning signal", lambda d: d.widest(d.signal), "a precision with narrower learning signals (q16, reckon)", True),
    "trace_bits": Row("bits of a trace", lambda d: d.widest("trace"), ENGINE.format("traces"), True),
    "readout_trace_bits": Row("bits of a readout's trace", lambda d: d.widest("readout_trace"), "a precision with narrower traces (reckon)", True),
    "pseudo_derivative_bits": Row("bits of a pseudo-derivative", lambda d: d.widest("pseudo_derivative"), ENGINE.format("pseudo-derivatives"), True),
    "eligibility_bits": Row("bits of an eligibility", lambda d: d.widest("filtered_eligibility"), ENGINE.format("eligibilities"), True),
    "synapse_state_bits": Row("bits of state in a synapse", lambda d: sum(d.spec[name].word_bits for name in SYNAPSE_STATE),
                              "another rule: this chip learns without eligibilities in synapses, which no rule here does", True),
    "modulator_cells": Row("cells that diffuse", lambda d: d.network.topology.n_cells if d.learning.diffuses else 0, "learning.rule=eprop", True),
}
CORE_ROWS = {"neurons_per_core": ("neurons in a core", "fewer neurons"),
             "synapse_bits_per_core": ("synapse memory in a core", "narrower weights or synapse state, or lower fan-in"),
             "memory_bits_per_core": ("memory of a core", "narrower weights or state, or lower fan-in"),
             "axons_in_per_core": ("input axons of a core", "lower fan-in: sparser input, or neurons placed closer to their partners"),
             "axons_out_per_core": ("output axons of a core", "fewer neurons in a core, or more local connections"),
             "synapses": ("synapses of the chip", "sparser connections, or several chips"),
             "cores_per_chip": ("cores", "several chips, sparser connections or narrower formats")}


@dataclass(frozen=True)
class Need:
    """One line of the check: the most that the network needs of something, and what the chip offers."""

    name: str
    needed: int
    limit: Limit
    change: str

    @property
    def fits(self) -> bool:
        return self.limit.value is None or self.needed <= self.limit.value

    @property
    def share(self) -> float:
        """Needed / offered; 0 if nothing is needed or the limit is not known."""
        if self.limit.value is None or not self.needed:
            return 0.0
        return self.needed / self.limit.value if self.limit.value else float("inf")


@dataclass(frozen=True)
class Fit:
    """needs: every line; cores: how many, 0 for a chip without, None if some neuron fits no core; binding: the line that decides, the fullest one of
    a chip without cores."""

    chip: str
    learning: bool
    needs: list[Need]
    cores: int | None
    binding: str

    @property
    def fits(self) -> bool:
        return self.cores is not None and all(need.fits for need in self.needs)

    @property
    def exceeded(self) -> list[Need]:
        return [need for need in self.needs if not need.fits]

    @property
    def advice(self) -> list[str]:
        """What to change where it does not fit."""
        return [f"{need.name}: {need.change}" for need in self.exceeded]


def check_fit(design: Design, chip: str = "loihi2", learning: bool = False, limits: dict[str, Limit] | None = None) -> Fit:
    """Hold a design against a chip's limits, for inference or with learning on the chip."""
    limits = limits or load_limits(chip)
    asked = {key: row for key, row in ROWS.items() if key in limits and (learning or not row.learning)}
    needs = [Need(row.name, row.needed(design), limits[key], row.change) for key, row in asked.items()]
    cores: int | None = 0
    binding = max(needs, key=lambda need: need.share).name
    if "cores_per_chip" in limits:
        units = units_of(design.network, design.spec, design.learning, learning, limits["index_bits"].value or 0)
        core, closing, oversized = fill_cores(units, limits)
        found = {**core_needs(units, core), "synapses": int(units.pre.size), "cores_per_chip": int(core.max()) + 1}
        needs += [Need(name, found[key], limits[key], change) for key, (name, change) in CORE_ROWS.items() if key in limits]
        filled = (need for need in needs if need.name in FILLED)
        binding = closing or max(filled, key=lambda need: need.share).name      # or one core holds everything
        cores = None if oversized else found["cores_per_chip"]
    return Fit(chip, learning, needs, cores, binding)


def _most(ends: np.ndarray) -> int:
    """How often the neuron that comes most often comes."""
    return int(np.bincount(ends, minlength=1).max(initial=0))

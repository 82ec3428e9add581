"""The neuron mode ``loihi_lif``: what Lava's stock fixed-point processes LIF and Sparse do, exactly, inside the simulator.

Lava's formulas (lava-nc 0.10, proc/lif/models.py and proc/sparse/models.py), in its integers:

    a(t) = (sum of W s(t-1)) << weight_exp              each connection takes one step
    u(t) = a(t) << 6, wrapped into 24 bits              current decay du = 4095: no memory
    v(t) = sgn(v) ((abs(v) (4096 - dv)) >> 12) + u(t), clipped to +-(2^23 - 1)
    z(t) = v(t) > vth << 6;  then v(t) = 0

Against the paper's neurons: a reset to zero for a subtractive one, no refractory period, no adaptive threshold, input and
readout one step later (recurrent spikes arrive as in the model), and a readout that is a LIF neuron that never fires.

Binary points: v is the membrane's stored value, so vth << 6 is 1.0 and the format has 24 bits; W is twice the stored 8-bit
weight, because Lava keeps only even values where signs are mixed; dv is the stored 12-bit decay.
"""
from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fxsim.engine.oracle.exact import Exact, Numbers
from fxsim.engine.oracle.oracle import Oracle, Readout, Somata
from fxsim.errors import InputError
from fxsim.model.network import LAYERS
from lava_backend.package import Package, masters_of
from quant import PrecisionSpec, load_spec

BOUND = 1 << 23                 # of u (wraps) and v (clips)
CURRENT_SHIFT, DECAY_SHIFT = 6, 12
WEIGHT_BITS, STATE_BITS, DECAY_BITS, THRESHOLD_BITS, EXPONENTS = 8, 24, 12, 17, (-8, 7)
STOCK_FORMATS = ("weight_in", "weight_rec", "weight_out", "membrane", "readout", "decay")


@dataclass(frozen=True)
class Settings:
    """Parameters of the stock processes."""

    vth: int
    dv: int                 # membrane
    dv_out: int             # readout
    exponents: dict[str, int]       # layer -> weight_exp


def settings(package: Package) -> Settings:
    """The stock processes' parameters for a package in this mode. Raises InputError for formats that they do not have."""
    spec, co = package.spec, package.arithmetic.coefficients
    exponents = {}
    for layer, state in (("in", "membrane"), ("rec", "membrane"), ("out", "readout")):
        weight = spec[f"weight_{layer}"]
        exponents[layer] = spec[state].frac_bits - weight.frac_bits - CURRENT_SHIFT - 1
        if not weight.signed or weight.word_bits > WEIGHT_BITS:
            raise InputError(package.name, f"weight_{layer}", f"{weight.word_bits} bits", f"signed, at most {WEIGHT_BITS} bits (Lava's Sparse)")
        if not EXPONENTS[0] <= exponents[layer] <= EXPONENTS[1]:
            raise InputError(package.name, f"weight_{layer}.frac_bits", weight.frac_bits, f"a weight exponent from {EXPONENTS[0]} to {EXPONENTS[1]}")
    for name in ("membrane", "readout"):
        if spec[name].word_bits != STATE_BITS or not spec[name].signed:
            raise InputError(package.name, name, f"{spec[name].word_bits} bits", f"signed, {STATE_BITS} bits (Lava's LIF)")
    if (spec["decay"].word_bits, spec["decay"].frac_bits) != (DECAY_BITS, DECAY_BITS):
        raise InputError(package.name, "decay", f"{spec['decay'].word_bits} bits, {spec['decay'].frac_bits} of them fraction",
                         "12 bits, all fraction")
    vth = 1 << (spec["membrane"].frac_bits - CURRENT_SHIFT) if spec["membrane"].frac_bits >= CURRENT_SHIFT else 0
    if not 0 < vth < 1 << THRESHOLD_BITS:
        raise InputError(package.name, "membrane.frac_bits", spec["membrane"].frac_bits, f"{CURRENT_SHIFT} to {CURRENT_SHIFT + THRESHOLD_BITS - 1}")
    return Settings(vth, int(co.leak_membrane), int(co.leak_readout), exponents)


def obstacles(package: Package) -> list[str]:
    """What of a network with the paper's neurons stock processes cannot express, by name."""
    constants, spec, found = package.network.constants, package.spec, ["subtractive reset", "input and readout without delay"]
    if (np.asarray(package.arithmetic.coefficients.adaptation_gain) != 0).any():
        found.append("adaptive threshold")
    if constants.refractory:
        found.append("refractory period")
    stock = load_spec("loihi2")
    wide = [name for name in STOCK_FORMATS if spec[name].word_bits > stock[name].word_bits]
    if wide:
        found.append("wide formats (" + ", ".join(f"{name} {spec[name].word_bits} bits" for name in wide) + ")")
    return found


def stock_spec(spec: PrecisionSpec) -> PrecisionSpec:
    """The formats of stock processes for weights, potentials and decays; the others, which only learning needs, stay.

    Where the precision's weights are wider, they go on as shadow weights: training on the host keeps them and deploys their
    rounding.
    """
    stock, formats = load_spec("loihi2"), dict(spec.formats)
    for layer in LAYERS:
        if spec[f"weight_{layer}"].word_bits > WEIGHT_BITS:
            formats.setdefault(f"shadow_{layer}", spec[f"weight_{layer}"])
    return PrecisionSpec(f"{spec.name}+loihi_lif", {**formats, **{name: stock[name] for name in STOCK_FORMATS}})


def approximated(package: Package) -> Package:
    """The nearest network of stock processes: every obstacle dropped, weights rounded to the nearest stock format."""
    constants = replace(package.network.constants, refractory=0, beta=np.zeros_like(package.network.constants.beta))
    network, spec = replace(package.network, constants=constants), stock_spec(package.spec)
    model = package.arithmetic.weights_to_model(package.weights)
    stock = replace(package, spec=spec, network=network, neuron="loihi_lif")
    weights = {layer: stock.arithmetic.to_raw(f"weight_{layer}", w * stock.arithmetic.weight_scale[layer]) for layer, w in model.items()}
    return replace(stock, weights=weights, masters=masters_of(spec, weights), network=network.with_weights(model))


def leaky_integral(v: np.ndarray, current: np.ndarray, dv: int) -> np.ndarray:
    """v(t) of Lava's LIF before threshold and reset. ``current``: what arrives, already in v's units."""
    u = np.where(current > BOUND, current - 2 * BOUND, np.where(current <= -BOUND, current + 2 * BOUND, current))
    decayed = np.sign(v) * ((np.abs(v) * ((1 << DECAY_SHIFT) - dv)) >> DECAY_SHIFT)
    return np.clip(decayed + u, -BOUND + 1, BOUND - 1)


class LoihiSomata(Somata):
    """n stock LIF neurons. Learning sees the potential before the reset."""

    def rest(self) -> None:
        super().rest()
        self.waiting: np.ndarray | None = None

    def step(self, x: np.ndarray) -> np.ndarray:
        """x(t) to z(t); x(t-1) and z(t-1) arrive."""
        value, before = self.numbers.value, self.z
        self.arrived, self.waiting = np.zeros_like(x) if self.waiting is None else self.waiting, x
        frac = self.V.frac
        current = (self.w_in * self.numbers.number(self.arrived.take(self.pre_in, -1))).scatter(self.onto_in).at(frac) \
            + (self.w_rec * self.numbers.number(before.take(self.pre_rec, -1))).scatter(self.onto_rec).at(frac)
        v = leaky_integral(self.V.raw, current, int(self.leak_membrane.raw))
        self.distance = value("membrane", v) - self.one
        self.before, self.z = before, self.distance.is_positive().astype(np.int64)
        self.V = value("membrane", np.where(self.z == 1, 0, v))
        self.count = self.count + self.z
        return self.z


class LoihiReadout(Readout):
    """K stock LIF neurons that never fire; spikes arrive one step later."""

    def rest(self) -> None:
        super().rest()
        self.waiting: np.ndarray | None = None

    def step(self, z: np.ndarray) -> Exact:
        self.late, self.waiting = np.zeros_like(z) if self.waiting is None else self.waiting, z
        current = (self.w_out * self.numbers.number(self.late.take(self.topology.syn_out.pre, -1))).scatter(self.onto_out).at(self.y.frac)
        self.y = self.numbers.value("readout", leaky_integral(self.y.raw, current, int(self.leak.raw)))
        return self.y

    def trace(self, z: np.ndarray) -> None:
        super().trace(self.late)


class LoihiLifOracle(Oracle):
    """The oracle with stock neurons; e-prop and diffusion are those of the model."""

    name = "loihi_lif"

    def neurons(self, numbers: Numbers) -> tuple[Somata, Readout]:
        return LoihiSomata(numbers, self.network), LoihiReadout(numbers, self.network, self.learning)


def oracle_of(package: Package) -> Oracle:
    """The simulator of a package's neurons."""
    kind = LoihiLifOracle if package.neuron == "loihi_lif" else Oracle
    return kind(package.network, package.learning, package.arithmetic, package.seed)


def stock_matrix(package: Package, layer: str) -> np.ndarray:
    """(n_post, n_pre) weights as Lava's Sparse takes them: twice the stored ones, even."""
    return package.network.topology.synapses(layer).dense(2 * package.weights[layer]).T



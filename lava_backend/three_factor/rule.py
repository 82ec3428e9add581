"""The learning rule of Lava's three-factor engine (LearningDense with a Loihi3FLearningRule), written for a package.

The engine (lava-nc 0.10) gives each synapse a weight w, a tag t and a delay variable d, each line a trace x1, each neuron the
factors y1, y2, y3 that it sends at every step. e-prop in these variables (scaled units of quant.quantities, * is stored):

    x1  presynaptic trace X        y1  learning signal L      t  filtered eligibility F
    y2  pseudo-derivative H        y3  H of ALIF neurons      d  adaptation's share U, stays 0 where y3 does

    dd = drive x1 y3 - drive d y3 - (1-rho) d       dt = x1 y2 - d y2 - (1-kappa) t       dw = -rate t y1

and for readout weights dw = -rate x1 y1 with y1 = err. Every product is an integer of the engine: see :class:`Product`.

Each product is rounded down, on average by half of 2^-7 of a weight's unit: at every step at which a synapse learns its weight
drifts by that much, whatever the error. So y1 need not be sent at every step: ``Package.period`` is the number of steps over
which it is gathered; their mean is sent at the last, with the rate that many times higher. The drift falls by that factor.
"""
from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from fxsim.config.learning import SgdConfig
from fxsim.engine.oracle.exact import Exact, round_into
from fxsim.errors import InputError
from fxsim.model.network import LAYERS
from lava_backend.package import Package
from quant import QFormat

WIDTHS = {"x1": 7, "x2": 7, "y1": 7, "y2": 7, "y3": 7, "w": 9, "d": 9, "t": 9}      # bits by which a product counts each factor
MANTISSA_BITS, LARGEST_MANTISSA, EXPONENTS, OFFSET = 4, 7, 16, 7
ACCUMULATOR_BITS = 15
CARRIED_BITS = 7                # of w, d, t below their stored unit while a step's products are added
WEIGHT_BOUNDS, TAG_BOUNDS, DELAY_BOUNDS, TRACE_MAX = (-256, 255), (-257, 255), (0, 255), 127
LARGEST_CONSTANT = 127
GOOD_ENOUGH, WORST = 0.01, 0.1  # relative error of a coefficient that is as good as none, and that is refused

REGULARISATION = "firing-rate regularisation"

HELD = {"weight_in": (9, True), "weight_rec": (9, True), "weight_out": (9, True), "trace": (7, False), "readout_trace": (7, False),
        "filtered_eligibility": (9, True), "adaptation_eligibility": (8, False)}
SENT = {"pseudo_derivative": (7, False), "learning_signal": (8, True), "modulator": (8, True), "error": (8, True)}
"""quantity -> (bits, signed): what the engine holds, exactly so wide, and what it is sent, at most so wide."""


@dataclass(frozen=True)
class Product:
    """One product of a rule: mantissa 2^(exponent-7) times factors, times (x2 + c) for each constant c (x2 is always 0).

    In the engine: the factors' product is shifted down to 15 bits (floor) and up by the exponent, in units of 2^-7 of the
    variable that it changes.
    """

    factors: tuple[str, ...]
    mantissa: int
    exponent: int
    constants: tuple[int, ...] = ()

    @property
    def shift(self) -> int:
        widths = sum(WIDTHS[name] for name in (*self.factors, *("x2" for _ in self.constants)))
        return max(0, widths + MANTISSA_BITS - ACCUMULATOR_BITS)

    @property
    def multiplier(self) -> int:
        return self.mantissa * math.prod(self.constants)

    @property
    def gain(self) -> float:
        """Change of the stored variable for each unit of the stored factors' product."""
        return math.ldexp(self.multiplier, self.exponent - self.shift - CARRIED_BITS)

    @property
    def text(self) -> str:
        """In the syntax of Lava's rules."""
        constants = "".join(f"*(x2+{constant})" for constant in self.constants)
        return f"{'-' if self.mantissa < 0 else '+'}{abs(self.mantissa)}*2^{self.exponent - OFFSET}*u0*{'*'.join(self.factors)}{constants}"

    def value(self, values: dict[str, np.ndarray]) -> np.ndarray:
        """The engine's integer for factors by name, before it is clipped. No factor exceeds its width: see HELD and SENT."""
        product = np.array(self.multiplier, np.int64)
        for name in self.factors:
            product = product * values[name]
        return (product >> self.shift) << self.exponent


def nearest_product(what: str, factors: tuple[str, ...], gain: float) -> Product:
    """The product whose gain is nearest; of those within 1 % the one that is rounded least. InputError if none is within 10 %."""
    numbers, found = range(1, LARGEST_CONSTANT + 1), []
    for constants in ((), *((c,) for c in numbers), *((1, c) for c in numbers)):
        for size in range(1, LARGEST_MANTISSA + 1):
            one = Product(factors, int(math.copysign(size, gain)), 0, constants)
            product = replace(one, exponent=min(max(round(math.log2(gain / one.gain)), 0), EXPONENTS - 1))
            error = abs(product.gain / gain - 1)
            found.append(((max(error, GOOD_ENOUGH), product.exponent, constants, error), product))
    key, nearest = min(found, key=lambda candidate: candidate[0])
    if key[0] > WORST:
        raise InputError("three-factor engine", what, f"{gain:.3g} for {' * '.join(factors)}", "a gain that the engine can express")
    return nearest


@dataclass(frozen=True)
class Rule:
    """What one LearningDense is given.

    tau, impulse    of the trace x1: steps, and what a spike adds
    seed            of the engine's trace rounding
    products        variable w, d or t -> its products, in the order in which they are added
    """

    tau: int
    impulse: int
    seed: int
    products: dict[str, tuple[Product, ...]]

    def text(self, variable: str) -> str | None:
        """dw, dd or dt in Lava's syntax; None where the variable does not change."""
        return "".join(product.text for product in self.products[variable]).removeprefix("+") if variable in self.products else None


def obstacles(package: Package) -> list[str]:
    """What of a package the engine cannot express, by name."""
    spec, found = package.spec, []
    if package.learning.c_reg:
        found.append(REGULARISATION)
    if not isinstance(package.optimizer, SgdConfig):
        found.append(f"optimizer {package.optimizer.name}")
    if np.unique(adaptation_gains(package)).size > 1:
        found.append("adaptation of different strengths")
    found += [f"shadow_{layer}" for layer in LAYERS if f"shadow_{layer}" in spec.formats]
    for name, (bits, signed) in HELD.items():
        if (spec[name].word_bits, spec[name].signed) != (bits, signed):
            found.append(f"{name} of {_words(spec[name])}")
    for name, (bits, signed) in SENT.items():
        if spec[name].word_bits > bits or spec[name].signed != signed:
            found.append(f"{name} of {_words(spec[name])}")
    return found


def _words(fmt: QFormat) -> str:
    return f"{fmt.word_bits} bits {'signed' if fmt.signed else 'unsigned'}"


def adaptation_gains(package: Package) -> np.ndarray:
    """The stored drive of U of the neurons that adapt."""
    drive = np.asarray(package.arithmetic.coefficients.adaptation_drive)
    return drive[drive != 0]


def without_regularisation(package: Package) -> tuple[Package, list[str]]:
    """The package without its firing-rate regularisation, and what was dropped, by name."""
    dropped = [REGULARISATION] if package.learning.c_reg else []
    return replace(package, learning=replace(package.learning, c_reg=0.0)), dropped


def engine_package(package: Package, period: int) -> Package:
    """The package for the three-factor engine. InputError names what it cannot express. ``period``: see Package."""
    if period < 1 or period & (period - 1) or period > package.learning.window:
        raise InputError(package.name, "--period", period, f"a power of two up to the window of {package.learning.window} steps")
    if found := obstacles(package):
        raise InputError(package.name, "--engine", ", ".join(found), "learning.c_reg 0 (or --approximate), optimizer sgd, precision loihi_engine")
    package = replace(package, neuron="three_factor", period=period)
    rules_of(package)       # refuses coefficients that it cannot express
    return package


def rules_of(package: Package) -> dict[str, Rule]:
    """layer -> the rule of its LearningDense. InputError for coefficients that the engine cannot express."""
    if not isinstance(package.optimizer, SgdConfig):
        raise InputError(package.name, "optimizer", package.optimizer.name, "sgd")
    spec, c, rate = package.spec, package.network.constants, package.period * 2.0**package.optimizer.log2_rate
    trace, H, F, U = (spec[name].frac_bits for name in ("trace", "pseudo_derivative", "filtered_eligibility", "adaptation_eligibility"))
    signal = spec[signal_quantity(package)].frac_bits
    tau_m, tau_out = _tau(c.alpha), _tau(c.kappa)
    tag = [nearest_product("eligibility", ("x1", "y2"), 2.0 ** (F - trace - H))]
    delay = []
    drive = adaptation_gains(package)
    if drive.size:
        gain = float(package.arithmetic.to_scaled("adaptation_drive", drive[0]))
        tag.append(nearest_product("eligibility", ("d", "y2"), -2.0 ** (F - U - H)))
        delay = [nearest_product("adaptation_drive", ("x1", "y3"), gain * 2.0 ** (U - trace - H)),
                 nearest_product("adaptation_drive", ("d", "y3"), -gain * 2.0 ** -H), nearest_product("tau_adaptation", ("d",), c.rho - 1)]
    tag.append(nearest_product("tau_out", ("t",), c.kappa - 1))
    rules = {}
    for layer in ("in", "rec"):
        weight = nearest_product("log2_rate", ("t", "y1"), -rate * 2.0 ** (spec[f"weight_{layer}"].frac_bits - F - signal))
        products = {"w": (weight,), **({"d": tuple(delay)} if delay else {}), "t": tuple(tag)}
        rules[layer] = Rule(tau_m, _impulse(package, "trace"), _seed(package, layer), products)
    out = nearest_product("log2_rate", ("x1", "y1"), -rate * 2.0 ** (spec["weight_out"].frac_bits - spec["readout_trace"].frac_bits
                                                                     - spec["error"].frac_bits))
    rules["out"] = Rule(tau_out, _impulse(package, "readout_trace"), _seed(package, "out"), {"w": (out,)})
    return rules


class Gathered:
    """A signal, summed over ``period`` steps and handed on as their mean, in its own format, rounded to nearest.

    The last step of a trial always ends a period. ``quantity``: the signal's.
    """

    def __init__(self, package: Package, quantity: str):
        self.fmt = replace(package.spec[quantity], rounding="nearest_even")
        self.period, self.steps, self.sum = package.period, package.steps, np.zeros((), np.int64)

    def rest(self) -> None:
        self.sum = np.zeros((), np.int64)

    def step(self, t: int, raw: np.ndarray) -> np.ndarray:
        """The stored signal (...,) of step ``t`` to what is sent: 0 but at the end of a period."""
        self.sum = self.sum + raw
        if (self.steps - 1 - t) % self.period:
            return np.zeros_like(raw)
        mean = round_into(self.fmt, Exact(self.sum, self.fmt.frac_bits + self.period.bit_length() - 1))[1]
        self.rest()
        return mean


def signal_quantity(package: Package) -> str:
    """What the learning signal of the neurons is: e-prop's or diffusion's."""
    return "modulator" if package.learning.diffuses else "learning_signal"


def _tau(decay: float) -> int:
    """A decay per step as the engine's time constant."""
    return max(1, round(-1 / math.log(decay)))


def _impulse(package: Package, quantity: str) -> int:
    """What a spike adds to a trace: 1.0."""
    frac_bits = package.spec[quantity].frac_bits
    if not 0 <= frac_bits < WIDTHS["x1"]:
        raise InputError(package.name, f"{quantity}.frac_bits", frac_bits, f"0 to {WIDTHS['x1'] - 1}")
    return 1 << frac_bits


def _seed(package: Package, layer: str) -> int:
    """Lava derives four generators from a seed by counting up from it; the layers do not share any."""
    return package.seed + 4 * LAYERS.index(layer)

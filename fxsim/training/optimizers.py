"""Optimizers: from a batch's summed gradients to the next stored weights.

The weights that the network runs on are stored in the ``weight_*`` formats. A precision may add ``shadow_*`` formats:
then the optimizer updates these wider masters and the network runs on their rounding; otherwise the stored weight is all
there is. Update number u keys the stochastic rounding of the weights that it writes (0: the initial weights).
"""
from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from fxsim.config.learning import OptimizerConfig
from fxsim.engine.interface import given
from fxsim.model.arithmetic import Arithmetic
from fxsim.model.network import LAYERS
from quant import QFormat
from quant.rounding import OVERFLOWS, ROUNDINGS

from .backend import ModelUnits

Layers = dict[str, np.ndarray]      # layer -> (n_syn,)
LARGEST_SUM = 1 << 39               # gradients of this size and beyond saturate in AdaMax
SHARE_FRAC = 45                     # fraction bits of its step as a share of the rate: 39 + the largest beta1_shift, so that shares are exact
GRADIENTS = {"in": "gradient", "rec": "gradient", "out": "gradient_out"}


class Optimizer(Protocol):
    """Holds the weights of one run. ``updates`` counts the steps taken."""

    updates: int

    @property
    def weights(self) -> Layers:
        """Stored weights, what an engine runs on."""
        ...

    def step(self, gradients: Layers, batch: int) -> Layers:
        """The stored weights after one update. ``gradients``: stored gradients summed over ``batch`` trials."""
        ...

    def state(self) -> dict[str, np.ndarray]:
        """All that a later :meth:`restore` needs to go on to the same bits, as plain arrays."""
        ...

    def restore(self, state: dict[str, np.ndarray]) -> None:
        ...


def make_masters(arithmetic: Arithmetic | ModelUnits, weights: Layers) -> Masters:
    """``weights``: layer -> (n_syn,), model units."""
    if isinstance(arithmetic, Arithmetic) and arithmetic.spec and arithmetic.backward:
        return FloatMasters(arithmetic, weights)
    return Masters(arithmetic, weights)


class Masters:
    """The weights that an optimizer updates (shadows, where the precision has them) and the stored weights they give."""

    def __init__(self, arithmetic: Arithmetic | ModelUnits, weights: Layers):
        self.arithmetic, formats = arithmetic, arithmetic.spec.formats if arithmetic.spec else {}
        self.quantity = {layer: f"shadow_{layer}" if f"shadow_{layer}" in formats else f"weight_{layer}" for layer in LAYERS}
        self.write({layer: arithmetic.weight_to_raw(self.quantity[layer], layer, weights[layer], 0) for layer in LAYERS}, 0)

    def move(self, change: Layers, update: int) -> None:
        """Add float64 changes in model units and round once into the masters."""
        self.write(self.arithmetic.moved(self.quantity, self.raw, change, update), update)

    def write(self, raw: Layers, update: int) -> None:
        """Set the masters and round the stored weights from them."""
        self.raw = raw
        self.stored = {layer: self._stored(layer, raw[layer], update) for layer in LAYERS}

    def _stored(self, layer: str, raw: np.ndarray, update: int) -> np.ndarray:
        master, weight, ar = self.quantity[layer], f"weight_{layer}", self.arithmetic
        if master == weight or ar.spec is None:
            return raw
        shift = ar.spec[master].frac_bits - ar.spec[weight].frac_bits
        return round_sum(ar.spec[weight], np.zeros_like(raw), raw, shift, ar.weight_random(weight, update, raw.size))


class FloatMasters(Masters):
    """Quantisation-aware training: masters are float64, scaled, whatever shadows the precision has. The gradient of a stored weight is taken
    for that of its master; a master beyond the weight's format would have none, so that it stays within."""

    def __init__(self, arithmetic: Arithmetic, weights: Layers):
        self.arithmetic, self.quantity = arithmetic, {layer: f"weight_{layer}" for layer in LAYERS}
        self.formats = given(arithmetic.spec)
        self.write({layer: self._within(layer, arithmetic.weight_to_scaled(self.quantity[layer], layer, weights[layer])) for layer in LAYERS}, 0)

    def move(self, change: Layers, update: int) -> None:
        scale = self.arithmetic.weight_scale
        self.write({layer: self._within(layer, self.raw[layer] + change[layer] * scale[layer]) for layer in LAYERS}, update)

    def _within(self, layer: str, scaled: np.ndarray) -> np.ndarray:
        fmt = self.formats[self.quantity[layer]]
        return np.clip(scaled, fmt.min, fmt.max)

    def _stored(self, layer: str, raw: np.ndarray, update: int) -> np.ndarray:
        quantity = self.quantity[layer]
        return self.formats[quantity].quantize(raw, self.arithmetic.weight_random(quantity, update, raw.size))


def round_sum(fmt: QFormat, base: np.ndarray, change: np.ndarray, shift: int, random: np.ndarray) -> np.ndarray:
    """``base + change / 2**shift`` in exact integers, rounded once into ``fmt``.

    base    (n_syn,) raw values of that format;  change (n_syn,) integers;  random (n_syn,) 31-bit words
    """
    rounding, up = ROUNDINGS[fmt.rounding], max(-shift, 0)
    if -16 <= shift <= 60 and not np.abs(change).max(initial=0) >> 46:
        full = rounding(change << up, max(shift, 0), random.astype(np.int64), base)
    else:       # beyond int64: one Python integer at a time
        full = np.array([rounding(int(c) << up, max(shift, 0), int(r), int(b)) for c, r, b in zip(change, random, base, strict=True)], object)
    if fmt.overflow == "saturate":
        return np.clip(full, fmt.min_raw, fmt.max_raw).astype(np.int64)
    return OVERFLOWS["wrap"](full, fmt.min_raw, fmt.max_raw).astype(np.int64)


class OnMasters:
    """What all optimizers share: the weights, the count of updates, and what of them a checkpoint holds."""

    MOMENTS: tuple[str, ...] = ()       # attributes, layer -> (n_syn,), that the next update depends on

    def __init__(self, arithmetic: Arithmetic | ModelUnits, weights: Layers):
        self.masters, self.updates = make_masters(arithmetic, weights), 0

    @property
    def weights(self) -> Layers:
        return self.masters.stored

    def step(self, gradients: Layers, batch: int) -> Layers:
        raise NotImplementedError

    def state(self) -> dict[str, np.ndarray]:
        return {"updates": np.int64(self.updates), **{f"master_{layer}": raw for layer, raw in self.masters.raw.items()},
                **{f"{name}_{layer}": getattr(self, name)[layer] for name in self.MOMENTS for layer in LAYERS}}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        self.updates = int(state["updates"])
        self.masters.write({layer: state[f"master_{layer}"] for layer in LAYERS}, self.updates)
        for name in self.MOMENTS:
            setattr(self, name, {layer: state[f"{name}_{layer}"] for layer in LAYERS})


class Adam(OnMasters):
    """Adam on the host, in float64 and model units; only its result is rounded into the weights' format.

        m = beta1 m + (1-beta1) g,  v = beta2 v + (1-beta2) g^2
        w' = w - rate m/(1-beta1^u) / (sqrt(v/(1-beta2^u)) + epsilon)       u = number of this update, from 1

    g is the batch's mean gradient (Kingma & Ba, arXiv 1412.6980, algorithm 1).
    """

    MOMENTS = ("m", "v")

    def __init__(self, arithmetic: Arithmetic | ModelUnits, weights: Layers, rate: float,
                 beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8):
        super().__init__(arithmetic, weights)
        self.rate, self.beta1, self.beta2, self.epsilon = rate, beta1, beta2, epsilon
        self.m = {layer: np.zeros(np.size(weights[layer])) for layer in LAYERS}
        self.v = {layer: np.zeros(np.size(weights[layer])) for layer in LAYERS}

    def step(self, gradients: Layers, batch: int) -> Layers:
        self.updates += 1
        mean, change = self.masters.arithmetic.gradient_to_model(gradients, batch), {}
        for layer in LAYERS:
            g = mean[layer]
            self.m[layer] = self.beta1 * self.m[layer] + (1 - self.beta1) * g
            self.v[layer] = self.beta2 * self.v[layer] + (1 - self.beta2) * g * g
            m, v = self.m[layer] / (1 - self.beta1**self.updates), self.v[layer] / (1 - self.beta2**self.updates)
            change[layer] = -self.rate * m / (np.sqrt(v) + self.epsilon)
        self.masters.move(change, self.updates)
        return self.weights


class Sgd(OnMasters):
    """Plain gradient descent as a chip does it: w' = w - 2^log2_rate * (sum of the batch's gradients), in scaled units.

    For fixed-point formats everything is an integer: one subtraction of a shifted sum, rounded once into the weight's (or
    shadow's) format with that format's rounding.
    """

    def __init__(self, arithmetic: Arithmetic | ModelUnits, weights: Layers, log2_rate: int):
        super().__init__(arithmetic, weights)
        self.log2_rate = log2_rate

    def step(self, gradients: Layers, batch: int) -> Layers:
        self.updates += 1
        new = {layer: self._updated(layer, gradients[layer]) for layer in LAYERS}
        self.masters.write(new, self.updates)
        return self.weights

    def _updated(self, layer: str, gradient: np.ndarray) -> np.ndarray:
        ar, old, quantity = self.masters.arithmetic, self.masters.raw[layer], self.masters.quantity[layer]
        if ar.spec is None:
            return (old - 2.0**self.log2_rate * gradient).astype(ar.dtype)
        shift = ar.spec[GRADIENTS[layer]].frac_bits - self.log2_rate - ar.spec[quantity].frac_bits
        return round_sum(ar.spec[quantity], old, -gradient, shift, ar.weight_random(quantity, self.updates, old.size))


class AdaMax(OnMasters):
    """AdaMax as a chip can do it: additions, comparisons and shifts of integers, no product and no division.

        M' = M - M/2^beta1_shift + g                    leaky sum of gradients
        u' = max(u - u/2^beta2_shift, |g|)              leaky maximum
        w' = w - rate M' / 2^(beta1_shift + b)          2^b: the smallest power of two above u'

    g is the gradient as the engine sums it over the batch, in scaled units; a step depends on its size only relative to
    u', so that batches and trials of any size need no other rate, and is never longer than ``rate``. Leaks round away from
    zero (they end at zero); the change of a weight is rounded once, by its format. Each layer's rate is a power of two, the
    nearest to 2^log2_rate in model units. Source: Kingma & Ba, arXiv 1412.6980, section 7.1, without the correction of the
    start and with the power of two in place of u.
    """

    MOMENTS = ("m", "u")

    def __init__(self, arithmetic: Arithmetic | ModelUnits, weights: Layers, log2_rate: int, beta1_shift: int, beta2_shift: int):
        super().__init__(arithmetic, weights)
        self.beta1_shift, self.beta2_shift = beta1_shift, beta2_shift
        self.log2_rate = {layer: log2_rate + round(math.log2(arithmetic.weight_scale[layer])) for layer in LAYERS}
        dtype = np.int64 if arithmetic.spec else arithmetic.dtype
        self.m = {layer: np.zeros(np.size(weights[layer]), dtype) for layer in LAYERS}
        self.u = {layer: np.zeros(np.size(weights[layer]), dtype) for layer in LAYERS}

    def step(self, gradients: Layers, batch: int) -> Layers:
        self.updates += 1
        new = {layer: self._updated(layer, gradients[layer]) for layer in LAYERS}
        self.masters.write(new, self.updates)
        return self.weights

    def _updated(self, layer: str, gradient: np.ndarray) -> np.ndarray:
        ar, old, quantity = self.masters.arithmetic, self.masters.raw[layer], self.masters.quantity[layer]
        g = np.clip(gradient, 1 - LARGEST_SUM, LARGEST_SUM - 1).astype(self.m[layer].dtype)
        m = self.m[layer] = self.m[layer] - self._leak(self.m[layer], self.beta1_shift) + g
        u = self.u[layer] = np.maximum(self.u[layer] - self._leak(self.u[layer], self.beta2_shift), np.abs(g))
        exponent = np.frexp(u.astype(np.float64))[1] + self.beta1_shift     # exact: u is below 2^39
        if ar.spec is None:
            share = np.clip(np.ldexp(m, -exponent), -1, 1)
            return (old - np.ldexp(share, self.log2_rate[layer])).astype(ar.dtype)
        share = np.clip(m << (SHARE_FRAC - exponent), -1 << SHARE_FRAC, 1 << SHARE_FRAC)
        shift = SHARE_FRAC - self.log2_rate[layer] - ar.spec[quantity].frac_bits
        return round_sum(ar.spec[quantity], old, -share, shift, ar.weight_random(quantity, self.updates, old.size))

    def _leak(self, value: np.ndarray, shift: int) -> np.ndarray:
        if self.masters.arithmetic.spec is None:
            return value * value.dtype.type(2.0**-shift)
        return np.sign(value) * ((np.abs(value) + (1 << shift) - 1) >> shift)


def make_optimizer(settings: OptimizerConfig, arithmetic: Arithmetic | ModelUnits, weights: Layers) -> OnMasters:
    """``settings``: the configuration's ``learning.optimizer``; ``weights``: initial weights, layer -> (n_syn,), model units."""
    if settings.name == "adam":
        return Adam(arithmetic, weights, settings.rate, settings.beta1, settings.beta2, settings.epsilon)
    if settings.name == "adamax":
        return AdaMax(arithmetic, weights, settings.log2_rate, settings.beta1_shift, settings.beta2_shift)
    return Sgd(arithmetic, weights, settings.log2_rate)

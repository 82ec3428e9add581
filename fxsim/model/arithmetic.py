"""Arithmetic: between the model's real numbers and what an engine stores.

One object says, for a network and a precision, what each coefficient is worth and how weights, targets and gradients
are carried across. The scales are those of :mod:`quant.quantities`. Engines compute in scaled units with either
``fixed`` (integers in the formats of a PrecisionSpec), ``float32`` or ``float64`` arithmetic.
"""
from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fxsim.errors import InputError
from quant import FLOATS, PrecisionSpec, QFormat, load_spec
from quant.quantities import INDEX
from quant.random import element_key, random31, step_key, trial_key

from .network import Constants, Learning, Network

RATE_FRAC = 24              # fraction bits in which the target rate enters the integer rate error
RATE_GAIN_FRAC = 14         # and those of its gain c_reg S/(1-kappa)
LARGEST = 2.0**45           # of a coefficient in fixed point: beyond every format, and a 64-bit word with RATE_GAIN_FRAC bits
SAME = 2.0**-51             # two roundings of a float64: by the scale and back
WEIGHT_STREAM = 0xFFFFFFFF  # the trial id that keys the rounding of weights (no trial has it)


@dataclass(frozen=True)
class Coefficients:
    """The constants of the update equations in scaled units: floats, or raw integers of their formats."""

    leak_membrane: Any                  # 1 - alpha
    leak_adaptation: Any                # 1 - rho
    leak_readout: Any                   # 1 - kappa
    adaptation_gain: np.ndarray         # (n,) beta (1-rho)/thr
    adaptation_drive: np.ndarray        # (n,) beta (1-rho) gamma/thr
    diffusion_gain: Any                 # k/9
    rate_target: Any                    # f_target; fixed: raw with RATE_FRAC fraction bits
    rate_gain: Any                      # c_reg S/(1-kappa); fixed: raw with RATE_GAIN_FRAC fraction bits


class Arithmetic:
    """How one run computes. ``kind`` is fixed, float32 or float64; ``spec`` holds the formats if fixed."""

    def __init__(self, name: str, spec: PrecisionSpec | None, constants: Constants, learning: Learning, steps: int, seed: int = 0):
        self.name, self.spec, self.seed = name, spec, seed
        self.kind = "fixed" if spec else name
        self.dtype = np.dtype(np.int64 if spec else FLOATS[name])
        self.learning, self.steps = learning, steps
        c = constants
        onto_neurons, onto_readout = (1 - c.alpha) / c.threshold, 1 - c.kappa
        self.weight_scale = {"in": onto_neurons, "rec": onto_neurons, "out": onto_readout}      # scaled = model * scale
        eligibility = (1 - c.alpha) * (1 - c.kappa) * c.gamma / c.threshold
        self.backward = learning.rule == "bptt"     # gradients are floats, by scaled weights
        self.gradient_scale = self.weight_scale if self.backward else {"in": eligibility, "rec": eligibility, "out": 1 - c.kappa}
        # model = scaled * scale / S
        self.coefficients = self._coefficients(c)

    def _coefficients(self, c: Constants) -> Coefficients:
        with np.errstate(over="ignore"):
            gain = c.beta * (1 - c.rho) / c.threshold
            drive = gain * c.gamma
        rate_gain = self.learning.c_reg * self.learning.window / (1 - c.kappa)
        for field, values in (("beta / threshold", gain), ("beta gamma / threshold", drive), ("c_reg", rate_gain)):
            largest = LARGEST if self.spec else float(np.finfo(FLOATS[self.name]).max)
            if not (np.abs(values) < largest).all():
                raise InputError(self.name, field, f"a coefficient of {np.max(np.abs(values)):.3g}", f"below {largest:.3g} in the simulator's units")
        return Coefficients(
            self.to_raw("decay", 1 - c.alpha), self.to_raw("decay", 1 - c.rho), self.to_raw("decay", 1 - c.kappa),
            self.to_raw("adaptation_gain", gain), self.to_raw("adaptation_drive", drive),
            self.to_raw("diffusion_gain", self.learning.k / 9),
            self._constant(self.learning.f_target, RATE_FRAC), self._constant(rate_gain, RATE_GAIN_FRAC))

    def _constant(self, value: float, frac_bits: int) -> np.generic:
        return np.int64(round(math.ldexp(value, frac_bits))) if self.spec else self.dtype.type(value)

    def to_raw(self, quantity: str, value: ArrayLike, random: np.ndarray | None = None) -> np.ndarray:
        """Scaled real numbers as stored values of ``quantity``.

        Without ``random`` a stochastic format rounds to nearest: coefficients, feedback and targets are programmed
        once and must not depend on what else is in the batch.
        """
        if not self.spec:
            with np.errstate(over="ignore"):        # what is not finite is refused by name, before or after the first trials
                return np.asarray(value, self.dtype)[()]
        fmt = self.spec[quantity]
        if fmt.rounding == "stochastic" and random is None:
            fmt = replace(fmt, rounding="nearest_even")
        return fmt.quantize(value, random)

    def to_scaled(self, quantity: str, raw: ArrayLike) -> np.ndarray:
        """Stored values as scaled real numbers, float64."""
        return self.spec[quantity].to_float(raw) if self.spec else np.asarray(raw, np.float64)

    def weights_to_raw(self, weights: dict[str, np.ndarray], step: int = 0) -> dict[str, np.ndarray]:
        """Model weights, layer -> (n_syn,), as stored weights. ``step`` (updates so far) keys stochastic rounding."""
        return {layer: self.weight_to_raw(f"weight_{layer}", layer, w, step) for layer, w in weights.items()}

    def weight_to_raw(self, quantity: str, layer: str, weights: np.ndarray, step: int) -> np.ndarray:
        """One layer's model weights in the format of ``quantity`` (``weight_*`` or ``shadow_*``).

        Stored weights that went through model units (:meth:`weights_to_model`) come back as they were, whatever the rounding.
        """
        return self.to_raw(quantity, self.weight_to_scaled(quantity, layer, weights), self.weight_random(quantity, step, np.size(weights)))

    def weight_to_scaled(self, quantity: str, layer: str, weights: np.ndarray) -> np.ndarray:
        """One layer's model weights in scaled units, float64; what was stored in the format of ``quantity`` is exactly that again."""
        scaled = np.asarray(weights) * self.weight_scale[layer]
        if self.spec:
            steps = scaled / self.spec[quantity].resolution         # exact: a power of two
            whole = np.rint(steps)
            scaled = np.where(np.abs(steps - whole) <= SAME * np.abs(whole), whole * self.spec[quantity].resolution, scaled)
        return scaled

    def weight_random(self, quantity: str, step: int, size: int) -> np.ndarray:
        """(size,) 31-bit words that round weight update number ``step``; none for floats."""
        return self._random([quantity], step, [size]) if self.spec else np.zeros(0, np.uint32)

    def _random(self, quantities: list[str], step: int, sizes: list[int]) -> np.ndarray:
        """:meth:`weight_random` of several quantities, one after the other."""
        key = np.repeat(np.array([step_key(INDEX[quantity], step) for quantity in quantities], np.uint32), sizes)
        element = np.concatenate([np.arange(size, dtype=np.uint32) for size in sizes])
        return random31(np.uint32(trial_key(self.seed, WEIGHT_STREAM)), element_key(key, element))

    def moved(self, quantity: dict[str, str], raw: dict[str, np.ndarray], change: dict[str, np.ndarray], update: int) -> dict[str, np.ndarray]:
        """Stored weights plus float64 changes in model units, rounded once into the formats ``quantity``; each layer -> (n_syn,).

        ``update``: the number of this update. The sum is taken where the stored weight is exact: no change, no rounding.
        """
        if self.spec is None:
            return {layer: (raw[layer] + change[layer] * self.weight_scale[layer]).astype(self.dtype) for layer in raw}
        new: dict[str, np.ndarray] = {}
        kinds = {layer: _of_raw_values(self.spec[quantity[layer]]) for layer in raw}
        for kind in dict.fromkeys(kinds.values()):      # layers of one kind together: calls of NumPy take longer than their work
            layers, sizes = [layer for layer in raw if kinds[layer] == kind], [raw[layer].size for layer in raw if kinds[layer] == kind]
            exact = np.concatenate([raw[layer] + change[layer] * (self.weight_scale[layer] / self.spec[quantity[layer]].resolution)
                                    for layer in layers])
            rounded = kind.quantize(exact, self._random([quantity[layer] for layer in layers], update, sizes))
            new |= {layer: rounded[end - size:end] for layer, size, end in zip(layers, sizes, accumulate(sizes))}
        return new

    def weights_to_model(self, raw: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Stored weights as float64 model weights."""
        return {layer: self.to_scaled(f"weight_{layer}", w) / self.weight_scale[layer] for layer, w in raw.items()}

    def feedback_to_raw(self, feedback: np.ndarray) -> np.ndarray:
        """(n, K) feedback matrix B."""
        return self.to_raw("feedback", feedback)

    def target_to_raw(self, target: np.ndarray) -> np.ndarray:
        """(B, S, K) targets: one-hot labels stay 0 / 1, regression targets take the readout's format."""
        return target.astype(self.dtype) if self.learning.classification else self.to_raw("readout", target)

    def gradient_to_model(self, raw_sum: dict[str, np.ndarray], batch: int) -> dict[str, np.ndarray]:
        """Summed stored gradients of ``batch`` trials as the mean gradient in model units."""
        quantity = {"in": "gradient", "rec": "gradient", "out": "gradient_out"}
        return {layer: (g if self.backward else self.to_scaled(quantity[layer], g)) * (self.gradient_scale[layer] / self.learning.window / batch)
                for layer, g in raw_sum.items()}


@lru_cache
def _of_raw_values(fmt: QFormat) -> QFormat:
    """The format of the same words whose values are the words themselves."""
    return replace(fmt, frac_bits=0)


def make_arithmetic(precision: str | PrecisionSpec, network: Network, learning: Learning, steps: int, seed: int = 0) -> Arithmetic:
    """``precision``: formats, or "float32", "float64", a preset's name, the path of a precision YAML (InputError if unknown)."""
    if isinstance(precision, str) and precision not in FLOATS:
        precision = load_spec(precision)
    name, spec = (precision, None) if isinstance(precision, str) else (precision.name, precision)
    return Arithmetic(name, spec, network.constants, learning, steps, seed)

"""Calibration: formats whose ranges fit what a float32 training was seen to need.

A float32 run of the configuration is trained, and the histograms of what it stores (:mod:`.histograms`) give the largest magnitude of each
quantity in scaled units. From that, a format of ``word_bits`` bits gets as many fraction bits as leave the observed range, widened by
``headroom`` bits, unsaturated.

Signs and roundings, and the ranges of quantities that did not occur (the learning signal under diffusion, say), come from a
preset. Sums over a trial (ACCUMULATORS) get a word length of their own: a narrow state is no reason to clip a sum of thousands of them.
"""
from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from fxsim.config import Config
from fxsim.engine.build.module import proof_for
from fxsim.engine.build.plan import MAX_RATE_ERROR_FRAC
from fxsim.errors import InputError
from fxsim.model.arithmetic import make_arithmetic
from fxsim.model.topology import learning_of
from fxsim.training.initial import network_of
from fxsim.training.progress import Progress
from quant import QUANTITIES, PrecisionSpec, QFormat, load_spec
from quant.formats import FRAC_BITS, WORD_BITS

from .histograms import observe

FLOAT = "float32"
ACCUMULATORS = ("eligibility_sum", "gradient", "gradient_out")


@dataclass(frozen=True)
class Fitted:
    """A quantity's observed largest magnitude in scaled units (None: it did not occur) and the format that fits it."""

    quantity: str
    largest: float | None
    format: QFormat


def fit(base: PrecisionSpec, largest: dict[str, float], word_bits: int, accumulator_bits: int, headroom: int) -> list[Fitted]:
    """The format of every quantity. ``headroom``: bits of range beyond what was observed (coefficients are known and need none)."""
    fitted = []
    for quantity, declared in QUANTITIES.items():
        bits, old = accumulator_bits if quantity in ACCUMULATORS else word_bits, base[quantity]
        seen = largest.get(quantity) or None
        if seen is None:
            frac = old.frac_bits + bits - old.word_bits
        else:
            room = 0 if declared.kind == "coefficient" else headroom
            frac = bits - old.signed - room - math.frexp(seen)[1]      # seen < 2**exponent
        finest = MAX_RATE_ERROR_FRAC if quantity == "rate_error" else FRAC_BITS[1]
        fitted.append(Fitted(quantity, seen, replace(old, word_bits=bits, frac_bits=int(np.clip(frac, FRAC_BITS[0], finest)))))
    return fitted


def calibrate(config: Config, word_bits: int, accumulator_bits: int = 31, headroom: int = 1, preset: str = "q16",
              progress: Progress | None = None) -> tuple[PrecisionSpec, list[Fitted]]:
    """Observe and fit. ``preset``: where signs, roundings and unobserved ranges come from.

    Raises InputError for words so long that exact intermediates would not fit 64 bits; it names the quantities.
    """
    for field, bits in (("--word-bits", word_bits), ("--accumulator-bits", accumulator_bits)):
        if not WORD_BITS[0] <= bits <= WORD_BITS[1]:
            raise InputError("calibrate", field, bits, f"{WORD_BITS[0]} to {WORD_BITS[1]}")
    fitted = fit(load_spec(preset), observe(config, {FLOAT: FLOAT}, progress=progress)[FLOAT].largest, word_bits, accumulator_bits, headroom)
    described = (f"{word_bits}-bit words fitted to a float32 run of {config.task.name} ({config.learning.rule}, {config.updates} updates), "
                 f"signs and roundings of {preset}")
    spec = PrecisionSpec(f"{config.task.name}_{word_bits}", {f.quantity: f.format for f in fitted}, described)
    network = network_of(config)
    proof_for(make_arithmetic(spec, network, learning_of(config), config.task.steps, config.seed), network)
    return spec, fitted

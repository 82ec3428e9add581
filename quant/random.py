"""Counter-based random bits: a hash of (seed, trial, quantity, step, element) and nothing else.

No state is carried, so no schedule, thread count or engine can change a bit. ``mix32`` is a bijective finaliser of
the xor-shift-multiply family; its two multipliers and three shifts are those that C. Wellons' exhaustive search
("hash-prospector", public domain) found to have the least avalanche bias of all two-round functions. Keys are mixed by it
once; what every trial computes for itself is one product, multiply-shift hashing (Dietzfelbinger et al., J. Algorithms 25,
1997), whose high bits are pairwise independent between trials. Users take the high bits.

Like :mod:`quant.rounding` this is plain arithmetic: on Python ints, NumPy uint64 arrays holding 32-bit values, and
compiled on uint32.
"""
from __future__ import annotations

from .interval import Integers

M32 = 0xFFFFFFFF


def mix32(x: Integers) -> Integers:
    """A bijection of 32-bit words in which each output bit depends on each input bit."""
    x = x ^ (x >> 16)
    x = (x * 0x21F0AAAD) & M32
    x = x ^ (x >> 15)
    x = (x * 0x735A2D97) & M32
    return x ^ (x >> 15)


def stream_key(seed: Integers, trial: Integers) -> Integers:
    """Key of one trial of one run."""
    return mix32((mix32((seed ^ 0x5BF03635) & M32) + trial) & M32)


def step_key(quantity: Integers, step: Integers) -> Integers:
    """Key of one quantity at one step, shared by all trials and elements."""
    return mix32((quantity * 0x9E3779B9 + step) & M32)


def element_key(step_key_: Integers, element: Integers) -> Integers:
    """Counter of one element (neuron, synapse, cell) at that quantity and step."""
    return mix32((step_key_ + element) & M32)


def trial_key(seed: Integers, trial: Integers) -> Integers:
    """The odd :func:`stream_key` that rounds a trial's numbers."""
    return stream_key(seed, trial) | 1


def random31(trial_key_: Integers, element: Integers) -> Integers:
    """31 uniform bits from a :func:`trial_key` and an :func:`element_key`."""
    return ((trial_key_ * element) & M32) >> 1

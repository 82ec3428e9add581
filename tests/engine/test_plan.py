"""The proof: no word is narrower than what it holds, and none is wider than it must be."""
import numpy as np
import pytest

from fxsim.engine.build.machine_words import Words
from fxsim.engine.build.module import storage
from fxsim.engine.build.plan import Ranges, word_bits
from fxsim.model.network import LAYERS
from fxsim.verify.random_case import arithmetic_for, extreme_case
from quant import load_spec
from quant.interval import Interval

pytestmark = pytest.mark.core
EDGES = sorted({sign * (1 << bits) + near for bits in (0, 1, 2, 7, 8, 15, 16, 31, 32, 62) for sign in (-1, 1) for near in (-1, 0, 1)})


def test_words_are_signed_ones_that_hold_both_ends_and_no_wider():
    for low in EDGES:
        for high in (value for value in EDGES if value >= low):
            bits = word_bits(low, high)
            assert -(1 << bits - 1) <= low and high < 1 << bits - 1, (low, high, bits)
            assert bits <= 2 or not low <= 0 <= high or not (-(1 << bits - 2) <= low and high < 1 << bits - 2), (low, high, bits)
            assert Words({1: (low, high)}).operation(1) == next(f"I{width}" for width in (16, 32, 64) if low >= -1 << width - 1 and high < 1 << width - 1)
            info = np.iinfo(storage(Interval(low, high)))
            assert info.min <= low and high <= info.max


@pytest.mark.parametrize("inputs", [1, 64, 65, 100, 300])
def test_currents_are_proved_for_the_largest_fan_in(inputs):
    case = extreme_case(np.random.default_rng(3), inputs=inputs)
    arithmetic = arithmetic_for(case, load_spec("q16"))
    weights, topology = arithmetic.weights_to_raw(case.network.weights), case.network.topology
    for layer in LAYERS:
        post = topology.synapses(layer).post
        for full in (load_spec("q16")[f"weight_{layer}"].min_raw, load_spec("q16")[f"weight_{layer}"].max_raw):
            largest = np.bincount(post) * full
            proved = Ranges(arithmetic, case.network).current(layer)
            assert proved.lo <= largest.min() and largest.max() <= proved.hi
        assert abs(weights[layer]).max() >= load_spec("q16")[f"weight_{layer}"].max_raw

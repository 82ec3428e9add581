"""Noises of formats, and the front that costs and noises make."""
from itertools import product

import numpy as np
import pandas as pd
import pytest

from fxsim.study.allocation.confirm import walk
from fxsim.study.allocation.front import front, thinned
from fxsim.study.allocation.options import Option, noises, options
from fxsim.study.formats.noise import calm, cosine_of
from quant import load_spec

pytestmark = pytest.mark.core
Q24 = load_spec("q24")


def rows(quantity, bits, rounding, cosines, seed=1, way="run", moments=("start", "end"), layer="rec"):
    """Of the layer; all weights together say that nothing is lost."""
    return [{"quantity": quantity, "word_bits": bits, "rounding": rounding, "seed": seed, "way": way, "moment": moment, "layer": one, "cosine": cosine}
            for moment, found in zip(moments, cosines) for one, cosine in ((layer, found), ("all", 1.0))]


def noisy(*noises):
    return [cosine_of(noise) for noise in noises]


TABLE = pd.DataFrame([
    *rows("nothing", None, None, noisy(0.001, 0.5)), *rows("nothing", None, None, noisy(0.003, 0.002), seed=2),
    *rows("trace", 8, "floor", noisy(0.101, 0.9)), *rows("trace", 8, "floor", noisy(0.303, 0.402), seed=2),
    *rows("trace", 8, "stochastic", noisy(0.051, 0.9)), *rows("trace", 8, "stochastic", noisy(0.053, 0.012), seed=2),
    *rows("trace", 4, "stochastic", noisy(0.021, 0.9)), *rows("trace", 4, "stochastic", noisy(0.023, 0.022), seed=2),
    *rows("trace", 2, "stochastic", [-0.9, 0.9]), *rows("trace", 2, "stochastic", [0.9, 0.9], seed=2),
    *rows("error", 8, "stochastic", [None, None]), *rows("error", 8, "stochastic", [1.0, 1.0], seed=2)]).astype({"cosine": float})


def test_noise_is_that_beyond_the_base_where_the_base_is_calm():
    quiet = calm(TABLE)
    assert len(quiet) == 3 and (1, "run", "end", "rec") not in quiet.index
    found = noises(TABLE, quiet, ["floor", "stochastic"]).set_index(["quantity", "word_bits", "rounding"])["noise"]
    assert found["trace", 8, "floor"] == pytest.approx(0.4)              # seed 2 at the end; start: mean of 0.1 and 0.3
    assert found["trace", 8, "stochastic"] == pytest.approx(0.05)
    assert np.isinf(found["trace", 2, "stochastic"]) and np.isinf(found["error", 8, "stochastic"])
    assert calm(TABLE.assign(cosine=0.9)).empty


def test_the_layer_that_loses_most_decides():
    table = pd.concat([TABLE, pd.DataFrame([*rows("nothing", None, None, noisy(0.5, 0), layer="in"), *rows("trace", 8, "floor", noisy(0.9, 0.6), layer="in")])])
    found = noises(table, calm(table), ["floor"]).set_index(["quantity", "word_bits", "rounding"])["noise"]
    assert found["trace", 8, "floor"] == pytest.approx(0.6)     # not 0.9: there the base itself is not calm


def test_options_have_the_least_noisy_rounding_and_are_never_better_than_longer_words():
    quiet = calm(TABLE)
    found = options(noises(TABLE, quiet, ["floor", "stochastic"]), Q24)
    assert found["error"] == [found["error"][0]] and found["error"][0].format == Q24["error"]
    assert [(o.format.word_bits, round(o.noise, 6)) for o in found["trace"]] == [(Q24["trace"].word_bits, 0), (8, 0.05), (4, 0.05)]
    assert {o.format.rounding for o in found["trace"][1:]} == {"stochastic"} and found["trace"][1].format.max == pytest.approx(Q24["trace"].max, rel=0.1)
    (only,) = options(noises(TABLE, quiet, ["floor"]), Q24)["trace"][1:]
    assert (only.format.rounding, only.noise) == ("floor", pytest.approx(0.4))


WEIGHTS = {"trace": 1.0, "membrane": 3.0, "readout": 0.5, "error": 0.0}


def drawn(seed):
    """Options with noises that fall with bits, in no regular way."""
    rng, found = np.random.default_rng(seed), {}
    for name in WEIGHTS:
        noise = np.concatenate([[0], np.sort(rng.exponential(0.2, 4))])
        found[name] = [Option(Q24.changed({name: {"word_bits": bits}})[name], float(n)) for bits, n in zip((Q24[name].word_bits, 12, 8, 6, 3), noise)]
    return found


@pytest.mark.parametrize("seed", range(4))
def test_no_other_formats_are_cheaper_and_quieter_than_those_of_the_front(seed):
    of = drawn(seed)

    def saved(spec):
        return sum(weight * (Q24[name].word_bits - spec[name].word_bits) for name, weight in WEIGHTS.items())
    points = front(of, Q24, saved)
    every = [(saved(Q24.replace(None, **{name: o.format for name, o in zip(of, chosen)})), sum(o.noise for o in chosen)) for chosen in product(*of.values())]
    assert len(points) > 3 and points[0].spec == Q24 and all(point.spec["error"] == Q24["error"] for point in points)      # what saves nothing stays
    for point in points:
        own = saved(point.spec)
        assert point.noise == pytest.approx(sum(next(o.noise for o in of[name] if o.format == point.spec[name]) for name in of))
        assert not [1 for other, noise in every if other > own and noise < point.noise - 1e-12 or other >= own and noise < point.noise - 1e-9]
    chosen = thinned(points, 3)
    assert chosen[0] == 0 and len(chosen) <= 3 and chosen[-1] == len(points) - 1


def test_trainings_go_to_the_narrowest_point_that_passes():
    def asked(narrowest, start):
        tried = []
        return walk(start, 5, lambda point: tried.append(point) or point <= narrowest), tried
    assert asked(3, 1) == (3, [1, 2, 3, 4]) and asked(1, 3) == (1, [3, 2, 1]) and asked(5, 5) == (5, [5]) and asked(-1, 2) == (None, [2, 1, 0])

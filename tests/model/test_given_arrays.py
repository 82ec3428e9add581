"""Networks of a user's arrays: what was given is what the engines get, and what cannot be is one line."""
import numpy as np
import pytest

import fxsim
from fxsim.errors import InputError
from fxsim.model.network import LAYERS
from fxsim.training.arrays.simulator import Simulator

from tiny import tiny

pytestmark = pytest.mark.core
RNG = np.random.default_rng(0)
IN, REC, OUT = RNG.normal(0, 0.5, (6, 5)) * (RNG.random((6, 5)) < 0.7), RNG.normal(0, 0.2, (5, 5)) * (1 - np.eye(5)) * (RNG.random((5, 5)) < 0.5), RNG.normal(0, 0.3, (5, 3))


def test_a_drawn_network_taken_apart_and_put_together_is_the_same_to_the_bit():
    drawn = fxsim.build_network(tiny("seed=3"))
    topo, net = drawn.topology, tiny().network
    own = fxsim.make_network(*(topo.synapses(layer).dense(drawn.weights[layer]) for layer in LAYERS), tau_m=net.tau_m, tau_out=net.tau_out, tau_adaptation=net.tau_adaptation,
                           threshold=net.threshold, gamma=net.gamma, refractory=net.refractory, beta=drawn.constants.beta, feedback=drawn.feedback, cells=topo.cell, grid=topo.grid, seed=3)
    x = (np.random.default_rng(1).random((3, 30, 80)) < 0.1).astype(np.uint8)
    simulators = [Simulator(network, "q16", rule, steps=30, window=10, engine="oracle") for rule in ("diffusion", "shuffled_fixed") for network in (drawn, own)]
    for a, b in (simulators[:2], simulators[2:]):
        assert a.learn(x, np.array([0, 1, 1])) == b.learn(x, np.array([0, 1, 1]))
        assert all(np.array_equal(a.weights[layer], b.weights[layer]) for layer in LAYERS)


def test_sparse_matrices_feedback_and_readouts():
    scipy = pytest.importorskip("scipy.sparse")
    dense = fxsim.make_network(IN, REC, OUT, beta=[0, 1, 2, 0, 0.5], feedback=np.ones((5, 3)))
    sparse = fxsim.make_network(scipy.csc_array(IN), scipy.coo_array(REC), scipy.csr_array(OUT), beta=np.array([0, 1, 2, 0, 0.5]), feedback=np.ones((5, 3)))
    for layer, matrix in zip(LAYERS, (IN, REC, OUT)):
        synapses = dense.topology.synapses(layer)
        assert np.array_equal(synapses.dense(dense.weights[layer]), matrix) and np.array_equal(synapses.pre, sparse.topology.synapses(layer).pre)
        assert np.array_equal(dense.weights[layer], sparse.weights[layer])
    assert (dense.feedback == 1).all() and np.array_equal(fxsim.make_network(IN, REC, OUT).feedback, OUT)


def test_without_places_nothing_diffuses():
    network = fxsim.make_network(IN, REC, OUT)
    assert Simulator(network, rule="eprop", steps=5, engine="oracle").learn(np.ones((1, 5, 6), int), np.array([2]))["loss"] > 0
    with pytest.raises(InputError, match="rule: found diffusion in a network without places"):
        Simulator(network, rule="diffusion", steps=5)


@pytest.mark.parametrize("arguments, changes, field", [
    ((IN, REC[:4], OUT), {}, "recurrent: found shape"), ((IN[:, :4], REC, OUT), {}, "inputs: found shape"), ((IN, REC, OUT.T), {}, "readout: found shape"), ((IN, REC, OUT[0]), {}, "readout"),
    ((IN, REC + np.eye(5), OUT), {}, "recurrent: found a neuron"), ((IN * np.nan, REC, OUT), {}, "inputs"), ((IN.astype(str), REC, OUT), {}, "inputs"), ((IN, np.zeros((0, 0)), OUT), {}, "recurrent"),
    ((IN, REC, OUT), {"beta": -1.0}, "beta"), ((IN, REC, OUT), {"beta": [1, 2]}, "beta"), ((IN, REC, OUT), {"tau_m": 0}, "tau_m"), ((IN, REC, OUT), {"refractory": 1.5}, "refractory"),
    ((IN, REC, OUT), {"feedback": OUT.T}, "feedback"), ((IN, REC, OUT), {"cells": range(5)}, "cells"), ((IN, REC, OUT), {"grid": (3, 3)}, "cells"),
    ((IN, REC, OUT), {"cells": [0, 1, 2, 3, 3], "grid": (3, 3)}, "cells"), ((IN, REC, OUT), {"cells": range(5), "grid": (2, 2)}, "cells"), ((IN, REC, OUT), {"cells": range(5), "grid": (0, 9)}, "grid"),
    ((IN, REC, OUT), {"tau_m": [20.0] * 5}, "tau_m: found shape \\(5,\\), allowed: one number for all"), ((IN, REC, OUT), {"threshold": np.full(5, 0.03)}, "threshold: found shape"),
    ((IN, REC, OUT), {"refractory": [1] * 5}, "refractory: found shape"), ((IN, REC, OUT), {"gamma": "0.3"}, "gamma"), ((IN, REC, OUT), {"tau_out": np.nan}, "tau_out"),
    ((IN, REC, OUT), {"refractory": True}, "refractory"), ((IN * 1e31, REC, OUT), {}, "inputs"), ((IN, REC, OUT), {"beta": np.inf}, "beta")])
def test_what_cannot_be_is_one_line(arguments, changes, field):
    with pytest.raises(InputError, match=f"^network: {field}") as refused:
        fxsim.make_network(*arguments, **changes)
    assert "\n" not in str(refused.value)

"""Lava's learning engine and its simulator on random numbers of full range, without Lava's runtime; run by test_lava_engine in a process of its own.

    python engine_corners.py STEPS

Prints the steps that were compared and the variables that reached both of their bounds; ends with an error at the first difference.
"""
import sys
from types import SimpleNamespace

import numpy as np
from lava.magma.core.learning.constants import GradedSpikeCfg
from lava.magma.core.learning.learning_rule import Loihi3FLearningRule
from lava.proc.dense.models import PyLearningDenseModelBitApproximate
from lava.utils.weightutils import SignMode

from fxsim.model.network import Synapses
from lava_backend.three_factor.rule import Product, Rule
from lava_backend.three_factor.simulator import Connection

PRE, POST = 6, 5
LAVA_BOUNDS = {"w": (-256, 255), "d": (0, 255), "t": (-257, 255)}       # a tag of -257 takes one of 128 random numbers, as in step 404
SEED = 1733         # its numbers round a y of 64 down in steps 21 and 50, which is rare
RULE = Rule(9, 32, SEED, {
    "w": (Product(("t", "y1"), -3, 3), Product(("w",), -1, 0)),
    "d": (Product(("x1", "y3"), 7, 0, (90,)), Product(("d", "y3"), -7, 1, (15,)), Product(("d",), -3, 0, (1, 40))),
    "t": (Product(("t",), -1, 0, (33,)), Product(("x1", "y2"), 7, 3), Product(("d", "y2"), -7, 5))})      # what drives t down comes last: it stays there


def lavas_model(weights: np.ndarray) -> PyLearningDenseModelBitApproximate:
    """Lava's model with state and ports that are plain objects."""
    rule = Loihi3FLearningRule(dw=RULE.text("w"), dd=RULE.text("d"), dt=RULE.text("t"), x1_impulse=RULE.impulse, x1_tau=RULE.tau, t_epoch=1,
                               rng_seed=RULE.seed)
    model = PyLearningDenseModelBitApproximate({"learning_rule": rule, "shape": (POST, PRE), "sign_mode": SignMode.MIXED,
                                                "graded_spike_cfg": GradedSpikeCfg.USE_REGULAR_IMPULSE})
    for name in ("x0", "tx", "x1", "x2"):
        setattr(model, name, np.zeros(PRE, int))
    for name in ("y0", "ty", "y1", "y2", "y3"):
        setattr(model, name, np.zeros(POST, bool if name == "y0" else int))
    model.weights, model.tag_1, model.tag_2 = weights.astype(np.int32), np.zeros((POST, PRE), int), np.zeros((POST, PRE), int)
    return model


def port(values: np.ndarray) -> SimpleNamespace:
    return SimpleNamespace(recv=lambda: values)


def main(steps: int) -> None:
    random, synapses = np.random.default_rng(1), Synapses.from_mask(np.ones((PRE, POST), bool))
    weights = random.integers(-256, 256, (POST, PRE))
    model, connection = lavas_model(weights), Connection(RULE, synapses, synapses.sparse(weights.T))
    connection.rest()
    reached = {name: set() for name in LAVA_BOUNDS}
    for step in range(steps):
        busy = step // 100 % 2          # lines spike and drive d, then are silent while d drives t down; y1 pushes weights up, then down
        spikes = random.random(PRE) < (0.5 if busy else 0.01)
        y1, y2, y3 = random.integers(-128, 128, POST), random.integers(0 if busy else 100, 128, POST), random.integers(0, 128, POST) * busy
        y1, y2 = np.where(random.random(POST) < 0.5, y1, 127 if step // 300 % 2 else -128), np.full(POST, 64) if step < 60 else y2
        model.time_step = step + 1
        model.s_in_bap, model.s_in_y1, model.s_in_y2, model.s_in_y3 = port(np.zeros(POST)), port(y1), port(y2), port(y3)
        model.recv_traces(spikes)
        model.run_lrn()
        connection.learn(spikes, {"y1": y1, "y2": y2, "y3": y3})
        for name, ours, lavas in (("w", connection.w, model.weights), ("t", connection.t, model.tag_1), ("d", connection.d, model.tag_2)):
            assert np.array_equal(ours, synapses.sparse(lavas.T)), (step, name, ours, lavas)
            reached[name].update({int(ours.min()), int(ours.max())} & set(LAVA_BOUNDS[name]))
        assert np.array_equal(connection.x1, model.x1), (step, connection.x1, model.x1)
    print(steps, *(name for name, bounds in reached.items() if len(bounds) == 2))


if __name__ == "__main__":
    main(int(sys.argv[1]))

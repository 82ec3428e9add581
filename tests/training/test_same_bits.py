"""The same seed gives the same bits on every Python and numpy: digests that both test environments must reproduce."""
import hashlib

import numpy as np
import pytest

from fxsim import load_config
from fxsim.model.topology import build_network
from fxsim.tasks import make_task
from fxsim.training.loop import Training
from quant.random import element_key, random31, step_key, trial_key

from tiny import SHORT, TINY

pytestmark = pytest.mark.core

SMALL = {"delayed_match": [], "cue_accumulation": ["task.cues=[1, 3]", "task.delay=[200, 300]"], "pattern_generation": ["task.duration=300"]}


def digest(*arrays):
    """SHA-256 of shapes and little-endian values, shortened."""
    h = hashlib.sha256()
    for a in arrays:
        a = np.ascontiguousarray(a)
        h.update(str(a.shape).encode() + (a.astype("<f8") if a.dtype.kind == "f" else a.astype("<i8")).tobytes())
    return h.hexdigest()[:16]


def test_random_words():
    words = random31(np.uint64(trial_key(3, 7)), element_key(step_key(5, 11), np.arange(1000, dtype=np.uint64)))
    assert digest(words) == "57eb3132f44ac707"


@pytest.mark.parametrize("task, trials, network", [("delayed_match", "6c6a1867774e3eef", "06c0bc5dbe88dc7d"), ("cue_accumulation", "c9b4118749fbbf3a", "dce8b78581974989"), ("pattern_generation", "ecd9b2bf11cdee95", "7a1e4dcf879854ee")])
def test_trials_topology_and_initial_weights(task, trials, network):
    config = load_config(task, [*SMALL[task], "seed=5", "batch_size=8"])
    t, n = make_task(config).training_trials(3), build_network(config)
    assert digest(t.x, t.duration, t.ids, np.round(t.target, 12)) == trials
    synapses = [part for layer in ("in", "rec", "out") for part in (n.topology.synapses(layer).pre, n.topology.synapses(layer).post)]
    assert digest(n.topology.cell, n.permutation, *synapses, *n.weights.values(), n.feedback) == network


@pytest.mark.parametrize("optimizer, weights", [("{name: adamax, log2_rate: -4}", "b386d28e8cd64f99"), ("{name: adam, rate: 0.02}", "d46919d6f15f028f")])
def test_weights_after_a_short_training_in_fixed_point(optimizer, weights):
    config = load_config("delayed_match", [*TINY, *SHORT, "iterations=4", "precision=loihi2", "engine=oracle", f"learning.optimizer={optimizer}", "seed=5",
                                           "evaluation.telemetry=off"])
    result = Training(config).run()
    assert digest(*(result.weights[f"raw_final_{layer}"] for layer in ("in", "rec", "out"))) == weights
    assert any((result.weights[f"raw_final_{layer}"] != result.weights[f"raw_initial_{layer}"]).any() for layer in ("in", "rec", "out"))

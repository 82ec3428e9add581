"""Gradients of every shipped preset stay what they are, bit for bit: digests of the oracle, which all engines are held against."""
import hashlib
import json

import numpy as np
import pytest

from fxsim import load_config
from fxsim.training.loop import Training
from quant import load_spec, preset_names

from places import TESTS
from tiny import NETWORK

pytestmark = pytest.mark.core
SHORT = {"delayed_match": ["task.fixation=5", "task.cue=20", "task.delay=20", "task.decision=10", "task.window=10"],
         "cue_accumulation": ["task.cues=2", "task.silence=5", "task.cue=20", "task.delay=30", "task.window=15"],
         "pattern_generation": ["task.duration=80"]}
KNOWN = json.loads((TESTS / "engine/gradients.json").read_text())


def gradients(task, rule, precision):
    """SHA-256, shortened, of the stored gradients of three trials, and of their readout."""
    changes = [*NETWORK, *SHORT[task], f"learning.rule={rule}", f"precision={precision}", "engine=oracle", "batch_size=3", "seed=5", "evaluation.telemetry=off"]
    training = Training(load_config(task, changes))
    result = training.engine.run(training.optimizer.weights, training.task.training_trials(0))
    digest, found = hashlib.sha256(), [*result.gradients.values(), result.readout]
    assert any(np.any(values) for values in result.gradients.values())
    for values in found:
        digest.update(np.ascontiguousarray(values).astype("<f8").tobytes())
    return digest.hexdigest()[:16]


@pytest.mark.parametrize("task", SHORT)
@pytest.mark.parametrize("rule", ["eprop", "diffusion"])
def test_gradients_of_every_preset(task, rule):
    learning = [name for name in preset_names() if load_spec(name).learns]
    assert {precision: gradients(task, rule, precision) for precision in learning} == KNOWN[f"{task} {rule}"]

"""What is compared on a GPU. Each check is a function of plain arguments, so that any process can run it; it returns what differs, or None."""
from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from fxsim.config import load_config
from fxsim.engine.interface import given
from fxsim.engine.registry import make_engine
from fxsim.model.arithmetic import Arithmetic, make_arithmetic
from fxsim.model.network import LAYERS
from fxsim.model.topology import build_network, learning_of
from fxsim.tasks import make_task
from fxsim.training.loop import Training
from fxsim.verify.backends import compare_device, compare_results
from fxsim.verify.random_case import RandomCase, random_case
from quant import InputError

PAPER_TRIALS = 2        # of a paper-size network: the oracle takes some seconds for each
PAPER = (("cue_accumulation", "diffusion", "q16"), ("delayed_match", "shuffled_per_step", "w4s8"), ("cue_accumulation", "eprop", "w4s8"),
         ("pattern_generation", "diffusion", "q16"))
FLOAT_BLOCKS = (0, 64, 96)
FLOAT_TOLERANCE = 2e-4  # of the largest gradient: sums have another order than the CPU's
TRAINED, UPDATES = "cue_accumulation", 10
CARDS_OWN = {"iterations": UPDATES, "precision": "q16", "evaluation.every": UPDATES, "evaluation.batch_size": 64,
             "batch_size": 512}     # many trials train, few evaluate: both kinds of kernels


def random_network(case: RandomCase, arithmetic: Arithmetic, build: int) -> str | None:
    """Results, records and counters of a random network equal the oracle's, state lying where the ``build`` puts it."""
    difference = compare_device(case, arithmetic, build)
    return None if difference is None else str(difference)


def paper_network(task: str, rule: str, precision: str) -> str | None:
    """Readout, spike counts and gradients of a few whole trials of the paper's network equal the oracle's, with one trial a block and with 32."""
    from fxsim.engine.cuda.engine import CudaEngine
    config = load_config(task).changed({"learning.rule": rule})
    network, learning, trials = build_network(config), learning_of(config), make_task(config).training_trials(0).take(slice(PAPER_TRIALS))
    arithmetic = make_arithmetic(precision, network, learning, trials.steps, config.seed)
    weights = arithmetic.weights_to_raw(network.weights)
    expected = make_engine("oracle", network, learning, arithmetic, config.seed).run(weights, trials)
    if not expected.spike_counts.any():
        raise InputError("verify gpu", task, "no spikes", "a network that spikes")
    for lanes in (False, True):
        difference = compare_results(expected, CudaEngine(network, learning, arithmetic, config.seed, lanes=lanes).run(weights, trials))
        if difference:
            return f"{difference}, lanes {lanes}"
    return None


def floats(seed: int, rule: str) -> str | None:
    """float32: the same bits for several block sizes; spikes equal the CPU's, gradients to rounding, also of the kernels of many trials."""
    from fxsim.engine.cuda.engine import CudaEngine
    case = random_case(np.random.default_rng(seed), rule)
    case = replace(case, trials=case.trials.take(slice(3)))
    arithmetic = Arithmetic("float32", None, case.network.constants, case.learning, case.trials.steps)
    weights = arithmetic.weights_to_raw(case.network.weights)
    expected = make_engine("cpu", case.network, case.learning, arithmetic).run(weights, case.trials)
    first, *others = (CudaEngine(case.network, case.learning, arithmetic, 0, threads, lanes=False).run(weights, case.trials)
                      for threads in FLOAT_BLOCKS)
    many = CudaEngine(case.network, case.learning, arithmetic, lanes=True).run(weights, case.trials)
    for threads, other in zip(FLOAT_BLOCKS[1:], others):
        if difference := compare_results(first, other):
            return f"blocks of {FLOAT_BLOCKS[0]} and {threads} threads: {difference}"
    for name, found in (("one trial a block", first), ("trials in lanes", many)):
        if not np.array_equal(found.spike_counts, expected.spike_counts):
            return f"{name}: spike counts differ from the CPU's"
        for layer in LAYERS:
            a, b = given(found.gradients)[layer], given(expected.gradients)[layer]
            if not np.allclose(a, b, rtol=0, atol=FLOAT_TOLERANCE * abs(b).max()):
                return f"{name}: gradient_{layer}: up to {abs(a - b).max() / abs(b).max():.1e} of the largest from the CPU's"
    return None


def trained(engine: str) -> dict:
    """A short training: its curves without times, and a digest of the stored weights at its end."""
    result = Training(load_config(TRAINED).changed({**CARDS_OWN, "engine": engine})).run()
    stored = sorted((name, values) for name, values in result.weights.items() if name.startswith("raw_final"))
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(values).astype(np.int64).tobytes() for _, values in stored)).hexdigest()
    return {"curves": [{name: value for name, value in row.items() if name != "seconds"} for row in result.curves], "weights": digest}


def compare_trainings(cpu: dict, cuda: dict) -> str | None:
    """The first row of the curves that differs, or the weights."""
    for expected, found in zip(cpu["curves"], cuda["curves"], strict=True):
        if expected != found:
            return f"iteration {expected['iteration']}, {expected['split']}: cpu {expected}, cuda {found}"
    return None if cpu["weights"] == cuda["weights"] else "stored weights differ after the last update"

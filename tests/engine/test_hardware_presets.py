"""Presets that are named after hardware: every engine computes them to the oracle's bits, and the one that does not learn says so."""
import numpy as np
import pytest

from fxsim import Simulator, load_config
from fxsim.engine.build.module import proof_for
from fxsim.engine.cpu.engine import CpuEngine
from fxsim.engine.cpu.variant import Variant
from fxsim.engine.registry import make_engine
from fxsim.errors import InputError
from fxsim.model.arithmetic import make_arithmetic
from fxsim.model.topology import build_network, learning_of
from fxsim.training.loop import Training
from fxsim.verify.backends import NOT_STORED, compare_records, compare_results
from fxsim.verify.random_case import arithmetic_for, cut, random_case
from quant import load_spec

from checked_kernels import use_checked_kernels
from tiny import SHORT, tiny

pytestmark = pytest.mark.core
PRESETS = ("reckon", "spinnaker2", "xylo")


@pytest.mark.parametrize("preset", PRESETS)
def test_the_cpu_engine_equals_the_oracle_and_no_word_overflows(preset, monkeypatch):
    """On the source that is compiled, each operation checked; every state variable of every step."""
    use_checked_kernels(monkeypatch)
    case = cut(random_case(np.random.default_rng(1), "diffusion"), 1, 20)
    arithmetic = arithmetic_for(case, load_spec(preset))
    weights = arithmetic.weights_to_raw(case.network.weights)
    oracle = make_engine("oracle", case.network, case.learning, arithmetic, case.seed)
    expected = oracle.run(weights, case.trials, record=True)
    found = CpuEngine(case.network, case.learning, arithmetic, case.seed, 1).run(weights, case.trials, record=True)
    assert expected.spike_counts.any() and compare_records(expected.record, found.record, NOT_STORED) is None
    fast = CpuEngine(case.network, case.learning, arithmetic, case.seed, 1, Variant(lanes=1, together=1, chunk=1, unroll=1))
    assert compare_results(expected, fast.run(weights, case.trials)) is None


@pytest.mark.parametrize("task", ["delayed_match", "cue_accumulation", "pattern_generation"])
def test_the_papers_tasks_run_in_them_and_are_watched(task):
    """Kernels that count or record round exact sums, which need more bits than those that train."""
    config = load_config(task)
    network = build_network(config)
    for preset in PRESETS:
        arithmetic = make_arithmetic(load_spec(preset), network, learning_of(config), config.task.steps, 1)
        for telemetry in (False, True):
            assert proof_for(arithmetic, network, telemetry)


def test_xylo_refuses_to_learn_on_the_chip_and_learns_off_it():
    refused = r"delayed_match: precision: found xylo, whose hardware does not learn, with rule diffusion, allowed: learning.rule=bptt, .*--precisions xylo"
    with pytest.raises(InputError, match=refused):
        Training(tiny("precision=xylo", "learning.rule=diffusion"))
    changed = ["precision=xylo", "formats.weight_in.word_bits=7"]
    with pytest.raises(InputError, match="whose hardware does not learn, with rule eprop"):
        Training(tiny(*changed, "learning.rule=eprop"))
    simulator = Simulator(build_network(tiny()), "xylo", "eprop", steps=20, window=5, engine="oracle")
    spikes = np.zeros((1, 20, simulator.network.topology.n_in), int)
    assert simulator.run(spikes).readout.shape == (1, 5, 2)
    simulator.step(spikes[0, 0])
    for learn in (lambda: simulator.learn(spikes, np.array([1])), lambda: simulator.step(spikes[0, 1], 1)):
        with pytest.raises(InputError, match="Simulator: precision: found xylo"):
            learn()


def test_a_precision_that_extends_one_without_learning_has_none(tmp_path):
    (tmp_path / "mine.yaml").write_text("extends: xylo\nname: mine\n")
    (tmp_path / "learns.yaml").write_text("extends: xylo\nname: learns\nlearns: true\n")
    assert not load_spec(tmp_path / "mine.yaml").learns and load_spec(tmp_path / "learns.yaml").learns
    assert not load_config("delayed_match", ["precision=xylo", "formats.decay.word_bits=9"]).resolved_precision().learns


@pytest.mark.parametrize("preset", PRESETS[:2])
def test_presets_of_hardware_that_learns_train(preset):
    """On the oracle: gradients are there and move the weights."""
    training = Training(tiny(*SHORT, f"precision={preset}", "engine=oracle", "iterations=2", "evaluation.telemetry=off"))
    before = {layer: raw.copy() for layer, raw in training.optimizer.weights.items()}
    training.run()
    assert any((before[layer] != raw).any() for layer, raw in training.optimizer.weights.items())

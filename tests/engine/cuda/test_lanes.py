"""CUDA kernels whose lanes are trials: compiled, on the emulated device, bit for bit the oracle's results; and the plan that chooses them."""
from dataclasses import replace

import numpy as np
import pytest

from fxsim.config import load_config
from fxsim.engine.cuda.device import A100, H100
from fxsim.engine.cuda.lane_plan import LanePlan, best_slots, make_lane_plan, make_tiles
from fxsim.engine.registry import make_engine
from fxsim.errors import InputError
from fxsim.model.arithmetic import make_arithmetic
from fxsim.model.topology import build_network, learning_of
from fxsim.model.wiring import eligibility_wiring
from fxsim.verify.backends import compare_results
from fxsim.verify.random_case import arithmetic_for, cut, random_case
from quant import load_spec

pytest.importorskip("numba_cuda", reason="numba-cuda compiles the kernels: pip install 'fxsim[cuda]'")
from numba import cuda  # noqa: E402
from tiers import first_quick

from fxsim.engine.cuda.emulator.emulated import Emulated, emulated  # noqa: E402
from fxsim.engine.cuda.engine import MANY_TRIALS, CudaEngine  # noqa: E402

ALL = ("zt", "gout", "wait", "m", "v", "a", "xt")


def _case(seed: int, rule: str, precision: str, trials: int = 3, steps: int = 12):
    case = cut(random_case(np.random.default_rng(seed), rule), trials, steps)
    arithmetic = arithmetic_for(case, load_spec(precision))
    return case, arithmetic, arithmetic.weights_to_raw(case.network.weights)


@pytest.mark.parametrize("seed, rule, precision, limits, shared, parts", first_quick([
    (4, "shuffled_per_step", "q16", replace(A100, memory=1 << 20), ALL, 2), (5, "eprop", "loihi2", replace(A100, shared_per_block=4096), ALL[:3], 1)]))
def test_trials_in_lanes_agree_with_the_oracle_bit_for_bit(seed, rule, precision, limits, shared, parts):
    """More trials than a warp has lanes, in launches of one group each; state that does not fit shared memory."""
    case, arithmetic, weights = _case(seed, rule, precision, 40)
    launches = []
    expected = make_engine("oracle", case.network, case.learning, arithmetic, case.seed).run(weights, case.trials)
    with emulated(limits, launches):
        engine = CudaEngine(case.network, case.learning, arithmetic, case.seed, lanes=True)
        assert engine.plan().placement.shared == shared
        assert compare_results(expected, engine.run(weights, case.trials)) is None
        assert len(launches) == 2 * parts
        assert compare_results(replace(expected, gradients=None), engine.run(weights, case.trials, learn=False)) is None
    assert expected.spike_counts.any() and any(g.any() for g in expected.gradients.values())


@pytest.mark.long
@pytest.mark.parametrize("task, precision, limits", [("cue_accumulation", "q16", H100), ("pattern_generation", "q16", A100)])
def test_they_compile_without_spills_and_without_floats(task, precision, limits):
    from fxsim.engine.cuda.compile import compile_kernel
    config = load_config(task)
    network = build_network(config)
    arithmetic = make_arithmetic(precision, network, learning_of(config), config.task.steps, config.seed)
    plan = make_lane_plan(arithmetic, network, limits)
    for name in plan.bounds:
        made = compile_kernel(arithmetic, network, plan, limits.capability, name)
        assert made.spill_stores == made.spill_loads == 0
        assert ".f64" not in made.ptx and ".f32" not in made.ptx
        assert made.shared <= limits.shared_per_block + 1024        # the assembler counts the system's 1 KiB on newer devices


# ---- plan ------------------------------------------------------------------------------------------------------------
def test_every_synapse_has_one_slot_and_no_warp_has_synapses_of_two_neurons():
    network = build_network(load_config("delayed_match"))
    wiring, adapts = eligibility_wiring(network.topology), np.arange(network.topology.n) % 3 == 0
    tiles = make_tiles(wiring, adapts, best_slots(wiring), 8)
    taken = tiles.element[tiles.element >= 0]
    assert np.array_equal(np.sort(taken), np.arange(wiring.size)) and tiles.post.size % 8 == 0
    for tile, row in enumerate(tiles.element):
        mine = row[row >= 0]
        assert (wiring.post[mine] == tiles.post[tile]).all() and np.array_equal(wiring.line[mine], tiles.line[tile, :mine.size])
    used = tiles.post[(tiles.element >= 0).any(1)]
    assert (np.diff(adapts[used].astype(int)) <= 0).all()       # those onto adapting neurons, which cost more, come first


def test_many_trials_take_lanes_and_records_and_counters_do_not():
    case, arithmetic, _ = _case(1, "diffusion", "q16")
    with emulated(A100):
        engine = CudaEngine(case.network, case.learning, arithmetic)
        assert isinstance(engine.plan(trials=MANY_TRIALS), LanePlan)
        assert not any(isinstance(plan, LanePlan) for plan in (
            engine.plan(trials=MANY_TRIALS - 1), engine.plan(record=True, trials=MANY_TRIALS), engine.plan(telemetry=True, trials=MANY_TRIALS)))


def test_networks_that_do_not_fit_have_one_trial_a_block():
    case, arithmetic, _ = _case(1, "diffusion", "q16")
    assert make_lane_plan(arithmetic, case.network, A100)
    patient = replace(case.network, constants=replace(case.network.constants, refractory=256))
    assert make_lane_plan(arithmetic, patient, A100) is None                                        # it is kept in a byte
    assert make_lane_plan(arithmetic, case.network, replace(A100, shared_per_block=512)) is None    # spikes have to fit


# ---- faults ----------------------------------------------------------------------------------------------------------
def test_a_device_that_fails_ends_the_run_in_one_line(monkeypatch):
    case, arithmetic, weights = _case(1, "diffusion", "q16")

    def fail(self, configuration):
        raise cuda.cudadrv.driver.CudaAPIError(2, "CUDA_ERROR_OUT_OF_MEMORY\nout of memory")

    monkeypatch.setattr(Emulated, "__getitem__", fail)
    with emulated(A100), pytest.raises(InputError) as refused:
        CudaEngine(case.network, case.learning, arithmetic).run(weights, case.trials)
    assert "engine cuda: device: found [2] CUDA_ERROR_OUT_OF_MEMORY out of memory, allowed: A100" in str(refused.value)
    assert "goes on from a checkpoint" in str(refused.value) and "\n" not in str(refused.value)


def test_too_little_memory_for_one_group_is_refused():
    case, arithmetic, weights = _case(1, "diffusion", "q16")
    with emulated(replace(A100, memory=1000)), pytest.raises(InputError, match="memory: found 0 MiB on A100 .*; or engine cpu"):
        CudaEngine(case.network, case.learning, arithmetic, lanes=True).run(weights, case.trials)

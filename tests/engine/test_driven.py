"""Neurons that are told when to spike: the same on the CPU as in the oracle, and nothing but the spikes is replaced."""
import numpy as np
import pytest

from fxsim.engine.cpu.engine import CpuEngine
from fxsim.engine.cpu.variant import Variant
from fxsim.engine.oracle.oracle import Oracle
from fxsim.verify.backends import NOT_STORED, compare_records, compare_results
from fxsim.verify.random_case import arithmetic_for, cut, random_case, random_spec
from quant import load_spec

from checked_kernels import use_checked_kernels

pytestmark = pytest.mark.core


def drawn(case, number):
    """Spikes of other neurons at other times, with the network's refractory periods."""
    wanted = np.random.default_rng(number).random((case.trials.size, case.trials.steps, case.network.topology.n)) < 0.2
    spikes, since = np.zeros_like(wanted), np.full(wanted.shape[::2], 10**6)
    for t in range(case.trials.steps):
        spikes[:, t] = wanted[:, t] & (since > case.network.constants.refractory)
        since = np.where(spikes[:, t], 0, since + 1)
    return spikes


@pytest.mark.parametrize("seed", [0, 1, 5465])
def test_the_cpu_engine_agrees_with_the_oracle_bit_for_bit(seed, monkeypatch):
    """On the built source, each operation checked, in random formats."""
    use_checked_kernels(monkeypatch)
    rng = np.random.default_rng(seed)
    case = cut(random_case(rng), 3, 12)
    arithmetic = arithmetic_for(case, random_spec(rng)) or arithmetic_for(case, load_spec("q16"))
    weights, spikes = arithmetic.weights_to_raw(case.network.weights), drawn(case, seed)
    oracle, cpu = (engine(case.network, case.learning, arithmetic, case.seed, 1) for engine in (Oracle, CpuEngine))
    expected = oracle.run(weights, case.trials, record=True, driven=spikes)
    assert np.array_equal(expected.record["z"].swapaxes(0, 1), spikes) and spikes.any()
    assert compare_records(expected.record, cpu.run(weights, case.trials, record=True, driven=spikes).record, NOT_STORED) is None
    for general, modules in ((False, 2), (True, 1)):        # general kernels are told when they run whether neurons are driven
        fast = CpuEngine(case.network, case.learning, arithmetic, case.seed, 1, Variant(lanes=1, together=1, chunk=1, unroll=1, general=general))
        assert compare_results(expected, fast.run(weights, case.trials, driven=spikes)) is None
        assert compare_results(oracle.run(weights, case.trials), fast.run(weights, case.trials)) is None and len(fast._modules) == modules


def test_driven_by_their_own_spikes_networks_do_what_they_did():
    """Compiled, with neurons and trials side by side that fill no register; a run that is driven leaves nothing behind."""
    case = random_case(np.random.default_rng(8), "diffusion")
    arithmetic = arithmetic_for(case, load_spec("q16"))
    weights = arithmetic.weights_to_raw(case.network.weights)
    oracle = Oracle(case.network, case.learning, arithmetic, case.seed)
    own = oracle.run(weights, case.trials, record=True)
    spikes = own.record["z"].swapaxes(0, 1)
    cpu = CpuEngine(case.network, case.learning, arithmetic, case.seed, 1, Variant(lanes=8, side=2, together=1, chunk=1, unroll=1))
    assert own.spike_counts.any() and compare_results(own, oracle.run(weights, case.trials, driven=spikes)) is None
    for number in (1, 2):
        others = drawn(case, number)
        assert compare_results(oracle.run(weights, case.trials, driven=others), cpu.run(weights, case.trials, driven=others)) is None
    assert compare_results(own, cpu.run(weights, case.trials, driven=spikes)) is None

"""The compiled CUDA kernels, run instruction by instruction without a GPU: bit for bit the oracle's results, no conflict between threads."""
from dataclasses import replace

import numpy as np
import pytest

from fxsim.engine.cuda.device import A100
from fxsim.engine.cuda.emulator.gpu import DeviceError
from fxsim.engine.registry import make_engine
from fxsim.verify.backends import NOT_STORED, compare_records, compare_results, compare_telemetry
from fxsim.verify.random_case import arithmetic_for, cut, random_case
from quant import QFormat, load_spec

pytest.importorskip("numba_cuda", reason="numba-cuda compiles the kernels: pip install 'fxsim[cuda]'")
from numba import cuda  # noqa: E402
from tiers import first_quick

from fxsim.engine.cuda.emulator.emulated import DeviceArray, Emulated, emulated  # noqa: E402
from fxsim.engine.cuda.engine import CudaEngine  # noqa: E402

NARROW = replace(A100, shared_per_block=2048)       # room for the neurons, not for the synapses
NONE = replace(A100, shared_per_block=0)


@pytest.mark.parametrize("seed, rule, precision, limits, threads, place", first_quick([
    (1, "diffusion", "q16", A100, 64, "synapse state in registers, the rest in shared memory"),
    (5, "eprop", "loihi2", NARROW, 12, "synapse state in global memory, the rest in shared memory"),
    (3, "shuffled_per_step", "w4s8", NONE, 7, "synapse state in global memory, the rest in global memory")]))
def test_compiled_kernels_agree_with_the_oracle_bit_for_bit(seed, rule, precision, limits, threads, place):
    case, arithmetic, weights = _case(seed, rule, precision)
    expected = make_engine("oracle", case.network, case.learning, arithmetic, case.seed).run(weights, case.trials)
    with emulated(limits):
        engine = CudaEngine(case.network, case.learning, arithmetic, case.seed, threads)
        found = engine.run(weights, case.trials)
    assert place in engine.plan().describe()
    assert compare_results(expected, found) is None


@pytest.mark.long
def test_compiled_records_and_counters_agree_with_the_oracle_bit_for_bit():
    case, arithmetic, weights = _case(2, "diffusion", "w8s16")
    oracle = make_engine("oracle", case.network, case.learning, arithmetic, case.seed)
    with emulated(A100):
        found = CudaEngine(case.network, case.learning, arithmetic, case.seed, 33).run(weights, case.trials, record=True, telemetry=True)
    assert compare_records(oracle.run(weights, case.trials, record=True).record, found.record, NOT_STORED) is None
    assert compare_telemetry(oracle.run(weights, case.trials, telemetry=True).telemetry, found.telemetry) is None


@pytest.mark.long
def test_words_of_unsigned_32_bits_take_64_bits_of_shared_memory():
    case = cut(random_case(np.random.default_rng(1), "diffusion"), 3, 12)
    spec = load_spec("loihi2").replace("wide", adaptation=QFormat(32, 16, signed=False))
    arithmetic = arithmetic_for(case, spec)
    weights = arithmetic.weights_to_raw(case.network.weights)
    expected = make_engine("oracle", case.network, case.learning, arithmetic, case.seed).run(weights, case.trials)
    with emulated(A100):
        engine = CudaEngine(case.network, case.learning, arithmetic, case.seed, 64)
        assert engine.plan().item == 8
        assert compare_results(expected, engine.run(weights, case.trials)) is None


def _case(seed: int, rule: str, precision: str):
    case = cut(random_case(np.random.default_rng(seed), rule), 3, 20)
    arithmetic = arithmetic_for(case, load_spec(precision))
    return case, arithmetic, arithmetic.weights_to_raw(case.network.weights)


# ---- the device itself -----------------------------------------------------------------------------------------------
def reverse(x, y, barrier, early):
    """y = each block's part of x, backwards, through shared memory."""
    part = cuda.shared.array(64, np.int32)
    t, base = cuda.threadIdx.x, cuda.blockIdx.x * cuda.blockDim.x
    part[t] = x[base + t]
    if early and t > 40:
        return
    if barrier:
        cuda.syncthreads()
    y[base + t] = part[cuda.blockDim.x - 1 - t]


def _reverse(block: int = 64, size: int = 130, barrier: bool = True, early: bool = False) -> np.ndarray:
    x, y = DeviceArray(np.arange(130, dtype=np.int32)), DeviceArray(np.zeros(size, np.int32))
    Emulated(reverse, (8, 0))[2, block](x, y, barrier, early)
    return y.copy_to_host()


def test_emulated_threads_meet_at_barriers():
    assert np.array_equal(_reverse()[:128], np.concatenate([np.arange(63, -1, -1), np.arange(127, 63, -1)]))


@pytest.mark.parametrize("wrong, message", [({"barrier": False}, "without a barrier"), ({"early": True}, "only some threads"),
                                            ({"size": 127}, "outside of global memory"), ({"block": 65}, "outside of shared memory")])
def test_emulated_threads_that_collide_or_stray_are_found(wrong, message):
    with pytest.raises(DeviceError, match=message):
        _reverse(**wrong)


def arithmetic_of_words(a, b, n, out):
    """Operations whose PTX differs most from NumPy's."""
    i = cuda.grid(1)
    out[0, i] = a[i] // b[i]
    out[1, i] = a[i] % b[i]
    out[2, i] = a[i] >> n[i]
    out[3, i] = a[i] << n[i]
    out[4, i] = np.int32(a[i]) * np.int32(b[i])
    out[5, i] = max(np.int32(a[i]), np.int32(b[i])) - abs(b[i])
    out[6, i] = np.int8(a[i])
    out[7, i] = np.uint32(a[i]) // np.uint32(7)


def test_emulated_words_compute_as_numpy_does():
    rng = np.random.default_rng(0)
    a, b = rng.integers(-2**62, 2**62, 64), rng.integers(1, 2**40, 64) * rng.choice([-1, 1], 64)
    n, out = rng.integers(0, 64, 64), DeviceArray(np.zeros((8, 64), np.int64))
    Emulated(arithmetic_of_words, (8, 0))[2, 32](DeviceArray(a), DeviceArray(b), DeviceArray(n), out)
    expected = [a // b, a % b, a >> n, a << n, a.astype(np.int32).astype(np.int64) * b.astype(np.int32),
                np.maximum(a.astype(np.int32), b.astype(np.int32)) - np.abs(b), a.astype(np.int8), a.astype(np.uint32) // np.uint32(7)]
    for found, row in zip(out.copy_to_host(), expected, strict=True):
        assert np.array_equal(found, row)

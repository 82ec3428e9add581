"""The CUDA engine without a GPU: refusals in one line, results in Numba's simulator, machine code for two architectures."""
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from tiers import first_quick

from fxsim.config import load_config
from fxsim.engine.cuda import device
from fxsim.engine.cuda.device import A100, H100, driver_found, find_device
from fxsim.engine.cuda.plan import make_plan
from fxsim.engine.registry import choose_engine, make_engine
from fxsim.errors import InputError
from fxsim.model.arithmetic import Arithmetic, make_arithmetic
from fxsim.model.network import LAYERS
from fxsim.model.topology import build_network, learning_of
from fxsim.verify.random_case import arithmetic_for, cut, random_case
from quant import load_spec

from tiny import TINY

without_gpu = pytest.mark.skipif(driver_found(), reason="this machine has an NVIDIA driver")


def _fxsim(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", "from fxsim.cli.main import main; main()", *arguments], capture_output=True, text=True, timeout=600)


def test_importing_the_package_does_not_import_numba():
    code = "import sys, fxsim, fxsim.cli.main; print([m for m in sys.modules if m.split('.')[0] in ('numba', 'numba_cuda', 'cuda')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


# ---- no device, or not a fitting one ---------------------------------------------------------------------------------
@without_gpu
@pytest.mark.parametrize("command", [("bench", "iteration", "--engine", "cuda", "--task", "delayed_match"), ("train", "delayed_match", "--set", "engine=cuda")])
def test_without_a_gpu_a_command_ends_in_one_line(command, tmp_path):
    done = _fxsim(*command, *(("--out", str(tmp_path / "run")) if command[0] == "train" else ()))
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith("engine cuda: device: found no CUDA driver")
    assert "Traceback" not in done.stderr


@without_gpu
def test_auto_falls_back_to_the_cpu_and_says_why(tmp_path):
    assert choose_engine() == ("cpu", "no CUDA driver on this machine")
    done = _fxsim("train", "delayed_match", "--set", "iterations=0", "--set", "evaluation.batch_size=2", "--out", str(tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    assert "engine: cpu (no CUDA driver on this machine)" in done.stdout


def test_an_old_gpu_is_refused(monkeypatch):
    cuda = pytest.importorskip("numba.cuda")
    monkeypatch.setattr(device, "driver_found", lambda: True)
    monkeypatch.setattr(cuda, "get_current_device", lambda: SimpleNamespace(compute_capability=(6, 1), name=b"old"))
    monkeypatch.setattr(cuda, "current_context", lambda: SimpleNamespace(get_memory_info=lambda: SimpleNamespace(total=1 << 33)))
    with pytest.raises(InputError, match="found compute capability 6.1, allowed: 8.0 or newer; or engine cpu"):
        find_device()


def test_too_little_memory_is_refused():
    pytest.importorskip("numba_cuda", reason="needs fxsim[cuda]")
    from fxsim.engine.cuda.emulator.emulated import emulated
    from fxsim.engine.cuda.engine import CudaEngine
    case = cut(random_case(np.random.default_rng(0)), 2, 10)
    arithmetic = arithmetic_for(case, load_spec("q16"))
    with emulated(replace(A100, memory=1000)), pytest.raises(InputError, match="memory: found 0 MiB on A100 .*; or engine cpu"):
        CudaEngine(case.network, case.learning, arithmetic).run(arithmetic.weights_to_raw(case.network.weights), case.trials)


# ---- results ---------------------------------------------------------------------------------------------------------
@pytest.mark.long
def test_verify_backends_holds_the_cuda_engine_against_the_oracle():
    """All rules, both error kinds, all roundings, several block sizes, in Numba's simulator."""
    done = _fxsim("verify", "backends", "--engines", "oracle,cuda")
    rows = [line for line in done.stdout.splitlines() if "  cuda  " in line]
    assert done.returncode == 0, done.stdout
    assert len(rows) == 20 and all(row.endswith("equal") for row in rows)
    for word in ("eprop", "diffusion", "shuffled_fixed", "shuffled_per_step", "classification", "regression", "nearest_up", "stochastic"):
        assert word in done.stdout


SHARED = """
import time
from types import SimpleNamespace
from fxsim.engine.cuda import device
device.use_simulator()
import numpy
from numba import cuda
from numba.cuda.simulator import kernelapi

def slow(*shape):
    time.sleep(0.05)
    return numpy.empty(*shape)

@cuda.jit
def kernel(out):
    shared = cuda.shared.array(4, numpy.int64)
    shared[cuda.threadIdx.x] = cuda.threadIdx.x
    cuda.syncthreads()
    out[cuda.threadIdx.x] = shared[3 - cuda.threadIdx.x]

def run():
    out = numpy.full(4, -1)
    kernel[1, 4](out)
    return out.tolist()

device.np = kernelapi.np = SimpleNamespace(**{**vars(numpy), "empty": slow})
alone = run()
device.guard_simulator()
print(alone == [3, 2, 1, 0], run())
"""


def test_the_threads_of_a_simulated_block_share_their_arrays():
    """Numba's simulator gives threads that come at the same time an array each. Once it does not any more, device.guard_simulator can go."""
    done = subprocess.run([sys.executable, "-c", SHARED], capture_output=True, text=True)
    assert done.stdout.strip() == "False [3, 2, 1, 0]", done.stdout + done.stderr


@pytest.mark.long
def test_float_results_do_not_depend_on_the_block_size_and_agree_with_the_cpu():
    """The compiled kernel on the emulated device; sums have another order than the CPU's, so floats agree to rounding only."""
    pytest.importorskip("numba_cuda", reason="needs fxsim[cuda]")
    from fxsim.engine.cuda.emulator.emulated import emulated
    from fxsim.engine.cuda.engine import CudaEngine
    case = cut(random_case(np.random.default_rng(2), "diffusion"), 3, 30)
    arithmetic = Arithmetic("float32", None, case.network.constants, case.learning, case.trials.steps)
    weights = arithmetic.weights_to_raw(case.network.weights)
    expected = make_engine("cpu", case.network, case.learning, arithmetic).run(weights, case.trials)
    with emulated(A100):
        a, b = (CudaEngine(case.network, case.learning, arithmetic, 0, threads).run(weights, case.trials) for threads in (36, 64))
    assert np.array_equal(a.spike_counts, expected.spike_counts)
    for layer in LAYERS:
        assert np.array_equal(a.gradients[layer], b.gradients[layer])
        assert np.allclose(a.gradients[layer], expected.gradients[layer], rtol=0, atol=2e-4 * abs(expected.gradients[layer]).max())


# ---- machine code ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("task, precision, limits, variant", first_quick([
    ("pattern_generation", "q16", H100, {}), ("delayed_match", "q16", A100, {}), ("cue_accumulation", "loihi2", H100, {}),
    ("delayed_match", "q16", A100, {"telemetry": True}), ("cue_accumulation", "q16", H100, {"record": True}), ("pattern_generation", "float32", A100, {})]))
def test_kernels_compile_without_spills_and_fixed_point_has_no_float64(task, precision, limits, variant):
    pytest.importorskip("numba_cuda", reason="needs fxsim[cuda]")
    from fxsim.engine.cuda.compile import compile_kernel
    config = load_config(task)
    network = build_network(config)
    arithmetic = make_arithmetic(precision, network, learning_of(config), config.task.steps, config.seed)
    plan = make_plan(network, limits, 4, **variant)
    made = compile_kernel(arithmetic, network, plan, limits.capability)
    assert 0 < made.registers <= 255 and made.architecture in ("sm_80", "sm_90")
    assert made.spill_stores == made.spill_loads == 0
    assert plan.blocks_per_multiprocessor(limits, made.registers) >= 1
    if precision != "float32":
        assert ".f64" not in made.ptx and ".f32" not in made.ptx


# ---- plan and model --------------------------------------------------------------------------------------------------
def test_the_plan_follows_the_devices_limits():
    network = build_network(load_config("pattern_generation"))
    places = [make_plan(network, limits, 4).describe() for limits in (replace(A100, shared_per_block=1 << 20), A100, replace(A100, shared_per_block=0))]
    assert [place.split("state in ")[1] for place in places] == [
        "shared memory, the rest in shared memory", "global memory, the rest in shared memory", "global memory, the rest in global memory"]
    small = make_plan(build_network(load_config("cue_accumulation")), A100, 4)
    assert "registers" in small.describe() and small.placement.slots * small.threads >= small.placement.sizes[4]
    assert small.blocks_per_multiprocessor(A100, 80) == 65536 // (80 * 256) and small.blocks_per_multiprocessor(A100, 255) == 1


@pytest.mark.long
def test_the_model_counts_what_the_compiled_kernels_do_and_says_that_nothing_was_measured(tmp_path):
    pytest.importorskip("numba_cuda", reason="needs fxsim[cuda]")
    from fxsim.bench.cuda_bench import write_model
    from fxsim.engine.cuda.model import estimate
    config = load_config("delayed_match", TINY)
    network = build_network(config)
    rows = estimate(config, network, "float32", H100, (64, 4096))
    one, many = rows
    assert "256 threads" in one.placement and "32 trials a warp" in many.placement
    assert one.seconds == max(one.issue, one.latency, one.bandwidth) == getattr(one, one.bound) > 0
    assert max(many.issue, many.latency, many.bandwidth) <= many.seconds <= many.issue + many.latency + many.bandwidth      # of two kernels
    synapses = network.topology.syn_in.size + network.topology.syn_rec.size
    for row, least in ((one, 10), (many, 6)):       # instructions of a warp for each synapse of a trial, shared by its lanes
        assert 0.1 < row.busy <= 1 and row.instructions_per_step > synapses / 32 * least
    assert many.instructions_per_step < one.instructions_per_step
    text = (write_model(tmp_path, rows) / "README.md").read_text()
    assert "Nothing here was measured" in text and "delayed_match" in text

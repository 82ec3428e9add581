"""Engines against the oracle, bit for bit: every state variable of every step, every gradient, every count."""
from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import count
from typing import Callable, Generator, Iterable, Iterator

import numpy as np

from fxsim.engine.cuda.device import Limits, find_device, simulated
from fxsim.engine.interface import Result, given
from fxsim.engine.registry import SHIPPED, engine_names, make_engine
from fxsim.model.arithmetic import Arithmetic
from fxsim.model.network import Trials
from fxsim.training.interrupts import interruptible
from fxsim.training.processes import processes
from quant import InputError, PrecisionSpec, load_spec
from quant.rounding import ROUNDINGS

from .random_case import ANY, KINDS, PRESETS, RandomCase, arithmetic_for, cut, extreme_case, random_case, random_spec

REFUSALS = 20           # of formats by the interval analysis before others are drawn
CASES_PER_SPEC = 6      # kernels are compiled once per set of formats, so several networks share one
LONG, EXTREME = 4, 5    # which of them have long trials, and words at their ends
NOT_STORED = frozenset({"E"})    # what kernels use at once and never keep: F, S and U hold it
SIMULATED_TRIALS, SIMULATED_STEPS = 2, 8       # Numba's CUDA simulator runs a Python thread for each CUDA thread
BLOCK_SIZES = {3: 1e-5, 13: 1e-4}               # threads -> seconds between switches of Python threads
DEVICE_BUILDS = ((0, None), (7, None), (96, 2048), (33, 0))     # threads of a block (0: chosen), bytes of shared memory that it may take (None: all)
LANE_BUILDS = (None, None, 8192)                # the same where lanes are trials


@dataclass(frozen=True)
class Difference:
    """The first place where two engines disagree."""

    quantity: str
    step: int | None
    trial: int | None
    index: tuple[int, ...]
    expected: object
    found: object

    def __str__(self) -> str:
        where = "".join(f", {name} {value}" for name, value in (("step", self.step), ("trial", self.trial)) if value is not None)
        return f"{self.quantity}{where}, index {self.index}: oracle {self.expected}, here {self.found}"


@dataclass(frozen=True)
class CaseReport:
    """One case on one engine."""

    number: int
    engine: str
    formats: str
    case: str
    difference: Difference | None


def verify_backends(cases: int = 20, seed: int = 0, engines: Iterable[str] = ("oracle", "cpu"),
                    progress: Callable[[CaseReport], None] = lambda report: None, jobs: int = 1) -> list[CaseReport]:
    """Run random networks on every engine and compare with the oracle.

    Formats cycle through the presets, one random set per rounding mode, and mixed sets. Stops at the first difference
    of each engine. ``jobs``: processes that share the work. Raises InputError for an unknown engine.
    """
    others = [name for name in dict.fromkeys(engines) if name != "oracle"]
    for name in others:
        if name not in engine_names():
            raise InputError("verify backends", "engines", name, ", ".join(engine_names()))
    if cases < 1:
        raise InputError("verify backends", "cases", cases, "at least 1")
    per_spec = CASES_PER_SPEC if "cpu" in others else 1
    drawn = list(enumerate(draw_cases(cases, seed, per_spec)))
    groups = [(name, drawn[start:start + per_spec]) for name in others for start in range(0, cases, per_spec)]
    reports: list[CaseReport] = []
    with closing(_in_processes(groups, jobs)) as reported:
        for report in (report for group in reported for report in group):
            if not any(r.difference and r.engine == report.engine for r in reports):
                reports.append(report)
                progress(report)
    return reports


Drawn = list[tuple[int, tuple[RandomCase, Arithmetic]]]     # numbers, cases


def _in_processes(groups: list[tuple[str, Drawn]], jobs: int) -> Generator[list[CaseReport], None, None]:
    """Reports of each group in order. Kernels of one set of formats are compiled in one process."""
    jobs = min(jobs, len(groups))
    if jobs < 2:
        yield from (_compare_group(*group) for group in groups)
        return
    with interruptible() as interrupts, processes(jobs, interrupts) as submit:
        for future in [submit(_compare_group, *group) for group in groups]:
            yield future.result()


def _compare_group(engine: str, group: Drawn) -> list[CaseReport]:
    reports = []
    for number, (case, arithmetic) in group:
        reports.append(CaseReport(number, engine, arithmetic.name, str(case), compare_engine(engine, case, arithmetic)))
        if reports[-1].difference:
            break
    return reports


def draw_cases(cases: int, seed: int, per_spec: int = CASES_PER_SPEC) -> Iterator[tuple[RandomCase, Arithmetic]]:
    """Cases with formats that the interval analysis accepts; those that share formats are of one kind."""
    rng, turn = np.random.default_rng(seed), -1
    for number in range(cases):
        if number % per_spec == 0:
            turn += 1
            spec, kind = _formats(rng, turn), KINDS[turn % len(KINDS)] if per_spec > 1 else ANY
        for attempt in count(1):
            place = number % CASES_PER_SPEC
            case = extreme_case(rng, kind=kind) if place == EXTREME else random_case(rng, kind=kind.longer() if place == LONG else kind)
            arithmetic = arithmetic_for(case, spec)
            if arithmetic is not None:
                yield case, arithmetic
                break
            turn += attempt % REFUSALS == 0     # formats too wide for most constants: the next ones
            spec = _formats(rng, turn)


def _formats(rng: np.random.Generator, turn: int) -> PrecisionSpec:
    """Turn by turn: the narrow preset, mixed roundings, other presets, each rounding mode throughout."""
    plan = ["q16", None, "loihi2", *ROUNDINGS, *(p for p in PRESETS if p not in ("q16", "loihi2"))]
    choice = plan[turn] if turn < len(plan) else None
    if choice in PRESETS:
        return load_spec(choice)
    spec = random_spec(rng, choice)     # one format for both learning signals: all rules share one compiled kernel
    return spec.replace(learning_signal=spec["modulator"])


def compare_engine(name: str, case: RandomCase, arithmetic: Arithmetic) -> Difference | None:
    """The first difference of an engine from the oracle on one case; None if there is none."""
    if name == "cuda" and simulated():
        return _compare_simulated(cut(case, SIMULATED_TRIALS, SIMULATED_STEPS), arithmetic)
    if name == "cuda":
        return compare_device(case, arithmetic, case.seed)
    oracle = make_engine("oracle", case.network, case.learning, arithmetic, case.seed)
    weights = arithmetic.weights_to_raw(case.network.weights)
    expected = oracle.run(weights, case.trials)
    few = case.trials.take(slice(0, 3))
    if name not in SHIPPED:
        return compare_joined(name, case, arithmetic, weights, oracle.run(weights, few, record=True), few)
    counted = given(oracle.run(weights, few, telemetry=True).telemetry)
    for threads in (1, 2):
        engine = make_engine(name, case.network, case.learning, arithmetic, case.seed, threads)
        if threads == 1:
            found = engine.run(weights, few, telemetry=True, record=True)
            difference = compare_records(given(oracle.run(weights, few, record=True).record), given(found.record), NOT_STORED) \
                or compare_telemetry(counted, given(found.telemetry)) \
                or compare_telemetry(counted, given(engine.run(weights, few, telemetry=True).telemetry))     # without records
            if difference:
                return difference
            difference = compare_records(given(oracle.run(weights, few, False, record=True).record),
                                         given(engine.run(weights, few, False, record=True).record)) \
                or compare_results(replace(expected, gradients=None), engine.run(weights, case.trials, learn=False))
            if difference:
                return difference
        difference = compare_results(expected, engine.run(weights, case.trials))
        if difference:
            return difference
    return None


def _compare_simulated(case: RandomCase, arithmetic: Arithmetic) -> Difference | None:
    """The CUDA kernel in Numba's simulator, with several block sizes; a missing barrier would show at some switch interval."""
    from fxsim.engine.cuda.engine import CudaEngine
    oracle = make_engine("oracle", case.network, case.learning, arithmetic, case.seed)
    weights = arithmetic.weights_to_raw(case.network.weights)
    expected, counted = oracle.run(weights, case.trials, record=True), given(oracle.run(weights, case.trials, telemetry=True).telemetry)
    before = sys.getswitchinterval()
    try:
        for number, (threads, interval) in enumerate(BLOCK_SIZES.items()):
            sys.setswitchinterval(interval)
            engine = CudaEngine(case.network, case.learning, arithmetic, case.seed, threads)
            difference = compare_results(expected, engine.run(weights, case.trials))
            if number == 0 and not difference:
                difference = compare_records(given(expected.record), given(engine.run(weights, case.trials, record=True).record), NOT_STORED) \
                    or compare_telemetry(counted, given(engine.run(weights, case.trials, telemetry=True).telemetry)) \
                    or compare_results(replace(expected, gradients=None), engine.run(weights, case.trials, learn=False)) \
                    or compare_results(expected, CudaEngine(case.network, case.learning, arithmetic, case.seed, lanes=True).run(weights, case.trials))
            if difference:
                return difference
    finally:
        sys.setswitchinterval(before)
    return None


def compare_device(case: RandomCase, arithmetic: Arithmetic, build: int) -> Difference | None:
    """The CUDA engine on this machine's device: in one of DEVICE_BUILDS with records and counters, too; with trials in lanes; each also without
    learning."""
    from fxsim.engine.cuda.engine import CudaEngine
    def limited(shared: int | None) -> Limits:
        return find_device() if shared is None else replace(find_device(), shared_per_block=shared)

    threads, shared = DEVICE_BUILDS[build % len(DEVICE_BUILDS)]
    oracle = make_engine("oracle", case.network, case.learning, arithmetic, case.seed)
    engine = CudaEngine(case.network, case.learning, arithmetic, case.seed, threads, limited(shared), lanes=False)
    many = CudaEngine(case.network, case.learning, arithmetic, case.seed, 0, limited(LANE_BUILDS[build % len(LANE_BUILDS)]), lanes=True)
    weights, few = arithmetic.weights_to_raw(case.network.weights), case.trials.take(slice(0, 3))
    expected, watched = oracle.run(weights, case.trials), oracle.run(weights, few, record=True, telemetry=True)
    found = engine.run(weights, few, record=True, telemetry=True)
    return compare_results(expected, engine.run(weights, case.trials)) \
        or compare_records(given(watched.record), given(found.record), NOT_STORED) \
        or compare_telemetry(given(watched.telemetry), given(found.telemetry)) \
        or compare_results(replace(expected, gradients=None), engine.run(weights, case.trials, learn=False)) \
        or compare_results(expected, many.run(weights, case.trials)) \
        or compare_results(replace(expected, gradients=None), many.run(weights, case.trials, learn=False))


def compare_joined(name: str, case: RandomCase, arithmetic: Arithmetic, weights: dict[str, np.ndarray], expected: Result,
                   few: Trials) -> Difference | None:
    """The first difference of an engine that joined (:mod:`fxsim.engine.registry`) from the oracle on a few trials, without and with
    learning. It may run elsewhere, so it has no threads to vary, and counts no telemetry; its ``close`` is called if it has one."""
    engine = make_engine(name, case.network, case.learning, arithmetic, case.seed)
    try:
        silent, found = engine.run(weights, few, learn=False), engine.run(weights, few, record=True)
    finally:
        getattr(engine, "close", lambda: None)()
    return compare_results(replace(expected, gradients=None), silent) or compare_records(given(expected.record), given(found.record)) \
        or compare_results(expected, found)


def compare_records(expected: dict[str, np.ndarray], found: dict[str, np.ndarray], may_lack: frozenset[str] = frozenset()) -> Difference | None:
    """The earliest difference of two records (steps, B, ...). Both have the same quantities, but for those that ``found`` may lack."""
    first, earliest = None, sys.maxsize
    for name in sorted(set(expected) ^ set(found)):
        if name not in may_lack:
            return Difference(name, None, None, (), "recorded" if name in expected else "not recorded",
                              "recorded" if name in found else "not recorded")
    for name, values in expected.items():
        if name not in found:
            continue
        if values.shape != found[name].shape:
            return Difference(name, None, None, (), f"shape {values.shape}", f"shape {found[name].shape}")
        where = np.argwhere(values != found[name])
        if where.size and where[0][0] < earliest:
            earliest, trial, *index = (int(i) for i in where[0])
            first = Difference(name, earliest, trial, tuple(index), values[tuple(where[0])], found[name][tuple(where[0])])
    return first


def compare_results(expected: Result, found: Result) -> Difference | None:
    """Readouts, spike counts and gradients."""
    pairs = [("spike_counts", expected.spike_counts, found.spike_counts), ("readout", expected.readout, found.readout)]
    pairs += [(f"gradient_{layer}", g, given(found.gradients)[layer]) for layer, g in (expected.gradients or {}).items()]
    for name, a, b in pairs:
        where = np.argwhere(a != b)
        if where.size:
            place = tuple(int(i) for i in where[0])
            return Difference(name, None, None, place, a[place], b[place])
    return None


def compare_telemetry(expected: dict[str, dict], found: dict[str, dict]) -> Difference | None:
    """Counters of every quantity."""
    for name in expected:
        if expected[name] != found.get(name):
            return Difference(f"telemetry of {name}", None, None, (), expected[name], found.get(name))
    return None

"""What this machine and installation offer, and what to do about what is missing: for users before a long study, and for bug reports."""
from __future__ import annotations

import os
import platform
import re
import sys
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Callable, Iterator

import numpy as np

from fxsim.training.runs import versions

OK, NOTE, FAULT = "ok", "note", "FAULT"
SIMD = {32: "AVX-512 (BW)", 16: "AVX2", 0: "none that the kernels are written for"}
PROCESSORS = ("numpy", "numba", "llvmlite", "pydantic", "pyyaml", "click", "rich", "pandas", "matplotlib", "jinja2", "platformdirs", "pyarrow")
SELF_TEST_SEED = 6


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. ``advice``: what to do, if anything."""

    what: str
    status: str         # OK, NOTE: something cannot be used, FAULT: results or commands will suffer
    found: str
    advice: str = ""


def examine() -> Iterator[Finding]:
    """Everything but :func:`self_test`, which takes longest, and Lava, of which this package knows nothing."""
    for look in (_python, _packages, _extras, _tested_versions, _cores, _simd, _cache, _gpu):
        yield from look()


def _python() -> Iterator[Finding]:
    yield Finding("fxsim", OK, f"{versions()['fxsim']} in {Path(__file__).parents[1]}")
    found = f"{platform.python_version()} ({sys.executable}), {platform.platform()}"
    yield Finding("Python", OK, found) if sys.version_info >= (3, 10) else Finding("Python", FAULT, found, "Python 3.10 or newer")


def _requirements(extra: str = "") -> list[tuple[str, str | None, bool]]:
    """(requirement, installed version, whether that will do) of fxsim, or of one of its extras."""
    from packaging.requirements import Requirement
    found = []
    for text in metadata.requires("fxsim") or ():
        requirement = Requirement(text)
        marker = requirement.marker
        if ("extra ==" in text) != bool(extra) or marker is not None and not marker.evaluate({"extra": extra}):
            continue
        version = _version(requirement.name)
        found.append((f"{requirement.name}{requirement.specifier}", version, version is not None and version in requirement.specifier))
    return found


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _packages() -> Iterator[Finding]:
    try:
        needed = _requirements()
    except metadata.PackageNotFoundError:
        yield Finding("packages", NOTE, "fxsim runs from a folder, it is not installed", "pip install -e . in that folder")
        return
    bad = [f"{requirement} (found {version})" for requirement, version, fits in needed if not fits]
    shown = ", ".join(f"{re.split('[<>=!~]', requirement)[0]} {version}" for requirement, version, _ in needed)
    yield Finding("packages", FAULT, "; ".join(bad), "pip install --upgrade fxsim") if bad else Finding("packages", OK, shown)


def _extras() -> Iterator[Finding]:
    for extra, purpose in {"reference": "engine reference, verify golden", "nir": "import and export nir", "cluster": "sweep --scheduler"}.items():
        try:
            missing = [requirement for requirement, _, fits in _requirements(extra) if not fits]
        except metadata.PackageNotFoundError:
            return
        yield Finding(extra, NOTE, f"without {', '.join(missing)}: no {purpose}", f"pip install 'fxsim[{extra}]'") if missing \
            else Finding(extra, OK, f"installed: {purpose}")


def _tested_versions() -> Iterator[Finding]:
    """Against the constraints of a source tree; an installed package has none."""
    constraints = Path(__file__).parents[2] / "constraints.txt"
    if not constraints.exists():
        return
    lines = [line.split("#")[0].split(";") for line in constraints.read_text().splitlines()]
    tested: dict[str, set[str]] = {}
    for line in lines:
        name, _, version = line[0].strip().partition("==")
        tested.setdefault(name.lower(), set()).add(version)
    other = [f"{name} {_version(name)} (tested: {', '.join(sorted(tested[name]))})" for name in PROCESSORS
             if name in tested and _version(name) not in tested[name]]
    yield Finding("tested versions", NOTE, "; ".join(other), "if something fails, try pip install -c constraints.txt") if other \
        else Finding("tested versions", OK, "those of constraints.txt")


def _cores() -> Iterator[Finding]:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    there = os.cpu_count() or 1
    yield Finding("cores", NOTE, f"{usable} of {there} may be used", "set threads, or --jobs: fxsim counts all") if usable < there \
        else Finding("cores", OK, str(there))


def _simd() -> Iterator[Finding]:
    from fxsim.engine.cpu.lane_order import group
    lanes = group()
    yield Finding("SIMD", OK, f"{SIMD[lanes]}, {lanes} words of 16 bits at a time") if lanes \
        else Finding("SIMD", NOTE, SIMD[lanes], "results are the same; trainings take several times as long")


def _cache() -> Iterator[Finding]:
    from fxsim.files.cache import VARIABLE, cache
    directory, advice = cache().directory, f"{VARIABLE}: a directory of yours on a disk with space; without, every process compiles"
    if directory is None:
        yield Finding("cache", FAULT, "none", advice)
        return
    entries = [path.stat().st_size for path in directory.iterdir() if path.is_file()]
    found = f"{directory}, {len(entries)} files, {sum(entries) / 1e6:.0f} MB"
    yield Finding("cache", OK, found) if cache().writable() else Finding("cache", NOTE, f"{found}, cannot be written", advice)


def _gpu() -> Iterator[Finding]:
    from fxsim.engine.registry import choose_engine
    engine, why = choose_engine()
    advice = "engine cpu is used; for a GPU, NVIDIA's driver and pip install 'fxsim[cuda]'"
    yield Finding("GPU", OK, why) if engine == "cuda" else Finding("GPU", NOTE, why, advice)


def self_test(difference: Callable[[], object] | None = None) -> Finding:
    """The CPU engine against the oracle, on one training batch; ``difference`` stands in for that comparison."""
    start = time.perf_counter()
    try:
        found = (difference or _difference)()
    except Exception as error:      # whatever it is, it is what a bug report needs
        return Finding("self-test", FAULT, f"{type(error).__name__}: {error}", "fxsim verify backends --cases 1, and report what it says")
    seconds = f"{time.perf_counter() - start:.1f} s"
    if found is not None:
        return Finding("self-test", FAULT, f"the CPU engine differs from the oracle: {found}", "trust no result of this machine; report this output")
    return Finding("self-test", OK, f"the CPU engine equals the oracle ({seconds}, with compiling at first)")


def _difference() -> object:
    """Of a training batch on one small network, in q16, on the build of kernels that compiles fastest."""
    from fxsim.engine.cpu.engine import CpuEngine
    from fxsim.engine.cpu.variant import Variant
    from fxsim.engine.oracle.oracle import Oracle
    from quant import load_spec

    from .backends import compare_results
    from .random_case import arithmetic_for, random_case
    case = random_case(np.random.default_rng(SELF_TEST_SEED), "diffusion")
    arithmetic = arithmetic_for(case, load_spec("q16"))
    assert arithmetic is not None, "formats of the self-test"
    trials, weights = case.trials.take(slice(0, 3)), arithmetic.weights_to_raw(case.network.weights)
    subject = case.network, case.learning, arithmetic, case.seed
    found = CpuEngine(*subject, threads=1, variant=Variant(lanes=8, together=1, chunk=1, unroll=1)).run(weights, trials)
    return compare_results(Oracle(*subject).run(weights, trials), found)

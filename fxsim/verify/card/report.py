"""The report of a GPU: results.json and README.md."""
from __future__ import annotations

import shutil
import subprocess
from dataclasses import asdict
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

from fxsim.engine.cuda.device import Limits
from fxsim.files.writing import make_directory, write_atomic, write_json
from fxsim.training.runs import command_line, machine, versions

from .run import Check
from .timing import Timing

PACKAGES = ("numba-cuda", "cuda-bindings", "cuda-core", "llvmlite")


def card(limits: Limits) -> dict:
    """The device and its driver."""
    return {**asdict(limits), "driver": _driver(), "packages": {name: _version(name) for name in PACKAGES}}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _driver() -> str:
    """The driver's version, by the tool that comes with it, or else by the kernel."""
    if tool := shutil.which("nvidia-smi"):
        done = subprocess.run([tool, "--query-gpu=driver_version", "--format=csv,noheader"], capture_output=True, text=True)
        if done.returncode == 0:
            return done.stdout.split()[0]
    module = Path("/sys/module/nvidia/version")
    return module.read_text().strip() if module.exists() else "unknown"


def timing_table(timings: list[Timing]) -> list[list[str]]:
    return [["task", "precision", "batch", "kernel", "registers", "kernel s", "G synapse updates/s", "other kernels s", "iteration s",
             "modelled s", "bound by", "measured / modelled"],
            *([t.task, t.precision, str(t.batch), t.plan, str(t.registers), f"{t.kernel:.4g}", f"{t.updates_per_second / 1e9:.3g}",
               f"{t.other:.4g}", f"{t.iteration:.4g}", f"{t.modelled:.3g}", t.bound, f"{t.ratio:.2f}"] for t in timings)]


def check_table(checks: list[Check]) -> list[list[str]]:
    """A line for each kind of check."""
    kinds = dict.fromkeys(check.name for check in checks)
    of = {kind: [check for check in checks if check.name == kind] for kind in kinds}
    return [["check", "cases", "differ"], *([kind, str(len(of[kind])), str(sum(c.difference is not None for c in of[kind]))] for kind in kinds)]


def _markdown(rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])


def write_report(directory: Path, limits: Limits, checks: list[Check], timings: list[Timing], seconds: float) -> Path:
    """README.md and results.json; returns the directory."""
    make_directory(directory)
    results = {
        "command": command_line(), "date": datetime.now(timezone.utc).isoformat(timespec="seconds"), "seconds": round(seconds, 1),
        "card": card(limits), "machine": machine(), "versions": versions(),
        "checks": [asdict(check) for check in checks], "timings": [asdict(timing) for timing in timings]}
    write_json(directory / "results.json", results)
    write_atomic(directory / "README.md", page(results).encode())
    return directory


def page(results: dict) -> str:
    """The text of README.md, from what results.json holds."""
    about, checks = results["card"], [Check(**row) for row in results["checks"]]
    failed = [check for check in checks if check.difference]
    return README.format(
        name=about["name"], command=results["command"], date=results["date"], driver=about["driver"], clock=about["clock"] / 1e9,
        bandwidth=about["bandwidth"] / 1e12, multiprocessors=about["multiprocessors"], python=results["versions"]["python"],
        numba=results["versions"]["numba"], cuda=about["packages"]["numba-cuda"], seconds=results["seconds"],
        checks=_markdown(check_table(checks)), timings=_markdown(timing_table([Timing(**row) for row in results["timings"]])),
        verdict="Everything that was compared is equal, bit for bit." if not failed else
        "**Differences:**\n\n" + "\n".join(f"* {check.name}, {check.detail}: {check.difference}" for check in failed))


README = """# The CUDA engine on a card

{name}: {multiprocessors} multiprocessors at {clock:.2f} GHz at most, {bandwidth:.2f} TB/s by its data; driver {driver}; Python {python},
numba {numba}, numba-cuda {cuda}; {date}; {seconds:.0f} s in all. Made by `{command}`.

{checks}

{verdict}

`random`: random networks in random formats, all rules and roundings, against the oracle: state in registers, in shared and in global
memory by turns, four block sizes, every state variable of every step, telemetry's counters, no learning. `paper`: whole trials of the
paper's networks against the oracle. `floats`: float32, equal bits for all block sizes, and the CPU's gradients to rounding. `training`:
the curve and the stored weights after some updates in q16 equal the CPU engine's.

{timings}

`kernel s`: the kernels alone, between two events of the device, median after a warm-up; `other kernels s`: those that the plan did not
choose for this batch (one trial a block, or 32 trials a warp); `iteration s`: a training iteration with
transfers, the host's work and the weight update, the drawing of trials apart; synapse updates: synapses x steps x trials, over
`kernel s`. The model ([reports/cuda_model](../cuda_model/README.md)) is made from counted instructions, not from measurements.
"""

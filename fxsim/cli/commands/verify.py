"""``fxsim verify`` and ``doctor``: exactness, and what is here."""
from __future__ import annotations

import os
import sys
import time
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fxsim.cli.options import Items, jobs, seed
from fxsim.cli.tables import text_table

if TYPE_CHECKING:
    from fxsim.verify.doctor import Finding


@click.group()
def verify() -> None:
    """Check exactness; exit status 1 if a check fails."""


@verify.command()
@click.argument("files", nargs=-1, required=True)
@click.option("--implementations", type=Items(), default="reference,oracle", show_default=True,
              help="The PyTorch reference, and engines that run the float twin: oracle, cpu (a minute of compiling at first).")
def golden(files: tuple[str, ...], implementations: list) -> None:
    """Hold the float implementations of the model against golden FILES."""
    from fxsim.verify.golden import golden_table, verify_golden
    rows = verify_golden(files, implementations)
    click.echo(golden_table(rows))
    failed = sum(not row.ok for row in rows)
    click.echo(f"{len(rows)} quantities, {failed} beyond tolerance")
    sys.exit(1 if failed else 0)


@verify.command()
@click.option("--cases", type=int, default=20, show_default=True, help="Random networks.")
@seed("Seed of the networks and formats that are drawn.", 0)
@click.option("--engines", type=Items(), default="oracle,cpu", show_default=True)
@jobs("Processes that share the work")
def backends(cases: int, seed: int, engines: list, jobs: int) -> None:
    """Hold engines against the oracle, bit for bit, on random networks and formats.

    Without a GPU the engine cuda runs in Numba's CUDA simulator, on a few short trials of each network.
    """
    if "cuda" in engines:
        from fxsim.engine.cuda.device import driver_found, use_simulator
        if not driver_found():
            use_simulator()
            click.echo("cuda: no GPU here, its kernels run in Numba's CUDA simulator")
    from fxsim.verify.backends import CaseReport, verify_backends

    def show(report: CaseReport) -> None:
        click.echo(f"{report.number:4d}  {report.engine}  {report.formats}  {report.case}  {report.difference or 'equal'}")

    reports = verify_backends(cases, seed, engines, show, jobs or os.cpu_count() or 1)
    failed = [report for report in reports if report.difference]
    click.echo(f"{len(reports)} cases, {len(failed)} differ" + (f"; first: {failed[0].difference}" if failed else ""))
    sys.exit(1 if failed else 0)


@verify.command()
@click.option("--cases", type=click.IntRange(min=1), default=40, show_default=True, help="Random networks.")
@jobs("Processes that share the checks")
@click.option("--out", type=click.Path(path_type=Path), default=Path("reports/gpu"), show_default=True, help="Directory of the report.")
def gpu(cases: int, jobs: int, out: Path) -> None:
    """Check and time the CUDA engine on this machine's GPU, and write a report.

    Random and paper-size networks against the oracle, a training against the CPU engine's, seconds of kernels beside the model. Minutes.
    """
    from fxsim.engine.cuda.device import find_device
    limits, start = find_device(), time.perf_counter()
    from fxsim.verify.card.report import check_table, timing_table, write_report
    from fxsim.verify.card.run import Check, verify_card
    from fxsim.verify.card.timing import Timing

    def show(check: Check) -> None:
        click.echo(f"{time.perf_counter() - start:6.1f} s  {check.name}  {check.detail}  {check.difference or 'equal'}")

    def show_time(timing: Timing) -> None:
        click.echo(f"{time.perf_counter() - start:6.1f} s  {timing.task}, {timing.precision}, batch {timing.batch}: {timing.kernel:.4g} s, "
                   f"{timing.ratio:.2f} of the model")

    checks, timings = verify_card(cases, jobs or os.cpu_count() or 1, show, show_time)
    click.echo("\n" + text_table(check_table(checks)) + "\n\n" + text_table(timing_table(timings)))
    click.echo(f"written: {write_report(out, limits, checks, timings, time.perf_counter() - start)}")
    sys.exit(1 if any(check.difference for check in checks) else 0)


@verify.command()
def convergence() -> None:
    """Show that fixed point goes to float64 as fraction bits grow, under every rule."""
    from fxsim.verify.convergence import COMPARED, LARGEST_ERROR, NEEDED_FACTOR, verify_convergence
    found = verify_convergence()
    click.echo(text_table([["rule", "membrane frac bits", "networks without a flipped spike", "flipped spikes", *COMPARED,
                            *(f"largest {quantity}" for quantity in COMPARED)],
                           *([row.rule, str(row.membrane_frac_bits), f"{row.networks} of {row.total}", str(row.flipped_spikes),
                              *(f"{getattr(row, quantity):.2e}" for quantity in COMPARED), *(f"{row.largest[quantity]:.2e}" for quantity in COMPARED)]
                             for row in found.rows)]))
    for rule, factors in found.factor.items():
        click.echo(f"{rule}: error falls per bit by a factor of " + ", ".join(f"{quantity} {factor:.2f}" for quantity, factor in factors.items()))
    allowed = ", ".join(f"{quantity} {error:g}" for quantity, error in LARGEST_ERROR.items())
    click.echo(f"needed: a factor of {NEEDED_FACTOR}, and at full width no error of any network above {allowed}: {'ok' if found.ok else 'FAIL'}")
    sys.exit(0 if found.ok else 1)


@click.command()
def doctor() -> None:
    """Look at Python, packages, cores, SIMD, the cache, the GPU and Lava, and test an engine; for bug reports, too.

    Exit status 1 if something is at fault; what is only missing is a note.
    """
    from fxsim.verify.doctor import FAULT, examine, self_test
    faults = 0
    for finding in chain(examine(), (look() for look in (_lava, self_test))):
        faults += finding.status == FAULT
        click.echo(f"{finding.status:<6} {finding.what:<16} {finding.found}")
        if finding.advice:
            click.echo(f"{'':<23} -> {finding.advice}")
    sys.exit(1 if faults else 0)


def _lava() -> Finding:
    from fxsim.verify.doctor import NOTE, OK, Finding
    from lava_backend.runtime.availability import NEEDED, why_not
    reason = why_not()
    return Finding("Lava", NOTE, reason, NEEDED) if reason else Finding("Lava", OK, "can run here")

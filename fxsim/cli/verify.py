"""``fxsim verify``: exactness."""
from __future__ import annotations

import os
import sys

import click

from .options import Items, jobs, seed
from .tables import text_table


@click.group()
def verify() -> None:
    """Check exactness; exit status 1 if a check fails."""


@verify.command()
@click.argument("files", nargs=-1, required=True)
def golden(files: tuple[str, ...]) -> None:
    """Hold the PyTorch reference and the float64 twin against golden FILES."""
    from fxsim.verify.golden import golden_table, verify_golden
    rows = verify_golden(files)
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
    from fxsim.verify.backends import verify_backends

    def show(report) -> None:
        click.echo(f"{report.number:4d}  {report.engine}  {report.formats}  {report.case}  {report.difference or 'equal'}")

    reports = verify_backends(cases, seed, engines, show, jobs or os.cpu_count() or 1)
    failed = [report for report in reports if report.difference]
    click.echo(f"{len(reports)} cases, {len(failed)} differ" + (f"; first: {failed[0].difference}" if failed else ""))
    sys.exit(1 if failed else 0)


@verify.command()
def convergence() -> None:
    """Show that fixed point goes to float64 as fraction bits grow."""
    from fxsim.verify.convergence import NEEDED_FACTOR, verify_convergence
    found = verify_convergence()
    click.echo(text_table([["membrane frac bits", "networks without a flipped spike", "flipped spikes", *found.factor],
                           *([str(row.membrane_frac_bits), f"{row.networks} of {row.total}", str(row.flipped_spikes),
                              *(f"{getattr(row, quantity):.2e}" for quantity in found.factor)] for row in found.rows)]))
    factors = ", ".join(f"{quantity} {factor:.2f}" for quantity, factor in found.factor.items())
    click.echo(f"error falls per bit by a factor of: {factors} (needed: {NEEDED_FACTOR}): {'ok' if found.ok else 'FAIL'}")
    sys.exit(0 if found.ok else 1)

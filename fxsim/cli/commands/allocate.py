"""``fxsim allocate``: word bits of all quantities at once."""
from __future__ import annotations

import sys
from pathlib import Path

import click

from fxsim.cli.options import PATH, Items, change, config, jobs, out, refuse_changes
from fxsim.cli.tables import cells, text_table

SHOWN = ("point", "bits", "cosine_predicted", "cosine", "memory_bytes", "energy_low_pJ", "energy_high_pJ")


@click.command()
@config
@change
@click.option("--loss", type=float, help="Goal: the fewest bits that lose less than this, of accuracy (0.02: 2 points) or nMSE.")
@click.option("--memory", type=float, help="Goal: the least noise within so many bytes of the network.")
@click.option("--energy", type=float, help="Goal: the least noise within so many pJ of an update, upper end of the estimate.")
@click.option("--margin", type=float, default=0.02, show_default=True, help="With --memory, --energy: the loss that the trainings test.")
@click.option("--base", default="q24", show_default=True, help="The widest formats.")
@click.option("--against", default="float32", show_default=True, help="Precision that trainings are compared with.")
@click.option("--sensitivity", type=PATH, help="Directory of fxsim sensitivity, of this task, network and base.  [default: it is measured]")
@click.option("--seeds", type=Items(int), default="", help="Of the sensitivity that is measured.  [default: 1]")
@click.option("--bits", type=Items(int), default="", help="Its word lengths.  [default: 2 to 16]")
@click.option("--roundings", type=Items(), default="floor,toward_zero,nearest_even,nearest_up,stochastic", show_default=True,
              help="Roundings that quantities may have.")
@click.option("--points", type=int, default=12, show_default=True, help="Points of the front that are measured.")
@click.option("--max-seeds", type=int, default=20, show_default=True, help="Paired trainings of a test, at most; 0: none, for a budget.")
@jobs("Processes")
@out("Directory of the precision, its evidence and page.", required=True)
def allocate(config: str, changes: tuple[str, ...], loss: float | None, memory: float | None, energy: float | None, margin: float, base: str,
             against: str, sensitivity: Path | None, seeds: list, bits: list, roundings: list, points: int, max_seeds: int, jobs: int,
             out: Path) -> None:
    """Choose the word bits of all quantities at once, for a loss, a memory or an energy: one of the three.

    From what each quantity's bits do to the gradient (fxsim sensitivity) and what they cost (fxsim cost) follows a front of formats, wide to narrow.
    Its points are measured with all their formats together; then trainings with paired seeds, of seeds that chose nothing, go on until a test says
    whether the loss is less. docs/allocation.md says what that assumes. An interrupted allocation goes on with the same command.

    Exit status 1 where no formats were shown to lose less than --loss.
    """
    from fxsim.config import load_config
    from fxsim.report.build import build_report
    from fxsim.study.allocation.allocate import allocate as run_allocation
    from fxsim.study.allocation.asked import Asked, Goal
    from fxsim.study.jobs import Workers
    from fxsim.training.progress import terminal_sweep_progress
    refuse_changes(changes, {"precision": "--base", "seed": "--seeds"})
    settings, goal = load_config(config, [f"precision={base}", *changes]), Goal(loss, memory, energy, margin)
    asked = Asked(settings, goal, sensitivity, seeds, bits, roundings, against, max_seeds, points)
    found = run_allocation(asked, out, Workers(jobs), terminal_sweep_progress(), click.echo)
    click.echo(text_table(cells(found.front[list(SHOWN)].to_dict("records"))))
    click.echo(f"report: {build_report(out)}")
    if found.spec is None:
        click.echo(f"no formats were shown to lose less than {loss:g}")
        sys.exit(1)
    click.echo(f"point {found.point}, {found.spec.description}\nwritten: {out / 'allocation.yaml'}")

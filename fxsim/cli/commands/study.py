"""``fxsim compare``, ``sweep``, ``demo`` and ``report``: many runs, and the page that shows them."""
from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fxsim.cli.options import PATH, Items, change, config, force, jobs, out, refuse_changes
from fxsim.errors import InputError

if TYPE_CHECKING:
    from fxsim.study.jobs import Workers


@click.command()
@config
@click.option("--rules", type=Items(), default="eprop,diffusion", show_default=True)
@click.option("--precisions", type=Items(), default="float32,q16,w8s16", show_default=True)
@click.option("--seeds", type=Items(int), default="0,1,2", show_default=True)
@click.option("--iterations", type=int, help="Iterations of every run.  [default: the configuration's]")
@change
@jobs()
@out("Directory of the comparison.", required=True)
@force
def compare(config: str, rules: list, precisions: list, seeds: list, iterations: int | None, changes: tuple[str, ...], jobs: int, out: Path,
            force: bool) -> None:
    """Train every rule x precision x seed from the same weights and trials, then write the report.

    Finished runs in the directory are not repeated; interrupted ones, and ones with fewer iterations, go on from their last checkpoint.
    """
    from fxsim.config import load_config
    from fxsim.study.comparison import compare as run_comparison
    refuse_changes(changes, {"seed": "--seeds", "learning.rule": "--rules", "precision": "--precisions",
                             **({"iterations": "one of --iterations and --set iterations"} if iterations is not None else {})})
    settings = load_config(config, [*changes, *([f"iterations={iterations}"] if iterations is not None else [])])
    run_comparison([settings], rules, precisions, seeds, out, jobs, click.echo, force=force)
    _report(out)


@click.command()
@click.argument("study", type=PATH)
@jobs()
@click.option("--threads", type=click.IntRange(min=0), default=0, help="Threads of each run; 0: its share of the cores, or 1 on a cluster.")
@click.option("--scheduler", default="", metavar="ADDRESS", help="Train on the workers of this Dask scheduler, tcp://HOST:PORT.")
@click.option("--only", multiple=True, metavar="BLOCK", help="Make the runs of this block (and of the one that it evaluates).  [repeatable]")
@click.option("--dry-run", is_flag=True, help="Make nothing: say how many runs, hours on this machine and bytes of disk it would be.")
@click.option("--tables", is_flag=True, help="Make no run: write the tables of those that are finished, also while another sweep goes on.")
@out("Directory of the sweep.", required=True)
@force
def sweep(study: Path, jobs: int, threads: int, scheduler: str, only: tuple[str, ...], dry_run: bool, tables: bool, out: Path, force: bool) -> None:
    """Make every run of a STUDY (a YAML file, see fxsim/study/plan.py), then its tables.

    Finished runs in the directory are not repeated; interrupted ones go on from their last checkpoint. Exit status 1 if a run failed.
    """
    from fxsim.study.jobs import Workers
    from fxsim.study.sweep import Part, sweep as run_sweep
    from fxsim.training.progress import terminal_sweep_progress
    if jobs and scheduler:
        raise InputError("fxsim sweep", "--jobs", f"{jobs} with --scheduler", "one of them: a cluster's workers say how many runs go at a time")
    for given, option in ((scheduler, "--scheduler"), (tables, "--tables"), (force, "--force")):
        if dry_run and given:
            raise InputError("fxsim sweep", "--dry-run", f"with {option}", "one of them: it measures on this machine and writes nothing")
    if tables and only:
        raise InputError("fxsim sweep", "--tables", "with --only", "one of them: tables are of all blocks")
    if dry_run:
        return _announce(study, only, out, Workers(jobs, threads))
    failures = run_sweep(study, out, Workers(jobs, threads, scheduler), terminal_sweep_progress(), force, Part(only, not tables))
    click.echo(f"written: {out}" + (f"; {len(failures)} runs failed, see failure.txt in their directories" if failures else ""))
    sys.exit(1 if failures else 0)


def _announce(study: Path, only: tuple[str, ...], out: Path, workers: Workers) -> None:
    """What a sweep would take."""
    from fxsim.cli.tables import text_table
    from fxsim.study.estimate import UPDATES, Expected, expected
    from fxsim.study.plan import load_study, plan
    from fxsim.study.sweep import chosen
    planned = chosen(plan(load_study(study)[0], str(study)), only, str(study))
    found = expected(planned, out, workers, lambda line: click.echo(line, err=True))
    left = sum(block.runs - block.done for block in found)
    jobs = workers.side_by_side(max(1, left))
    every = Expected("all", *(sum(getattr(b, name) for b in found) for name in ("runs", "done", "seconds", "bytes")))
    rows = [[b.block, f"{b.runs}", f"{b.done}", f"{b.seconds / jobs / 3600:.2g}", f"{b.bytes / 1e6:.3g}"] for b in (*found, every)]
    click.echo(text_table([["block", "runs", "done", "hours left", "MB left"], *rows]))
    click.echo(f"hours: {jobs} at a time on this machine, from {UPDATES} updates of each kind of run, measured now")


@click.command()
@out("Directory of the comparison.", default="reports/demo")
@jobs()
def demo(out: Path, jobs: int) -> None:
    """Compare e-prop and diffusion in four precisions on two tasks, small enough for ten minutes on two cores.

    If it is interrupted, the same command goes on from the last checkpoints.
    """
    from fxsim.study.demo import run_demo
    run_demo(out, jobs, click.echo)
    _report(out)


@click.command()
@click.argument("directory", type=PATH)
@click.option("--published", type=PATH, help="Directory with the paper authors' curves (TASK.csv), drawn as a band; of a sweep, compared with, too.")
def report(directory: Path, published: Path | None) -> None:
    """Write the report of a comparison or a sweep from its tables.

    What a sweep's page draws stands under ``figures`` in its study.yaml.
    """
    _report(directory, published)


def _report(directory: Path, published: Path | None = None) -> None:
    from fxsim.report.build import build_report  # imports matplotlib
    click.echo(f"report: {build_report(directory, published)}")

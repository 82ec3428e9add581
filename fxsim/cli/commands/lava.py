"""``fxsim lava``: packages on Lava."""
from __future__ import annotations

import sys
from pathlib import Path

import click

from fxsim.cli.options import PATH, change, config, force, out
from fxsim.cli.tables import cells, text_table
from fxsim.errors import InputError


@click.group()
def lava() -> None:
    """Run packages on Lava's CPU backend. Nothing here has run on a chip; what a network needs of one: fxsim fit."""


@lava.command()
@click.argument("package_dir", type=PATH)
@click.option("--trials", type=click.IntRange(min=1), default=4, show_default=True)
@click.option("--learn", is_flag=True, help="Learn: gradients in the processes, an update after each batch.")
@click.option("--check", is_flag=True, help="Hold every state variable of every step and every weight against the simulator.")
@click.option("--timeout", type=click.FloatRange(min=1), default=300.0, show_default=True,
              help="Seconds without a finished trial after which Lava is given up.")
@click.option("--save", type=PATH, help="Write the package with the weights that it ended with.")
@force
def run(package_dir: Path, trials: int, learn: bool, check: bool, timeout: float, save: Path | None, force: bool) -> None:
    """Run trials of the package's task on Lava: evaluation trials, or with --learn the training trials that come next.

    sgd and adamax update the weights inside the processes, adam on the host. Lava runs in processes of its own; whatever happens to
    them, or Ctrl-C, ends them all and leaves nothing behind.
    """
    from fxsim.training.interrupts import Interrupted, interruptible
    from lava_backend.deployment import run_package
    from lava_backend.package import claim_package, load_package, save_package
    from lava_backend.progress import TrialBar
    from lava_backend.runtime.session import LavaError
    package = load_package(package_dir)
    if save is not None:
        claim_package(save, force)
    try:
        with interruptible(), TrialBar(trials) as bar:
            if package.neuron == "loihi_lif":
                from lava_backend.stock.package import run_stock
                if learn:
                    raise InputError(package_dir, "--learn", "a package for stock processes", "a package without --stock")
                report = run_stock(package, trials, check, timeout, bar.trial)
                bar.batch(report.rows[0])
            else:
                report = run_package(package, trials, learn, check, timeout, bar.trial, bar.batch)
    except LavaError as error:
        raise click.ClickException(str(error)) from None
    except Interrupted as interrupted:
        click.echo(f"interrupted by {interrupted}; Lava and all its processes are stopped", err=True)
        sys.exit(interrupted.status)
    if save is not None:
        save_package(report.package, save, {"package": str(package_dir), "trials": trials, "learned": learn}, force=True)
        click.echo(f"written: {save}")
    beside = " (with recording and the simulator beside it)" if check else ""
    click.echo(f"{report.trials} trials, {report.steps} steps, {report.seconds:.1f} s, {report.steps / report.seconds:.0f} steps/s{beside}")
    if report.cpu:
        click.echo("processor time per step, us: " + ", ".join(f"{name} {1e6 * seconds / report.steps:.0f}" for name, seconds in report.cpu.items()))
    if check:
        updates = f", and all weights after {len(report.rows)} updates" if learn else ""
        click.echo(f"differs from the simulator: {report.difference}" if report.difference
                   else f"equal to the simulator: {report.compared} state values{updates}")
        sys.exit(1 if report.difference else 0)


@lava.command()
@config
@change
@click.option("--trials", type=click.IntRange(min=1), default=16, show_default=True, help="Evaluation trials on Lava.")
@out("Directory of what is found.", required=True)
@force
def stock(config: str, changes: tuple[str, ...], trials: int, out: Path, force: bool) -> None:
    """Train CONFIG as it is and with the neurons of Lava's stock processes, and run both on those processes.

    Writes stock.json, curves.csv and the deployable package: what each loss of the neuron model costs.
    """
    from fxsim.config import load_config
    from fxsim.files.ownership import claim_directory, has_json
    from fxsim.training.interrupts import interruptible
    from lava_backend.runtime.session import LavaError
    from lava_backend.studies.stock import FILES, compare_stock
    settings = load_config(config, list(changes))
    claim_directory(out, FILES, has_json("stock.json", "command"), force)
    try:
        with interruptible():
            found = compare_stock(settings, out, trials, click.echo)
    except LavaError as error:
        raise click.ClickException(str(error)) from None
    click.echo(text_table(cells(found["rows"])))
    click.echo(f"written: {out}")


@lava.command()
@config
@change
@click.option("--period", type=int, default=1, show_default=True, help="Steps over which the learning signal is gathered before it is sent.")
@click.option("--lava-updates", type=click.IntRange(min=1), default=4, show_default=True,
              help="Updates that Lava repeats, every state compared.")
@out("Directory of what is found.", required=True)
@force
def engine(config: str, changes: tuple[str, ...], period: int, lava_updates: int, out: Path, force: bool) -> None:
    """Train CONFIG as Lava's three-factor engine does and as the float rule does; exit status 1 if Lava differs by a bit.

    The engine is simulated, exactly; Lava repeats the first updates. Writes engine.json, curves.csv, curves.png, curves.svg and the package.
    """
    from fxsim.config import load_config
    from fxsim.files.ownership import claim_directory, has_json
    from fxsim.training.interrupts import interruptible
    from lava_backend.runtime.session import LavaError
    from lava_backend.studies.three_factor import FILES, engine_study
    settings = load_config(config, list(changes))
    claim_directory(out, FILES, has_json("engine.json", "command"), force)
    try:
        with interruptible():
            found = engine_study(settings, out, period, lava_updates, click.echo)
    except LavaError as error:
        raise click.ClickException(str(error)) from None
    click.echo(text_table(cells(found["evaluations"])))
    on_lava = found["lava"]
    click.echo(f"Lava, {on_lava['trials']} trials of {on_lava['steps']} steps in all, {on_lava['compared']} states, and all weights: "
               + (f"differs from the simulator: {on_lava['difference']}" if on_lava["difference"] else "equal to the simulator"))
    click.echo(f"written: {out}")
    sys.exit(1 if on_lava["difference"] else 0)


@lava.command()
@config
@change
@out("Directory of what is found.", required=True)
@force
def prove(config: str, changes: tuple[str, ...], out: Path, force: bool) -> None:
    """Train CONFIG in the simulator and on Lava, and compare the curves and weights; exit status 1 if a bit differs."""
    from fxsim.config import load_config
    from fxsim.files.ownership import claim_directory, has_json
    from fxsim.training.interrupts import interruptible
    from fxsim.training.progress import terminal_progress
    from lava_backend.runtime.session import LavaError
    from lava_backend.studies.proof import FILES, prove
    settings = load_config(config, list(changes))
    claim_directory(out, FILES, has_json("proof.json", "command"), force)
    try:
        with interruptible():
            found = prove(settings, out, click.echo, lambda: terminal_progress(settings.updates))
    except LavaError as error:
        raise click.ClickException(str(error)) from None
    equal, changed = found["curves_equal"] and found["weights_equal"], found["weights_changed"]
    click.echo(f"{'equal' if equal else 'DIFFERENT'}: {found['rows']} rows of the curves, all weights ({changed} changed in training)")
    click.echo(f"written: {out}")
    sys.exit(0 if equal else 1)

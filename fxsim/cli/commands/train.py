"""``fxsim train``: one network."""
from __future__ import annotations

from pathlib import Path

import click

from fxsim.cli.options import change, config, out, refuse_changes, seed


@click.command()
@config
@change
@seed("Seed of the run.  [default: the configuration's]")
@out("Directory of the run.  [default: runs/NAME-RULE-PRECISION-sSEED]")
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint in the directory, or start if there is none.")
def train(config: str, changes: tuple[str, ...], seed: int | None, out: Path | None, resume: bool) -> None:
    """Train one network and write its run directory.

    Checkpoints are written every checkpoint.every iterations, on SIGINT and SIGTERM (exit status 130 and 143), and at the
    end. With --resume the run goes on to the same bits as one that was never interrupted. The configuration must be the
    same, except for threads, learning.memory_mib, checkpoint.every, more iterations (of a finished run, too), and in fixed point the engine.

    Without --resume a directory that holds an unfinished run with checkpoints is refused, so that none is lost by
    mistake; a finished run of the same configuration is run again.
    """
    from fxsim import train as run_training
    from fxsim.config import load_config
    from fxsim.training.progress import describe, terminal_progress
    from fxsim.training.runs import default_directory
    if seed is not None:
        refuse_changes(changes, {"seed": "one of --seed and --set seed"})
    settings = load_config(config, [*changes, *([f"seed={seed}"] if seed is not None else [])])
    out = out or Path("runs") / default_directory(settings)
    if settings.engine == "auto" and settings.learning.rule != "bptt":
        from fxsim.engine.registry import choose_engine
        click.echo("engine: {} ({})".format(*choose_engine()))
    result = run_training(settings, out, terminal_progress(settings.updates), resume)
    last = [row for row in result.curves if row["split"] == "eval"][-1]
    click.echo(f"{'stopped' if result.stopped else 'done'} after {last['iteration']} iterations: {describe(last)}")
    click.echo(f"written: {out}")

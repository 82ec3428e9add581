"""The command line. Commands import what they need, so that ``fxsim --help`` is quick.

main        the command ``fxsim``: refused input (InputError) is one line on stderr and exit status 2; a check that fails is exit
            status 1; a command that SIGINT, SIGTERM or SIGHUP ends is one line and exit status 130, 143 or 129
"""
from __future__ import annotations

from typing import Any

import click

from fxsim.errors import InputError
from fxsim.training.interrupts import Interrupted, interruptible

from .commands import bench, bits, chips, compiled, exchange, lava, new, precision, study, train, verify
from .options import plugin

RESUMING = ("compare", "sweep", "demo", "sensitivity", "allocate")


class Main(click.Group):
    """Ends refused input and interrupted commands in one line."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with interruptible():
                return super().invoke(ctx)
        except InputError as error:
            click.echo(str(error), err=True)
            ctx.exit(2)
        except Interrupted as interrupted:
            click.echo(f"interrupted by {interrupted}{_how_to_go_on(ctx.invoked_subcommand)}", err=True)
            ctx.exit(interrupted.status)
        except (EOFError, BrokenPipeError) as error:        # of files and processes of ours: click takes them for its terminal's, and says "Aborted!"
            raise RuntimeError(f"{type(error).__name__}: {error}") from error


def _how_to_go_on(command: str | None) -> str:
    again = "fxsim train --resume" if command == "train" else "the same command" if command in RESUMING else ""
    return f"; {again} goes on from the last checkpoint" if again else ""


def _version(ctx: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from fxsim import __version__
        click.echo(f"fxsim, version {__version__}")
        ctx.exit()


@click.group(cls=Main, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version and exit.")
def main() -> None:
    """Train recurrent spiking networks with e-prop and diffusing neuromodulators in float and in fixed point.

    CONFIG is the path of a YAML file or a shipped name: pattern_generation, delayed_match, cue_accumulation,
    or one of their variants, such as delayed_match_hard (all of them: the completion of your shell, or any wrong name).
    """


for command in (train.train, new.new, exchange.network, study.compare, study.sweep, study.demo, study.report, precision.presets, precision.calibrate,
                precision.evaluate, bits.align, bits.ranges, bits.sensitivity, bits.allocate, chips.cost, chips.fit, verify.verify, bench.bench,
                compiled.build, compiled.cache, verify.doctor, exchange.export, exchange.import_, lava.lava):
    main.add_command(command)
for command in (train.train, exchange.network, study.compare, study.sweep, study.report, precision.calibrate, bits.align, bits.ranges,
                bits.sensitivity, bits.allocate, chips.cost, chips.fit, compiled.build, *exchange.export.commands.values(),
                *exchange.import_.commands.values(), *lava.lava.commands.values()):       # whatever reads configurations
    plugin(command)

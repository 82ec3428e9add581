"""``fxsim cost`` and ``fit``: what a network needs of hardware."""
from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fxsim.cli.options import PATH, Items, change, refuse_changes
from fxsim.cli.tables import text_table
from fxsim.errors import InputError

if TYPE_CHECKING:
    from fxsim.hardware.fit import Design, Fit

TABLE = "float32,q24,q16,w8s16,w4s8,loihi2"
CHIPS = ("loihi2", "loihi1", "reckon", "xylo", "spinnaker2")
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")


@click.command()
@click.argument("source", type=PATH, metavar="RUN|CONFIG")
@change
@click.option("--precisions", type=Items(), help=f"[default: {TABLE}; of a run its own]")
@click.option("--trials", type=click.IntRange(min=1), default=8, show_default=True, help="Evaluation trials whose spikes are measured.")
@as_json
def cost(source: Path, changes: tuple[str, ...], precisions: list | None, trials: int, as_json: bool) -> None:
    """Memory, operations, spikes and energy of a run with its trained weights, or of a configuration with its initial ones.

    The work of a chip, not of this simulator. Bits and operations are counted, spikes and NeuroBench's metrics are measured on evaluation trials,
    energies are estimated from published figures of single operations, low to high, without static power. Nothing here was measured on a chip.
    """
    from fxsim.hardware.cost import cost as find_cost, text_tables
    refuse_changes(changes, {"precision": "--precisions"})
    if precisions == []:
        raise InputError("cost", "--precisions", "nothing", "at least one precision")
    found = find_cost(source, precisions or ([] if source.is_dir() else TABLE.split(",")), changes, trials)
    if as_json:
        click.echo(json.dumps(found.to_dict(), indent=1))
        return
    for heading, rows in text_tables(found):
        if rows[1:]:
            click.echo(f"{heading}\n{text_table(rows)}\n")
    click.echo("not in the estimates: " + "; ".join(found.without))


@click.command()
@click.argument("source", type=PATH, metavar="PACKAGE|RUN|CONFIG")
@change
@click.option("--chip", "chips", type=click.Choice(CHIPS), multiple=True, default=CHIPS, show_default="all of them",
              help="May be given several times.")
@click.option("--learn", is_flag=True, help="With learning on the chip: state of every synapse, messages, the grid.")
@click.option("--limits", type=PATH, help="YAML file with limits that replace those of the table, {chip: {limit: {value: N}}}.")
@as_json
def fit(source: Path, changes: tuple[str, ...], chips: tuple[str, ...], learn: bool, limits: Path | None, as_json: bool) -> None:
    """Hold a network against what chips offer, limit by limit. An estimate: nothing ran on a chip.

    Exit status 0 if it fits one of the chips that were asked for, 1 if it fits none of them, 2 for refused input.
    """
    from fxsim.hardware.fit import check_fit
    from fxsim.hardware.limits import load_limits
    design = _design(source, changes)
    if learn and design.learning.rule == "bptt":
        raise InputError(source, "learning.rule", "bptt with --learn", "another rule: --set learning.rule=eprop; or no --learn")
    found = [check_fit(design, chip, learn, load_limits(chip, limits)) for chip in chips]
    if as_json:
        click.echo(json.dumps([{
            "chip": f.chip, "learning": f.learning, "precision": design.spec.name, "fits": f.fits, "cores": f.cores, "binding": f.binding,
            "needs": [{**asdict(need), "share": need.share if need.share < float("inf") else None, "fits": need.fits} for need in f.needs]}
            for f in found], indent=1))
    else:
        for one in found:
            _say(one, design.spec.name)
    sys.exit(0 if any(f.fits for f in found) else 1)


def _design(source: Path, changes: tuple[str, ...]) -> Design:
    """A package, a run or a configuration in fixed point."""
    from fxsim.hardware.fit import Design
    from fxsim.hardware.source import network_and_config
    from fxsim.model.topology import learning_of
    if (source / "package.yaml").is_file():
        from lava_backend.package import load_package
        if changes:
            raise InputError(source, "--set", changes[0], "nothing for a package, whose formats are its own; or the run it was exported from")
        package = load_package(source)
        return Design(package.name, package.network, package.spec, package.learning)
    network, config, _ = network_and_config(source, changes)
    spec = config.resolved_precision()
    if isinstance(spec, str):
        raise InputError(source, "precision", spec, "a fixed-point precision: --set precision=q16")
    return Design(config.name, network, spec, learning_of(config))


def _say(found: Fit, precision: str) -> None:
    from fxsim.hardware.limits import left_out
    rows = [[need.name, str(need.needed), "unknown" if need.limit.value is None else str(need.limit.value),
             f"{need.share:.0%}" if 0 < need.share < float("inf") else "", "" if need.fits else "TOO MUCH",
             f"{need.limit.status}: {need.limit.source}"]
            for need in found.needs]
    click.echo(f"{found.chip}, {precision}, {'learning' if found.learning else 'inference'}")
    click.echo(text_table([["", "needed", "limit", "share", "", "where the limit comes from"], *rows]))
    exceeded = f"{len(found.exceeded)} of {len(found.needs)} limits exceeded" if found.exceeded else f"all {len(found.needs)} limits met"
    cores = f"; some neuron is too large for a core ({found.binding})"
    if found.cores is not None:
        filled = f"{found.cores} {'core' if found.cores == 1 else 'cores'}, " if found.cores else ""
        cores = f"; {filled}bound by {found.binding}"
    click.echo(f"{'fits' if found.fits else 'does not fit'}: {exceeded}{cores}")
    for line in found.advice:
        click.echo(f"  change {line}")
    click.echo(f"not checked: {left_out(found.chip)}\n")

"""The commands ``fxsim export nir`` and ``fxsim import nir``. Like all commands they import what they need."""
from __future__ import annotations

from pathlib import Path

import click

from .cli import export

file = click.Path(path_type=Path)
lossy_ok = click.option("--lossy-ok", is_flag=True, help="Accept that the other side does not see everything; what that is, is said.")


@export.command("nir")
@click.argument("run_dir", type=file)
@click.argument("nir_file", type=file)
@click.option("--weights", type=click.Choice(["final", "initial"]), default="final", show_default=True, help="Which of the run's weights.")
@lossy_ok
def export_nir(run_dir: Path, nir_file: Path, weights: str, lossy_ok: bool) -> None:
    """Write the run RUN_DIR as the NIR graph NIR_FILE: LIF neurons with recurrent weights, and leaky readouts.

    What NIR's nodes cannot say is refused by name. With --lossy-ok it is kept in the graph's metadata: fxsim import nir gets the
    same network back, to the bit; other readers see LIF neurons.
    """
    from .nir import export_nir
    lost = export_nir(run_dir, nir_file, lossy_ok, weights)
    click.echo(f"in metadata only: {', '.join(lost)}")
    click.echo(f"written: {nir_file}")


@click.group("import")
def import_() -> None:
    """Take networks from other systems."""


@import_.command("nir")
@click.argument("nir_file", type=file)
@click.option("--config", "name", help="Task, precision and what else a run needs.  [default: the one that fxsim wrote into the file]")
@click.option("--set", "changes", metavar="KEY=VALUE", multiple=True, help="Change one value of the configuration, e.g. precision=q16.")
@lossy_ok
def import_nir(nir_file: Path, name: str | None, changes: tuple[str, ...], lossy_ok: bool) -> None:
    """Evaluate the network in NIR_FILE on its task's evaluation trials, in any precision (--set precision=q16)."""
    from dataclasses import replace

    from fxsim.config import load_config
    from fxsim.config_io import override

    from .nir import evaluate, import_nir
    imported = import_nir(nir_file, load_config(name) if name is not None else None, lossy_ok)
    imported = replace(imported, config=override(imported.config, changes))
    topo = imported.network.topology
    for changed in imported.changed:
        click.echo(f"differs from the file: {changed}")
    found = ", ".join(f"{key} {value:.6g}" for key, value in evaluate(imported).items() if value is not None)
    click.echo(f"{topo.n} neurons, {sum(topo.synapses(layer).size for layer in ('in', 'rec', 'out'))} synapses, {imported.config.precision}: {found}")

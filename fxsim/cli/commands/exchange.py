"""``fxsim export``, ``import`` and ``network``: what other systems can run, what comes from them, and networks as files and pictures."""
from __future__ import annotations

from pathlib import Path

import click

from fxsim.cli.options import PATH, change, force
from fxsim.errors import InputError

PICTURES = (".png", ".svg", ".pdf")
lossy_ok = click.option("--lossy-ok", is_flag=True, help="Accept that the other side does not see everything; what that is, is said.")


@click.group()
def export() -> None:
    """Turn a run into what other systems can run."""


@export.command("lava")
@click.argument("run_dir", type=PATH)
@click.argument("out_dir", type=PATH)
@click.option("--weights", type=click.Choice(["final", "initial"]), default="final", show_default=True, help="Which of the run's weights.")
@click.option("--stock", is_flag=True, help="For Lava's own processes (LIF, Sparse, RingBuffer), which have chip implementations; inference only.")
@click.option("--engine", is_flag=True, help="For Lava's three-factor learning engine (LearningDense): e-prop on-line, in its integers.")
@click.option("--period", type=int, default=1, show_default=True,
              help="With --engine: steps over which the learning signal is gathered before it is sent, a power of two.")
@click.option("--approximate", is_flag=True, help="With --stock or --engine: drop what those processes cannot express.")
@force
def export_lava(run_dir: Path, out_dir: Path, weights: str, stock: bool, engine: bool, period: int, approximate: bool, force: bool) -> None:
    """Write the fixed-point run RUN_DIR as a package for Lava: weights, topology, formats and a script, self-contained.

    Needs no Lava. The package learns on as the run would have; adam's moments, which no chip holds, start at zero.

    With --stock, what Lava's own processes cannot express is refused by name, or with --approximate left out: adaptive
    threshold, refractory period, subtractive reset (to zero instead), prompt input and readout (a step later each), wide formats.

    With --engine the run needs precision loihi_engine and optimizer sgd; firing-rate regularisation is refused, or with
    --approximate left out.
    """

    from lava_backend.package import package_of_run, save_package
    if stock and engine:
        raise InputError("fxsim export lava", "--engine", "--stock as well", "one of them")
    if period != 1 and not engine:
        raise InputError("fxsim export lava", "--period", period, "1 (it needs --engine)")
    if approximate and not (stock or engine):
        raise InputError("fxsim export lava", "--approximate", "it without --stock or --engine", "one of them: nothing else has to be left out")
    dropped: list[str] = []
    package = package_of_run(run_dir, weights)
    if engine:
        from lava_backend.three_factor.rule import engine_package, without_regularisation
        if approximate:
            package, dropped = without_regularisation(package)
        package = engine_package(package, period)
    if stock:
        from lava_backend.stock.loihi_lif import obstacles
        from lava_backend.stock.package import stock_package
        package, dropped = stock_package(package, approximate), obstacles(package)
    if dropped:
        click.echo(f"dropped: {', '.join(dropped)}")
    save_package(package, out_dir, {"run": str(run_dir), "weights": weights, "dropped": dropped}, force)
    topo = package.network.topology
    synapses = sum(topo.synapses(layer).size for layer in ("in", "rec", "out"))
    click.echo(f"{topo.n} neurons, {synapses} synapses, {package.learning.rule}, {package.spec.name}, {package.updates} updates")
    click.echo(f"written: {out_dir}")


@export.command("nir")
@click.argument("run_dir", type=PATH)
@click.argument("nir_file", type=PATH)
@click.option("--weights", type=click.Choice(["final", "initial"]), default="final", show_default=True, help="Which of the run's weights.")
@lossy_ok
@force
def export_nir(run_dir: Path, nir_file: Path, weights: str, lossy_ok: bool, force: bool) -> None:
    """Write the run RUN_DIR as the NIR graph NIR_FILE: LIF neurons with recurrent weights, and leaky readouts.

    What NIR's nodes cannot say is refused by name. With --lossy-ok it is kept in the graph's metadata: fxsim import nir gets the
    same network back, to the bit; other readers see LIF neurons.
    """
    from lava_backend.nir import export_nir
    lost = export_nir(run_dir, nir_file, lossy_ok, weights, force)
    click.echo(f"in metadata only: {', '.join(lost)}")
    click.echo(f"written: {nir_file}")


@click.group("import")
def import_() -> None:
    """Take networks from other systems."""


@import_.command("nir")
@click.argument("nir_file", type=PATH)
@click.option("--config", "name", help="Task, precision and what else a run needs.  [default: the one that fxsim wrote into the file]")
@change
@lossy_ok
def import_nir(nir_file: Path, name: str | None, changes: tuple[str, ...], lossy_ok: bool) -> None:
    """Evaluate the network in NIR_FILE on its task's evaluation trials, in any precision (--set precision=q16).

    --set changes the task, the precision, and constants of the neurons (--set network.tau_m=10); synapses and weights are the
    file's. What an evaluation does not depend on is refused.
    """
    from fxsim.config import load_config
    from lava_backend.nir import evaluate, import_nir
    imported = import_nir(nir_file, load_config(name) if name is not None else None, lossy_ok, changes)
    topo = imported.network.topology
    for changed in imported.changed:
        click.echo(f"differs from the file: {changed}")
    found = ", ".join(f"{key} {value:.6g}" for key, value in evaluate(imported).items() if value is not None)
    click.echo(f"{topo.n} neurons, {sum(topo.synapses(layer).size for layer in ('in', 'rec', 'out'))} synapses, {imported.config.precision}: {found}")


@click.command()
@click.argument("source")
@change
@click.option("--save", "file", type=PATH, help="Write the network, for network: {from: FILE} in a configuration.")
@click.option("--picture", type=PATH, help="Draw places, fan-in and feedback; the name ends in " + ", ".join(PICTURES) + ".")
@click.option("--weights", type=click.Choice(["final", "initial"]), help="Of a run: which of its weights.  [default: final]")
@force
def network(source: str, changes: tuple[str, ...], file: Path | None, picture: Path | None, weights: str | None, force: bool) -> None:
    """Describe the network of SOURCE, the directory of a finished run or a CONFIG, and save or draw it."""
    from fxsim.config import load_config
    from fxsim.files.ownership import claim_file
    from fxsim.files.writing import make_directory
    from fxsim.model.given.stored import save_network
    from fxsim.report.network_picture import described, save_network_picture
    from fxsim.training.initial import network_of, network_of_run
    if picture and picture.suffix not in PICTURES:
        raise InputError("fxsim network", "--picture", picture.name, "a name that ends in " + " or ".join(PICTURES))
    if Path(source).is_dir():
        if changes:
            raise InputError("fxsim network", "--set", changes[0], "no changes: a run is what it was")
        found = network_of_run(Path(source), weights or "final")[0]
    else:
        if weights:
            raise InputError("fxsim network", "--weights", f"{weights} of a configuration", "nothing: it has the weights that a run begins with")
        found = network_of(load_config(source, changes))
    for path, ours in ((file, _is_network), (picture, _is_picture)):
        if path:
            make_directory(path.parent)
            claim_file(path, ours, force)
    click.echo(described(found))
    if file:
        save_network(found, file)
        click.echo(f"written: {file}")
    if picture:
        save_network_picture(found, Path(source).name, picture.parent, picture.stem, (picture.suffix[1:],))
        click.echo(f"written: {picture}")


def _is_network(content: bytes) -> bool:
    return content.startswith(b"PK") and all(f"{name}.npy".encode() in content for name in ("weight_rec", "pre_rec", "sizes"))


def _is_picture(content: bytes) -> bool:
    return content.startswith((b"\x89PNG", b"%PDF", b"<?xml")) and b"atplotlib" in content

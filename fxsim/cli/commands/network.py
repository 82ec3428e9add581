"""``fxsim network``: what a run's network is, as a file and as a picture."""
from __future__ import annotations

from pathlib import Path

import click

from fxsim.cli.options import PATH, change, force
from fxsim.errors import InputError

PICTURES = (".png", ".svg", ".pdf")


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

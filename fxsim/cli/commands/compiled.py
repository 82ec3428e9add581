"""``fxsim build`` and ``fxsim cache``: kernels that are compiled before they are needed, and what is kept of all."""
from __future__ import annotations

import time

import click

from fxsim.cli.options import change, configs, jobs
from fxsim.cli.tables import text_table
from fxsim.errors import InputError

DAY = 86400.0


@click.command()
@configs
@change
@jobs("Processes that compile")
def build(configs: tuple[str, ...], changes: tuple[str, ...], jobs: int) -> None:
    """Compile the kernels of configurations into the cache, for a container image or the nodes of a cluster.

    Without CONFIG: of every shipped configuration in every shipped precision that learns, in float32 and in float64. A later run on a processor
    of the same kind then compiles nothing; formats that are no preset's share a kernel, which a run in such formats compiles once.
    """
    from fxsim.config import load_config
    from fxsim.config.io import config_names
    from fxsim.files.cache import VARIABLE, cache as of_process
    from fxsim.study.jobs import compile_all
    from fxsim.training.interrupts import interruptible
    from quant import FLOATS, load_spec, preset_names
    if not of_process().writable():
        raise InputError("fxsim build", VARIABLE, of_process().directory or "no directory", "a directory that can be written")
    if configs:
        chosen = [load_config(name, changes) for name in configs]
    else:
        learning = [name for name in preset_names() if load_spec(name).learns]
        chosen = [load_config(name, [*changes, f"precision={precision}"]) for precision in (*learning, *FLOATS) for name in config_names()]
    start, count = time.perf_counter(), 0
    with interruptible() as interrupts:
        for config, kernels in compile_all(chosen, jobs, interrupts):
            count += kernels
            click.echo(f"{time.perf_counter() - start:6.0f} s  {config.name}, {config.precision}: {kernels}")
    click.echo(f"{count} kernels in {of_process().directory}")


@click.command()
@click.option("--clear", is_flag=True, help="Remove what is there. It is compiled again when it is needed.")
@click.option("--older", type=click.FloatRange(min=0), metavar="DAYS", help="With --clear: only what was compiled so long ago.")
def cache(clear: bool, older: float | None) -> None:
    """Show what is kept of compiled kernels: entries, size and age.

    FXSIM_CACHE_DIR names another directory; several machines and processes can share one.
    """
    from fxsim.files.cache import KINDS, VARIABLE, cache as of_process
    if older is not None and not clear:
        raise InputError("fxsim cache", "--older", f"{older:g} without --clear", "both of them")
    kept = of_process()
    click.echo(f"cache: {kept.directory or f'none that can be used ({VARIABLE} names one)'}")
    if clear:
        gone = kept.clear(DAY * (older or 0.0))
        click.echo(f"removed: {len(gone)} entries, {sum(entry.size for entry in gone) / 2**20:.1f} MiB")
    rows = [["what", "entries", "MiB", "days old"]]
    for kind in KINDS.values():
        found = [entry for entry in kept.entries() if entry.kind == kind]
        if found:
            ages = f"{found[-1].age / DAY:.1f} to {found[0].age / DAY:.1f}"
            rows.append([kind, str(len(found)), f"{sum(entry.size for entry in found) / 2**20:.1f}", ages])
    click.echo(text_table(rows) if rows[1:] else "nothing in it")

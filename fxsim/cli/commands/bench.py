"""``fxsim bench``: speed, measured and modelled."""
from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Callable

import click

from fxsim.cli.options import PATH, force, out, threads
from fxsim.cli.tables import text_table
from fxsim.errors import InputError

task = click.option("--task", help="One task only.")
rule = click.option("--rule", help="One rule only.")
precision = click.option("--precision", help="One precision only.")


@click.group()
def bench() -> None:
    """Time training iterations at the paper's size, and say where their time goes."""


@bench.command()
@click.option("--task", help="One task only, or shd_like: 700 inputs, 256 ALIF neurons all to all, 20 readouts, 512 trials of 1370 steps.")
@rule
@precision
@click.option("--engine", help="One engine only: cpu, cuda, oracle or reference.")
@threads("Threads; 0: all cores.")
@click.option("--json", "file", type=PATH, help="Also write the rows to FILE.")
@force
def iteration(task: str | None, rule: str | None, precision: str | None, engine: str | None, threads: int, file: Path | None, force: bool) -> None:
    """Seconds of a training iteration, for each task, rule, precision and engine.

    Synapse updates are counted densely: every synapse, in every step of every trial.
    """
    from fxsim.bench.iteration import COLUMNS, bench as measure, default_rows
    from fxsim.bench.shd_like import NAME as SHD_LIKE
    from fxsim.files.ownership import claim_file, json_with
    from fxsim.files.writing import make_directory, write_json
    from fxsim.training.runs import machine
    if rule == "bptt" and engine not in (None, "cpu", "reference"):
        raise InputError("bench", "--engine", f"{engine} with rule bptt", "cpu or reference")
    if threads and engine not in (None, "cpu"):
        raise InputError("bench", "--threads", f"{threads} with engine {engine}", "no threads: they are the CPU engine's")
    rows = default_rows(task, rule, precision, engine)
    if file:
        make_directory(file.parent)
        claim_file(file, json_with("rows", "machine"), force)
    rows = measure(rows, threads, _show_row(COLUMNS))
    _table(COLUMNS, rows)
    if file:
        write_json(file, {"rows": rows, "machine": machine()})
    if engine == "cuda" and task != SHD_LIKE:
        from fxsim.bench.cuda_bench import model_rows, model_table
        click.echo(f"\nthe model, for comparison:\n{text_table(model_table(model_rows(task, precision)))}")


@bench.command()
@task
@rule
@precision
@threads("Threads; 0: all cores.")
def twins(task: str | None, rule: str | None, precision: str | None, threads: int) -> None:
    """Fixed point against float32 on the CPU engine, iterations of both in turns."""
    from fxsim.bench.twins import COLUMNS, twins as measure
    _table(COLUMNS, measure(task, rule, precision, threads, _show_row(COLUMNS)))


@bench.command()
@task
def profile(task: str | None) -> None:
    """Where the CPU engine's time goes, against the machine's SIMD throughput."""
    from fxsim.bench.cpu_profile import table
    from fxsim.bench.iteration import TASKS
    click.echo(text_table(table((task,) if task else TASKS)))


@bench.command()
@out("Directory of a report.")
@force
def scaling(out: Path | None, force: bool) -> None:
    """Time and memory of larger networks and batches."""
    from fxsim.bench.scaling import measure, write_report
    from fxsim.files.ownership import claim_directory, has_json
    if out:
        claim_directory(out, ("README.md", "scaling.json", "scaling.png", "scaling.svg"), has_json("scaling.json", "rows"), force)
    rows = measure(lambda row: click.echo(json.dumps(row)))
    if out:
        click.echo(f"written: {write_report(out, rows)}")


@bench.command()
@task
@precision
@threads("Threads; 0: all cores.")
@click.option("--updates", type=click.IntRange(min=1), default=400, show_default=True, help="Updates of the run.")
def run(task: str | None, precision: str | None, threads: int, updates: int) -> None:
    """A whole run, evaluations, telemetry and files included, against its updates alone."""
    from fxsim.bench.whole_run import COLUMNS, whole_runs
    _table(COLUMNS, whole_runs(task, precision, threads, updates, _show_row(COLUMNS)))


@bench.command()
@click.option("--gib", type=click.FloatRange(min=0.001), default=4.0, show_default=True, help="Size of each file.")
@click.option("--kind", "kinds", multiple=True, help="events.npz, dense.npz or events.h5.  [default: all three; repeatable]")
@out("Where the files are written, and removed.  [default: the system's temporary directory]")
@threads("Threads; 0: all cores.")
def data(gib: float, kinds: tuple[str, ...], out: Path | None, threads: int) -> None:
    """Files larger than memory: seconds of their check, of reading a batch and of learning from it, and memory."""
    from fxsim.bench.large_file import COLUMNS, KINDS, large_files
    from fxsim.files.writing import make_directory
    for kind in kinds:
        if kind not in KINDS:
            raise InputError("bench data", "--kind", kind, ", ".join(KINDS))
    _table(COLUMNS, large_files(gib, kinds or KINDS, str(make_directory(out)) if out else None, threads, _show_row(COLUMNS)))


@bench.command()
def latency() -> None:
    """Seconds of import, and to the first iteration, with compiled kernels."""
    from fxsim.bench.latency import measure
    click.echo(text_table([["what", "seconds"], *([what, f"{seconds:.2f}"] for what, seconds in measure().items())]))


@bench.command()
@task
@precision
def plan(task: str | None, precision: str | None) -> None:
    """CUDA, no GPU needed: where state lives, registers, trials per multiprocessor."""
    from fxsim.bench.cuda_bench import plan_table
    click.echo(text_table(plan_table(task, precision)))


@bench.command()
@task
@precision
def compile(task: str | None, precision: str | None) -> None:
    """CUDA, no GPU needed: every kernel through the assembler; registers and spills."""
    from fxsim.bench.cuda_bench import compile_table
    click.echo(text_table(compile_table(task, precision)))


@bench.command()
@task
@precision
@out("Directory of a report.")
@force
def model(task: str | None, precision: str | None, out: Path | None, force: bool) -> None:
    """CUDA, no GPU needed: modelled seconds."""
    from fxsim.bench.cuda_bench import model_rows, model_table, write_model
    from fxsim.files.ownership import claim_directory, has_json
    if out:
        claim_directory(out, ("README.md", "model.json"), has_json("model.json", "rows"), force)
    rows = model_rows(task, precision)
    click.echo(text_table(model_table(rows)))
    if out:
        click.echo(f"written: {write_model(out, rows)}")


def _show_row(columns: tuple[str, ...]) -> Callable[[dict[str, Any]], None]:
    start = time.perf_counter()
    return lambda row: click.echo(f"{time.perf_counter() - start:6.0f} s  {' '.join(str(row[column]) for column in columns[:4])}", err=True)


def _table(columns: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    click.echo(text_table([[c.replace("_", " ") for c in columns],
                           *([f"{row[c]:.3g}" if isinstance(row[c], float) else str(row[c]) for c in columns] for row in rows)]))

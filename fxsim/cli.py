"""The command line. Commands import what they need, so that ``fxsim --help`` is quick.

Refused input (InputError) is one line on stderr and exit status 2; a check that fails is exit status 1; a command that SIGINT
or SIGTERM ends is one line and exit status 130 or 143.
"""
from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Callable, Iterable

import click

from lava_backend.cli import export, lava      # needs no Lava
from lava_backend.nir_cli import import_

from . import __version__
from .errors import InputError
from .interrupts import Interrupted


class Main(click.Group):
    """Ends refused input and interrupted commands in one line."""

    def invoke(self, ctx: click.Context):
        try:
            return super().invoke(ctx)
        except InputError as error:
            click.echo(str(error), err=True)
            ctx.exit(2)
        except Interrupted as interrupted:
            again = "fxsim train --resume" if ctx.invoked_subcommand == "train" else "the same command"
            click.echo(f"interrupted by {interrupted}; {again} goes on from the last checkpoint", err=True)
            ctx.exit(interrupted.status)


class Items(click.ParamType):
    """A comma-separated list."""

    name = "a,b,..."

    def __init__(self, kind=str):
        self.kind = kind

    def convert(self, value, param, ctx):
        if isinstance(value, list):
            return value
        try:
            return [self.kind(part.strip()) for part in value.split(",") if part.strip()]
        except ValueError:
            self.fail(f"{value!r} is not a comma-separated list of {self.kind.__name__}", param, ctx)


change = click.option("--set", "changes", metavar="KEY=VALUE", multiple=True, help="Change one value of the configuration, e.g. learning.rule=eprop.")


@click.group(cls=Main, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fxsim")
def main() -> None:
    """Train recurrent spiking networks with e-prop and diffusing neuromodulators in float and in fixed point.

    CONFIG is the path of a YAML file or a shipped name: pattern_generation, delayed_match, cue_accumulation.
    """


@main.command()
@click.argument("config")
@change
@click.option("--seed", type=int, help="Seed of the run.")
@click.option("--out", type=click.Path(path_type=Path), help="Directory of the run.  [default: runs/NAME-RULE-PRECISION-sSEED]")
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint in the directory, or start if there is none.")
def train(config: str, changes: tuple[str, ...], seed: int | None, out: Path | None, resume: bool) -> None:
    """Train one network and write its run directory.

    Checkpoints are written every checkpoint.every iterations, on SIGINT and SIGTERM (exit status 130 and 143), and at the
    end. With --resume the run goes on to the same bits as one that was never interrupted. The configuration must be the
    same, except for threads, checkpoint.every, more iterations (of a finished run, too), and in fixed point the engine.

    Without --resume a directory that holds an unfinished run with checkpoints is refused, so that none is lost by
    mistake; a finished run of the same configuration is run again.
    """
    from . import train as run_training
    from .config import load_config
    from .progress import describe, terminal_progress
    from .runs import default_directory
    settings = load_config(config, [*changes, *([f"seed={seed}"] if seed is not None else [])])
    out = out or Path("runs") / default_directory(settings)
    if settings.engine == "auto" and settings.learning.rule != "bptt":
        from .engine import choose_engine
        click.echo("engine: {} ({})".format(*choose_engine()))
    result = run_training(settings, out, terminal_progress(settings.iterations), resume)
    last = [row for row in result.curves if row["split"] == "eval"][-1]
    click.echo(f"{'stopped' if result.stopped else 'done'} after {last['iteration']} iterations: {describe(last)}")
    click.echo(f"written: {out}")


@main.command()
@click.argument("config")
@click.option("--rules", type=Items(), default="eprop,diffusion", show_default=True)
@click.option("--precisions", type=Items(), default="float32,q16,w8s16", show_default=True)
@click.option("--seeds", type=Items(int), default="0,1,2", show_default=True)
@click.option("--iterations", type=int, help="Iterations of every run.  [default: the configuration's]")
@change
@click.option("--jobs", type=click.IntRange(min=0), default=0, help="Runs at a time; 0: as many as cores.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Directory of the comparison.")
def compare(config: str, rules: list, precisions: list, seeds: list, iterations: int | None, changes: tuple[str, ...], jobs: int, out: Path) -> None:
    """Train every rule x precision x seed from the same weights and trials, then write the report.

    Finished runs in the directory are not repeated; interrupted ones, and ones with fewer iterations, go on from their last checkpoint.
    """
    from .comparison import compare as run_comparison
    from .config import load_config
    settings = load_config(config, [*changes, *([f"iterations={iterations}"] if iterations is not None else [])])
    click.echo(f"report: {run_comparison([settings], rules, precisions, seeds, out, jobs, click.echo)}")


@main.command()
@click.argument("study", type=click.Path(path_type=Path))
@click.option("--jobs", type=click.IntRange(min=0), default=0, help="Runs at a time; 0: as many as cores.")
@click.option("--threads", type=click.IntRange(min=0), default=0, help="Threads of each run; 0: its share of the cores, or 1 on a cluster.")
@click.option("--scheduler", default="", metavar="ADDRESS", help="Train on the workers of this Dask scheduler, tcp://HOST:PORT.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Directory of the sweep.")
def sweep(study: Path, jobs: int, threads: int, scheduler: str, out: Path) -> None:
    """Make every run of a STUDY (a YAML file, see fxsim/study.py), then its tables.

    Finished runs in the directory are not repeated; interrupted ones go on from their last checkpoint. Exit status 1 if a run failed.
    """
    from .jobs import Workers
    from .progress import terminal_sweep_progress
    from .sweep import sweep as run_sweep
    failures = run_sweep(study, out, Workers(jobs, threads, scheduler), terminal_sweep_progress())
    click.echo(f"written: {out}" + (f"; {len(failures)} runs failed, see failure.txt in their directories" if failures else ""))
    sys.exit(1 if failures else 0)


@main.command()
@click.argument("config")
@change
@click.option("--word-bits", type=int, default=16, show_default=True, help="Word length of weights, states, signals and coefficients.")
@click.option("--accumulator-bits", type=int, default=31, show_default=True, help="Word length of sums over a trial.")
@click.option("--headroom", type=click.IntRange(min=0), default=1, show_default=True, help="Bits of range beyond what was observed.")
@click.option("--preset", default="q16", show_default=True, help="Where signs, roundings and ranges that do not occur come from.")
@click.option("--minimise", "fewest", is_flag=True, help="Search the fewest bits of each quantity instead, from the configuration's precision.")
@click.option("--margin", type=click.FloatRange(min=0), default=0.05, show_default=True, help="With --minimise: loss against float32 allowed.")
@click.option("--seeds", type=Items(int), default="0,1,2", show_default=True, help="With --minimise: paired runs of each word length.")
@click.option("--quantities", type=Items(), default="", help="With --minimise: only these.  [default: all]")
@click.option("--jobs", type=click.IntRange(min=0), default=0, help="With --minimise: runs at a time; 0: as many as cores.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Precision YAML to write; with --minimise the directory of the search.")
@click.pass_context
def calibrate(context: click.Context, config: str, changes: tuple[str, ...], word_bits: int, accumulator_bits: int, headroom: int, preset: str,
              fewest: bool, margin: float, seeds: list, quantities: list, jobs: int, out: Path) -> None:
    """Find formats: ranges that a float32 training needs at a word length, or the fewest word bits that learn as well as float32."""
    from .config import load_config
    settings = load_config(config, changes)
    only = ("margin", "seeds", "quantities", "jobs") if not fewest else ("word_bits", "accumulator_bits", "headroom", "preset")
    for name in only:
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            raise InputError("calibrate", f"--{name.replace('_', '-')}", f"it {'with' if fewest else 'without'} --minimise", "leave one of them out")
    if fewest:
        _minimise(settings, seeds, margin, quantities, jobs, out)
        return
    import yaml

    from .calibration import calibrate as run_calibration
    from .files import make_directory, write_atomic
    from .progress import terminal_progress
    make_directory(out.parent)
    spec, fitted = run_calibration(settings, word_bits, accumulator_bits, headroom, preset, terminal_progress(settings.iterations))
    write_atomic(out, yaml.safe_dump(spec.to_dict(), sort_keys=False).encode())
    click.echo(text_table([["quantity", "largest observed", "format", "its largest"],
                           *([f.quantity, "-" if f.largest is None else f"{f.largest:.4g}", str(f.format), f"{f.format.max:.4g}"]
                             for f in fitted)]))
    click.echo(f"written: {out}")


def _minimise(settings, seeds: list, margin: float, quantities: list, jobs: int, out: Path) -> None:
    from .jobs import Workers
    from .minimise import TOGETHER, minimise
    from .progress import terminal_sweep_progress
    before = settings.resolved_precision()
    spec, decided = minimise(settings, seeds, margin, out, Workers(jobs), terminal_sweep_progress(), click.echo, quantities)
    rows = [[name, str(fmt.word_bits), str(decided[name].word_bits) if name in decided else "", str(spec[name].word_bits),
             f"{decided[name].difference:+.4f} +- {decided[name].standard_error:.4f}" if name in decided else ""]
            for name, fmt in before.formats.items() if not quantities or name in quantities]
    click.echo(text_table([["quantity", "bits", "enough alone", "enough together", "alone, against float32"], *rows]))
    together = decided[TOGETHER]
    click.echo(f"{TOGETHER}: {together.difference:+.4f} +- {together.standard_error:.4f} against float32, margin {margin}, seeds {seeds}")
    click.echo(f"written: {out}")


@main.command()
@click.option("--out", type=click.Path(path_type=Path), default="reports/demo", show_default=True)
@click.option("--jobs", type=click.IntRange(min=0), default=0, help="Runs at a time; 0: as many as cores.")
def demo(out: Path, jobs: int) -> None:
    """Compare e-prop and diffusion in four precisions on two tasks, small enough for ten minutes on two cores.

    If it is interrupted, the same command goes on from the last checkpoints.
    """
    from .demo import run_demo
    click.echo(f"report: {run_demo(out, jobs, click.echo)}")


@main.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--published", type=click.Path(path_type=Path), help="Directory with the paper authors' curves (TASK.csv), drawn as a band.")
def report(directory: Path, published: Path | None) -> None:
    """Write the report of a comparison or a sweep from its tables.

    What a sweep's page draws stands under ``figures`` in its study.yaml.
    """
    from .report import build_report
    click.echo(f"report: {build_report(directory, published)}")


def initials(names: Iterable[str]) -> dict[str, str]:
    """A letter for each name: the initial of its last word, or of an earlier one if another name has that."""
    found: dict[str, str] = {}
    for name in names:
        letters = (word[0].upper() for word in reversed(name.split("_")))
        found[name] = next((letter for letter in letters if letter not in found.values()), name)
    return found


@main.command()
def presets() -> None:
    """List the shipped precisions with the format of every quantity."""
    from quant import QUANTITIES, SHADOWS, load_spec, preset_names
    from quant.rounding import ROUNDINGS
    specs = [load_spec(name) for name in preset_names()]
    for spec in specs:
        click.echo(f"{spec.name:<13} {spec.description}")
    letter = initials(ROUNDINGS)
    click.echo("\ns16.11 = signed, 16 bits, 11 of them fraction; then the rounding. " + ", ".join(f"{x}: {name}" for name, x in letter.items())
               + "; w: wraps instead of saturating\n")
    rows = [["quantity", *(spec.name for spec in specs)]]
    for name in (*QUANTITIES, *SHADOWS):
        formats = [spec.formats.get(name) for spec in specs]
        if any(formats):
            rows.append([name, *("-" if f is None else f"{'s' if f.signed else 'u'}{f.word_bits}.{f.frac_bits} {letter[f.rounding]}"
                                 f"{'w' if f.overflow == 'wrap' else ''}" for f in formats)])
    click.echo(text_table(rows))
    click.echo("\nfloat32 and float64 are precisions, too; a path of a YAML file is one of your own.")


@main.command()
@click.argument("config")
@change
@click.option("--precisions", type=Items(), default="float32,q24,q16,w8s16,w4s8,loihi2", show_default=True)
def cost(config: str, changes: tuple[str, ...], precisions: list) -> None:
    """Bits of memory and integer operations per step that CONFIG's network needs in each precision.

    One trial; the work of a chip, not of this simulator. Operations count additions, products, shifts, comparisons, by the word that
    holds their result. Not counted: the delivery of spikes (an addition per spike and synapse) and softmax.
    """
    from .config import load_config
    from .cost import tables
    memory, operations = tables(load_config(config, changes), precisions)
    click.echo(f"{text_table(memory)}\n\n{text_table(operations)}")


@main.group()
def verify() -> None:
    """Check exactness; exit status 1 if a check fails."""


@verify.command()
@click.argument("files", nargs=-1, required=True)
def golden(files: tuple[str, ...]) -> None:
    """Hold the PyTorch reference and the float64 twin against golden FILES."""
    from .verify.golden import golden_table, verify_golden
    rows = verify_golden(files)
    click.echo(golden_table(rows))
    failed = sum(not row.ok for row in rows)
    click.echo(f"{len(rows)} quantities, {failed} beyond tolerance")
    sys.exit(1 if failed else 0)


@verify.command()
@click.option("--cases", type=int, default=20, show_default=True, help="Random networks.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--engines", type=Items(), default="oracle,cpu", show_default=True)
@click.option("--jobs", type=click.IntRange(min=0), default=0, help="Processes that share the work; 0: as many as cores.")
def backends(cases: int, seed: int, engines: list, jobs: int) -> None:
    """Hold engines against the oracle, bit for bit, on random networks and formats.

    Without a GPU the engine cuda runs in Numba's CUDA simulator, on a few short trials of each network.
    """
    if "cuda" in engines:
        from .engine.device import driver_found, use_simulator
        if not driver_found():
            use_simulator()
            click.echo("cuda: no GPU here, its kernels run in Numba's CUDA simulator")
    from .verify.backends import verify_backends

    def show(report) -> None:
        click.echo(f"{report.number:4d}  {report.engine}  {report.formats}  {report.case}  {report.difference or 'equal'}")

    reports = verify_backends(cases, seed, engines, show, jobs or os.cpu_count() or 1)
    failed = [report for report in reports if report.difference]
    click.echo(f"{len(reports)} cases, {len(failed)} differ" + (f"; first: {failed[0].difference}" if failed else ""))
    sys.exit(1 if failed else 0)


@verify.command()
@click.option("--cases", type=click.IntRange(min=1), default=40, show_default=True, help="Random networks.")
@click.option("--jobs", type=click.IntRange(min=0), default=0, help="Processes that share the checks; 0: as many as cores.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("reports/gpu"), show_default=True, help="Directory of the report.")
def gpu(cases: int, jobs: int, out: Path) -> None:
    """Check and time the CUDA engine on this machine's GPU, and write a report.

    Random and paper-size networks against the oracle, a training against the CPU engine's, seconds of kernels beside the model. Minutes.
    """
    from .engine.device import find_device
    limits, start = find_device(), time.perf_counter()
    from .verify.card.report import check_table, timing_table, write_report
    from .verify.card.run import verify_card

    def show(check) -> None:
        click.echo(f"{time.perf_counter() - start:6.1f} s  {check.name}  {check.detail}  {check.difference or 'equal'}")

    def show_time(timing) -> None:
        click.echo(f"{time.perf_counter() - start:6.1f} s  {timing.task}, {timing.precision}, batch {timing.batch}: {timing.kernel:.4g} s, "
                   f"{timing.ratio:.2f} of the model")

    checks, timings = verify_card(cases, jobs or os.cpu_count() or 1, show, show_time)
    click.echo("\n" + text_table(check_table(checks)) + "\n\n" + text_table(timing_table(timings)))
    click.echo(f"written: {write_report(out, limits, checks, timings, time.perf_counter() - start)}")
    sys.exit(1 if any(check.difference for check in checks) else 0)


@verify.command()
def convergence() -> None:
    """Show that fixed point goes to float64 as fraction bits grow."""
    from .verify.convergence import NEEDED_FACTOR, verify_convergence
    found = verify_convergence()
    click.echo(text_table([["membrane frac bits", "networks without a flipped spike", "flipped spikes", *found.factor],
                           *([str(row.membrane_frac_bits), f"{row.networks} of {row.total}", str(row.flipped_spikes),
                              *(f"{getattr(row, quantity):.2e}" for quantity in found.factor)] for row in found.rows)]))
    factors = ", ".join(f"{quantity} {factor:.2f}" for quantity, factor in found.factor.items())
    click.echo(f"error falls per bit by a factor of: {factors} (needed: {NEEDED_FACTOR}): {'ok' if found.ok else 'FAIL'}")
    sys.exit(0 if found.ok else 1)


@main.command()
@click.option("--task", type=str, help="One task only.")
@click.option("--rule", type=str, help="One rule only.")
@click.option("--precision", type=str, help="One precision only.")
@click.option("--engine", type=str, help="One engine only: cpu, cuda, oracle or reference.")
@click.option("--threads", type=click.IntRange(min=0), default=0, help="Threads; 0: all cores.")
@click.option("--json", "file", type=click.Path(path_type=Path, dir_okay=False), help="Also write the rows to FILE.")
@click.option("--plan", "about", flag_value="plan", help="CUDA, no GPU needed: where state lives, registers, trials per multiprocessor.")
@click.option("--compile", "about", flag_value="compile", help="CUDA, no GPU needed: compile every kernel; registers and spills.")
@click.option("--model", "about", flag_value="model", help="CUDA, no GPU needed: modelled seconds; with --out written as a report.")
@click.option("--scaling", "about", flag_value="scaling", help="Time and memory of larger networks and batches; with --out written as a report.")
@click.option("--latency", "about", flag_value="latency", help="Seconds of import, and to the first iteration, with compiled kernels.")
@click.option("--profile", "about", flag_value="profile", help="Where the CPU engine's time goes, against the machine's SIMD throughput.")
@click.option("--twins", "about", flag_value="twins", help="Fixed point against float32 on the CPU engine, iterations of both in turns.")
@click.option("--out", type=click.Path(path_type=Path), help="Directory of the report of --model or --scaling.")
def bench(task, rule, precision, engine, threads: int, file: Path | None, about: str | None, out: Path | None) -> None:
    """Time training iterations at the paper's size."""
    given = {"--task": task, "--rule": rule, "--precision": precision, "--engine": engine, "--threads": threads, "--json": file, "--out": out}
    taken = BENCH_OPTIONS.get(about, set(given) - {"--out"})
    unused = [option for option, value in given.items() if value and option not in taken]
    if unused:
        from .errors import InputError
        allowed = f"{', '.join(sorted(taken)) or 'no options'} with --{about}" if about else "only with --model or --scaling"
        raise InputError("bench", unused[0], given[unused[0]], allowed)
    if about == "profile":
        from .bench import TASKS
        from .cpu_profile import table
        click.echo(text_table(table((task,) if task else TASKS)))
        return
    if about == "twins":
        from .twins import COLUMNS as columns
        from .twins import twins
        _bench_table(columns, twins(task, rule, precision, threads, _show_row(columns)))
        return
    if about in ("scaling", "latency"):
        (_scaling if about == "scaling" else _latency)(out)
        return
    if about:
        _cuda_tables(about, task, precision, out)
        return
    from .bench import COLUMNS, default_rows
    from .bench import bench as measure
    from .runs import machine, make_directory, write_json
    rows = default_rows(task, rule, precision, engine)
    if file:
        make_directory(file.parent)
    rows = measure(rows, threads, _show_row(COLUMNS))
    _bench_table(COLUMNS, rows)
    if file:
        write_json(file, {"rows": rows, "machine": machine()})
    if engine == "cuda":
        click.echo("\nthe model, for comparison:")
        _cuda_tables("model", task, precision, None)


def _show_row(columns: tuple[str, ...]) -> Callable[[dict], None]:
    start = time.perf_counter()
    return lambda row: click.echo(f"{time.perf_counter() - start:6.0f} s  {' '.join(str(row[column]) for column in columns[:4])}", err=True)


def _bench_table(columns: tuple[str, ...], rows: list[dict]) -> None:
    click.echo(text_table([[c.replace("_", " ") for c in columns],
                           *([f"{row[c]:.3g}" if isinstance(row[c], float) else str(row[c]) for c in columns] for row in rows)]))


BENCH_OPTIONS: dict[str | None, set[str]] = {
    "profile": {"--task"}, "twins": {"--task", "--rule", "--precision", "--threads"},
    "latency": set(), "scaling": {"--out"}, "model": {"--task", "--precision", "--out"},
    "plan": {"--task", "--precision"}, "compile": {"--task", "--precision"}}
"""What the reports of ``fxsim bench`` take; the timing itself takes all but --out."""


def _scaling(out: Path | None) -> None:
    from .scaling import measure, write_report
    rows = measure(lambda row: click.echo(json.dumps(row)))
    if out:
        click.echo(f"written: {write_report(out, rows)}")


def _latency(out: Path | None) -> None:
    from .latency import measure
    click.echo(text_table([["what", "seconds"], *([what, f"{seconds:.2f}"] for what, seconds in measure().items())]))


def _cuda_tables(about: str, task: str | None, precision: str | None, out: Path | None) -> None:
    from .cuda_bench import compile_table, model_rows, model_table, plan_table, write_model
    if about != "model":
        click.echo(text_table({"plan": plan_table, "compile": compile_table}[about](task, precision)))
        return
    rows = model_rows(task, precision)
    click.echo(text_table(model_table(rows)))
    if out:
        click.echo(f"written: {write_model(out, rows)}")


main.add_command(export)
main.add_command(import_)
main.add_command(lava)


def text_table(rows: list[list[str]]) -> str:
    """Rows of cells, aligned; plain text at any terminal width."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)

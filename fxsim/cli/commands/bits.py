"""``fxsim align``, ``ranges``, ``sensitivity``, ``allocate``: what formats and rules do to gradients, and which formats to take."""
from __future__ import annotations

import sys
from pathlib import Path

import click

from fxsim.cli.kept import keep
from fxsim.cli.options import PATH, Items, change, config, force, jobs, out, refuse_changes
from fxsim.cli.tables import cells, text_table

SHOWN = ("iteration", "gradient", "numbers", "reference", "way", "batches", "cosine", "cosine_low", "cosine_high", "angle", "ratio", "signs", "bias")
POINTS = ("point", "bits", "cosine_predicted", "cosine", "memory_bytes", "energy_low_pJ", "energy_high_pJ")


@click.command()
@click.argument("source", metavar="RUN|CONFIG")
@change
@click.option("--rules", type=Items(), default="eprop,diffusion,shuffled_fixed,shuffled_per_step", show_default=True)
@click.option("--precisions", type=Items(), default="float32,q16,w8s16,loihi2", show_default=True, help="Beside float64.")
@click.option("--every", type=click.IntRange(min=1), default=50, show_default=True, help="Of a CONFIG: updates between measurements.")
@click.option("--batches", type=Items(int), default="1", show_default=True, help="Training batches of a mean gradient.")
@click.option("--driven", is_flag=True, help="Each precision also with the spikes of its float64 twin: what is lost in learning alone.")
@click.option("--floor", type=click.FloatRange(0, 1), default=1e-6, show_default=True, help="float64 also with weights moved by this share.")
@click.option("--config", "name", help="Task and network, for weights without a configuration of their own.")
@out("Directory of table and page.  [default: none are written]")
@force
def align(source: str, changes: tuple[str, ...], rules: list, precisions: list, every: int, batches: list, driven: bool, floor: float,
          name: str | None, out: Path | None, force: bool) -> None:
    """Hold the gradients of rules and precisions against BPTT's and against float64's, at the same weights and trials.

    A CONFIG is trained, and measured on the way. Of a RUN directory its first and its last weights are taken, of a file of weights these.
    What is printed is of all weights as one vector; layers are in the table that --out writes. docs/alignment.md says what answers which question.
    """
    from fxsim.config import load_config
    from fxsim.study.formats.align import align as run_alignment, save
    from fxsim.training.alignment.rows import ALL
    from fxsim.training.progress import terminal_progress
    refuse_changes(changes, {"evaluation.alignment": "the options of this command"})
    found = run_alignment(source, rules, precisions, every, batches, driven, floor, changes, load_config(name) if name is not None else None,
                          terminal_progress)
    click.echo(text_table(cells([{column: row[column] for column in SHOWN} for row in found.rows if row["layer"] == ALL])))
    keep(save, found, out, source, changes, force)


@click.command()
@click.argument("source", metavar="RUN|CONFIG")
@change
@click.option("--precisions", type=Items(), default="q16,w8s16,loihi2", show_default=True, help="Beside float32.")
@click.option("--trials", type=click.IntRange(min=1), default=4, show_default=True, help="Evaluation trials; they hold millions of values.")
@click.option("--config", "name", help="Task and network, for weights without a configuration of their own.")
@out("Directory of tables and page.  [default: none are written]")
@force
def ranges(source: str, changes: tuple[str, ...], precisions: list, trials: int, name: str | None, out: Path | None, force: bool) -> None:
    """Show which magnitudes each quantity takes, in float32 and as stored, beside what its format can hold.

    A CONFIG is trained in float32, and looked at on the way. Of a RUN directory its first and its last weights are taken, of a file of weights these.
    smallest, largest, last_bit, end: powers of two, in the simulator's scaled units. spare: bits at the top that no value of float32 needed;
    below: share of float32's values that are less than the last bit.
    """
    from fxsim.config import load_config
    from fxsim.study.formats.ranges import ranges as run_ranges, save
    from fxsim.training.progress import terminal_progress
    found = run_ranges(source, precisions, trials, changes, load_config(name) if name is not None else None, terminal_progress)
    click.echo(text_table(cells(found.summary)))
    keep(save, found, out, source, changes, force)


@click.command()
@config
@change
@click.option("--base", default="q24", show_default=True, help="Precision of all quantities but the one that is looked at.")
@click.option("--rules", type=Items(), default="eprop,diffusion", show_default=True)
@click.option("--seeds", type=Items(int), default="1", show_default=True)
@click.option("--bits", type=Items(int), default=",".join(map(str, range(2, 17))), show_default=True, help="Word lengths; fewer bits keep the range.")
@click.option("--roundings", type=Items(), default="floor,toward_zero,nearest_even,nearest_up,stochastic", show_default=True)
@click.option("--quantities", type=Items(), default="", help="Only these.  [default: all that a rule uses]")
@click.option("--ways", type=Items(), default="run,driven", show_default=True, help="As the network runs; driven by its float64 twin's spikes.")
@click.option("--trials", type=click.IntRange(min=1), help="Of a batch, of which gradients are.  [default: all]")
@jobs("Processes")
@out("Directory of tables and page.", required=True)
def sensitivity(config: str, changes: tuple[str, ...], base: str, rules: list, seeds: list, bits: list, roundings: list, quantities: list, ways: list,
                trials: int | None, jobs: int, out: Path) -> None:
    """Find how many bits each quantity needs: one at a time in every word length and rounding, its gradients against float64's.

    CONFIG is trained in float32; gradients are of its weights at the start, the middle and the end. What is measured is not repeated: an interrupted
    sensitivity goes on with the same command, also with more rules, seeds or quantities.
    """
    from fxsim.config import load_config
    from fxsim.report.build import build_report
    from fxsim.study.formats.sensitivity import sensitivity as run_sensitivity
    from fxsim.study.jobs import Workers
    from fxsim.training.progress import terminal_sweep_progress
    refuse_changes(changes, {"precision": "--base", "learning.rule": "--rules", "seed": "--seeds"})
    settings = load_config(config, [f"precision={base}", *changes])
    run_sensitivity(settings, out, rules, seeds, bits, roundings, quantities, ways, Workers(jobs), terminal_sweep_progress(), trials or 0)
    click.echo(f"report: {build_report(out)}")


@click.command()
@config
@change
@click.option("--loss", type=float, help="Goal: the fewest bits that lose less than this, of accuracy (0.02: 2 points) or nMSE.")
@click.option("--memory", type=float, help="Goal: the least noise within so many bytes of the network.")
@click.option("--energy", type=float, help="Goal: the least noise within so many pJ of an update, upper end of the estimate.")
@click.option("--margin", type=float, default=0.02, show_default=True, help="With --memory, --energy: the loss that the trainings test.")
@click.option("--base", default="q24", show_default=True, help="The widest formats.")
@click.option("--against", default="float32", show_default=True, help="Precision that trainings are compared with.")
@click.option("--sensitivity", type=PATH, help="Directory of fxsim sensitivity, of this task, network and base.  [default: it is measured]")
@click.option("--seeds", type=Items(int), default="", help="Of the sensitivity that is measured.  [default: 1]")
@click.option("--bits", type=Items(int), default="", help="Its word lengths.  [default: 2 to 16]")
@click.option("--roundings", type=Items(), default="floor,toward_zero,nearest_even,nearest_up,stochastic", show_default=True,
              help="Roundings that quantities may have.")
@click.option("--points", type=int, default=12, show_default=True, help="Points of the front that are measured.")
@click.option("--max-seeds", type=int, default=20, show_default=True, help="Paired trainings of a test, at most; 0: none, for a budget.")
@jobs("Processes")
@out("Directory of the precision, its evidence and page.", required=True)
def allocate(config: str, changes: tuple[str, ...], loss: float | None, memory: float | None, energy: float | None, margin: float, base: str,
             against: str, sensitivity: Path | None, seeds: list, bits: list, roundings: list, points: int, max_seeds: int, jobs: int,
             out: Path) -> None:
    """Choose the word bits of all quantities at once, for a loss, a memory or an energy: one of the three.

    From what each quantity's bits do to the gradient (fxsim sensitivity) and what they cost (fxsim cost) follows a front of formats, wide to narrow.
    Its points are measured with all their formats together; then trainings with paired seeds, of seeds that chose nothing, go on until a test says
    whether the loss is less. docs/allocation.md says what that assumes. An interrupted allocation goes on with the same command.

    Exit status 1 where no formats were shown to lose less than --loss.
    """
    from fxsim.config import load_config
    from fxsim.report.build import build_report
    from fxsim.study.allocation.allocate import allocate as run_allocation
    from fxsim.study.allocation.asked import Asked, Goal
    from fxsim.study.jobs import Workers
    from fxsim.training.progress import terminal_sweep_progress
    refuse_changes(changes, {"precision": "--base", "seed": "--seeds"})
    settings, goal = load_config(config, [f"precision={base}", *changes]), Goal(loss, memory, energy, margin)
    asked = Asked(settings, goal, sensitivity, seeds, bits, roundings, against, max_seeds, points)
    found = run_allocation(asked, out, Workers(jobs), terminal_sweep_progress(), click.echo)
    click.echo(text_table(cells(found.front[list(POINTS)].to_dict("records"))))
    click.echo(f"report: {build_report(out)}")
    if found.spec is None:
        click.echo(f"no formats were shown to lose less than {loss:g}")
        sys.exit(1)
    click.echo(f"point {found.point}, {found.spec.description}\nwritten: {out / 'allocation.yaml'}")

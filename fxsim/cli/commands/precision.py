"""``fxsim presets``, ``calibrate`` and ``evaluate``: formats, found and tried."""
from __future__ import annotations

from pathlib import Path
from typing import Iterable

import click

from fxsim.cli.kept import keep
from fxsim.cli.options import PATH, Items, change, config, force, out, refuse_changes
from fxsim.cli.tables import cells, text_table

HEADER = "# Written by fxsim calibrate.\n"


def initials(names: Iterable[str]) -> dict[str, str]:
    """A letter for each name: the initial of its last word, or of an earlier one if another name has that."""
    found: dict[str, str] = {}
    for name in names:
        letters = (word[0].upper() for word in reversed(name.split("_")))
        found[name] = next((letter for letter in letters if letter not in found.values()), name)
    return found


@click.command()
@click.argument("names", nargs=-1, metavar="[PRECISION]...")
def presets(names: tuple[str, ...]) -> None:
    """List the shipped precisions with the format of every quantity; of PRECISION, a name or a file, also where its words come from."""
    from quant import QUANTITIES, SHADOWS, load_spec, preset_names
    from quant.rounding import ROUNDINGS
    specs = [load_spec(name) for name in names or preset_names()]
    for spec in specs:
        click.echo(f"{spec.name:<13} {spec.description}")
        if names:
            for word, texts in (("source", spec.sources), ("leaves out", spec.leaves_out)):
                for text in texts:
                    click.echo(f"{'':<13} {word}: {text}")
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


@click.command()
@config
@change
@click.option("--word-bits", type=int, default=16, show_default=True, help="Word length of weights, states, signals and coefficients.")
@click.option("--accumulator-bits", type=int, default=31, show_default=True, help="Word length of sums over a trial.")
@click.option("--headroom", type=click.IntRange(min=0), default=1, show_default=True, help="Bits of range beyond what was observed.")
@click.option("--preset", default="q16", show_default=True, help="Where signs, roundings and ranges that do not occur come from.")
@out("Precision YAML to write.", required=True)
@force
def calibrate(config: str, changes: tuple[str, ...], word_bits: int, accumulator_bits: int, headroom: int, preset: str, out: Path,
              force: bool) -> None:
    """Find formats whose ranges are those that a float32 training needs, at a word length."""
    from fxsim.config import load_config
    refuse_changes(changes, {
        "precision": "nothing: ranges are those of a float32 training", "formats": "nothing: ranges are those of a float32 training",
        "evaluation.telemetry": "nothing: ranges are taken from it at every evaluation"})
    settings = load_config(config, changes)
    from fxsim.files.ownership import claim_file
    from fxsim.files.writing import make_directory, write_atomic
    from fxsim.study.formats.calibration import calibrate as run_calibration
    from fxsim.training.progress import terminal_progress
    from quant.files import dump_yaml
    make_directory(out.parent)
    claim_file(out, lambda content: content.startswith(HEADER.encode()), force)
    spec, fitted = run_calibration(settings, word_bits, accumulator_bits, headroom, preset, terminal_progress(settings.updates))
    write_atomic(out, (HEADER + dump_yaml(spec.to_dict())).encode())
    click.echo(text_table([["quantity", "largest observed", "format", "its largest"],
                           *([f.quantity, "-" if f.largest is None else f"{f.largest:.4g}", str(f.format), f"{f.format.max:.4g}"]
                             for f in fitted)]))
    click.echo(f"written: {out}")


@click.command()
@click.argument("source", metavar="RUN", type=PATH)
@change
@click.option("--precisions", type=Items(), default="float32,q16,w8s16,loihi2", show_default=True)
@click.option("--trials", type=click.IntRange(min=1), help="Evaluation trials.  [default: the configuration's]")
@click.option("--config", "name", help="Task and network, for weights without a configuration of their own, or for other trials.")
@out("Directory of tables and page.  [default: none are written]")
@force
def evaluate(source: Path, changes: tuple[str, ...], precisions: list, trials: int | None, name: str | None, out: Path | None, force: bool) -> None:
    """Run trained weights in several precisions on the same trials, without learning.

    RUN is a run directory, a weights.npz or a NIR file. Intervals hold 95 % over trials. flipped: share of spikes that differ from those of the
    float64 twin; saturated: share of stored values that their format clips. --set formats... holds for the precisions in fixed point.
    """
    from fxsim.config import load_config
    from fxsim.training.evaluation import evaluate as run_evaluation, save
    found = run_evaluation(source, precisions, changes, trials, load_config(name) if name is not None else None)
    shown = [column for column in found.rows[0] if any(row[column] not in (None, "") for row in found.rows)]
    click.echo(text_table(cells([{column: row[column] for column in shown} for row in found.rows])))
    keep(save, found, out, source, changes, force)

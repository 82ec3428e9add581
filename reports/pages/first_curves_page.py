"""reports/first_curves/README.md."""
from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pandas as pd

from fxsim.config import load_config
from fxsim.report import published
from fxsim.study.statistics.outcome import mean_of
from fxsim.tasks import make_task

from measured_pages import markdown, signed

FOLDER = Path(__file__).parents[1] / "first_curves"
TRACES = ["trace", "readout_trace", "filtered_eligibility", "adaptation_eligibility"]
RULES = {"diffusion": "diffusion", "eprop": "e-prop"}


def means() -> pd.Series:
    """(rule, precision, seed) -> accuracy in percent, the mean of the evaluations after 400 to 500 updates."""
    table = pd.read_csv(FOLDER / "curves.csv").query("split == 'eval' and 400 <= iteration <= 500")
    return 100 * table.groupby(["rule", "precision", "seed"])["accuracy"].mean()


def table() -> list[str]:
    found, rows = means(), [["rule", "float32", "q16", "w8s16", "q16 - float32", "w8s16 - float32"]]
    for rule, said in RULES.items():
        of = found[rule]
        differences = [of[precision] - of["float32"] for precision in ("q16", "w8s16")]
        rows.append([said, *(f"{of[p].mean():.1f} ± {of[p].sem():.1f} %" for p in ("float32", "q16", "w8s16")),
                     *(f"{signed(d.mean())} ± {d.sem():.1f}" for d in differences)])
    return markdown(rows)


TABLES = {"means": table}


def sentences() -> Iterator[str]:
    config = load_config("delayed_match")
    curves, found = pd.read_csv(FOLDER / "curves.csv"), means()
    updates, seeds = curves["iteration"].max(), curves["seed"].nunique()
    yield (f"{config.network.n} neurons, T = {make_task(config).steps}, batch {config.batch_size}, {updates} updates (the published runs have {config.updates}), "
           f"{config.evaluation.batch_size} evaluation trials, c_reg {config.learning.c_reg} for both rules, Adam.")
    yield f"averaged over the evaluations after 400 to {updates} updates, mean ± SEM over {seeds} seeds, and the difference"
    yield f"Mind that the published e-prop runs use c_reg {published.C_REG['delayed_match', 'eprop']}, so no published points are drawn there."
    assert all(abs(mean_of(found[rule, p] - found[rule, "float32"]).mean) < (found[rule, p] - found[rule, "float32"]).sem() for rule in RULES for p in ("q16", "w8s16"))
    counts = pd.read_csv(FOLDER / "telemetry.csv").query("precision == 'q16'").groupby("quantity")[["stored", "saturated", "underflowed", "stalled"]].sum()
    share = counts[["saturated", "underflowed", "stalled"]].div(counts["stored"] / 100, axis=0)
    zero = share["underflowed"]
    assert 100 / 8 < min(share["stalled"][TRACES]) and max(share["stalled"][TRACES]) < 100 / 5
    yield (f"in `q16` {share['saturated']['membrane']:.2f} % of membrane updates saturate (strong inhibition, below -16 thresholds); {zero['eligibility']:.0f} % of eligibilities, "
           f"{zero['rate_error']:.0f} % of rate errors and {zero['modulator']:.1f} % of modulator values round to zero; leaks near zero stall in an eighth to a fifth of the updates of the traces,")

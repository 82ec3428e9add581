"""reports/alignment/README.md: which measure of alignment ranks what training comes to, and where it fails."""
from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Callable

import pandas as pd

from fxsim.report.figures import title
from fxsim.study.formats.points import MOMENTS
from fxsim.study.statistics.ranks import Ranking

from measured_pages import markdown

FOLDER = Path(__file__).parents[1] / "alignment"
WORST = 10      # formats that rank and accuracy disagree most about
NAMES = {"cosine": "cosine", "signs": "equal signs", "ratio": "ratio of norms (nearness to 1)", "bias": "bias (nearness to 0)"}


@cache
def check() -> ModuleType:
    """The program that draws the picture."""
    spec = importlib.util.spec_from_file_location("check", FOLDER / "check.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def pairs() -> tuple[pd.DataFrame, pd.DataFrame]:
    seen, ended = check().pairs()
    return seen, ended


@cache
def ranked(measure: str, moment: str) -> Ranking:
    found: Ranking = check().ranked(measure, moment)
    return found


def said(found: Ranking) -> str:
    return f"{found.spearman:.2f} ({found.low:.2f} to {found.high:.2f})"


@cache
def disagreements() -> pd.DataFrame:
    """rank: of the accuracy less that of the lowest cosine, shares of all formats; ordered by size, with what is known of each."""
    seen, ended = pairs()
    accuracy, cosine = ended.mean(axis=1), seen["cosine"]
    table = cosine.assign(accuracy=accuracy, rank=accuracy.rank(pct=True) - cosine["lowest"].rank(pct=True), bias=seen["bias", "end"])
    return table.iloc[table["rank"].abs().argsort()[::-1]]


# ---- tables ----------------------------------------------------------------------------------------------------------
def ranks() -> list[str]:
    rows = [["rank correlation with the accuracy", *(f"at the {moment}" for moment in MOMENTS), "the lowest of the three"]]
    rows += [[label, *(said(ranked(measure, moment)) for moment in (*MOMENTS, check().LOWEST))] for measure, label in NAMES.items()]
    return markdown(rows)


def failures() -> list[str]:
    rows = [["quantity", "bits", "rounding", "accuracy", *(f"cosine, {moment}" for moment in MOMENTS), "off by"]]
    for (quantity, bits, rounding), row in disagreements().head(WORST).iterrows():
        rows.append([title(quantity), f"{bits:.0f}", title(rounding), f"{100 * row['accuracy']:.0f}",
                     *("none" if row[moment] == -float("inf") else f"{row[moment]:.2f}" for moment in MOMENTS), f"{100 * row['rank']:+.0f}"])
    return markdown(rows)


TABLES: dict[str, Callable[[], list[str]]] = {"ranks": ranks, "failures": failures}

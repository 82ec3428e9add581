"""Rows of a page about differences and times, formatted."""
from __future__ import annotations

import math
from typing import Any

from fxsim.report.page import with_error
from fxsim.study.statistics.contrasts import AREA
from fxsim.study.statistics.outcome import Mean
from fxsim.study.statistics.verdicts import Verdict

from .questions import Family


def family_tables(families: list[Family], measure: str) -> list[dict[str, Any]]:
    """name, columns (marks and area) and rows of each family; accuracies in points."""
    return [{"name": family.name, "columns": [_column(name) for name in family.answers[0].others],
             "rows": [_row(answer.question.name, answer.end, answer.others, len(answer.question.differences), answer.question.correlation, measure)
                      for answer in family.answers]} for family in families]


def _row(name: str, end: Verdict, others: dict[str, Verdict], pairs: int, correlation: float, measure: str) -> dict[str, Any]:
    return {"name": name, "end": difference(end.difference, measure), "word": end.word, "p_difference": _p(end.p_difference),
            "p_equivalence": _p(end.p_equivalence), "pairs": pairs, "correlation": f"{correlation:.2f}" if math.isfinite(correlation) else "–",
            "others": [f"{difference(verdict.difference, measure)} {verdict.word}" for verdict in others.values()]}


def difference(better: Mean, measure: str) -> str:
    """A difference as text, of the measure itself: of nMSE, more is worse."""
    share = measure == "accuracy"
    return with_error(better.mean if share else -better.mean, better.half, share, "+", "")


def _column(name: str) -> str:
    return name if name == AREA else f"{name} updates"


def _p(value: float) -> str:
    return "–" if not math.isfinite(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"


def time_rows(rows: list[dict[str, Any]], measure: str) -> list[dict[str, Any]]:
    """Rows of :func:`.questions.times` with text for each level."""
    heads = {level: f"{100 * level:g} %" if measure == "accuracy" else f"nMSE {level:g}" for row in rows for level in row["levels"]}
    return [{**row, "levels": {heads[level]: _time(found, row["runs"], row["end"]) for level, found in row["levels"].items()}} for row in rows]


def _time(found: tuple[int, float], runs: int, end: int) -> str:
    reached, median = found
    return (f"{median:.0f}" if math.isfinite(median) else f"beyond {end}") + (f" ({reached} of {runs} reach it)" if reached < runs else "")

"""Rows of a page about differences and times, formatted."""
from __future__ import annotations

import math
from typing import Any

from fxsim.report.page import with_error
from fxsim.study.statistics.contrasts import AREA, END
from fxsim.study.statistics.outcome import Mean

from .questions import Answer, Family
from .replication import Replication


def family_tables(families: list[Family], measure: str) -> list[dict[str, Any]]:
    """name, columns (marks and area) and rows of each family; accuracies in points."""
    tables = []
    for family in families:
        columns = max((list(answer.others) for answer in family.answers), key=len)
        tables.append({"name": family.name, "columns": [_column(name) for name in columns],
                       "rows": [_row(answer, columns, measure) for answer in family.answers]})
    return tables


def _row(answer: Answer, columns: list[str], measure: str) -> dict[str, Any]:
    end, correlation = answer.end, answer.question.correlation
    return {"name": answer.question.name, "end": difference(end.difference, measure), "word": end.word, "p_difference": _p(end.p_difference),
            "p_equivalence": _p(end.p_equivalence), "pairs": len(answer.question.differences),
            "correlation": f"{correlation:.2f}".replace("-", "−") if math.isfinite(correlation) else "–",
            "others": [f"{difference(answer.others[name].difference, measure)} {answer.others[name].word}" if name in answer.others else "–"
                       for name in columns]}


def difference(better: Mean, measure: str) -> str:
    """A difference as text, of the measure itself: of nMSE, more is worse."""
    share = measure == "accuracy"
    return with_error(better.mean if share else -better.mean, better.half, share, "+", "")


def _column(name: str) -> str:
    return {AREA: AREA, END: "at the end"}.get(name, f"{name} updates")


def _p(value: float) -> str:
    return "–" if not math.isfinite(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"


def replication_rows(found: list[Replication]) -> list[dict[str, Any]]:
    """A row per rule and measure: ours minus theirs, and which of the differences leave zero outside of their interval."""
    columns = max((list(r.differences) for r in found), key=len, default=[])
    return [{"label": r.label, "measure": r.measure, "seeds": f"{r.seeds[0]} and {r.seeds[1]}",
             "cells": {_column(name): (with_error(d.mean, d.half, r.measure == "accuracy", "+", ""), abs(d.mean) > d.half)
                       if (d := r.differences.get(name)) else ("–", False) for name in columns}} for r in found]


def time_rows(rows: list[dict[str, Any]], measure: str) -> list[dict[str, Any]]:
    """Rows of :func:`.questions.times` with text for each level."""
    heads = {level: f"{100 * level:g} %" if measure == "accuracy" else f"nMSE {level:g}" for row in rows for level in row["levels"]}
    return [{**row, "levels": {heads[level]: _time(found, row["runs"], row["end"]) for level, found in row["levels"].items()}} for row in rows]


def _time(found: tuple[int, float], runs: int, end: int) -> str:
    reached, median = found
    return (f"{median:.0f}" if math.isfinite(median) else f"beyond {end}") + (f" ({reached} of {runs} reach it)" if reached < runs else "")

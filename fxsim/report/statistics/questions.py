"""What the runs of a sweep show against each other, paired by seed: differences with intervals and verdicts, and times to a level.

Two families: every fixed precision against the float of its block, rule and axes (and the mean of them all), and the contrasts that the study names.
In each, verdicts at the end are adjusted for all questions of the family, and those at the marks and of the area, together, for all of theirs.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from fxsim.report.data import FLOAT_PRECISIONS
from fxsim.report.figures import title
from fxsim.report.study_data import Rows, Sweep, done, evaluations, measure_of, planned_updates, shown_axes
from fxsim.study.columns import RESULTS
from fxsim.study.statistics.contrasts import END, Curves, median_time, paired
from fxsim.study.statistics.outcome import pairing, pooled
from fxsim.study.statistics.verdicts import Verdict, verdicts

FIXED, NAMED = "Fixed point against float", "Contrasts of the study"


@dataclass(frozen=True)
class Question:
    """One contrast. ``differences``: a row per seed, columns :meth:`Curves.outcomes`; ``correlation``: of the pairs at the end, NaN where none is."""

    name: str
    differences: pd.DataFrame
    correlation: float


@dataclass(frozen=True)
class Answer:
    """What is said to a question: at the end, and at each mark and of the area."""

    question: Question
    end: Verdict
    others: dict[str, Verdict]


@dataclass(frozen=True)
class Family:
    """Questions that are answered together."""

    name: str
    answers: list[Answer]


def families(sweep: Sweep) -> list[Family]:
    """Every family that has a question with two pairs or more."""
    found = {FIXED: _fixed(sweep), NAMED: _named(sweep)}
    return [_answered(name, questions, sweep) for name, questions in found.items() if questions]


def _answered(name: str, questions: list[Question], sweep: Sweep) -> Family:
    sign, margin = (1 if measure_of(sweep) == "accuracy" else -1), sweep.study.statistics.margin
    others = [[column for column in q.differences if column != END] for q in questions]
    ends = verdicts([sign * q.differences[END].to_numpy() for q in questions], margin)
    rest = iter(verdicts([sign * q.differences[column].to_numpy() for q, columns in zip(questions, others) for column in columns], margin))
    return Family(name, [Answer(q, end, {column: next(rest) for column in columns}) for q, end, columns in zip(questions, ends, others)])


def _fixed(sweep: Sweep) -> list[Question]:
    """Each fixed precision against float, and all of them together where there are several."""
    questions, seen = [], set[frozenset[str]]()
    for (*_, label), rows in conditions(sweep):
        names = list(dict.fromkeys(rows["precision"]))
        reference = next((name for name in names if name in FLOAT_PRECISIONS), None)
        if reference is None:
            continue
        against = curves(sweep, rows[rows["precision"] == reference])
        asked = []
        for name in names:
            runs = frozenset(rows.loc[rows["precision"].isin([name, reference]), "run"])
            if name != reference and runs not in seen:      # else the same runs, in another block
                asked.append(_question(f"{label}: {name}", curves(sweep, rows[rows["precision"] == name]), against, sweep))
                seen.add(runs)
        questions += asked
        if len(asked) > 1:
            columns = asked[0].differences.columns
            together = pd.DataFrame({column: pooled(pd.concat([q.differences[column] for q in asked], axis=1)) for column in columns})
            questions.append(Question(f"{label}: mean of these {len(asked)}", together, float("nan")))
    return [q for q in questions if len(q.differences) > 1]


def _named(sweep: Sweep) -> list[Question]:
    questions = []
    for i, contrast in enumerate(sweep.study.statistics.contrasts):
        of, against = (done(Rows(sweep, f"statistics.contrasts.{i}").chosen(sweep.results, where, name))
                       for name, where in (("of", contrast.of), ("against", contrast.against)))
        if len(of) and len(against):
            questions.append(_question(contrast.name, curves(sweep, of), curves(sweep, against), sweep))
    return [q for q in questions if len(q.differences) > 1]


def _question(name: str, of: Curves, against: Curves, sweep: Sweep) -> Question:
    marks = [mark for mark in sweep.study.statistics.marks if mark < min(of.end, against.end)]
    a, b = of.outcomes(marks), against.outcomes(marks)
    both = a.index.intersection(b.index)
    return Question(name, paired(a, b), pairing(a.loc[both, END], b.loc[both, END]) if len(both) > 1 else float("nan"))


def conditions(sweep: Sweep) -> list[tuple[tuple[str, str, str], pd.DataFrame]]:
    """(block, rule, label) and the finished runs of each block that trains, rule and combination of axes but the precision."""
    results = done(sweep.results)
    trains = [block.name for block in sweep.study.blocks if not block.evaluate]
    axes = [column for column in results.columns if column not in RESULTS]
    found = []
    for key, rows in results[results["block"].isin(trains)].groupby(["block", "task", "rule", *axes], sort=False, dropna=False):
        block, task, rule, *values = key
        several = results["task"].nunique() > 1
        label = ", ".join(filter(None, (title(task) if several else "", title(rule), shown_axes(axes, values))))
        found.append(((block, rule, label if title(block) == title(rule) else f"{title(block)}, {label}"), rows))
    return found


def curves(sweep: Sweep, rows: pd.DataFrame) -> Curves:
    """The evaluations of these runs."""
    measure = measure_of(sweep)
    return Curves(evaluations(sweep, rows)[["seed", "iteration", measure]], measure, planned_updates(sweep, rows))


def times(sweep: Sweep) -> list[dict[str, Any]]:
    """A row per condition and precision: runs, and for each level how many reach it and the median of the updates that takes."""
    levels, rows = sweep.study.statistics.levels, []
    for (*_, label), found in conditions(sweep) if levels else []:
        for precision in dict.fromkeys(found["precision"]):
            of = curves(sweep, found[found["precision"] == precision])
            reached = {level: of.times(level) for level in levels}
            rows.append({"label": label, "precision": precision, "runs": of.evaluations["seed"].nunique(), "end": of.end,
                         "levels": {level: (sum(t.kind != "above" for t in ts), median_time(ts)) for level, ts in reached.items()}})
    return rows

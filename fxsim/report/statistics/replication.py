"""Our runs beside those of the paper's authors: other seeds, so differences of means of independent samples (Welch), for accuracy and loss."""
from __future__ import annotations

from dataclasses import dataclass

from fxsim.report import published as paper
from fxsim.report.study_data import Sweep, evaluations, planned_updates
from fxsim.study.statistics.contrasts import END, Curves
from fxsim.study.statistics.outcome import Mean, unpaired

from .questions import conditions


@dataclass(frozen=True)
class Replication:
    """One rule and measure: ours minus theirs, at the end and at each mark, over so many seeds of ours and of theirs."""

    label: str
    measure: str
    seeds: tuple[int, int]
    differences: dict[str, Mean]


def against_published(sweep: Sweep) -> list[Replication]:
    """Every rule whose float32 runs are like published ones; empty without the authors' curves."""
    found, seen = [], list[set[str]]()
    for (_, rule, label), rows in conditions(sweep) if sweep.published else []:
        runs = rows[rows["precision"] == "float32"]
        task = rows["task"].iloc[0]
        if runs.empty or task not in sweep.published or any(paper.obstacle(task, rule, sweep.facts[run]) for run in runs["run"]):
            continue
        if set(runs["run"]) in seen:        # the same runs, in another block
            continue
        seen.append(set(runs["run"]))
        ours = evaluations(sweep, runs)
        theirs = paper.seeds(sweep.published[task], task, rule)
        if theirs.empty:
            continue
        end = planned_updates(sweep, runs)
        marks = [mark for mark in sweep.study.statistics.marks if mark < end]
        for measure in paper.COLUMNS:
            a, b = (Curves(table[table["iteration"] <= end], measure, end).outcomes(marks) for table in (ours, theirs))
            columns = [*map(str, marks), END]
            found.append(Replication(label, measure, (len(a), len(b)), {column: unpaired(a[column], b[column]) for column in columns}))
    return found

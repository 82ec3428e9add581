"""report.html of a sweep: the figures that its study asks for, and every combination in one table."""
from __future__ import annotations

import math
from pathlib import Path
from typing import Callable

from fxsim.study.figure import Figure

from .data import section
from .formats.pareto import Condition, conditions, pareto_charts, pareto_rows
from .page import provenance, render, with_error
from .statistics.questions import families, times
from .statistics.replication import against_published
from .statistics.rows import family_tables, replication_rows, time_rows
from .study_data import Sweep, charts, failed, heatmap, measure_of, read_sweep, scatters, summary
from .study_figures import draw_study

MAKERS: dict[str, Callable[[Sweep, int, Figure], list[dict] | dict]] = {"curves": charts, "lines": charts, "heatmap": heatmap, "ranks": scatters}
CHARTS = ("curves", "lines", "pareto")      # which the page's script draws; it embeds pictures of others


def build_study_report(directory: Path, published: Path | None = None) -> Path:
    """Write figures/ and report.html into a directory that ``fxsim sweep`` has filled; returns the page's path. Raises InputError."""
    sweep = read_sweep(directory, published)
    costs = {i: conditions(sweep, i, figure) for i, figure in enumerate(sweep.study.figures)
             if figure.kind == "pareto" and not failed(sweep, i, figure)}
    drawn = [(figure, None if failed(sweep, i, figure) else _content(sweep, i, figure, costs.get(i, [])))
             for i, figure in enumerate(sweep.study.figures)]
    pictures = draw_study(drawn, directory / "figures")
    all_charts = [chart for figure, content in drawn if figure.kind in CHARTS and isinstance(content, list) for chart in content]
    return render("study.html.j2", directory / "report.html", all_charts, [], study=sweep.study, header=header(sweep), figures=pictures,
                  drawn=[(figure, "none" if content is None else "chart" if figure.kind in CHARTS else "picture") for figure, content in drawn],
                  costs={i: pareto_rows(found, sweep.study.figures[i].metric) for i, found in costs.items()},
                  rows=_rows(sweep), families=family_tables(families(sweep), measure_of(sweep)), times=time_rows(times(sweep), measure_of(sweep)),
                  replication=replication_rows(against_published(sweep)),
                  margin=margin(sweep), measure=measure_of(sweep), open=bool((sweep.results["status"] == "open").any()))


def _content(sweep: Sweep, number: int, figure: Figure, costs: list[Condition]) -> list[dict] | dict:
    """What a figure draws."""
    return pareto_charts(number, figure, costs) if figure.kind == "pareto" else MAKERS[figure.kind](sweep, number, figure)


def header(sweep: Sweep) -> list[tuple[str, str]]:
    """What was run, on what, and how far it is."""
    counts = {status: int((sweep.results["status"] == status).sum()) for status in ("done", "failed", "open")}
    words = [f"{counts['done']} done"] + [f"{counts['failed']} failed (see the table)"] * bool(counts["failed"])
    words += [f"{counts['open']} of {len(sweep.results)} not yet{_rest(sweep)}"] * bool(counts["open"])
    return provenance(sweep.manifest, [("Runs", ", ".join(words))])


def margin(sweep: Sweep) -> str:
    """The margin that the study states, as text; empty where it states none."""
    margin = sweep.study.statistics.margin
    return "" if margin is None else f"{100 * margin:g} points" if measure_of(sweep) == "accuracy" else f"{margin:g}"


def _rest(sweep: Sweep) -> str:
    """How long open runs take, one after the other, from the median duration of the finished ones of their block, or of any block."""
    known = {name: float(value) for name, value in section(sweep.manifest, "seconds").items() if isinstance(value, (int, float))}
    if not known:
        return ""
    mean = sum(known.values()) / len(known)
    left = sum(known.get(block, mean) for block in sweep.results.loc[sweep.results["status"] == "open", "block"])
    return f": about {float(f'{left / 3600:.2g}'):g} hours, one after the other, at the pace of those that are"


def _rows(sweep: Sweep) -> list[dict]:
    """Rows of the table, formatted."""
    return [{**row, "result": with_error(row["mean"], row["half"], row["measure"] == "accuracy"),
             "detectable": with_error(row["detectable"], math.nan, row["measure"] == "accuracy", "", " points")} for row in summary(sweep)]

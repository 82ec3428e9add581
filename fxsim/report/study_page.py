"""report.html of a sweep: the figures that its study asks for, and every combination in one table."""
from __future__ import annotations

import math
from pathlib import Path

from .page import provenance, render, with_error
from .study_data import Sweep, charts, failed, heatmap, read_sweep, summary
from .study_figures import draw_study


def build_study_report(directory: Path) -> Path:
    """Write figures/ and report.html into a directory that ``fxsim sweep`` has filled; returns the page's path. Raises InputError."""
    sweep = read_sweep(directory)
    drawn = [(figure, None if failed(sweep, i, figure) else heatmap(sweep, i, figure) if figure.kind == "heatmap" else charts(sweep, i, figure))
             for i, figure in enumerate(sweep.study.figures)]
    pictures = draw_study(drawn, directory / "figures")
    all_charts = [chart for _, content in drawn if isinstance(content, list) for chart in content]
    return render("study.html.j2", directory / "report.html", all_charts, [], study=sweep.study, header=_header(sweep), figures=pictures,
                  drawn=[(figure, "none" if content is None else "chart" if isinstance(content, list) else "picture") for figure, content in drawn],
                  rows=_rows(sweep))


def _header(sweep: Sweep) -> list[tuple[str, str]]:
    done = int((sweep.results["status"] == "done").sum())
    failed = len(sweep.results) - done
    return provenance(sweep.manifest, [("Runs", f"{done} done" + (f", {failed} failed (see the table)" if failed else ""))])


def _rows(sweep: Sweep) -> list[dict]:
    """Rows of the table, formatted."""
    return [{**row, "result": with_error(row["mean"], row["half"], row["measure"] == "accuracy"),
             "detectable": with_error(row["detectable"], math.nan, row["measure"] == "accuracy", "", " points")} for row in summary(sweep)]

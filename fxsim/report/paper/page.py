"""report.html of a directory whose folders are sweeps, a task each."""
from __future__ import annotations

from pathlib import Path

from fxsim.config.registry import SHIPPED
from fxsim.files.writing import make_directory
from fxsim.report.figures import title
from fxsim.report.page import animations, render
from fxsim.report.statistics.questions import families
from fxsim.report.statistics.replication import against_published
from fxsim.report.statistics.rows import family_tables, replication_rows
from fxsim.report.study_data import Sweep, charts, failed, measure_of, read_sweep
from fxsim.report.study_page import header, margin

from .answer import sentences
from .figure import draw
from .trained import trained_trials


def folders(directory: Path) -> list[Path]:
    """The sweeps in a directory that are called like shipped tasks."""
    return [directory / task for task in SHIPPED if (directory / task / "study.yaml").is_file()]


def build_paper_report(directory: Path, published: Path | None = None) -> Path:
    """Write figures/ and report.html; returns the page's path. Raises InputError."""
    sweeps = [_read(path, published) for path in folders(directory)]
    answered = [(sweep, families(sweep)) for sweep in sweeps]
    trials = [trained_trials(sweep) for sweep in sweeps]
    picture = draw(sweeps, trials, make_directory(directory / "figures"))
    sections = [_section(sweep, found) for sweep, found in answered]
    moving = animations({section["title"]: shown for section, shown in zip(sections, trials)})
    return render("paper.html.j2", directory / "report.html", [chart for section in sections for chart in section["charts"]], moving,
                  answer=sentences(answered), figures={"figure_2": picture}, sections=sections)


def _read(directory: Path, published: Path | None) -> Sweep:
    """A sweep; where nothing is published of its task, without."""
    sweep = read_sweep(directory)
    has = published and any((published / f"{task}.csv").exists() for task in set(sweep.results["task"]))
    return read_sweep(directory, published) if has else sweep


def _section(sweep: Sweep, found: list) -> dict:
    name, drawn = sweep.path.name, []
    for i, figure in enumerate(sweep.study.figures):
        if figure.kind == "curves" and not failed(sweep, i, figure):
            drawn.append((figure, [_of(name, chart) for chart in charts(sweep, i, figure)]))
    return {"name": name, "title": title(str(sweep.results["task"].iloc[0])), "description": sweep.study.description, "header": header(sweep),
            "figures": [(figure, shown[0]["root"]) for figure, shown in drawn], "charts": [chart for _, shown in drawn for chart in shown],
            "families": family_tables(found, measure_of(sweep)), "measure": measure_of(sweep), "margin": margin(sweep),
            "replication": replication_rows(against_published(sweep))}


def _of(name: str, chart: dict) -> dict:
    """A chart of a sweep, with names that no other sweep's chart on the page has."""
    return {**chart, **{key: f"{name}-{chart[key]}" for key in ("root", "id", "group")}}

"""The report of a directory, whatever filled it."""
from __future__ import annotations

from importlib import import_module
from pathlib import Path

from fxsim.errors import InputError

PAGES = {"evaluation.csv": ".evaluation_page:build_evaluation_report", "alignment.csv": ".formats.alignment_page:build_alignment_report",
         "ranges.csv": ".formats.ranges_page:build_ranges_report", "sensitivity.csv": ".formats.sensitivity_page:build_sensitivity_report",
         "front.csv": ".formats.allocation_page:build_allocation_report"}
"""A table that tells what filled a directory -> what builds its page."""


def build_report(directory: str | Path, published: str | Path | None = None) -> Path:
    """Write figures/ and report.html into a directory that :func:`fxsim.study.comparison.compare`, :func:`fxsim.study.sweep.sweep` or
    :func:`fxsim.evaluate` has filled, or that has sweeps in folders called like shipped tasks; returns the page's path.

    published   a directory with the paper authors' curves (delayed_match.csv, ...): the range and quartiles of their seeds are drawn beside
                runs like theirs, and a sweep's page has the differences of the means. Not of an evaluation
    Raises InputError for missing or broken files.
    """
    if not Path(directory).is_dir():
        raise InputError(directory, "", "a file" if Path(directory).exists() else "no such directory", "the directory of a comparison or a sweep")
    if (Path(directory) / "study.yaml").exists():
        from .study_page import build_study_report
        return build_study_report(Path(directory), Path(published) if published else None)
    from .paper.page import build_paper_report, folders
    if folders(Path(directory)):
        return build_paper_report(Path(directory), Path(published) if published else None)
    for table, kind in () if (Path(directory) / "curves.csv").exists() else PAGES.items():
        if (Path(directory) / table).exists():
            if published:
                raise InputError(directory, "--published", published, f"a comparison's directory (this is of {table})")
            module, _, build = kind.partition(":")
            page: Path = getattr(import_module(module, __package__), build)(Path(directory))
            return page
    from .data import read_comparison
    from .figures import draw_figures, title
    from .network_picture import save_network_picture
    from .page import write_page
    comparison = read_comparison(Path(directory), Path(published) if published else None)
    figures = draw_figures(comparison, folder := Path(directory) / "figures")
    if comparison.alignment is not None:
        from .formats.aligned_runs import draw_alignment
        figures |= draw_alignment(comparison.alignment, folder)
    for task, network in comparison.networks.items():
        figures[f"network_{task}"] = save_network_picture(network, f"{title(task)}: the network of one seed", folder, f"network_{task}")
    return write_page(comparison, figures, Path(directory) / "report.html")

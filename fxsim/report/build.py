"""The report of a directory, whatever filled it."""
from __future__ import annotations

from pathlib import Path

from fxsim.errors import InputError


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
    if (Path(directory) / "evaluation.csv").exists():
        if published:
            raise InputError(directory, "--published", published, "a comparison's directory (this is an evaluation's)")
        from .evaluation_page import build_evaluation_report
        return build_evaluation_report(Path(directory))
    from .data import read_comparison
    from .figures import draw_figures, title
    from .network_picture import save_network_picture
    from .page import write_page
    comparison = read_comparison(Path(directory), Path(published) if published else None)
    figures = draw_figures(comparison, folder := Path(directory) / "figures")
    for task, network in comparison.networks.items():
        figures[f"network_{task}"] = save_network_picture(network, f"{title(task)}: the network of one seed", folder, f"network_{task}")
    return write_page(comparison, figures, Path(directory) / "report.html")

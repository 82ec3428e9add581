"""The report of a comparison: learning curves, rasters, the neuromodulator, and where precision was lost.

data        reads what a comparison left behind
tables      mean and standard error over seeds, paired differences, losses of precision
figures     PNG and SVG pictures (matplotlib)
page        report.html, self-contained: the pictures, interactive curves (chart.js), the modulator's animation (field.js)
published   published results of the paper to draw beside
"""
from __future__ import annotations

from pathlib import Path


def build_report(directory: str | Path, published: str | Path | None = None) -> Path:
    """Write figures/ and report.html into a directory that :func:`fxsim.comparison.compare` has filled; returns the page's path.

    published   a directory with the paper authors' curves (delayed_match.csv, ...): the range and quartiles of their seeds are drawn
    Raises InputError for missing or broken files.
    """
    from .data import read_comparison
    from .figures import draw_figures
    from .page import write_page
    comparison = read_comparison(Path(directory), Path(published) if published else None)
    figures = draw_figures(comparison, Path(directory) / "figures")
    return write_page(comparison, figures, Path(directory) / "report.html")

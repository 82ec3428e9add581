"""Pictures, written to files whatever a program that imports this one draws on, and whatever the environment names to draw on."""
from __future__ import annotations

import io
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterator, Literal

from .writing import write_atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VARIABLE = "MPLBACKEND"


@contextmanager
def style(settings: dict[str, Any]) -> Iterator[None]:
    """Matplotlib, imported, with these settings; those outside of the block, the backend among them, stay what they are."""
    named = os.environ.pop(VARIABLE, None)      # a notebook's, say, that is not installed here: the import would fail
    try:
        import matplotlib
    finally:
        if named is not None:
            os.environ[VARIABLE] = named
    with matplotlib.rc_context({"svg.hashsalt": "fxsim", **settings}):
        yield


def panels(rows: int = 1, columns: int = 1, *, figsize: tuple[float, float], layout: Literal["constrained"] | None = None,
           **options: Any) -> tuple[Figure, Any]:
    """A figure that no window knows of, and its axes (rows, columns); see Figure.subplots."""
    from matplotlib.figure import Figure
    figure = Figure(figsize=figsize, layout=layout)
    return figure, figure.subplots(rows, columns, **options)


def save_picture(figure: Figure, folder: Path, name: str, kinds: tuple[str, ...] = ("svg", "png"), **options: Any) -> Path:
    """Write NAME.KIND, the same bytes for the same figure; returns the last one's path. ``options``: see Figure.savefig."""
    for kind in kinds:
        picture = io.BytesIO()
        figure.savefig(picture, format=kind, metadata={"Date": None} if kind == "svg" else None, **options)
        path = folder / f"{name}.{kind}"
        write_atomic(path, picture.getvalue())
    return path

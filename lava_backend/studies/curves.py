"""Pictures of learning curves."""
from __future__ import annotations

import io
from pathlib import Path

from fxsim.files.writing import write_atomic

Line = tuple[str, list[tuple[float, float]], dict]


def draw_curves(lines: list[Line], path: Path, title: str, measure: str, kinds: tuple[str, ...] = ("png",)) -> None:
    """Draw ``measure`` over weight updates, once for each of ``kinds`` (endings of ``path``).

    lines       (label, [(updates, value), ...], look as Matplotlib takes it)
    """
    import matplotlib
    from matplotlib.figure import Figure
    with matplotlib.rc_context({"svg.hashsalt": "fxsim"}):
        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.subplots()
        for label, points, look in lines:
            axes.plot(*zip(*points), label=label, **look)
        axes.set(xlabel="weight updates", ylabel=measure, title=title)
        axes.legend()
        for kind in kinds:
            image = io.BytesIO()
            figure.savefig(image, format=kind, dpi=120, metadata={"Date": None} if kind == "svg" else None)
            write_atomic(path.with_suffix(f".{kind}"), image.getvalue())

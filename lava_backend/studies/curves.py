"""Pictures of learning curves."""
from __future__ import annotations

from pathlib import Path

from fxsim.files.pictures import panels, save_picture, style

Line = tuple[str, list[tuple[float, float]], dict]


def draw_curves(lines: list[Line], path: Path, title: str, measure: str, kinds: tuple[str, ...] = ("png",)) -> None:
    """Draw ``measure`` over weight updates, once for each of ``kinds`` (endings of ``path``).

    lines       (label, [(updates, value), ...], look as Matplotlib takes it)
    """
    with style({}):
        figure, axes = panels(figsize=(7, 4), layout="constrained")
        for label, points, look in lines:
            axes.plot(*zip(*points), label=label, **look)
        axes.set(xlabel="weight updates", ylabel=measure, title=title)
        axes.legend()
        save_picture(figure, path.parent, path.stem, kinds, dpi=120)

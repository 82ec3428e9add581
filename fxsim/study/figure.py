"""A figure that a study asks its page for."""
from __future__ import annotations

from typing import Literal, Union

from pydantic import Field

from fxsim.config.base import Name, Section

Label = Union[Name, Literal[""]]
Value = Union[bool, int, float, str, list, dict, None]
ALIGNMENT = ("cosine", "angle", "ratio", "signs", "bias")      # what a figure shows of the table of alignments
METRICS = ("accuracy", "nmse", "loss", "rate_hz", *ALIGNMENT)


class Figure(Section):
    """One figure of a study's page.

    curves: learning curves, a line for each value of ``lines``; of alignment (cosine, angle, ratio, signs, bias) one for each of these in the table
    of alignments, from which ``where`` and ``panels`` choose layer, reference and what else there is several of;
    lines: the last evaluation against the numbers in column ``x``;  heatmap: the last evaluation over columns ``x`` and ``y``;
    pareto: the last evaluation against memory and energy, a point for each value of ``lines``, which has one configuration. A panel for each
    combination of values of ``panels``.
    """

    kind: Literal["curves", "lines", "heatmap", "pareto"]
    title: Name
    caption: str = Field("", max_length=2000)
    where: dict[str, Value] = Field({}, description="column -> value or values: the rows that are meant")
    panels: tuple[str, ...] = ()
    lines: str = "precision"
    x: str = ""
    y: str = ""
    x_label: Label = ""
    metric: Literal[METRICS] = "accuracy"       # type: ignore[valid-type]
    levels: dict[Name, dict[str, Value]] = Field({}, description="label -> rows whose mean is drawn as a level (curves and lines)")

"""What a study asks to be drawn."""
from __future__ import annotations

from typing import Literal, Sequence, Union

from pydantic import Field

from fxsim.config.base import Name, Section
from fxsim.errors import InputError

from .drawn import Value

Label = Union[Name, Literal[""]]
ALIGNMENT = ("cosine", "angle", "ratio", "signs", "bias")      # what a figure shows of the table of alignments
METRICS = ("accuracy", "nmse", "loss", "rate_hz", *ALIGNMENT)


class Figure(Section):
    """One figure of a study's page.

    curves: learning curves, a line for each value of ``lines``; of alignment (cosine, angle, ratio, signs, bias) one for each of these in the table
    of alignments, from which ``where`` and ``panels`` choose layer, reference and what else there is several of;
    lines: the last evaluation against the numbers in column ``x``;  heatmap: the last evaluation over columns ``x`` and ``y``;
    pareto: the last evaluation against memory and energy, a point for each value of ``lines``, which has one configuration;
    ranks: what the runs of block ``against`` came to against an alignment of the runs with the same axes and seed, a point for each combination of
    axes, with the rank correlation. A panel for each combination of values of ``panels``.
    """

    kind: Literal["curves", "lines", "heatmap", "pareto", "ranks"]
    title: Name
    caption: str = Field("", max_length=2000)
    where: dict[str, Value] = Field({}, description="column -> value or values: the rows that are meant")
    panels: tuple[str, ...] = ()
    lines: str = "precision"
    x: str = ""
    y: str = ""
    against: str = ""
    x_label: Label = ""
    metric: Literal[METRICS] = "accuracy"       # type: ignore[valid-type]
    levels: dict[Name, dict[str, Value]] = Field({}, description="label -> rows whose mean is drawn as a level (curves and lines)")

    def check(self, source: str, where: str, blocks: Sequence[str]) -> None:
        """InputError for fields that do not go together. ``where``: the figure's place in the study; ``blocks``: their names."""
        for field, what, kinds in (("x", "column", ("lines", "heatmap")), ("y", "column", ("heatmap",)), ("against", "block", ("ranks",))):
            if (self.kind in kinds) != bool(getattr(self, field)):
                raise InputError(source, f"{where}.{field}", getattr(self, field) or "nothing",
                                 f"a {what} for {' and '.join(kinds)}, nothing for others")
        if self.kind == "pareto" and self.levels:
            raise InputError(source, f"{where}.levels", "levels with kind pareto", "none: they are points of their own")
        if self.metric in ALIGNMENT and (self.kind not in ("curves", "ranks") or self.levels):
            raise InputError(source, f"{where}.metric", f"{self.metric} with kind {self.kind}", "kind curves or ranks, without levels")
        if self.kind == "ranks" and self.metric not in ALIGNMENT:
            raise InputError(source, f"{where}.metric", self.metric, f"one of {', '.join(ALIGNMENT)} for kind ranks")
        if self.against and self.against not in blocks:
            raise InputError(source, f"{where}.against", self.against, "a block: " + ", ".join(blocks))

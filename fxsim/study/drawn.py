"""Values drawn at random for the runs of a block: as many sets as wanted, the same ones whenever and wherever."""
from __future__ import annotations

from typing import Annotated, Any, Union

from pydantic import Field

from fxsim.config.base import Count, Name, Positive, Section
from fxsim.model.draws import generator

DRAW = "draw"       # column of the tables: the number of the set, from 1 on
Value = Union[bool, int, float, str, list, dict, None]


class Random(Section):
    """``count`` sets; in each, every axis has one of its ``values``, each as likely as the others, independently.

    What stands twice among the values is twice as likely. More sets leave the first as they are.
    """

    count: Positive
    seed: Count = 1
    values: dict[Name, Annotated[list[Value], Field(min_length=1)]] = Field(min_length=1)

    def sets(self) -> list[dict[str, Any]]:
        """axis -> value, of each set."""
        rng = generator(self.seed, "sets of a study")
        return [{axis: values[int(i)] for (axis, values), i in zip(self.values.items(), rng.integers([len(v) for v in self.values.values()]))}
                for _ in range(self.count)]

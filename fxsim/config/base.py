"""What sections of a configuration are made of: kinds of numbers, and refusals that name a field."""
from __future__ import annotations

from typing import Annotated, NoReturn

from pydantic import BaseModel, ConfigDict, Field

from quant.formats import FRAC_BITS, WORD_BITS

Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Duration = Annotated[int, Field(ge=1, le=10**6)]
Real = Annotated[float, Field(allow_inf_nan=False)]
PositiveReal = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
Chance = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Rate = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]
Bits = Annotated[int, Field(ge=WORD_BITS[0], le=WORD_BITS[1])]
FracBits = Annotated[int, Field(ge=FRAC_BITS[0], le=FRAC_BITS[1])]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class Refusal(ValueError):
    """What a validator refuses, for :func:`fxsim.config.schema.one_line`."""

    def __init__(self, field: str, found: object, allowed: str):
        self.field, self.found, self.allowed = field, found, allowed
        super().__init__(field)


def refuse(field: str, found: object, allowed: str) -> NoReturn:
    """Refuse a value of a configuration; ``field`` is its dotted name."""
    raise Refusal(field, found, allowed)

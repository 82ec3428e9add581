"""What sections of a configuration are made of: kinds of numbers, and refusals that name a field."""
from __future__ import annotations

from typing import Annotated, Any, NoReturn

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from quant.formats import FRAC_BITS, WORD_BITS


def _no_text(value: Any) -> Any:
    """pydantic takes true for 1 and "8" for 8: neither is what was meant."""
    if isinstance(value, (bool, str)):
        raise PydanticCustomError("number", "a number")
    return value


def _true_or_false(value: Any) -> Any:
    """pydantic takes "on", "y" and 1 for true."""
    if not isinstance(value, bool):
        raise PydanticCustomError("flag", "true or false")
    return value


Integer = Annotated[int, BeforeValidator(_no_text)]
Number = Annotated[float, BeforeValidator(_no_text)]
Flag = Annotated[bool, BeforeValidator(_true_or_false)]

Positive = Annotated[Integer, Field(ge=1)]
Count = Annotated[Integer, Field(ge=0)]
Duration = Annotated[Integer, Field(ge=1, le=10**6)]
Real = Annotated[Number, Field(allow_inf_nan=False)]
PositiveReal = Annotated[Number, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[Number, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[Number, Field(gt=0, le=1, allow_inf_nan=False)]
Chance = Annotated[Number, Field(ge=0, le=1, allow_inf_nan=False)]
Rate = Annotated[Number, Field(ge=0, le=1000, allow_inf_nan=False)]
Bits = Annotated[Integer, Field(ge=WORD_BITS[0], le=WORD_BITS[1])]
FracBits = Annotated[Integer, Field(ge=FRAC_BITS[0], le=FRAC_BITS[1])]


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

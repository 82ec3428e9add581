"""What sections of a configuration are made of: kinds of numbers, and refusals that name a field."""
from __future__ import annotations

from typing import Annotated, Any, Callable, NoReturn

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from quant.formats import FRAC_BITS, WORD_BITS

SMALLEST, LARGEST = 1e-30, 1e30     # of real numbers: their products and quotients stay far from the ends of float64
LONGEST = 1e9                       # of time constants, ms: beyond, a decay is next to one that loses nothing, and its complement next to 0


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


def _printable(value: str) -> str:
    if not value.isprintable():
        raise PydanticCustomError("name", "a text on one line, without control characters")
    return value


def _within(low: float, high: float, allowed: str) -> Callable[[float], float]:
    def check(value: float) -> float:
        if not low <= value <= high:        # NaN is refused, too
            raise PydanticCustomError("range", allowed)
        return value
    return check


Integer = Annotated[int, BeforeValidator(_no_text)]
Number = Annotated[float, BeforeValidator(_no_text)]
Flag = Annotated[bool, BeforeValidator(_true_or_false)]

Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)]

Positive = Annotated[Integer, Field(ge=1)]
Count = Annotated[Integer, Field(ge=0)]
Duration = Annotated[Integer, Field(ge=1, le=10**6)]
PositiveReal = Annotated[Number, AfterValidator(_within(SMALLEST, LARGEST, f"greater than 0 ({SMALLEST:g} to {LARGEST:g})"))]
NonNegative = Annotated[Number, AfterValidator(_within(0, LARGEST, f"0 to {LARGEST:g}"))]
TimeConstant = Annotated[Number, AfterValidator(_within(SMALLEST, LONGEST, f"greater than 0 ({SMALLEST:g} to {LONGEST:g} ms)"))]
Share = Annotated[Number, Field(gt=0, le=1, allow_inf_nan=False)]
Chance = Annotated[Number, Field(ge=0, le=1, allow_inf_nan=False)]
Rate = Annotated[Number, Field(ge=0, le=1000, allow_inf_nan=False)]
Bits = Annotated[Integer, Field(ge=WORD_BITS[0], le=WORD_BITS[1])]
FracBits = Annotated[Integer, Field(ge=FRAC_BITS[0], le=FRAC_BITS[1])]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, defer_build=True)


class Refusal(ValueError):
    """What a validator refuses, for :func:`fxsim.config.schema.one_line`."""

    def __init__(self, field: str, found: object, allowed: str):
        self.field, self.found, self.allowed = field, found, allowed
        super().__init__(field)


def refuse(field: str, found: object, allowed: str) -> NoReturn:
    """Refuse a value of a configuration; ``field`` is its dotted name."""
    raise Refusal(field, found, allowed)

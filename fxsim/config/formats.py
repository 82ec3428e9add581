"""The section ``formats``: what differs from the formats of the precision."""
from __future__ import annotations

from typing import Any, Literal, Optional

from pydantic import model_serializer

from quant import QUANTITIES, SHADOWS
from quant.rounding import OVERFLOWS, ROUNDINGS

from .base import Bits, Flag, FracBits, Section


class FormatChange(Section):
    """Fields of one quantity's format that differ from the precision's; ``word_bits`` alone keeps the format's range."""

    word_bits: Optional[Bits] = None
    frac_bits: Optional[FracBits] = None
    signed: Optional[Flag] = None
    rounding: Optional[Literal[tuple(ROUNDINGS)]] = None        # type: ignore[valid-type]
    overflow: Optional[Literal[tuple(OVERFLOWS)]] = None        # type: ignore[valid-type]

    @model_serializer
    def _given(self) -> dict[str, Any]:
        return {name: value for name in type(self).model_fields if (value := getattr(self, name)) is not None}


Quantity = Literal[(*QUANTITIES, *SHADOWS)]                     # type: ignore[valid-type]

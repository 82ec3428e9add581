"""The section ``initial``: the network that a run begins with, in place of one drawn from its seed."""
from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from .base import Section, refuse


class InitialConfig(Section):
    """A network of another run or program. In YAML the path alone will do; what it holds is in :mod:`fxsim.training.initial`."""

    path: Annotated[str, Field(min_length=1, max_length=4096)] = Field(description="a run directory, a weights.npz, or a NIR file")
    sha256: str = Field("", description="checksum of the file, which a run writes down: with another content it is refused")
    feedback: Literal["given", "readout"] = Field("given", description="B: the one that comes along, or the given readout weights")
    lossy: bool = Field(False, description="NIR of other programs: reset by subtraction instead of to v_reset")

    @field_validator("sha256")
    @classmethod
    def _checksum(cls, value: str) -> str:
        if not re.fullmatch(r"([0-9a-f]{64})?", value):
            refuse("initial.sha256", value[:80], "64 hexadecimal digits, or nothing")
        return value


def as_section(value: Any) -> Any:
    """A path alone as a section."""
    return {"path": value} if isinstance(value, str) else value

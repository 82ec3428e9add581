"""The sections ``network``, drawn from the seed or given by a file, and ``initial``: the trained network that a run begins with."""
from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Union

from pydantic import AfterValidator, Discriminator, Field, Tag, model_serializer, model_validator
from pydantic_core import PydanticCustomError

from .base import Count, NonNegative, Positive, PositiveReal, Section, Share, TimeConstant, refuse


def _checksum(value: str) -> str:
    if not re.fullmatch(r"([0-9a-f]{64})?", value):
        raise PydanticCustomError("checksum", "64 hexadecimal digits, or nothing")
    return value


Path = Annotated[str, Field(min_length=1, max_length=4096)]
Checksum = Annotated[str, AfterValidator(_checksum)]


class Gains(Section):
    """Factors on the He-normal initial weights."""

    input: NonNegative = 1.0
    recurrent: NonNegative = 1.0
    readout: NonNegative = 1.0
    feedback: NonNegative = 1.0


class NetworkConfig(Section):
    """Neurons, their place on the torus, and their connections."""

    n_lif: Count = Field(description="LIF neurons")
    n_alif: Count = Field(description="adaptive LIF neurons")
    grid: tuple[Positive, Positive] = Field(description="[h, w] cells of the torus")
    tau_m: TimeConstant = Field(description="membrane time constant, ms")
    tau_out: TimeConstant = Field(description="readout time constant, ms")
    tau_adaptation: TimeConstant = Field(2000.0, description="time constant of the adaptive threshold, ms")
    threshold: PositiveReal = Field(0.03, description="thr")
    beta: NonNegative = Field(1.8, description="strength of the adaptation of ALIF neurons")
    gamma: PositiveReal = Field(0.3, description="dampening of the pseudo-derivative")
    refractory: Count = Field(5, le=10**4, description="R, steps without a spike after a spike")
    gains: Gains = Gains()
    connectivity: Literal["local", "sparse", "full"] = Field("local", description="recurrent connections")
    sigma: PositiveReal = Field(0.012, description="width of local connectivity")
    sigma_units: Literal["relative", "grid"] = Field(
        "relative", description="relative: distances as shares of the grid (the paper); grid: in cells, so that fan-in stays as nets grow")
    input_sparsity: Share = Field(0.1, description="share of the input connections that exist")
    recurrent_sparsity: Share = Field(0.1, description="share of the recurrent connections, for connectivity: sparse")
    readout_sparsity: Share = Field(0.1, description="share of the readout connections that exist")
    feedback: Literal["Symmetric", "Random", "Random_sparse"] = Field("Symmetric", description="B: the initial readout weights, or random")

    @property
    def n(self) -> int:
        return self.n_lif + self.n_alif


class GivenNetwork(Section):
    """A network of a file, whole: places, connections, constants, feedback, weights. Nothing of it is drawn."""

    path: Path = Field(alias="from", description="a file of fxsim network --save or fxsim.save_network, see fxsim.model.given.stored")
    sha256: Checksum = Field("", description="checksum of the file, which a run writes down: with another content it is refused")

    @model_validator(mode="before")
    @classmethod
    def _alone(cls, data: Any) -> Any:
        others = [field for field in data if field in NetworkConfig.model_fields] if isinstance(data, dict) else []
        if others:
            refuse("network.from", f"a file beside {', '.join(others)}", "the file alone, which says the rest: --set network={from: FILE}")
        return data

    @model_serializer
    def _as_written(self) -> dict[str, str]:
        return {"from": self.path, "sha256": self.sha256}


DRAWN, GIVEN = "drawn network", "given network"


def _kind(value: Any) -> str:
    return GIVEN if isinstance(value, GivenNetwork) or (isinstance(value, dict) and "from" in value) else DRAWN


NetworkSection = Annotated[Union[Annotated[NetworkConfig, Tag(DRAWN)], Annotated[GivenNetwork, Tag(GIVEN)]], Discriminator(_kind)]
NETWORKS: dict[str, type[Section]] = {DRAWN: NetworkConfig, GIVEN: GivenNetwork}      # what pydantic calls them in its errors


class InitialConfig(Section):
    """A network of another run or program. In YAML the path alone will do; what it holds is in :mod:`fxsim.training.initial`."""

    path: Path = Field(description="a run directory, a weights.npz, or a NIR file")
    sha256: Checksum = Field("", description="checksum of the file, which a run writes down: with another content it is refused")
    feedback: Literal["given", "readout"] = Field("given", description="B: the one that comes along, or the given readout weights")
    lossy: bool = Field(False, description="NIR of other programs: reset by subtraction instead of to v_reset")


def as_section(value: Any) -> Any:
    """A path alone as a section."""
    return {"path": value} if isinstance(value, str) else value

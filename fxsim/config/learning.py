"""The section ``learning``: rule and optimizer."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Optional, Union

from pydantic import Field, model_validator

from .base import Integer, NonNegative, Number, PositiveReal, Rate, Section, refuse


class AdamConfig(Section):
    """Adam on the host, in float64."""

    on_chip: ClassVar[bool] = False

    name: Literal["adam"]
    rate: PositiveReal = 0.005
    beta1: Annotated[Number, Field(ge=0, lt=1)] = 0.9
    beta2: Annotated[Number, Field(ge=0, lt=1)] = 0.999
    epsilon: PositiveReal = 1e-8


class SgdConfig(Section):
    """On-chip integer gradient descent: scaled weights change by -2^log2_rate times the batch's summed scaled gradient."""

    on_chip: ClassVar[bool] = True

    name: Literal["sgd"]
    log2_rate: Annotated[Integer, Field(ge=-60, le=20)] = -10


class AdaMaxConfig(Section):
    """On-chip integer AdaMax, with shifts in place of products and divisions (see fxsim.training.optimizers)."""

    on_chip: ClassVar[bool] = True

    name: Literal["adamax"]
    log2_rate: Annotated[Integer, Field(ge=-60, le=20)] = Field(-6, description="largest step of a weight: 2^log2_rate in model units")
    beta1_shift: Annotated[Integer, Field(ge=0, le=6)] = Field(3, description="mean of the gradients over 2^beta1_shift updates")
    beta2_shift: Annotated[Integer, Field(ge=0, le=30)] = Field(8, description="maximum of the gradients over 2^beta2_shift updates")

    @model_validator(mode="after")
    def _consistent(self) -> AdaMaxConfig:
        if self.beta2_shift < self.beta1_shift:
            refuse("learning.optimizer.beta2_shift", self.beta2_shift, f"at least beta1_shift = {self.beta1_shift}")
        return self


@dataclass(frozen=True)
class Rule:
    """What a learning rule is to the rest of the program. Its signal is in the oracle, the kernels and the reference."""

    number: Optional[int]           # of its signal in the kernels; None: backpropagation, which needs none
    diffuses: bool = False          # whether the error spreads over the grid


RULES = {"eprop": Rule(0), "diffusion": Rule(1, diffuses=True), "shuffled_fixed": Rule(1, diffuses=True),
         "shuffled_per_step": Rule(2, diffuses=True), "bptt": Rule(None)}


OptimizerConfig = Union[AdamConfig, AdaMaxConfig, SgdConfig]
Optimizer = Annotated[OptimizerConfig, Field(discriminator="name")]
OPTIMIZERS: dict[str, type[OptimizerConfig]] = {"adam": AdamConfig, "adamax": AdaMaxConfig, "sgd": SgdConfig}


class LearningConfig(Section):
    """Where the gradients come from and what is done with them."""

    rule: Literal[tuple(RULES)] = "diffusion"       # type: ignore[valid-type]
    k: Annotated[Number, Field(ge=0, lt=1)] = Field(0.75, description="post-release decay of the neuromodulator")
    c_reg: NonNegative = Field(0.01, description="strength of the firing-rate regularisation")
    f_target_hz: Rate = Field(10.0, description="target rate, Hz")
    memory_mib: Optional[PositiveReal] = Field(
        None, description="MiB for what rule bptt keeps of the trials that run at once; longer ones run forward twice; null: all is kept")
    optimizer: Optimizer = AdamConfig(name="adam")

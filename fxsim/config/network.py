"""The section ``network``."""
from __future__ import annotations

from typing import Literal

from pydantic import Field

from .base import Count, NonNegative, Positive, PositiveReal, Section, Share, TimeConstant


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

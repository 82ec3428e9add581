"""The spike, a step function with a surrogate derivative."""
from __future__ import annotations

from typing import Any

import torch


class Spike(torch.autograd.Function):
    """z = 1 if v - A > 0 and r = 0, else 0;  dz/d(v - A) = psi (zero while refractory).

    psi = (gamma/thr) max(0, 1 - |v - A|/thr).
    """

    @staticmethod
    def forward(ctx: Any, excess: torch.Tensor, refractory: torch.Tensor, threshold: float, gamma: float) -> torch.Tensor:
        """``excess`` v - A and ``refractory`` r have the shape of the returned z."""
        ctx.save_for_backward(excess, refractory)
        ctx.threshold, ctx.gamma = threshold, gamma
        return (excess > 0).logical_and_(refractory == 0).to(excess.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        excess, refractory = ctx.saved_tensors
        return gradient * pseudo_derivative(excess, refractory, ctx.threshold, ctx.gamma), None, None, None


def pseudo_derivative(excess: torch.Tensor, refractory: torch.Tensor, threshold: float, gamma: float) -> torch.Tensor:
    """psi = (gamma/thr) max(0, 1 - |v - A|/thr) where r = 0, else 0. All of one shape."""
    closeness = excess.abs().div_(-threshold).add_(1).clamp_(min=0)
    return closeness.mul_(gamma / threshold).mul_(refractory == 0)

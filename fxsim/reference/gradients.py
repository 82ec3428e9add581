"""Gradients of every learning rule, and training with Adam.

BPTT is autograd through the forward pass, with the current Wout and the reset not detached, on

    loss = mean task loss over window and trials + (c_reg/2) sum_j mean_b (f_j - f_target)^2,   f_j = spikes of j / T_b
"""
from __future__ import annotations

import torch
from torch import Tensor

from fxsim.model.network import LAYERS, Learning, Trials

from .eligibility import eligibility_gradients
from .model import ReferenceModel, Trajectories
from .signal import task_loss


def gradients(model: ReferenceModel, trials: Trials, learning: Learning, seed: int = 0) -> dict[str, Tensor]:
    """layer -> (n_syn,) mean gradient over the trials, at the model's present weights.

    ``seed`` draws the permutations of shuffled_per_step and nothing else.
    """
    return run_and_learn(model, trials, learning, seed)[1]


def run_and_learn(model: ReferenceModel, trials: Trials, learning: Learning, seed: int) -> tuple[Trajectories, dict[str, Tensor]]:
    """The forward pass (z and y at least) and the gradients of one batch, which must fit in memory at once."""
    if learning.rule == "bptt":
        path = model(model.tensor(trials.x), record=())
        values = torch.autograd.grad(bptt_loss(model, path, trials, learning), list(model.weights().values()))
        return path, dict(zip(LAYERS, values))
    with torch.no_grad():
        path = model(model.tensor(trials.x), record=("v", "A", "r"))
    return path, eligibility_gradients(model, path, trials, learning, seed)


def bptt_loss(model: ReferenceModel, path: Trajectories, trials: Trials, learning: Learning) -> Tensor:
    """Task loss in the window plus firing-rate regularisation over the whole trial."""
    f = path.z.sum(1) / model.tensor(trials.duration)[:, None]          # (B, n), spikes per step
    regularisation = 0.5 * learning.c_reg * (f - learning.f_target).square().sum(1).mean()
    return task_loss(path.y[:, -learning.window:], model.tensor(trials.target), learning) + regularisation


def adam_steps(model: ReferenceModel, trials: Trials, learning: Learning, rate: float, steps: int, seed: int = 0) -> None:
    """Train in place: ``steps`` Adam updates on the same batch (beta1 0.9, beta2 0.999, epsilon 1e-8)."""
    weights = model.weights()
    optimizer = torch.optim.Adam(weights.values(), lr=rate, betas=(0.9, 0.999), eps=1e-8)
    for _ in range(steps):
        for layer, gradient in gradients(model, trials, learning, seed).items():
            weights[layer].grad = gradient
        optimizer.step()

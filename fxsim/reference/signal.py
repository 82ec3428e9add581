"""From the readout to the learning signal: loss, error, direct feedback, neuromodulator on the grid.

    err_k(t) = softmax(y(t))_k - onehot_k   (classification)      y_k(t) - target_k(t)   (regression)
    d_j(t)   = sum_k B[j,k] err_k(t)
    e-prop     L_j(t) = d_j(t)
    diffusion  M_rc(t) = (k/9) sum over the 3x3 neighbourhood (centre included, torus) of M(t-1)
                          + sum of d_j(t) over the neuron j that sits at (r, c)
               L_j(t) = M at j's own cell
    shuffled   G[c] = M[p[c]], G' = (k/9) neighbourhood sums of G, M[c] = G'[p^-1[c]] + what is injected;
               shuffled_fixed has one p, shuffled_per_step a fresh one per step and trial

All of it exists in the last S steps of a trial only; M is zero before them.
"""
from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fxsim.model.network import Learning, Trials
from fxsim.model.permutations import step_permutations

from .model import ReferenceModel


def error(y: Tensor, target: Tensor, learning: Learning) -> Tensor:
    """err (B, S, K) of the readout in the window, y (B, S, K), against its target."""
    return (torch.softmax(y, -1) if learning.classification else y) - target


def task_loss(y: Tensor, target: Tensor, learning: Learning) -> Tensor:
    """Mean over window and trials of the cross-entropy, or of half the squared error: the loss whose derivative is err."""
    if learning.classification:
        per_step = -(target * torch.log_softmax(y, -1)).sum(-1)
    else:
        per_step = 0.5 * (y - target).square().sum(-1)
    return per_step.mean()


def learning_signal(model: ReferenceModel, err: Tensor, trials: Trials, learning: Learning, seed: int) -> Tensor:
    """L (B, S, n) from err (B, S, K)."""
    direct = err @ model.feedback.T
    return _diffused(model, direct, trials, learning, seed) if learning.diffuses else direct


def _diffused(model: ReferenceModel, direct: Tensor, trials: Trials, learning: Learning, seed: int) -> Tensor:
    """M at every neuron's own cell, (B, S, n), from the released d (B, S, n)."""
    shuffle = _shuffles(model, trials, learning, seed)
    M = torch.zeros(direct.shape[0], model.topology.n_cells, dtype=direct.dtype)
    signal = []
    for step, released in enumerate(direct.unbind(1)):
        if shuffle is None:
            M = _diffuse(model, M, learning.k)
        else:
            p = shuffle[:, step]                                # (B or 1, cells)
            p = p.expand(M.shape)
            G = _diffuse(model, M.gather(1, p), learning.k)
            M = torch.empty_like(M).scatter_(1, p, G)           # M[p[c]] = G'[c], that is M[c] = G'[p^-1[c]]
        M = M.index_add(1, model.cell, released)
        signal.append(M[:, model.cell])
    return torch.stack(signal, 1)


def _diffuse(model: ReferenceModel, M: Tensor, k: float) -> Tensor:
    """(k/9) times the sum over each cell's 3x3 neighbourhood, M (B, cells)."""
    return (k / 9) * M[:, model.moore].sum(-1)


def _shuffles(model: ReferenceModel, trials: Trials, learning: Learning, seed: int) -> Tensor | None:
    """The permutations p of the rule, (B or 1, S, cells), or None if it does not shuffle."""
    if learning.rule == "diffusion":
        return None
    if learning.rule == "shuffled_fixed":
        return model.permutation.expand(1, learning.window, -1)
    steps = np.arange(trials.steps - learning.window, trials.steps)
    return torch.from_numpy(step_permutations(seed, trials.ids, steps, model.topology.n_cells).astype(np.int64))

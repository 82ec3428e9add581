"""Gradients of e-prop and of its diffusing variants by the eligibility recursion.

    psi_j(t)  = (gamma/thr) max(0, 1 - |v_j(t) - A_j(t)| / thr)   if r_j(t) = 0, else 0
    ev_i(t)   = alpha ev_i(t-1) + (1 - alpha) s_i(t)
    ea_ij(t)  = (rho - (1-rho) beta_j psi_j(t-1)) ea_ij(t-1) + (1-rho) psi_j(t-1) ev_i(t-1)
    e_ij(t)   = psi_j(t) (ev_i(t) - beta_j ea_ij(t))
    ebar_ij(t)= kappa ebar_ij(t-1) + (1 - kappa) e_ij(t)

    gTask_ij  = mean_b (1/S)   sum_{t in window} L_j(t) ebar_ij(t)
    gReg_ij   = mean_b (c_reg / T_b) (f_j - f_target) sum_{all t} e_ij(t),     f_j = spikes of j in the trial / T_b
    gOut_jk   = mean_b (1/S) sum_{t in window} err_k(t) zbar_j(t),  zbar(t) = kappa zbar(t-1) + (1-kappa) z(t)

s_i is x_i(t) for input and z_i(t-1) for recurrent synapses: both kinds run as one list of synapses from m + n presynaptic
lines. Per-synapse state is (synapses, B) and lives for one step only, so memory does not grow with the trial.
"""
from __future__ import annotations

import torch
from torch import Tensor

from fxsim.model.network import Learning, Trials

from .model import ReferenceModel, Trajectories
from .signal import error, learning_signal
from .spike import pseudo_derivative


@torch.no_grad()
def eligibility_gradients(model: ReferenceModel, path: Trajectories, trials: Trials, learning: Learning, seed: int) -> dict[str, Tensor]:
    """layer -> (n_syn,) mean gradient over the trials that ``path`` is the forward pass of."""
    c, steps, S = model.constants, trials.steps, learning.window
    first = steps - S                                                   # the window's first step
    err = error(path.y[:, first:], model.tensor(trials.target), learning)
    L = _by_time(learning_signal(model, err, trials, learning, seed))   # (S, n, B)

    assert path.v is not None and path.A is not None and path.r is not None     # run_and_learn has them recorded
    psi = _by_time(pseudo_derivative(path.v - path.A, path.r, c.threshold, c.gamma))   # (T, n, B)
    x, z = _by_time(model.tensor(trials.x)), _by_time(path.z)           # (T, m, B), (T, n, B)
    pre = torch.cat([model.pre_in, model.pre_rec + x.shape[1]])
    post = torch.cat([model.post_in, model.post_rec])
    beta = model.beta[post, None]

    ev = torch.zeros(x.shape[1] + z.shape[1], trials.size, dtype=model.dtype)
    ea = torch.zeros(post.numel(), trials.size, dtype=model.dtype)
    psi_post, ev_pre = torch.zeros_like(ea), torch.zeros_like(ea)
    e_bar, e_sum, task = torch.zeros_like(ea), torch.zeros_like(ea), torch.zeros_like(ea)
    z_before = z_bar = torch.zeros_like(z[0])
    z_bars = []
    for t in range(steps):
        ea = (c.rho - (1 - c.rho) * beta * psi_post).mul_(ea).add_(psi_post * ev_pre, alpha=1 - c.rho)
        ev = c.alpha * ev + (1 - c.alpha) * torch.cat([x[t], z_before])
        psi_post, ev_pre = psi[t].index_select(0, post), ev.index_select(0, pre)
        e = torch.addcmul(ev_pre, beta, ea, value=-1).mul_(psi_post)
        e_bar.mul_(c.kappa).add_(e, alpha=1 - c.kappa)
        e_sum += e
        z_before, z_bar = z[t], c.kappa * z_bar + (1 - c.kappa) * z[t]
        if t >= first:
            task.addcmul_(L[t - first].index_select(0, post), e_bar)
            z_bars.append(z_bar)

    T_b = model.tensor(trials.duration)
    f = z.sum(0) / T_b                                                  # (n, B), spikes per step
    pull = learning.c_reg / T_b * (f - learning.f_target)
    hidden = (task / S + pull[post] * e_sum).mean(1)
    out = torch.einsum("bsk,sjb->jk", err, torch.stack(z_bars)) / (S * trials.size)
    n_in = model.w_in.numel()
    return {"in": hidden[:n_in], "rec": hidden[n_in:], "out": out[model.pre_out, model.post_out]}


def _by_time(trajectory: Tensor) -> Tensor:
    """(B, T, lines) -> (T, lines, B): one step is contiguous, trials innermost."""
    return trajectory.permute(1, 2, 0).contiguous()

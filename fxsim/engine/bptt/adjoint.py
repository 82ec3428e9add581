"""One trial forward, and back through time.

Forward as in :mod:`fxsim.reference.model`, in model units. Back, with vb = dloss/dv and so on, at t = T-1 .. 0 (all zero after the last step):

    Y_k(t)  = err_k(t) / (S B)  [in the window]  + kappa Y_k(t+1)
    zb_j(t) = (1-kappa) sum_k Wout[j,k] Y_k(t) + (1-alpha) sum_p Wrec[j,p] vb_p(t+1) - thr vb_j(t+1) + (1-rho) ab_j(t+1)
              + c_reg (f_j - f_target) / (T_b B)
    vb_j(t) = psi_j(t) zb_j(t) + alpha vb_j(t+1)
    ab_j(t) = -beta_j psi_j(t) zb_j(t) + rho ab_j(t+1)

    dWin[i,j] = (1-alpha) sum_t x_i(t) vb_j(t)    dWrec[j,p] = (1-alpha) sum_t z_j(t) vb_p(t+1)    dWout[j,k] = (1-kappa) sum_t z_j(t) Y_k(t)

Where psi is zero, and a neuron far from its threshold has none, zb is not needed; sums over t are sums over spikes. The refractory
period is no function of the weights. A trial leaves nothing but its spikes and pseudo-derivatives behind: T x n numbers for each thread.
"""
from __future__ import annotations

import numpy as np

from fxsim.files.machine_code import folder_digest, kept


@kept(folder_digest(__file__), nogil=True)
def run_trials(
        x: np.ndarray, target: np.ndarray, duration: np.ndarray, ptr_in: np.ndarray, post_in: np.ndarray, w_in: np.ndarray,
        ptr_rec: np.ndarray, post_rec: np.ndarray, w_rec: np.ndarray, ptr_out: np.ndarray, post_out: np.ndarray, w_out: np.ndarray,
        beta: np.ndarray, constants: tuple, refractory: int, classify: bool, learn: bool, share: float, psi: np.ndarray, fired: np.ndarray,
        readout: np.ndarray, counts: np.ndarray, g_in: np.ndarray, g_rec: np.ndarray, g_out: np.ndarray) -> None:
    """Run B trials, one after the other.

    x (B, T, m), target (B, S, K), duration (B,);  ptr, post, w: connections by their presynaptic line;  beta (n,)
    constants   thr, gamma/thr, alpha, 1-alpha, rho, 1-rho, kappa, 1-kappa, c_reg, f_target, all of the weights' type
    share       1 / (trials of the batch)
    psi, fired  (T, n) room;  readout (B, S, K), counts (B, n), g_in, g_rec, g_out (B, n_syn): filled
    """
    trials, steps, inputs = x.shape
    window, outputs, n = target.shape[1], target.shape[2], beta.size
    thr, slope, alpha, alpha1, rho, rho1, kappa, kappa1, c_reg, f_target = constants
    zero = thr - thr
    one = zero + 1
    v, a, drive, pull = np.zeros_like(beta), np.zeros_like(beta), np.zeros_like(beta), np.zeros_like(beta)
    vb, ab = np.zeros_like(beta), np.zeros_like(beta)
    new_vb = np.zeros_like(beta)
    y, Y = np.zeros(outputs, beta.dtype), np.zeros(outputs, beta.dtype)
    err = np.zeros((window, outputs), beta.dtype)
    left = np.zeros(n, np.int64)
    for b in range(trials):
        v[:], a[:], y[:], left[:] = zero, zero, zero, 0
        for t in range(steps):
            drive[:] = zero
            for i in range(inputs):
                if x[b, t, i]:
                    for e in range(ptr_in[i], ptr_in[i + 1]):
                        drive[post_in[e]] += w_in[e]
            if t:
                for j in range(n):
                    if fired[t - 1, j]:
                        for e in range(ptr_rec[j], ptr_rec[j + 1]):
                            drive[post_rec[e]] += w_rec[e]
            y *= kappa
            for j in range(n):
                before = t > 0 and fired[t - 1, j] != 0
                left[j] = refractory if before and refractory > 0 else max(left[j] - 1, 0)
                v[j] = alpha * v[j] + alpha1 * drive[j]
                a[j] = rho * a[j]
                if before:
                    v[j] -= thr
                    a[j] += rho1
                excess = v[j] - (thr + beta[j] * a[j])
                spike = excess > 0 and left[j] == 0
                fired[t, j] = spike
                if spike:
                    counts[b, j] += 1
                    for e in range(ptr_out[j], ptr_out[j + 1]):
                        y[post_out[e]] += kappa1 * w_out[e]
                closeness = one - abs(excess) / thr
                psi[t, j] = slope * closeness if closeness > 0 and left[j] == 0 else zero
            s = t - (steps - window)
            if s >= 0:
                readout[b, s] = y
                err[s] = y
        if not learn:
            continue
        for s in range(window):
            if classify:
                err[s] = np.exp(err[s] - err[s].max())
                err[s] /= err[s].sum()
            for k in range(outputs):
                err[s, k] = (err[s, k] - target[b, s, k]) * share / window
        for j in range(n):
            pull[j] = c_reg * (counts[b, j] / duration[b] - f_target) / duration[b] * share
        Y[:], vb[:], ab[:] = zero, zero, zero
        for t in range(steps - 1, -1, -1):
            Y *= kappa
            s = t - (steps - window)
            if s >= 0:
                Y += err[s]
            for j in range(n):
                if fired[t, j]:
                    for e in range(ptr_out[j], ptr_out[j + 1]):
                        g_out[b, e] += kappa1 * Y[post_out[e]]
                    for e in range(ptr_rec[j], ptr_rec[j + 1]):
                        g_rec[b, e] += alpha1 * vb[post_rec[e]]
                through = zero
                if psi[t, j] != 0:
                    onto_readout, onto_neurons = zero, zero
                    for e in range(ptr_out[j], ptr_out[j + 1]):
                        onto_readout += w_out[e] * Y[post_out[e]]
                    for e in range(ptr_rec[j], ptr_rec[j + 1]):
                        onto_neurons += w_rec[e] * vb[post_rec[e]]
                    through = psi[t, j] * (kappa1 * onto_readout + alpha1 * onto_neurons - thr * vb[j] + rho1 * ab[j] + pull[j])
                new_vb[j] = through + alpha * vb[j]
                ab[j] = rho * ab[j] - beta[j] * through
            vb[:] = new_vb
            for i in range(inputs):
                if x[b, t, i]:
                    for e in range(ptr_in[i], ptr_in[i + 1]):
                        g_in[b, e] += alpha1 * vb[post_in[e]]

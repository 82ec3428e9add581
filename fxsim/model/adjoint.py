"""Back through time: the adjoint of the forward pass of :mod:`fxsim.model.steps`, written once, in its scaled units.

With ``x_`` = dloss/dx, for t = T-1 .. 0 and all zero after the last step:

    y_k(t) = keep_readout y_k(t+1) + err_k(t)                                           err: of the loss by the readout, zero before the window
    z_j(t) = sum_k Wout[j,k] y_k(t) + sum_p Wrec[j,p] V_p(t+1) - V_j(t+1) + a_j(t+1) + rate_j
    V_j(t) = keep_membrane V_j(t+1) + slope H_j(t) z_j(t)
    a_j(t) = keep_adaptation a_j(t+1) - gain_j slope H_j(t) z_j(t)

    Win[i,j] = sum_t x_i(t) V_j(t)        Wrec[j,p] = sum_t z_j(t) V_p(t+1)        Wout[j,k] = sum_t z_j(t) y_k(t)

(spikes to the left of an adjoint). slope H: the pseudo-derivative, slope = gamma; -V_j(t+1) is the reset, a_j(t+1) the adaptation that a spike
adds; the refractory period is no function of the weights, but H is zero in it. rate_j: of the firing-rate regularisation, the same at
every step. Source: backpropagation through time as autograd does it on the same forward pass (:mod:`fxsim.reference`).

In fixed point x(t) is rounded and clipped into its format. Roundings are passed straight through, clipping passes nothing: where the stored
x(t) is at an end of its format (of a, which is never negative, the upper one), x_(t) is zero. Coefficients and weights are the stored ones.

The functions are the single definition that kernels are built from; Python's operators, on numbers or arrays.
"""
from __future__ import annotations

from typing import Any


def passed_back(sum: Any, weight: Any, adjoint: Any) -> Any:
    """One more synapse's share of the adjoint of a spike."""
    return sum + weight * adjoint


def counted(sum: Any, spikes: Any, adjoint: Any) -> Any:
    """One more step of the gradient of a weight."""
    return sum + spikes * adjoint


def readout_adjoint(y: Any, err: Any, keep: Any) -> Any:
    """y(t), from y(t+1)."""
    return keep * y + err


def spike_adjoint(synapses: Any, V: Any, a: Any) -> Any:
    """z(t), from V(t+1) and a(t+1); ``synapses``: the sums over them, and the rate's share."""
    return synapses - V + a


def threshold_adjoint(z: Any, H: Any, slope: Any) -> Any:
    """What of z(t) goes through the threshold, to V - A."""
    return slope * H * z


def membrane_adjoint(V: Any, through: Any, keep: Any) -> Any:
    """V(t), from V(t+1)."""
    return keep * V + through


def adaptation_adjoint(a: Any, through: Any, gain: Any, keep: Any) -> Any:
    """a(t), from a(t+1)."""
    return keep * a - gain * through


def passed_through(adjoint: Any, open: Any) -> Any:
    """What of an adjoint passes the clipping of a stored value: all (open = 1) or nothing (0)."""
    return adjoint * open

"""The forward pass of the recurrent spiking network as an ``nn.Module``.

    r_j(t) = R if z_j(t-1) = 1, else max(0, r_j(t-1) - 1)
    v_j(t) = alpha v_j(t-1) + (1 - alpha) (sum_i Wrec[i,j] z_i(t-1) + sum_i Win[i,j] x_i(t)) - thr z_j(t-1)
    a_j(t) = rho a_j(t-1) + (1 - rho) z_j(t-1)
    A_j(t) = thr + beta_j a_j(t)
    z_j(t) = 1 if v_j(t) > A_j(t) and r_j(t) = 0, else 0
    y_k(t) = kappa y_k(t-1) + (1 - kappa) sum_j Wout[j,k] z_j(t)

All state is zero before the first step. Symbols and units as in :class:`fxsim.model.network.Constants`.
"""
from __future__ import annotations

from typing import NamedTuple, Optional

import numpy as np
import torch
from torch import Tensor, nn

from fxsim.model.network import LAYERS, Network, Synapses

from .spike import Spike

DTYPES = {"float32": torch.float32, "float64": torch.float64}


class Trajectories(NamedTuple):
    """State over time. B trials, T steps, n neurons, K outputs; None where it was not recorded."""

    v: Optional[Tensor]     # (B, T, n) membrane potential
    a: Optional[Tensor]     # (B, T, n) adaptation
    A: Optional[Tensor]     # (B, T, n) adaptive threshold
    r: Optional[Tensor]     # (B, T, n) steps of the refractory period that are left
    z: Tensor               # (B, T, n) spikes, 0 or 1
    y: Tensor               # (B, T, K) readout


class ReferenceModel(nn.Module):
    """One network; its parameters ``w_in``, ``w_rec``, ``w_out`` hold one weight per synapse, in canonical order.

    Args:
        network: constants, topology, initial weights and fixed feedback.
        dtype: ``"float32"`` or ``"float64"``.
    """

    # registered below; named here because nn.Module knows them only as Tensor or Module
    w_in: nn.Parameter
    w_rec: nn.Parameter
    w_out: nn.Parameter
    pre_in: Tensor
    pre_rec: Tensor
    pre_out: Tensor
    post_in: Tensor
    post_rec: Tensor
    post_out: Tensor
    beta: Tensor
    feedback: Tensor
    cell: Tensor
    moore: Tensor
    permutation: Tensor

    def __init__(self, network: Network, dtype: str = "float64"):
        super().__init__()
        self.constants, self.topology, self.dtype = network.constants, network.topology, DTYPES[dtype]
        for layer in LAYERS:
            synapses = network.topology.synapses(layer)
            self.register_parameter(f"w_{layer}", nn.Parameter(self.tensor(network.weights[layer])))
            self.register_buffer(f"pre_{layer}", torch.from_numpy(synapses.pre.astype(np.int64)))
            self.register_buffer(f"post_{layer}", torch.from_numpy(synapses.post.astype(np.int64)))
        self.register_buffer("beta", self.tensor(network.constants.beta))               # (n,)
        self.register_buffer("feedback", self.tensor(network.feedback))                 # (n, K)
        self.register_buffer("cell", torch.from_numpy(network.topology.cell.astype(np.int64)))      # (n,)
        self.register_buffer("moore", torch.from_numpy(network.topology.moore().astype(np.int64)))  # (cells, 9)
        self.register_buffer("permutation", torch.from_numpy(network.permutation.astype(np.int64)))  # (cells,)

    def tensor(self, values: np.ndarray) -> Tensor:
        """A copy in the model's floating-point type."""
        return torch.tensor(np.asarray(values), dtype=self.dtype)

    def weights(self) -> dict[str, nn.Parameter]:
        """layer -> (n_syn,) parameter."""
        return {layer: getattr(self, f"w_{layer}") for layer in LAYERS}

    def set_weights(self, weights: dict[str, np.ndarray]) -> None:
        """Overwrite the weights: layer -> (n_syn,), model units."""
        with torch.no_grad():
            for layer, parameter in self.weights().items():
                parameter.copy_(self.tensor(weights[layer]))

    def dense(self, layer: str) -> Tensor:
        """(n_pre, n_post) weight matrix; its gradient flows back to the synapses alone."""
        synapses: Synapses = self.topology.synapses(layer)
        index = (getattr(self, f"pre_{layer}"), getattr(self, f"post_{layer}"))
        return torch.zeros(synapses.n_pre, synapses.n_post, dtype=self.dtype).index_put(index, getattr(self, f"w_{layer}"))

    def forward(self, x: Tensor, record: tuple[str, ...] = ("v", "a", "A", "r")) -> Trajectories:
        """Run a batch of trials.

        Args:
            x: (B, T, m) input spikes, 0 or 1, in the model's floating-point type.
            record: which of v, a, A, r to return besides z and y; fewer need less memory.
        """
        c, n = self.constants, self.topology.n
        drive = ((1 - c.alpha) * (x @ self.dense("in"))).unbind(1)
        # What a spike does to the potentials one step later. There are no autapses: the diagonal is the reset alone.
        echo = (1 - c.alpha) * self.dense("rec") - c.threshold * torch.eye(n, dtype=self.dtype)
        threshold = torch.full((n,), c.threshold, dtype=self.dtype)

        v = a = r = z = torch.zeros(x.shape[0], n, dtype=self.dtype)
        spikes: list[Tensor] = []
        history: dict[str, list[Tensor]] = {name: [] for name in record}
        for drive_t in drive:
            r = torch.maximum(c.refractory * z.detach(), r - 1)     # r >= 0, and 0 wherever z = 1
            v = torch.addmm(torch.add(drive_t, v, alpha=c.alpha), z, echo)
            a = torch.add(c.rho * a, z, alpha=1 - c.rho)
            A = torch.addcmul(threshold, self.beta, a)
            z = Spike.apply(v - A, r, c.threshold, c.gamma)
            spikes.append(z)
            for name, value in (("v", v), ("a", a), ("A", A), ("r", r)):
                if name in history:
                    history[name].append(value)
        z_all = torch.stack(spikes, 1)
        recorded = {name: torch.stack(history[name], 1) if name in history else None for name in ("v", "a", "A", "r")}
        return Trajectories(**recorded, z=z_all, y=self.readout(z_all))

    def readout(self, z: Tensor) -> Tensor:
        """y (B, T, K) from spikes z (B, T, n)."""
        kappa = self.constants.kappa
        drive = ((1 - kappa) * (z @ self.dense("out"))).unbind(1)
        y, history = torch.zeros_like(drive[0]), []
        for drive_t in drive:
            y = torch.add(drive_t, y, alpha=kappa)
            history.append(y)
        return torch.stack(history, 1)

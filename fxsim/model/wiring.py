"""Index tables that engines share: the order of eligibility synapses, and whose modulator diffuses into which cell."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .network import Learning, Topology
from .permutations import step_permutations


@dataclass(frozen=True)
class Wiring:
    """Recurrent and input synapses in one list, sorted by (post, line).

    A line is a presynaptic spike source: neurons 0 .. n-1, then input channels n .. n+m-1. The position in this list is
    the synapse's element number for stochastic rounding.
    """

    line: np.ndarray        # (n_syn,) int32
    post: np.ndarray        # (n_syn,) int32
    position: dict[str, np.ndarray]     # layer in | rec -> positions of that layer's synapses, in the layer's own order

    @property
    def size(self) -> int:
        return self.line.size

    def split(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """(..., n_syn) values as layer -> values."""
        return {layer: values[..., where] for layer, where in self.position.items()}

    def join(self, values: dict[str, np.ndarray]) -> np.ndarray:
        """The inverse of :meth:`split`; other layers are ignored."""
        out = np.empty(self.size, values["in"].dtype)
        for layer, where in self.position.items():
            out[where] = values[layer]
        return out


def row_pointer(rows: np.ndarray, n: int) -> np.ndarray:
    """(n+1,) int64 where each of n rows begins in a list sorted by row: the pointer of compressed sparse rows."""
    return np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n))]).astype(np.int64)


def neuron_at(topology: Topology) -> np.ndarray:
    """(n_cells,) int64 neuron on each cell, -1 where there is none."""
    out = np.full(topology.n_cells, -1, np.int64)
    out[topology.cell] = np.arange(topology.n)
    return out


def eligibility_wiring(topology: Topology) -> Wiring:
    """The joint list of recurrent and input synapses."""
    rec, inp = topology.syn_rec, topology.syn_in
    line = np.concatenate([rec.pre, inp.pre + topology.n]).astype(np.int32)
    post = np.concatenate([rec.post, inp.post]).astype(np.int32)
    order = np.lexsort((line, post))
    where = np.empty(order.size, np.int64)
    where[order] = np.arange(order.size)
    return Wiring(line[order], post[order], {"in": where[rec.size:], "rec": where[:rec.size]})


def permuted_neighbours(moore: np.ndarray, permutation: np.ndarray) -> np.ndarray:
    """Neighbourhoods seen from the true cells when diffusion runs on permuted ones.

    G[c] = M[p[c]], diffuse G, M[c] = G'[p^-1[c]]: cell c averages over p[moore[p^-1[c]]].
    ``permutation``: (..., n_cells); returns (..., n_cells, 9).
    """
    inverse = np.argsort(permutation, axis=-1)
    return np.take_along_axis(permutation[..., None], moore[inverse].reshape(*permutation.shape[:-1], -1, 1), -2) \
        .reshape(*permutation.shape, 9).astype(np.int32)


def neighbour_tables(topology: Topology, learning: Learning, permutation: np.ndarray, seed: int,
                     trial_ids: np.ndarray, steps: int) -> np.ndarray:
    """Cells that each cell averages over: (n_cells, 9), or (B, S, n_cells, 9) for shuffled_per_step."""
    moore = topology.moore()
    if learning.rule == "shuffled_fixed":
        return permuted_neighbours(moore, permutation)
    if learning.rule == "shuffled_per_step":
        window = np.arange(steps - learning.window, steps)
        return permuted_neighbours(moore, step_permutations(seed, trial_ids, window, topology.n_cells))
    return moore

"""A network's places, connections and constants as arrays of an npz archive; weights stand beside them under names of their own.

    cell (n,), permutation (n_cells,), beta (n,), feedback (n, K) float64 in model units;  for each layer in, rec, out: pre_, post_ (n_syn,)

and, where no other file says them: sizes (3,) m, n, K;  grid (2,);  threshold, gamma, alpha, rho, kappa, refractory, each ().
"""
from __future__ import annotations

import numpy as np

from fxsim.config.base import LARGEST, SMALLEST
from fxsim.files.archive import Archive

from .network import LAYERS, Constants, Network, Synapses, Topology

LONGEST_SIDE = 1 << 15      # of the grid
NUMBERS = {"threshold": (SMALLEST, LARGEST), "gamma": (SMALLEST, LARGEST), **dict.fromkeys(("alpha", "rho", "kappa"), (0.0, 1 - 1e-12))}
"""Constant -> least and largest value."""


def drawn_arrays(network: Network) -> dict[str, np.ndarray]:
    """What is drawn of a network, but for its weights."""
    topo = network.topology
    arrays = {"cell": topo.cell, "permutation": network.permutation, "beta": network.constants.beta, "feedback": network.feedback}
    for layer in LAYERS:
        arrays |= {f"pre_{layer}": topo.synapses(layer).pre, f"post_{layer}": topo.synapses(layer).post}
    return arrays


def network_arrays(network: Network) -> dict[str, np.ndarray]:
    """All of a network but its weights."""
    topo, constants = network.topology, network.constants
    return {**drawn_arrays(network), "sizes": np.array([topo.n_in, topo.n, topo.n_out]), "grid": np.array(topo.grid),
            **{name: np.array(getattr(constants, name)) for name in (*NUMBERS, "refractory")}}


def read_network(archive: Archive) -> Network:
    """The network of :func:`network_arrays`, without weights. Raises InputError for the first array that is none of a network's."""
    sizes, grid = (archive.integers(name, (length,)) for name, length in (("sizes", 3), ("grid", 2)))
    if sizes.min() < 1 or sizes.max() >= 1 << 31:
        raise archive.error("sizes", sizes.tolist(), "inputs, neurons and outputs, at least one of each")
    if grid.min() < 1 or grid.max() > LONGEST_SIDE or grid.prod() < sizes[1]:
        raise archive.error("grid", grid.tolist(), f"[h, w] with at least {sizes[1]} cells")
    m, n, K = map(int, sizes)
    topology = read_topology(archive, (int(grid[0]), int(grid[1])), m, n, K)
    constants = Constants(**{name: _number(archive, name, *limits) for name, limits in NUMBERS.items()},
                          refractory=int(archive.integers("refractory", ())), beta=archive.floats("beta", (n,)))
    if constants.refractory < 0:
        raise archive.error("refractory", constants.refractory, "steps, from 0")
    return Network(constants, topology, {}, archive.floats("feedback", (n, K)), read_permutation(archive, topology))


def read_topology(archive: Archive, grid: tuple[int, int], m: int, n: int, K: int) -> Topology:
    """Places and connections of n neurons, m inputs and K outputs."""
    return Topology(grid, _indices(archive, "cell", n, grid[0] * grid[1]), *(
        _synapses(archive, layer, pre, post) for layer, pre, post in (("in", m, n), ("rec", n, n), ("out", n, K))))


def read_permutation(archive: Archive, topology: Topology) -> np.ndarray:
    """(n_cells,) permutation of the shuffled_fixed control."""
    return _indices(archive, "permutation", topology.n_cells, topology.n_cells)


def _number(archive: Archive, name: str, least: float, largest: float) -> float:
    value = float(archive.floats(name, ()))
    if not least <= value <= largest:
        raise archive.error(name, value, f"a number from {least} to {largest}")
    return value


def _indices(archive: Archive, name: str, size: int, below: int) -> np.ndarray:
    """``size`` distinct indices 0 .. below-1."""
    values = archive.integers(name, (size,))
    if np.unique(values).size < values.size or (values.size and not 0 <= values.min() <= values.max() < below):
        raise archive.error(name, "repeated or outside indices", f"distinct indices from 0 to {below - 1}")
    return values.astype(np.int32)


def _synapses(archive: Archive, layer: str, n_pre: int, n_post: int) -> Synapses:
    """One projection, in the canonical order."""
    pre = archive.integers(f"pre_{layer}", (None,))
    post = archive.integers(f"post_{layer}", (pre.size,))
    key = post * n_pre + pre
    if pre.size and (pre.min() < 0 or pre.max() >= n_pre or post.min() < 0 or post.max() >= n_post or (np.diff(key) <= 0).any()):
        raise archive.error(f"pre_{layer}, post_{layer}", "indices outside the layer, or out of order",
                            f"distinct synapses sorted by (post, pre), pre below {n_pre}, post below {n_post}")
    return Synapses(pre.astype(np.int32), post.astype(np.int32), n_pre, n_post)

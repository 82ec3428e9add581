"""A network as arrays of an npz archive.

    beta (n,), feedback (n, K) float64 in model units;  for each layer in, rec, out: pre_, post_ (n_syn,), sorted by (post, pre)
    cell (n,), permutation (n_cells,): left out where neurons have no places

and, where no other file says them: sizes (3,) m, n, K;  threshold, gamma, alpha, rho, kappa, refractory, each ();  grid (2,), of places.
A file of a network alone (:func:`save_network`) has for each layer weight_ (n_syn,) float64 in model units, too; other archives call weights
by names of their own.
"""
from __future__ import annotations

from pathlib import Path

import numpy as np

from fxsim.config.base import LARGEST, SMALLEST
from fxsim.files.archive import Archive
from fxsim.files.writing import write_npz
from fxsim.model.network import LAYERS, Constants, Network, Synapses, Topology

LONGEST_SIDE = 1 << 15      # of the grid
LONGEST_REFRACTORY = 10**4  # steps
NUMBERS = {"threshold": (SMALLEST, LARGEST), "gamma": (SMALLEST, LARGEST), **dict.fromkeys(("alpha", "rho", "kappa"), (0.0, 1 - 1e-12))}
"""Constant -> least and largest value."""


def save_network(network: Network, path: str | Path) -> None:
    """Write a network with its weights as .npz, for ``network: {from: PATH}`` in a configuration, or :func:`load_network`."""
    write_npz(Path(path), {**network_arrays(network), **{f"weight_{layer}": weights for layer, weights in network.weights.items()}})


def load_network(path: str | Path) -> Network:
    """The network in a file of :func:`save_network`, every array checked. Raises InputError for the first that is none of a network's."""
    with Archive(path) as archive:
        network = read_network(archive)
        return network.with_weights({layer: _bounded(archive, f"weight_{layer}", (network.topology.synapses(layer).size,)) for layer in LAYERS})


def drawn_arrays(network: Network) -> dict[str, np.ndarray]:
    """What is drawn of a network, but for its weights."""
    topo = network.topology
    arrays = {"beta": network.constants.beta, "feedback": network.feedback}
    if topo.placed:
        arrays |= {"cell": topo.cell, "permutation": network.permutation}
    for layer in LAYERS:
        arrays |= {f"pre_{layer}": topo.synapses(layer).pre, f"post_{layer}": topo.synapses(layer).post}
    return arrays


def network_arrays(network: Network) -> dict[str, np.ndarray]:
    """All of a network but its weights."""
    topo, constants = network.topology, network.constants
    return {**drawn_arrays(network), "sizes": np.array([topo.n_in, topo.n, topo.n_out]),
            **({"grid": np.array(topo.grid)} if topo.placed else {}),
            **{name: np.array(getattr(constants, name)) for name in (*NUMBERS, "refractory")}}


def read_network(archive: Archive) -> Network:
    """The network of :func:`network_arrays`, without weights. Raises InputError for the first array that is none of a network's."""
    sizes = archive.integers("sizes", (3,))
    if sizes.min() < 1 or sizes.max() >= 1 << 31:
        raise archive.error("sizes", sizes.tolist(), "inputs, neurons and outputs, at least one of each")
    m, n, K = map(int, sizes)
    constants = Constants(**{name: _number(archive, name, *limits) for name, limits in NUMBERS.items()},
                          refractory=int(archive.integers("refractory", ())), beta=read_beta(archive, n))
    if not 0 <= constants.refractory <= LONGEST_REFRACTORY:
        raise archive.error("refractory", constants.refractory, f"steps, from 0 to {LONGEST_REFRACTORY}")
    return read_parts(archive, constants, _grid(archive, n), m, n, K)


def read_parts(archive: Archive, constants: Constants, grid: tuple[int, int] | None, m: int, n: int, K: int) -> Network:
    """Places, connections and feedback of n neurons, m inputs and K outputs. ``grid`` None: without places."""
    cell = np.arange(n, dtype=np.int32) if grid is None else _indices(archive, "cell", n, grid[0] * grid[1])
    synapses = [_synapses(archive, layer, pre, post) for layer, pre, post in (("in", m, n), ("rec", n, n), ("out", n, K))]
    topology = Topology(grid or (1, n), cell, synapses[0], synapses[1], synapses[2], placed=grid is not None)
    permutation = cell if grid is None else _indices(archive, "permutation", topology.n_cells, topology.n_cells)
    return Network(constants, topology, {}, _bounded(archive, "feedback", (n, K)), permutation)


def read_beta(archive: Archive, n: int) -> np.ndarray:
    """(n,) strength of the adaptation of each neuron."""
    beta = _bounded(archive, "beta", (n,))
    if beta.min() < 0:
        raise archive.error("beta", beta.min(), "numbers from 0")
    return beta


def _grid(archive: Archive, n: int) -> tuple[int, int] | None:
    if not any(name in archive for name in ("grid", "cell", "permutation")):
        return None
    grid = archive.integers("grid", (2,))
    if grid.min() < 1 or grid.max() > LONGEST_SIDE or grid.prod() < n:
        raise archive.error("grid", grid.tolist(), f"[h, w] with at least {n} cells")
    return int(grid[0]), int(grid[1])


def _number(archive: Archive, name: str, least: float, largest: float) -> float:
    value = archive.floats(name, ((), (None,)))
    if value.ndim:
        raise archive.error(name, f"shape {value.shape}", "shape (): one number for all neurons; each can have a beta of its own")
    if not least <= value <= largest:
        raise archive.error(name, value, f"a number from {least} to {largest}")
    return float(value)


def _bounded(archive: Archive, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers of a size that a coefficient can have, float64."""
    values = archive.floats(name, shape).astype(np.float64)
    if np.abs(values).max(initial=0) > LARGEST:
        raise archive.error(name, f"{np.abs(values).max():.3g}", f"numbers up to {LARGEST:g}")
    return values


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
    if layer == "rec" and (pre == post).any():
        raise archive.error("pre_rec, post_rec", f"neuron {pre[pre == post][0]} connected to itself", "no autapses")
    return Synapses(pre.astype(np.int32), post.astype(np.int32), n_pre, n_post)

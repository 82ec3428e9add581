"""A network of a user's own arrays: any topology, thresholds that adapt as each neuron likes, readouts of any number."""
from __future__ import annotations

from typing import Any

import numpy as np

from fxsim.config.base import LARGEST, LONGEST, SMALLEST
from fxsim.errors import InputError
from fxsim.model.draws import generator
from fxsim.model.network import Constants, Network, Synapses, Topology

from .stored import LONGEST_REFRACTORY, LONGEST_SIDE


def make_network(inputs: Any, recurrent: Any, readout: Any, *, tau_m: float = 20.0, tau_out: float = 20.0, tau_adaptation: float = 2000.0,
                 threshold: float = 0.03, gamma: float = 0.3, refractory: int = 5, beta: Any = 0.0, feedback: Any = None,
                 cells: Any = None, grid: tuple[int, int] | None = None, seed: int = 0) -> Network:
    """A network of weight matrices, in which zero means no synapse.

    inputs, recurrent, readout      (m, n), (n, n) without autapses, (n, K) weights in model units: arrays, or sparse matrices of SciPy, whose
                                    stored entries are synapses
    tau_m, tau_out, tau_adaptation  ms, of all neurons and readouts
    beta                            strength of the adaptation, one for all or (n,); 0 makes a LIF neuron
    feedback                        B, (n, K); default: the readout weights as they are now, which then stay fixed ("symmetric")
    cells, grid                     (n,) row-major cells, all distinct, of a torus (h, w). Without them the network has no places: rules
                                    that diffuse are refused
    seed                            of the permutation that the control shuffled_fixed diffuses over

    Threshold, gamma, time constants and the refractory period are one number for all neurons: kernels hold them as constants.
    Raises InputError: field, found, allowed.
    """
    synapses, weights = {}, {}
    n = _matrix("recurrent", recurrent, (None, None))[2][1]
    layers = (("in", "inputs", inputs, (None, n)), ("rec", "recurrent", recurrent, (n, n)), ("out", "readout", readout, (n, None)))
    for layer, name, given, shape in layers:
        pre_post, values, size = _matrix(name, given, shape)
        order = np.lexsort(pre_post)
        pre, post = (index[order].astype(np.int32) for index in pre_post)
        same = np.flatnonzero((np.diff(pre) == 0) & (np.diff(post) == 0))
        if same.size:
            raise _refused(name, f"two entries at ({pre[same[0]]}, {post[same[0]]})", "one for each synapse")
        synapses[layer], weights[layer] = Synapses(pre, post, *size), values[order]
    if (synapses["rec"].pre == synapses["rec"].post).any():
        raise _refused("recurrent", "a neuron that is connected to itself", "zeros on the diagonal")
    for field, value, largest in (("tau_m", tau_m, LONGEST), ("tau_out", tau_out, LONGEST), ("tau_adaptation", tau_adaptation, LONGEST),
                                  ("threshold", threshold, LARGEST), ("gamma", gamma, LARGEST)):
        if not isinstance(value, (int, float, np.number)) or not SMALLEST <= value <= largest:
            raise _refused(field, _shown(value), f"one number for all neurons, {SMALLEST:g} to {largest:g}; each can have a beta of its own")
    if isinstance(refractory, bool) or not isinstance(refractory, (int, np.integer)) or not 0 <= refractory <= LONGEST_REFRACTORY:
        raise _refused("refractory", _shown(refractory), f"steps, a whole number from 0 to {LONGEST_REFRACTORY}, the same for all neurons")
    betas = np.broadcast_to(_numbers("beta", beta, ((), (n,))), (n,)).copy()
    if (betas < 0).any():
        raise _refused("beta", betas.min(), "numbers from 0")
    place, cell = _places(n, cells, grid)
    topology = Topology(place, cell, synapses["in"], synapses["rec"], synapses["out"], placed=cells is not None)
    B = topology.syn_out.dense(weights["out"]) if feedback is None else _numbers("feedback", feedback, ((n, topology.n_out),))
    alpha, rho, kappa = (float(np.exp(-1 / tau)) for tau in (tau_m, tau_adaptation, tau_out))
    constants = Constants(float(threshold), float(gamma), alpha, rho, kappa, int(refractory), betas)
    permutation = generator(seed, "shuffle").permutation(topology.n_cells).astype(np.int32) if topology.placed else topology.cell
    return Network(constants, topology, weights, B, permutation)


def _refused(field: str, found: object, allowed: str) -> InputError:
    return InputError("network", field, found, allowed)


def _shown(value: Any) -> object:
    return f"shape {np.shape(value)}" if np.ndim(value) else repr(value)[:80]


def _matrix(name: str, given: Any, shape: tuple[int | None, int | None]) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray, tuple[int, int]]:
    """(pre, post) of the synapses, their weights, and the matrix's shape."""
    sparse = given.tocoo() if hasattr(given, "tocoo") else None
    values = _numbers(name, given if sparse is None else sparse.data, ((None, None),) if sparse is None else ((None,),))
    size = values.shape if sparse is None else sparse.shape
    fits = len(size) == 2 and min(size) >= 1 and all(length in (None, found) for found, length in zip(size, shape))
    if not fits or (name == "recurrent" and size[0] != size[1]):
        wanted = "square" if name == "recurrent" else "(" + ", ".join("any" if length is None else str(length) for length in shape) + ")"
        raise _refused(name, f"shape {tuple(size)}", f"{wanted}, not empty")
    if sparse is None:
        pre, post = np.nonzero(values)
        return (pre, post), values[pre, post], (size[0], size[1])
    return (sparse.row, sparse.col), values, (size[0], size[1])


def _numbers(name: str, given: Any, shapes: tuple[tuple[int | None, ...], ...]) -> np.ndarray:
    values = np.asarray(given)
    fits = any(values.ndim == len(shape) and all(length in (None, found) for found, length in zip(values.shape, shape))
               for shape in shapes)
    if values.dtype.kind not in "fiu" or not fits or not (np.abs(values) <= LARGEST).all():
        wanted = " or ".join(map(str, shapes)).replace("None", "any")
        raise _refused(name, f"shape {values.shape} of {values.dtype}", f"finite numbers of shape {wanted}")
    return values.astype(np.float64)


def _places(n: int, cells: Any, grid: tuple[int, int] | None) -> tuple[tuple[int, int], np.ndarray]:
    if (cells is None) != (grid is None):
        raise _refused("cells", "cells without a grid" if grid is None else "a grid without cells", "both or none")
    if cells is None or grid is None:
        return (1, n), np.arange(n, dtype=np.int32)
    if len(grid) != 2 or not all(isinstance(length, (int, np.integer)) and 1 <= length <= LONGEST_SIDE for length in grid):
        raise _refused("grid", grid, f"(h, w), whole numbers from 1 to {LONGEST_SIDE}")
    cell = np.asarray(cells)
    if cell.shape != (n,) or cell.dtype.kind not in "iu" or (cell < 0).any() or (cell >= grid[0] * grid[1]).any() or np.unique(cell).size < n:
        raise _refused("cells", f"shape {cell.shape} of {cell.dtype}", f"({n},) distinct whole numbers from 0 to {grid[0] * grid[1] - 1}")
    return (int(grid[0]), int(grid[1])), cell.astype(np.int32)

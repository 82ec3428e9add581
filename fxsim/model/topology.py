"""Builds a network from a configuration: places, connections, weights (``Topology`` of the model)."""
from __future__ import annotations

from typing import Iterator

import numpy as np

from fxsim.config import Config
from fxsim.config.network import NetworkConfig
from fxsim.errors import InputError

from .draws import generator
from .network import Constants, Learning, Network, Synapses, Topology

TRUNCATED_STD = 0.87962566103423978     # std of a standard normal truncated at two standard deviations
PAIRS = 1 << 20                         # distances that are held at a time


def learning_of(config: Config) -> Learning:
    """The configuration's learning rule in the simulator's units (steps, spikes per step)."""
    return Learning(config.learning.rule, config.task.window or config.task.steps, config.task.classification,
                    config.learning.k, config.learning.c_reg, config.learning.f_target_hz / 1000)


def build_network(config: Config) -> Network:
    """Constants, topology and initial weights of a run that draws them; a function of the configuration alone. Raises InputError for another."""
    net, seed = _drawn(config), config.seed
    h, w = net.grid
    cell = generator(seed, "cells").permutation(h * w)[:net.n].astype(np.int32)
    topology = Topology((h, w), cell,
                        sparse_synapses(config.n_in, net.n, net.input_sparsity, generator(seed, "input mask")),
                        recurrent_synapses(net, cell, generator(seed, "recurrent mask")),
                        sparse_synapses(net.n, config.n_out, net.readout_sparsity, generator(seed, "readout mask")))
    gains = {"in": net.gains.input, "rec": net.gains.recurrent, "out": net.gains.readout}
    weights = {layer: gain * he_normal(topology.synapses(layer), generator(seed, f"weights {layer}")) for layer, gain in gains.items()}
    return Network(constants_of(net), topology, weights, feedback_of(config, topology, weights["out"]),
                   generator(seed, "shuffle").permutation(h * w).astype(np.int32))


def constants_of(net: NetworkConfig) -> Constants:
    """The constants of the neurons that a configuration describes."""
    beta = np.where(np.arange(net.n) < net.n_lif, 0.0, net.beta)
    return Constants(net.threshold, net.gamma, float(np.exp(-1 / net.tau_m)), float(np.exp(-1 / net.tau_adaptation)),
                     float(np.exp(-1 / net.tau_out)), net.refractory, beta)


def feedback_of(config: Config, topology: Topology, w_out: np.ndarray) -> np.ndarray:
    """(n, K) feedback matrix of a run that begins with these readout weights."""
    return feedback_matrix(_drawn(config), topology, w_out, generator(config.seed, "feedback"))


def _drawn(config: Config) -> NetworkConfig:
    if not isinstance(config.network, NetworkConfig):
        raise InputError(config.name, "network.from", config.network.path, "a network that is drawn; of a file: fxsim.load_network")
    return config.network


def sparse_synapses(n_pre: int, n_post: int, share: float, rng: np.random.Generator) -> Synapses:
    """Exactly floor(share * all) connections at random, at least one."""
    count = max(1, int(share * n_pre * n_post + 1e-9))
    return _synapses(*np.divmod(rng.choice(n_pre * n_post, count, replace=False), n_post), n_pre, n_post)


def recurrent_synapses(net: NetworkConfig, cell: np.ndarray, rng: np.random.Generator) -> Synapses:
    """Recurrent connections without autapses."""
    n = net.n
    if net.connectivity == "sparse":
        off_diagonal = rng.choice(n * (n - 1), int(net.recurrent_sparsity * n * (n - 1) + 1e-9), replace=False) if n > 1 else np.empty(0, np.int64)
        pre, post = np.divmod(off_diagonal, max(1, n - 1))
        return _synapses(pre, post + (post >= pre), n, n)
    rows = [(start + i, j) for start, connected in _connected(net, cell, rng) for i, j in [np.nonzero(connected)]]
    return _synapses(np.concatenate([i for i, _ in rows]), np.concatenate([j for _, j in rows]), n, n)


def _connected(net: NetworkConfig, cell: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[int, np.ndarray]]:
    """(first row, boolean rows): who each presynaptic neuron reaches, a block of neurons at a time."""
    position = None if net.connectivity == "full" else coordinates(net, cell)
    rows = max(1, PAIRS // net.n)
    for start in range(0, net.n, rows):
        stop = min(start + rows, net.n)
        if position is None:
            connected = np.ones((stop - start, net.n), bool)
        else:
            squared = np.zeros((stop - start, net.n))
            for axis, period in position:
                d = np.abs(axis[start:stop, None] - axis)
                squared += np.minimum(d, period - d) ** 2
            with np.errstate(over="ignore"):
                connected = rng.random(squared.shape) < 1 / (1 + np.exp(squared / (4 * net.sigma)))
        connected[np.arange(stop - start), np.arange(start, stop)] = False
        yield start, connected


def coordinates(net: NetworkConfig, cell: np.ndarray) -> list[tuple[np.ndarray, float]]:
    """Per axis: each neuron's coordinate and the torus's period, in the units of sigma.

    relative: the model's rule, (col/w, row/h) divided by the largest occupied coordinate, period 1, so that the first and
    last row and column coincide. grid: in cells, period the grid's size.
    """
    h, w = net.grid
    row, col = np.divmod(cell, w)
    if net.sigma_units == "grid":
        return [(col.astype(float), float(w)), (row.astype(float), float(h))]
    return [(axis / size / max((axis / size).max(), 1e-12), 1.0) for axis, size in ((col, w), (row, h))]


def he_normal(synapses: Synapses, rng: np.random.Generator) -> np.ndarray:
    """(n_syn,) He-normal weights, std sqrt(2/fan_in) with fan_in = all rows, truncated at two standard deviations and rescaled."""
    draws = rng.standard_normal(synapses.size)
    while (outside := np.abs(draws) > 2).any():
        draws[outside] = rng.standard_normal(int(outside.sum()))
    return draws * np.sqrt(2 / synapses.n_pre) / TRUNCATED_STD


def feedback_matrix(net: NetworkConfig, topology: Topology, w_out: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(n, K) matrix B. Symmetric: the initial readout weights; Random: dense N(0,1) times its gain; Random_sparse: N(0,1), masked."""
    if net.feedback == "Symmetric":
        return topology.syn_out.dense(w_out)
    normal = rng.standard_normal((topology.n, topology.n_out))
    if net.feedback == "Random":
        return net.gains.feedback * normal
    return normal * (rng.random(normal.shape) < net.readout_sparsity)


def _synapses(pre: np.ndarray, post: np.ndarray, n_pre: int, n_post: int) -> Synapses:
    order = np.lexsort((pre, post))
    return Synapses(pre[order].astype(np.int32), post[order].astype(np.int32), n_pre, n_post)

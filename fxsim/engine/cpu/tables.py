"""A network in the order of the kernels: index arrays, and what else a block of trials has to know of what is simulated."""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fxsim.model.arithmetic import Arithmetic
from fxsim.model.network import Learning, Network
from fxsim.model.wiring import eligibility_wiring, neuron_at, row_pointer


def outgoing(line: np.ndarray, post: np.ndarray, n_lines: int):
    """Synapses by presynaptic line: (pointer, post, order), order = positions in the given list."""
    order = np.lexsort((post, line))
    return row_pointer(line, n_lines), post[order].astype(np.int64), order


class Tables:
    """Index arrays of a network in the layout of the kernels."""

    def __init__(self, network: Network):
        topo = network.topology
        self.wiring = eligibility_wiring(topo)
        self.pointer = row_pointer(self.wiring.post, topo.n)
        self.out = {"in": outgoing(topo.syn_in.pre, topo.syn_in.post, topo.n_in),
                    "rec": outgoing(topo.syn_rec.pre, topo.syn_rec.post, topo.n),
                    "out": outgoing(topo.syn_out.pre, topo.syn_out.post, topo.n)}
        self.cell = topo.cell.astype(np.int64)
        self.neuron_at = neuron_at(topo)

    def places(self, together: int) -> np.ndarray:
        """Where each neuron's places for the state of its synapses begin: a multiple of ``together`` of them."""
        return np.concatenate([[0], np.cumsum(-(-np.diff(self.pointer) // together) * together)])


class Subject(NamedTuple):
    """What is simulated: a network and how it learns, in one arithmetic."""

    network: Network
    learning: Learning
    arithmetic: Arithmetic
    seed: int
    tables: Tables

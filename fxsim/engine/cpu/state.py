"""What is simulated, in the order of the kernels, and what they work on: flat arrays. L: lanes; n neurons, m input lines, K outputs."""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fxsim.model.arithmetic import Arithmetic
from fxsim.model.network import Learning, Network
from fxsim.model.wiring import eligibility_wiring, neuron_at, row_pointer


def outgoing(line: np.ndarray, post: np.ndarray, n_lines: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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


class Wires(NamedTuple):
    """The network, the same in all blocks. ``ptr_*``, ``post_*``, ``w_*``: synapses by presynaptic line, weights as stored."""

    n: int
    n_in: int
    n_out: int
    n_cells: int
    n_syn: int                  # that learn by eligibility
    n_syn_out: int
    ptr_in: np.ndarray
    post_in: np.ndarray
    w_in: np.ndarray
    ptr_rec: np.ndarray
    post_rec: np.ndarray
    w_rec: np.ndarray
    ptr_out: np.ndarray
    post_out: np.ndarray
    w_out: np.ndarray
    element_out: np.ndarray     # a readout synapse's element number
    feedback: np.ndarray        # (n K,)
    hears: np.ndarray           # (n,) whether a learning signal can reach a neuron at all
    gain: np.ndarray            # (N, L) threshold rise per unit of adaptation; N: n filled up to a multiple of SIDE
    adapts: np.ndarray          # (N / SIDE,) whether one of the neurons that are side by side has a gain
    number: np.ndarray          # (N, L) the neuron's number
    drive: np.ndarray           # (n,) drive of U by E
    leaks: np.ndarray           # of V and X, of a and U, of F, y and Z
    cell: np.ndarray            # (n,) grid cell of each neuron
    neuron_at: np.ndarray       # (cells,) its inverse, -1 for empty cells
    ptr: np.ndarray             # (n+1,) eligibility synapses by postsynaptic neuron
    line: np.ndarray            # (n_syn,) presynaptic line of each
    place_ptr: np.ndarray       # (n+1,) places for their state: each neuron has a multiple of TOGETHER of them


class State(NamedTuple):
    """State of one block of trials, lanes innermost; that of neurons for a multiple of SIDE of them."""

    stream: np.ndarray          # (L,) keys of the trials' random bits
    V: np.ndarray
    a: np.ndarray
    r: np.ndarray
    z: np.ndarray               # spikes, bytes
    z_words: np.ndarray         # the same memory
    spikes: np.ndarray          # of the trial, counted
    current_in: np.ndarray
    current_rec: np.ndarray
    X: np.ndarray
    Z: np.ndarray
    y: np.ndarray
    current_out: np.ndarray
    err: np.ndarray
    probability: np.ndarray
    d: np.ndarray               # B err
    grid: np.ndarray            # neuromodulator
    new: np.ndarray             # and its next step
    nine: np.ndarray            # (L,) a sum of 3x3 cells
    heard: np.ndarray           # (n+m,) bytes: whether a line has had a spike
    lively: np.ndarray          # (1,) how many lines
    seen: np.ndarray            # (n,) how many when a neuron's synapses were last given places
    waiting: np.ndarray         # (n_syn,) synapses that have no place yet: those onto a neuron from ptr on
    left: np.ndarray            # (n,) how many of them
    line: np.ndarray            # (places,) presynaptic line of the synapse at each place, n + m for none
    element: np.ndarray         # (places,) its number
    U: np.ndarray               # of all places
    F: np.ndarray
    S: np.ndarray
    G: np.ndarray
    gout: np.ndarray
    rate: np.ndarray            # (L,) regularisation signal of one neuron


class History(NamedTuple):
    """H, X and L of a chunk of steps; rows of neurons or lines, ROW elements apart. X: of one line more, that never spikes."""

    h: np.ndarray
    x: np.ndarray
    l: np.ndarray
    lively: np.ndarray          # (1,) lines that had been heard when the chunk ended


class Room(NamedTuple):
    """What a thread works in while it goes through synapses."""

    keys: np.ndarray            # (5 CHUNK,) of random bits
    counters: np.ndarray        # (5 TOGETHER CHUNK,)
    lines: np.ndarray           # (TOGETHER,) where the synapses' lines have their history
    pairs: np.ndarray           # (CHUNK, WIDTH) learning signal of one neuron as QuickGradient takes it: two steps side by side
    low: np.ndarray             # (CHUNK, WIDTH) its low bits
    filtered: np.ndarray        # (CHUNK, TOGETHER, L) F of the synapses that are visited together
    bound: np.ndarray           # (WIDTH,) gradients up to here are not clipped in this chunk


class Trials(NamedTuple):
    """What goes in and comes out."""

    x: np.ndarray               # (T m L,) spikes, bytes
    x_words: np.ndarray
    target: np.ndarray          # (S K L,)
    duration: np.ndarray        # (L,)
    tables: np.ndarray          # (cells, 9) where the cells of neighbourhoods begin, or (S, cells, 9, L) for those of each step and trial, flat
    y: np.ndarray               # (S K L,)
    counts: np.ndarray          # (L n,)
    gsum: np.ndarray            # (n_syn,) gradients, summed over the block's trials
    gout_sum: np.ndarray


class Records(NamedTuple):
    """Every state variable of every step, flat, if they are wanted."""

    wanted: int
    soma: np.ndarray            # (T, n, 5, L)
    x: np.ndarray
    h: np.ndarray
    y: np.ndarray
    err: np.ndarray
    l: np.ndarray
    m: np.ndarray
    gout: np.ndarray
    syn: np.ndarray             # (T, n_syn, 4, L)
    d: np.ndarray
    g: np.ndarray

"""What a block's way back works on: flat arrays. L: lanes; n neurons, K outputs, S window steps, T steps of the tape."""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fxsim.model.network import Topology
from fxsim.model.wiring import row_pointer

TOGETHER = 4        # synapses of a neuron that kernels visit together


class Onward:
    """Every neuron's synapses onto neurons and onto outputs (n and beyond) in one list, filled up to multiples of TOGETHER."""

    def __init__(self, topology: Topology):
        rec, out, n = topology.syn_rec, topology.syn_out, topology.n
        line, post = np.concatenate([rec.pre, out.pre]).astype(np.int64), np.concatenate([rec.post, out.post + n])
        begin = row_pointer(line, n)
        self.pointer = np.concatenate([[0], np.cumsum(-(-np.diff(begin) // TOGETHER) * TOGETHER)])      # (n+1,)
        order = np.lexsort((post, line))
        places = np.empty(line.size, np.int64)
        places[order] = np.arange(line.size) + (self.pointer - begin)[line[order]]
        self.places = {"rec": places[:rec.size], "out": places[rec.size:]}      # of each layer's synapses, in the layer's own order
        self.post = np.zeros(self.size, np.int64)                               # what fills up has weight zero
        self.post[places] = post

    @property
    def size(self) -> int:
        return int(self.pointer[-1])


class Tape(NamedTuple):
    """What the forward pass of a segment leaves behind; row t of it is that of its step t. Rows are filled up to whole SIDEs of neurons."""

    rows: int                   # neurons of a step
    z: np.ndarray               # (T, rows, L) spikes, bytes
    z_words: np.ndarray         # the same memory
    h: np.ndarray               # (T, rows, L) pseudo-derivatives H
    open_v: np.ndarray          # (T, rows, L) bytes: whether the stored V is between the ends of its format; in fixed point only
    open_a: np.ndarray          # a is never negative: below the upper end
    open_y: np.ndarray          # (T, K, L)
    ends_v: np.ndarray          # (2, L) least and largest stored V
    end_a: np.ndarray           # (L,) largest stored a
    ends_y: np.ndarray


class Back(NamedTuple):
    """Adjoints and gradients, floats, lanes innermost; symbols as in :mod:`fxsim.model.adjoint`."""

    adjoint: np.ndarray         # (2, n+K, L) V and y, of two steps
    a: np.ndarray               # (n, L)
    err: np.ndarray             # (S, K, L)
    rate: np.ndarray            # (n, L)
    gradient: np.ndarray        # (synapses, L) of those of Onward
    gradient_in: np.ndarray     # (n_syn, L) of input synapses, by presynaptic line
    ptr: np.ndarray             # (n+1,) of Onward, with its weights, and where the adjoints of their targets begin
    at: np.ndarray
    weight: np.ndarray
    at_in: np.ndarray           # the same of input synapses
    gain: np.ndarray            # (n,)
    keeps: np.ndarray           # keep_membrane, keep_adaptation, keep_readout; slope, of H as stored

"""What a block's way back works on: flat arrays. L: lanes; n neurons, K outputs, S window steps."""
from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Tape(NamedTuple):
    """What the forward pass of a segment leaves behind; row t of it is that of its step t. Rows are filled up to whole SIDEs of neurons."""

    rows: int                   # neurons of a step
    z: np.ndarray               # (steps, rows, L) spikes, bytes
    z_words: np.ndarray         # the same memory
    h: np.ndarray               # (steps, rows, L) pseudo-derivatives H


class Back(NamedTuple):
    """Adjoints and gradients, floats, lanes innermost; symbols as in :mod:`fxsim.model.adjoint`."""

    y: np.ndarray               # (K, L)
    V: np.ndarray               # (2, n, L) of this step and of the next one
    a: np.ndarray               # (n, L)
    err: np.ndarray             # (S, K, L)
    rate: np.ndarray            # (n, L)
    w_rec: np.ndarray           # weights by presynaptic line
    w_out: np.ndarray
    gain: np.ndarray            # (n,)
    keeps: np.ndarray           # keep_membrane, keep_adaptation, keep_readout; slope, of H as stored
    g_in: np.ndarray            # (n_syn, L) gradients, by presynaptic line
    g_rec: np.ndarray
    g_out: np.ndarray

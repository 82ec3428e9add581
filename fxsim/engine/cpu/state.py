"""What is simulated, in the order of the kernels, what they work on, flat arrays, and how they are handed it. L: lanes; n neurons, m input lines,
K outputs."""
from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import from_dtype
from numba.core import types
from numba.core.types.containers import NamedTuple as NamedTupleType
from numba.core.types.misc import CPointer
from numba.extending import NativeValue, models, register_model, unbox

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
    told: np.ndarray            # whether neurons are told their spikes, one number
    driven: np.ndarray          # (T N L,) spikes that they are told to have, bytes; empty where they have their own
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
    group: np.ndarray           # (L,) where the trial's gradients are added
    gsum: np.ndarray            # (groups n_syn,) gradients, summed over the block's trials of each group
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


# ---- how kernels are handed it -----------------------------------------------------------------------------------------
# As addresses. By Numba's own way an array is seven values, and a block of trials has some hundred arrays: to take them apart, and to hand them
# from function to function, was a fifth of what a kernel is compiled of.
WORD = ir.IntType(64)


class Pointer(CPointer):
    """To the first element of an array."""


class Addresses(NamedTupleType):
    """A named tuple of pointers and integers."""


register_model(Pointer)(models.PointerModel)
register_model(Addresses)(models.TupleModel)


class Handed:
    """What a kernel is given: ``values``, an array or a named tuple of arrays and integers; as long as this lives, so do they.

    Nothing is checked in the kernel: it stays inside its arrays, which are contiguous.
    """

    __slots__ = ("values", "words", "address", "_numba_type_")

    def __init__(self, values: Any):
        fields = values if isinstance(values, tuple) else (values,)
        self.values, self.words = values, np.array([_word(value) for value in fields], np.int64)
        self.address = self.words.ctypes.data
        self._numba_type_ = _kind(type(values), *(value.dtype if isinstance(value, np.ndarray) else None for value in fields))      # type: ignore[arg-type]


@lru_cache(maxsize=256)
def _kind(cls: type, *fields: np.dtype | None) -> Any:
    """Numba's type of fields of these element types; None: an integer."""
    kinds = [types.int64 if dtype is None else Pointer(from_dtype(dtype)) for dtype in fields]
    return kinds[0] if cls is np.ndarray else Addresses(kinds, cls)


def _word(value: Any) -> int:
    if not isinstance(value, np.ndarray):
        return int(value)
    if not value.flags.c_contiguous:
        raise ValueError(f"an array of shape {value.shape} that is not contiguous")
    address: int = value.__array_interface__["data"][0]       # .ctypes.data takes three times as long
    return address


@unbox(Addresses)
@unbox(Pointer)
def _unboxed(kind: Any, handed: Any, c: Any) -> NativeValue:
    address = c.pyapi.object_getattr_string(handed, "address")
    first = c.builder.bitcast(c.pyapi.long_as_voidptr(address), WORD.as_pointer())
    c.pyapi.decref(address)
    fields = []
    for i, field in enumerate(kind.types if isinstance(kind, Addresses) else [kind]):
        word = c.builder.load(c.builder.gep(first, [ir.Constant(WORD, i)]))
        fields.append(c.builder.inttoptr(word, c.context.get_value_type(field)) if isinstance(field, Pointer) else word)
    return NativeValue(c.context.make_tuple(c.builder, kind, fields) if isinstance(kind, Addresses) else fields[0])

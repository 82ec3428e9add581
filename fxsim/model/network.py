"""The network as data: physical constants, sparse topology, weights. Every engine reads these, none owns them.

Units: time in steps of ``dt`` = 1 ms, membrane potentials and weights in the model's own (unscaled) units.
Indices: i presynaptic line, j postsynaptic recurrent neuron, k output. Neurons 0 .. n_lif-1 are LIF, the rest ALIF.
"""
from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fxsim.config.learning import RULES
from fxsim.errors import InputError

LAYERS = ("in", "rec", "out")


@dataclass(frozen=True)
class Constants:
    """Constants of the neuron model (``Forward`` and ``Eligibility`` equations of the model).

    alpha = exp(-dt/tau_m), rho = exp(-dt/tau_adaptation), kappa = exp(-dt/tau_out).
    """

    threshold: float        # thr
    gamma: float            # dampening of the pseudo-derivative
    alpha: float            # membrane decay per step
    rho: float              # adaptation decay per step
    kappa: float            # readout decay per step
    refractory: int         # R, steps
    beta: np.ndarray        # (n,) adaptation strength, 0 for LIF neurons


@dataclass(frozen=True)
class Synapses:
    """One sparse projection, sorted by (post, pre): the canonical synapse order of every engine and file."""

    pre: np.ndarray         # (n_syn,) int32
    post: np.ndarray        # (n_syn,) int32
    n_pre: int
    n_post: int

    @classmethod
    def from_mask(cls, mask: np.ndarray) -> Synapses:
        """From a boolean (n_pre, n_post) mask."""
        post, pre = np.nonzero(np.asarray(mask).T)
        return cls(pre.astype(np.int32), post.astype(np.int32), *mask.shape)

    @property
    def size(self) -> int:
        return self.pre.size

    def dense(self, values: np.ndarray) -> np.ndarray:
        """(n_syn,) values as a dense (n_pre, n_post) matrix with zeros where there is no synapse."""
        out = np.zeros((self.n_pre, self.n_post), np.asarray(values).dtype)
        out[self.pre, self.post] = values
        return out

    def sparse(self, matrix: np.ndarray) -> np.ndarray:
        """The (n_syn,) entries of a dense (n_pre, n_post) matrix in canonical order."""
        return np.ascontiguousarray(np.asarray(matrix)[self.pre, self.post])


@dataclass(frozen=True)
class Topology:
    """Who is connected to whom, and where each neuron sits on the torus."""

    grid: tuple[int, int]   # (h, w)
    cell: np.ndarray        # (n,) row-major grid cell of each neuron, int32, all distinct
    syn_in: Synapses        # input channels -> neurons
    syn_rec: Synapses       # neurons -> neurons, no autapses
    syn_out: Synapses       # neurons -> outputs
    placed: bool = True     # False: cells stand in for places that nobody gave, and nothing may diffuse over them

    @property
    def n(self) -> int:
        return self.syn_rec.n_post

    @property
    def n_in(self) -> int:
        return self.syn_in.n_pre

    @property
    def n_out(self) -> int:
        return self.syn_out.n_post

    @property
    def n_cells(self) -> int:
        return self.grid[0] * self.grid[1]

    def synapses(self, layer: str) -> Synapses:
        return {"in": self.syn_in, "rec": self.syn_rec, "out": self.syn_out}[layer]

    def moore(self) -> np.ndarray:
        """(n_cells, 9) row-major cells of each 3x3 Moore neighbourhood on the torus, centre included."""
        h, w = self.grid
        r, c = np.divmod(np.arange(h * w), w)
        return np.stack([((r + dr) % h) * w + (c + dc) % w for dr in (-1, 0, 1) for dc in (-1, 0, 1)], 1).astype(np.int32)


@dataclass(frozen=True)
class Network:
    """Constants, topology, weights (float64, model units, one value per synapse) and the fixed feedback matrix."""

    constants: Constants
    topology: Topology
    weights: dict[str, np.ndarray]      # layer -> (n_syn,)
    feedback: np.ndarray                # (n, n_out), B
    permutation: np.ndarray             # (n_cells,) of the shuffled_fixed control

    def with_weights(self, weights: dict[str, np.ndarray]) -> Network:
        return replace(self, weights=weights)

    def require_places(self, source: object, field: str, rule: str) -> None:
        """InputError where the rule diffuses and the neurons have no places."""
        if RULES[rule].diffuses and not self.topology.placed:
            raise InputError(source, field, f"{rule} in a network without places",
                             f"{' or '.join(name for name, known in RULES.items() if not known.diffuses)}, or cells on a grid (fxsim.make_network)")


@dataclass(frozen=True)
class Learning:
    """What turns traces into gradients (``Learning signal`` and ``Gradients`` of the model)."""

    rule: str               # one of fxsim.config.learning.RULES
    window: int             # S: steps at the end of the trial in which the learning signal exists (>= 1)
    classification: bool    # softmax error, else y - target
    k: float = 0.75         # post-release decay of the neuromodulator
    c_reg: float = 0.0      # strength of the firing-rate regularisation
    f_target: float = 0.01  # target rate, spikes per step

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise ValueError(f"unknown learning rule {self.rule!r}: one of {', '.join(RULES)}")

    @property
    def diffuses(self) -> bool:
        return RULES[self.rule].diffuses

    @property
    def number(self) -> int:
        """What kernels call the rule."""
        number = RULES[self.rule].number
        assert number is not None, f"{self.rule} has no kernels"
        return number


@dataclass(frozen=True)
class Trials:
    """A batch of trials. B trials, T steps, m input channels, S window steps, K outputs."""

    x: np.ndarray           # (B, T, m) uint8 input spikes
    target: np.ndarray      # (B, S, K) float64: regression target, or the one-hot label repeated, in the last S steps
    duration: np.ndarray    # (B,) int64 T_b, the trial's own duration without its front padding
    ids: np.ndarray         # (B,) uint32 identity of each trial in the run: keys its stochastic rounding

    @property
    def size(self) -> int:
        return self.x.shape[0]

    @property
    def steps(self) -> int:
        return self.x.shape[1]

    def take(self, index: slice | np.ndarray) -> Trials:
        """A sub-batch; ``index`` is a slice or an integer array over trials."""
        return Trials(self.x[index], self.target[index], self.duration[index], self.ids[index])

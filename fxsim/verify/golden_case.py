"""Golden files: one minibatch with its parameters and results, as an outside program computed them.

A golden file is an npz archive. B trials, T steps, n neurons, m inputs, K outputs, h x w grid; weights are (pre, post):

    config_json ()                      parameters of the case, as JSON: see :class:`CaseConfig`
    w_in, w_rec, w_out, feedback        (m,n) (n,n) (n,K) (n,K) initial weights and feedback matrix B
    mask_in, mask_rec, mask_out         as the weights, 1 where a synapse exists
    cell_row_col (n,2)                  each neuron's grid cell
    diffusion_kernel (3,3)              k/9 in every entry
    shuffle_permutation (h*w,)          of the shuffled_fixed control
    thr gamma alpha rho kappa betas     () or (n,) constants
    x (B,T,m)                           input spikes
    label (B,T,K) or (B,T)              one-hot label or regression target
    trial_duration (B,)                 T_b
    v a A r z y                         (B,T,n), y (B,T,K): trajectories; a and A may be left out
    grad_RULE_LAYER                     as the weights: gradients. RULE eprop, diffusion; optional: diffusion_shuffled_fixed, bptt
    adam3_RULE_LAYER                    as the weights: weights after 3 Adam steps. RULE eprop, diffusion; optional: others that have gradients

Results of a rule that is not in this list are refused, since nothing would be held against them; other names are ignored.
"""
from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fxsim.files.archive import Archive
from fxsim.model.network import LAYERS, Constants, Learning, Network, Synapses, Topology, Trials

from .golden_config import CaseConfig, parse_config

RULES = {"eprop": "eprop", "diffusion": "diffusion", "diffusion_shuffled_fixed": "shuffled_fixed", "bptt": "bptt"}
"""RULE in the names of a golden file -> the rule's name here."""
REQUIRED_RULES = ("eprop", "diffusion")
TRAJECTORIES = ("v", "a", "A", "r", "z", "y")
OPTIONAL_TRAJECTORIES = ("a", "A")


@dataclass(frozen=True)
class GoldenCase:
    """A checked golden file. Gradients and weights are dense (pre, post) matrices, rules have their golden names."""

    path: str
    dtype: str                                          # float32 or float64: what computed the results
    network: Network
    learning: Learning                                  # with rule diffusion, see :meth:`learning_with`
    trials: Trials
    rate: float                                         # learning rate of Adam
    trajectories: dict[str, np.ndarray]                 # v a A r z y -> (B, T, .)
    gradients: dict[str, dict[str, np.ndarray]]         # RULE -> layer -> matrix
    adam3: dict[str, dict[str, np.ndarray]]             # RULE -> layer -> matrix, after 3 Adam steps

    def learning_with(self, rule: str) -> Learning:
        """The case's learning parameters with another rule (by its golden name)."""
        return replace(self.learning, rule=RULES[rule])


def load_golden(path: str | Path) -> GoldenCase:
    """Read and check one golden file. Raises InputError naming the file and the field."""
    with Archive(path) as archive:
        config = parse_config(archive)
        x = archive.binary("x", (None, None, None))
        B, T, m = x.shape
        if 0 in x.shape:
            raise archive.error("x", f"shape {x.shape}", "at least one trial, step and input channel")
        shapes = {"in": (m, config.n), "rec": (config.n, config.n), "out": (config.n, config.net_arch.n_out)}
        learning = _learning(archive, config, T)
        gradients, adam3 = (_per_rule(archive, config, prefix, shapes) for prefix in ("grad", "adam3"))
        for rule in adam3:
            if rule not in gradients:       # what Adam's steps may be off by comes from them
                raise archive.error(f"grad_{rule}_in", "nothing", f"the gradients of a rule that has adam3_{rule}_in")
        return GoldenCase(
            path=str(path), dtype=config.dtype, network=_network(archive, config, shapes), learning=learning,
            trials=_trials(archive, config, x, learning), rate=config.train_params.lr,
            trajectories=_trajectories(archive, config, B, T),
            gradients=gradients, adam3=adam3)


def _network(archive: Archive, config: CaseConfig, shapes: dict[str, tuple[int, int]]) -> Network:
    synapses, weights = {}, {}
    for layer, shape in shapes.items():
        mask = archive.binary(f"mask_{layer}", shape).astype(bool)
        matrix = archive.floats(f"w_{layer}", shape, config.dtype)
        stray = np.argwhere((matrix != 0) & ~mask)
        if len(stray):
            i, j = stray[0]
            raise archive.error(f"w_{layer}", f"{matrix[i, j]:.6g} at ({i}, {j}), where mask_{layer} is 0", "0 where the mask is 0")
        synapses[layer] = Synapses.from_mask(mask)
        weights[layer] = synapses[layer].sparse(matrix).astype(np.float64)
    autapses = np.flatnonzero(synapses["rec"].pre == synapses["rec"].post)
    if autapses.size:
        j = synapses["rec"].pre[autapses[0]]
        raise archive.error("mask_rec", f"an autapse of neuron {j}", "0 on the diagonal")

    h, w = grid = config.net_arch.gridshape
    permutation = archive.integers("shuffle_permutation", (h * w,))
    if not np.array_equal(np.sort(permutation), np.arange(h * w)):
        raise archive.error("shuffle_permutation", "repeated or missing cells", f"a permutation of 0 .. {h * w - 1}")
    topology = Topology(grid, _cells(archive, config), synapses["in"], synapses["rec"], synapses["out"])
    feedback = archive.floats("feedback", shapes["out"], config.dtype).astype(np.float64)
    return Network(_constants(archive, config), topology, weights, feedback, permutation.astype(np.int32))


def _cells(archive: Archive, config: CaseConfig) -> np.ndarray:
    """(n,) row-major cells."""
    h, w = config.net_arch.gridshape
    row_col = archive.integers("cell_row_col", (config.n, 2))
    outside = np.flatnonzero(((row_col < 0) | (row_col >= (h, w))).any(1))
    if outside.size:
        j = outside[0]
        raise archive.error("cell_row_col", f"neuron {j} at {tuple(row_col[j].tolist())}", f"cells of the {h} x {w} grid")
    cell = row_col[:, 0] * w + row_col[:, 1]
    if np.unique(cell).size < config.n:
        raise archive.error("cell_row_col", "two neurons in one cell", "distinct cells")
    return cell.astype(np.int32)


def _constants(archive: Archive, config: CaseConfig) -> Constants:
    arch = config.net_arch
    betas = archive.floats("betas", ((), (config.n,)))
    if betas.ndim == 0:     # one value is that of the ALIF neurons
        betas = np.where(np.arange(config.n) < arch.n_LIF, 0.0, betas)
    constants = Constants(threshold=_scalar(archive, "thr", config.n), gamma=_scalar(archive, "gamma", config.n),
                          alpha=_scalar(archive, "alpha", config.n), rho=_scalar(archive, "rho", config.n),
                          kappa=_scalar(archive, "kappa", config.n), refractory=config.net_params.refractory_period,
                          beta=betas.astype(np.float64))
    if constants.threshold <= 0:
        raise archive.error("thr", constants.threshold, "above 0")
    for name in ("alpha", "rho", "kappa"):
        if not 0 <= getattr(constants, name) < 1:
            raise archive.error(name, getattr(constants, name), "a decay per step, at least 0 and below 1")
    return constants


def _scalar(archive: Archive, name: str, n: int) -> float:
    """A constant that may be stored per neuron, if it is the same for all."""
    values = archive.floats(name, ((), (n,)))
    if np.unique(values).size != 1:
        raise archive.error(name, f"{np.unique(values).size} different values", "one value common to all neurons")
    return float(values.flat[0])


def _learning(archive: Archive, config: CaseConfig, T: int) -> Learning:
    k, task = config.net_params.k, config.task
    kernel = archive.floats("diffusion_kernel", (3, 3))
    if not np.allclose(kernel, k / 9, rtol=1e-5, atol=0):
        raise archive.error("diffusion_kernel", kernel.ravel().tolist(), f"k/9 = {k / 9:.8g} in every entry (k of config_json)")
    if task.LS_avail > T:
        raise archive.error("config_json.task.LS_avail", task.LS_avail, f"0 .. {T} (steps of the trial)")
    return Learning(rule="diffusion", window=task.LS_avail or T, classification=task.task_type == "classification",
                    k=k, c_reg=config.train_params.c_reg, f_target=config.train_params.f_target / 1000)     # Hz -> per ms


def _trials(archive: Archive, config: CaseConfig, x: np.ndarray, learning: Learning) -> Trials:
    B, T, _ = x.shape
    duration = archive.integers("trial_duration", (B,))
    if ((duration < 1) | (duration > T)).any():
        raise archive.error("trial_duration", f"{duration.min()} .. {duration.max()}", f"1 .. {T} (steps of x)")
    K = config.net_arch.n_out
    if learning.classification:
        label = archive.numbers("label", (B, T, K))
        window = label[:, T - learning.window:]
        padding = np.arange(T - learning.window, T) < (T - duration)[:, None]
        one_hot = ((window == 0) | (window == 1)).all(-1) & ((window.sum(-1) == 1) | padding)
        if not one_hot.all():
            b, s = np.argwhere(~one_hot)[0]
            raise archive.error("label", f"{window[b, s].tolist()} in trial {b}", "one-hot")
    else:
        label = archive.numbers("label", ((B, T), (B, T, K)))
        if label.ndim == 2:
            if K != 1:
                raise archive.error("label", f"shape {label.shape}", f"shape {(B, T, K)} for {K} outputs")
            label = label[..., None]
    return Trials(x, label[:, T - learning.window:].astype(np.float64), duration.astype(np.int64), np.arange(B, dtype=np.uint32))


def _trajectories(archive: Archive, config: CaseConfig, B: int, T: int) -> dict[str, np.ndarray]:
    neurons = (B, T, config.n)
    found = {name: archive.floats(name, neurons, config.dtype) for name in ("v", "a", "A")
             if name in archive or name not in OPTIONAL_TRAJECTORIES}
    found["r"] = archive.integers("r", neurons)
    found["z"] = archive.binary("z", neurons)
    found["y"] = archive.floats("y", (B, T, config.net_arch.n_out), config.dtype)
    return {name: found[name] for name in TRAJECTORIES if name in found}


def _per_rule(archive: Archive, config: CaseConfig, prefix: str, shapes: dict[str, tuple[int, int]]) -> dict[str, dict[str, np.ndarray]]:
    """RULE -> layer -> matrix of every rule that the file has or must have."""
    known = {f"{prefix}_{rule}_{layer}" for rule in RULES for layer in LAYERS}
    for name in archive.names:
        if name.startswith(f"{prefix}_") and name not in known:
            raise archive.error(name, "an unknown result", f"{prefix}_RULE_LAYER with RULE {', '.join(RULES)} and LAYER {', '.join(LAYERS)}")
    return {rule: {layer: archive.floats(f"{prefix}_{rule}_{layer}", shape, config.dtype) for layer, shape in shapes.items()}
            for rule in RULES
            if rule in REQUIRED_RULES or any(f"{prefix}_{rule}_{layer}" in archive for layer in LAYERS)}

"""Random networks, trials and formats: small, lively, and different in every respect that could matter; long trials, and words at their ends."""
from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fxsim.config.learning import RULES as ALL_RULES
from fxsim.model.arithmetic import Arithmetic
from fxsim.model.network import Constants, Learning, Network, Synapses, Topology, Trials
from quant import InputError, PrecisionSpec, QFormat, load_spec
from quant.quantities import QUANTITIES
from quant.rounding import ROUNDINGS

RULES = tuple(name for name, rule in ALL_RULES.items() if rule.number is not None)
PRESETS = ("q16", "w8s16", "w4s8", "q24", "q32", "loihi2", "loihi_engine")


@dataclass(frozen=True)
class RandomCase:
    """A network, a rule and trials."""

    network: Network
    learning: Learning
    trials: Trials
    seed: int

    def __str__(self) -> str:
        t, n = self.trials, self.network.topology
        kind = "classification" if self.learning.classification else "regression"
        return (f"{n.n} neurons, {n.n_in} inputs, {n.n_out} outputs, grid {n.grid[0]} x {n.grid[1]}, {t.size} trials x {t.steps} steps, "
                f"{self.learning.rule}, {kind}, window {self.learning.window}")


@dataclass(frozen=True)
class Kind:
    """What cases have in common. Those that share formats, too, mostly share a build of the kernels."""

    rules: tuple[str, ...] = RULES
    trials: tuple[int, ...] = (1, 2, 3, 5, 17, 33)
    outputs: tuple[int, ...] = (1, 2, 3)
    classification: bool | None = None      # None: either, where there are several outputs
    steps: tuple[int, int] = (8, 90)        # from, and below

    def longer(self) -> Kind:
        """The same with trials of some hundred steps, as many of them as there can be."""
        return replace(self, trials=self.trials[-1:], steps=(200, 400))


ANY = Kind()
KINDS = (Kind(RULES[1:], (17, 33), (2, 3), True), Kind(RULES, (1, 2, 3, 5), (1,), False),
         Kind(RULES[:1], (17, 33), (2, 3), False), Kind(RULES, (1, 2, 3, 5), (2, 3), True))
"""Of all cases: every rule, both kinds of errors, few and many trials."""


def random_case(rng: np.random.Generator, rule: str | None = None, kind: Kind = ANY) -> RandomCase:
    """Draw a case. Weights are large enough that neurons spike; trial lengths and front padding vary."""
    n, m, K = int(rng.integers(3, 25)), int(rng.integers(1, 12)), int(rng.choice(kind.outputs))
    h = int(rng.integers(1, 7))
    w = int(np.ceil(n / h)) + int(rng.integers(0, 3))
    B, T = int(rng.choice(kind.trials)), int(rng.integers(*kind.steps))
    topology = Topology((h, w), rng.permutation(h * w)[:n].astype(np.int32), _mask(rng, m, n, rng.uniform(0.1, 0.9)),
                        _mask(rng, n, n, rng.uniform(0.05, 0.6), autapses=False), _mask(rng, n, K, rng.uniform(0.2, 1.0)))
    alpha, rho, kappa = np.exp(-1 / rng.uniform(17, 40)), np.exp(-1 / rng.uniform(350, 2500)), np.exp(-1 / rng.uniform(17, 40))
    beta = np.where(rng.random(n) < 0.5, rng.uniform(0.2, 2.2, n), 0.0)
    constants = Constants(0.03, rng.uniform(0.1, 0.5), alpha, rho, kappa, int(rng.integers(0, 6)), beta)
    scale = {"in": 0.7, "rec": 0.4, "out": 0.5}
    weights = {layer: rng.normal(0, scale[layer], topology.synapses(layer).size) for layer in scale}
    network = Network(constants, topology, weights, rng.normal(0, 0.3, (n, K)) * (rng.random((n, K)) < 0.6), rng.permutation(h * w))
    classification = bool(rng.random() < 0.5) and K > 1 if kind.classification is None else kind.classification
    window = int(rng.choice([1, T, int(rng.integers(1, T + 1))]))
    learning = Learning(rule or str(rng.choice(kind.rules)), window, classification, rng.uniform(0, 0.95), rng.choice([0.0, 0.01, 0.1]), 0.01)
    duration = rng.integers(max(1, T // 2), T + 1, B)
    x = (rng.random((B, T, m)) < rng.uniform(0.02, 0.3)).astype(np.uint8)
    x[np.arange(T) < (T - duration)[:, None]] = 0           # silent front padding
    target = np.eye(K)[rng.integers(0, K, B)][:, None].repeat(window, 1) if classification else rng.normal(0, 0.5, (B, window, K))
    ids = rng.integers(0, 2**32, B, dtype=np.uint32)
    return RandomCase(network, learning, Trials(x, target, duration, ids), int(rng.integers(0, 2**32)))


FAN_IN = 64     # as many lines as the kernels of most networks are built for; with one more they would be others
FAR = 1e6       # weights and targets beyond every format
CANCELS = 1.5   # of a weight in scaled units: every preset holds it exactly, with either sign


def extreme_case(rng: np.random.Generator, rule: str | None = None, kind: Kind = ANY, inputs: int = FAN_IN) -> RandomCase:
    """A case whose words reach their ends: every neuron hears all of many inputs, each of which spikes at every step; weights, feedback and
    targets are beyond what their formats hold. Of three neurons one is only driven up, one by weights of both signs, and in one they cancel,
    so that it stays near its threshold and its synapses learn."""
    case = random_case(rng, rule, kind)
    trials, network = case.trials, case.network
    topology = replace(network.topology, syn_in=Synapses.from_mask(np.ones((inputs, network.topology.n), bool)))
    signs = {layer: rng.choice([-1.0, 1.0], topology.synapses(layer).size) for layer in network.weights}
    weights = {layer: FAR * np.where((topology.synapses(layer).post % 3 == 1) & (layer != "out"), 1.0, signs[layer]) for layer in signs}
    near_in, near_rec = (np.flatnonzero(topology.synapses(layer).post % 3 == 0) for layer in ("in", "rec"))
    line, c = topology.syn_in.pre[near_in], network.constants
    weights["in"][near_in] = np.where(line < 2, c.threshold * rng.uniform(0, 0.9, line.size), CANCELS * c.threshold / (1 - c.alpha) * (-1.0) ** line)
    weights["rec"][near_rec] = 0.0
    feedback = FAR * rng.choice([-1.0, 0.0, 1.0], network.feedback.shape)
    x = np.ones((trials.size, trials.steps, inputs), np.uint8)
    x[np.arange(trials.steps) < (trials.steps - trials.duration)[:, None]] = 0
    target = trials.target if case.learning.classification else FAR * trials.target
    return replace(case, network=replace(network, topology=topology, weights=weights, feedback=feedback),
                   trials=Trials(x, target, trials.duration, trials.ids))


def cut(case: RandomCase, trials: int, steps: int) -> RandomCase:
    """The first trials of a case, the last steps of each: small enough for pure Python."""
    t, steps = case.trials, min(steps, case.trials.steps)
    window = min(case.learning.window, steps)
    kept = Trials(t.x[:trials, -steps:], t.target[:trials, -window:], np.minimum(t.duration[:trials], steps), t.ids[:trials])
    return RandomCase(case.network, replace(case.learning, window=window), kept, case.seed)


def _mask(rng: np.random.Generator, rows: int, columns: int, density: float, autapses: bool = True) -> Synapses:
    mask = rng.random((rows, columns)) < density
    if not autapses:
        np.fill_diagonal(mask, False)
    mask.flat[int(rng.integers(mask.size - 1)) if autapses else 1] = True       # at least one synapse
    return Synapses.from_mask(mask)


def random_spec(rng: np.random.Generator, rounding: str | None = None) -> PrecisionSpec:
    """A preset with every format shaken: word and fraction bits, signedness kept, rounding and overflow drawn."""
    base = load_spec(str(rng.choice(PRESETS)))
    formats = {}
    for name in QUANTITIES:
        fmt = base[name]
        shrink = int(rng.integers(0, min(4, fmt.word_bits - 2) + 1))
        formats[name] = QFormat(fmt.word_bits - shrink, fmt.frac_bits - int(rng.integers(0, shrink + 1)), fmt.signed,
                                rounding or str(rng.choice(list(ROUNDINGS))), "wrap" if rng.random() < 0.15 else "saturate")
    return base.replace(f"random-{rounding or 'mixed'}", **formats)


def arithmetic_for(case: RandomCase, spec: PrecisionSpec) -> Arithmetic | None:
    """The case in these formats, or None where the interval analysis refuses the combination."""
    from fxsim.engine.build.module import proof_for
    arithmetic = Arithmetic(spec.name, spec, case.network.constants, case.learning, case.trials.steps, case.seed)
    try:
        proof_for(arithmetic, case.network)
    except InputError:
        return None
    return arithmetic

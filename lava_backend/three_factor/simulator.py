"""The simulator of a package on Lava's three-factor engine: every weight, tag, delay variable and trace of every step, exactly.

What it mirrors (lava-nc 0.10, magma/core/model/py/connection.py, magma/core/learning/), at each step:

    spikes      the sum of the weights of the spikes of one step arrives at the next
    x1          exp(-1/tau) x1, rounded down, plus 1 if a random number is below the fraction; then + impulse where a spike
                is, clipped to 0..127
    y           what the neurons sent, after one step of decay with tau 65535 and the same rounding (it seldom changes anything)
    w, d, t     old value << 7, plus each product (clipped, and so is each partial sum), / 128 rounded as x1, clipped

One random number rounds all traces of a connection, one all of its synapses; the seed of the latter is Lava's own, 2, for every
connection. The generators run on from trial to trial. Absent synapses do not exist here; on Lava a mask keeps them at zero.
"""
from __future__ import annotations

import numpy as np

from fxsim.engine.build.module import proof_for
from fxsim.engine.interface import Result, given
from fxsim.engine.oracle.exact import Exact, Groups, Numbers
from fxsim.engine.oracle.oracle import Readout, Recorder, Signal, Somata, neighbours_at, pseudo_derivative
from fxsim.model.network import LAYERS, Synapses, Trials
from fxsim.model.wiring import neighbour_tables
from lava_backend.package import Package

from .rule import ACCUMULATOR_BITS, CARRIED_BITS, DELAY_BOUNDS, TAG_BOUNDS, TRACE_MAX, WEIGHT_BOUNDS, Gathered, Rule, rules_of, signal_quantity

SYNAPSE_SEED, POST_TAU = 2, np.iinfo(np.uint16).max
BOUNDS = {"w": WEIGHT_BOUNDS, "d": DELAY_BOUNDS, "t": TAG_BOUNDS}
ACCUMULATOR_BOUNDS = (-(1 << ACCUMULATOR_BITS) - 1, (1 << ACCUMULATOR_BITS) - 1)


class Connection:
    """One LearningDense, its existing synapses only: w, d, t (n_syn,), x1 (n_pre,), and what is under way."""

    def __init__(self, rule: Rule, synapses: Synapses, weights: np.ndarray):
        self.rule, self.synapses, self.onto = rule, synapses, Groups(synapses.post, synapses.n_post)
        self.w = np.asarray(weights, np.int64)
        self.pre_random, self.post_random = np.random.default_rng(rule.seed), np.random.default_rng(rule.seed + 2)
        self.synapse_random = np.random.default_rng(SYNAPSE_SEED)
        for random in (self.pre_random, self.post_random, self.synapse_random):
            random.random()         # drawn and never used, as in Lava
        self.decay, self.post_decay = np.exp(-1 / np.array([rule.tau, POST_TAU]))

    def rest(self, trials: int = 1) -> None:
        """The state that every trial starts from."""
        self.x1 = np.zeros(self.synapses.n_pre, np.int64)
        self.d, self.t = np.zeros_like(self.w), np.zeros_like(self.w)
        self.current = np.zeros((trials, self.synapses.n_post), np.int64)

    def receive(self, spikes: np.ndarray) -> None:
        """Spikes (B, n_pre) of a step; ``current`` (B, n_post) is what they give at the next."""
        self.current = Exact(self.w * spikes[:, self.synapses.pre].astype(np.int64), 0).scatter(self.onto).raw

    def learn(self, spikes: np.ndarray, posts: dict[str, np.ndarray]) -> None:
        """One step of the engine: spikes (n_pre,) and the factors y1, y2, y3 (n_post,) by name."""
        pre, post = self.synapses.pre, self.synapses.post
        for_x, for_y = (random.random(2)[1] for random in (self.pre_random, self.post_random))
        self.x1 = rounded(self.decay * self.x1, for_x)
        self.x1[spikes > 0] = np.minimum(self.x1[spikes > 0] + self.rule.impulse, TRACE_MAX)
        values = {"x1": self.x1[pre], "w": self.w, "d": self.d, "t": self.t,
                  **{name: rounded(self.post_decay * y, for_y)[post] for name, y in posts.items()}}
        random, new = self.synapse_random.random(), {}
        for variable, products in self.rule.products.items():
            if variable == "w" and not posts["y1"].any():       # every product is 0
                continue
            total = values[variable] << CARRIED_BITS
            for product in products:
                total = clip(total + clip(product.value(values), ACCUMULATOR_BOUNDS), ACCUMULATOR_BOUNDS)
            new[variable] = clip(rounded(total / (1 << CARRIED_BITS), random), BOUNDS[variable])
        for variable, value in new.items():
            setattr(self, variable, value)

    def states(self, layer: str) -> dict[str, np.ndarray]:
        """State by name, with an axis for the trial."""
        return {f"{name}_{layer}": value[None] for name, value in
                (("weight", self.w), ("trace", self.x1), ("tag", self.t), ("delay", self.d))}


def clip(value: np.ndarray, bounds: tuple[int, int]) -> np.ndarray:
    """numpy.clip, which is slow on short arrays."""
    return np.minimum(np.maximum(value, bounds[0]), bounds[1])


def rounded(value: np.ndarray, random: float) -> np.ndarray:
    """The engine's stochastic rounding: down, plus 1 where the fraction is above one random number for all."""
    floor = np.floor(value)
    return (floor + (random < value - floor)).astype(np.int64)


class EngineSimulator:
    """A package of neuron kind ``three_factor``, learning included. Its weights go on from trial to trial."""

    def __init__(self, package: Package):
        self.package, topo, rules = package, package.network.topology, rules_of(package)
        proof_for(package.arithmetic, package.network)
        self.connections = {layer: Connection(rules[layer], topo.synapses(layer), package.weights[layer]) for layer in LAYERS}
        self.to_neurons, self.to_readouts = Gathered(package, signal_quantity(package)), Gathered(package, "error")
        self.adapts = np.asarray(package.arithmetic.coefficients.adaptation_drive) != 0

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """layer -> (n_syn,) stored weights."""
        return {layer: connection.w for layer, connection in self.connections.items()}

    def run(self, trials: Trials, learn: bool = True, record: bool = False) -> Result:
        """Trials one after the other, as the engine runs them: weights change at every step of a trial's window if it learns."""
        results = [self._run(trials.take(slice(b, b + 1)), learn, True, record) for b in range(trials.size)]
        joined = {name: np.concatenate([given(r.record)[name] for r in results], 1) for name in given(results[0].record)} if record else None
        return Result(np.concatenate([r.readout for r in results]), np.concatenate([r.spike_counts for r in results]), None, None, joined)

    def evaluate(self, trials: Trials) -> Result:
        """Trials side by side with the weights as they are; neither weights nor random numbers move."""
        return self._run(trials, False, False, False)

    def _run(self, trials: Trials, learn: bool, plastic: bool, record: bool) -> Result:
        package, ar, net, rule = self.package, self.package.arithmetic, self.package.network, self.package.learning
        T, S, numbers = trials.steps, rule.window, Numbers(ar, package.seed)
        numbers.begin(trials.ids)
        somata, readout, signal = Somata(numbers, net), Readout(numbers, net, rule), Signal(numbers, net, rule)
        tables, target = neighbour_tables(net.topology, rule, net.permutation, package.seed, trials.ids, T), ar.target_to_raw(trials.target)
        connections = self.connections
        for part in (somata, readout, signal, self.to_neurons, self.to_readouts):
            part.rest()
        for connection in connections.values():
            connection.rest(trials.size)
        out, recorder = np.zeros((trials.size, S, net.topology.n_out)), Recorder()
        for t in range(T):
            numbers.t, s, err, L = t, t - (T - S), None, None
            x = trials.x[:, t]
            arriving = {layer: numbers.number(connection.current, package.spec[f"weight_{layer}"].frac_bits)
                        for layer, connection in connections.items()}
            z, y = somata.integrate(arriving["in"], arriving["rec"]), readout.integrate(arriving["out"])
            if s >= 0:
                out[:, s] = ar.to_scaled("readout", y.raw)
            if learn and s >= 0:
                err = readout.error(target[:, s])
                L = signal.step(err, neighbours_at(tables, s))
            for layer, spikes in (("in", x), ("rec", z), ("out", z)):
                connections[layer].receive(spikes)
            if plastic:
                H = pseudo_derivative(numbers, somata.distance, somata.r == 0)
                silent = np.zeros_like(z[0]), np.zeros_like(y.raw[0])
                signals = silent if err is None or L is None else (self.to_neurons.step(t, L.raw[0]), self.to_readouts.step(t, err.raw[0]))
                self._learn(x[0], z[0], H.raw[0], *signals)
            if record:
                recorder.add(V=somata.V, a=somata.a, r=somata.r, z=z, H=H, y=y)
                for layer, connection in connections.items():
                    recorder.add(**connection.states(layer))
                if err is not None:
                    recorder.add(err=err, L=L, M=signal.M)
        return Result(out, somata.count, None, None, recorder.stacked() if record else None)

    def _learn(self, x: np.ndarray, z: np.ndarray, H: np.ndarray, to_neurons: np.ndarray, to_readouts: np.ndarray) -> None:
        """All connections, one step."""
        posts = {"y1": to_neurons, "y2": H, "y3": np.where(self.adapts, H, 0)}
        self.connections["in"].learn(x, posts)
        self.connections["rec"].learn(z, posts)
        self.connections["out"].learn(z, {"y1": to_readouts})

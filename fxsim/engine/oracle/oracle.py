"""The oracle: the model and its learning in plain NumPy, written to be checked against the equations, not for speed.

It is the specification of the fixed-point semantics. All sums and products are exact (:mod:`fxsim.engine.oracle.exact` aligns binary
points by itself, so no shift is written by hand); each new state is rounded once, into its format. With a float
arithmetic the same equations run on float arrays.

The parts ``Somata``, ``Readout``, ``Signal`` and ``Eligibility`` each hold their own state and take one step at a time, so
that anything that runs the model as separate processes computes with this very text; ``Oracle`` puts them together.

Scaled units (see :mod:`quant.quantities`). Axes: trial first, then neuron, synapse, output or cell.
"""
from __future__ import annotations

import numpy as np

from fxsim.engine.build.module import proof_for
from fxsim.engine.interface import Result
from fxsim.model.arithmetic import RATE_FRAC, RATE_GAIN_FRAC, Arithmetic
from fxsim.model.network import Learning, Network, Trials
from fxsim.model.softmax import PROBABILITY_FRAC, softmax_raw
from fxsim.model.telemetry import Counters
from fxsim.model.wiring import eligibility_wiring, neighbour_tables
from quant.quantities import INDEX

from .exact import Exact, Groups, Numbers, Real, Watch


class Somata:
    """Refractory counters r, adaptation a, membrane potentials V and spikes z of n neurons; their spike counts."""

    def __init__(self, numbers: Numbers, network: Network):
        co, topo = numbers.arithmetic.coefficients, network.topology
        self.numbers, self.n, self.refractory = numbers, topo.n, network.constants.refractory
        self.leak_membrane, self.leak_adaptation = numbers.value("decay", co.leak_membrane), numbers.value("decay", co.leak_adaptation)
        self.gain, self.one = numbers.value("adaptation_gain", co.adaptation_gain), numbers.number(1)
        self.pre_in, self.pre_rec = topo.syn_in.pre, topo.syn_rec.pre
        self.onto_in, self.onto_rec = Groups(topo.syn_in.post, topo.n), Groups(topo.syn_rec.post, topo.n)

    def program(self, weights: dict[str, np.ndarray]) -> None:
        """Take stored weights, layer -> (n_syn,), of the layers in and rec."""
        self.w_in, self.w_rec = (self.numbers.value(f"weight_{layer}", weights[layer]) for layer in ("in", "rec"))

    def rest(self) -> None:
        """The state that every trial starts from."""
        B = self.numbers.streams.size
        self.V, self.a = self.numbers.zero("membrane", self.n), self.numbers.zero("adaptation", self.n)
        self.z, self.r, self.count = (np.zeros((B, self.n), np.int64) for _ in range(3))
        self.before = self.z

    def step(self, x: np.ndarray) -> np.ndarray:
        """Input spikes x(t), (B, m) 0 or 1, to spikes z(t), (B, n).

        Keeps what arrived at the synapses: z(t-1) as ``before``, and the input spikes as ``arrived``.
        """
        number, self.arrived = self.numbers.number, x
        current_rec = (self.w_rec * number(self.z.take(self.pre_rec, -1))).scatter(self.onto_rec)
        current_in = (self.w_in * number(x.take(self.pre_in, -1))).scatter(self.onto_in)
        return self.integrate(current_in, current_rec)

    def drive(self, z: np.ndarray) -> np.ndarray:
        """Spikes z(t), (B, n), in place of those of the last step."""
        self.count, self.z = self.count - self.z + z, z
        return z

    def integrate(self, current_in: Exact, current_rec: Exact) -> np.ndarray:
        """The currents that arrive, (B, n) each, to spikes z(t)."""
        store, before = self.numbers.store, self.z
        spike = self.numbers.number(before)
        self.r = np.where(before == 1, self.refractory, np.maximum(0, self.r - 1))
        self.a = store("adaptation", self.a - self.leak_adaptation * self.a + spike, self.a, spike)
        self.V = store("membrane", self.V - self.leak_membrane * self.V + current_rec + current_in - spike,
                       self.V, current_rec, current_in, less=spike)
        self.distance = self.V - self.one - self.gain * self.a
        self.before, self.z = before, (self.distance.is_positive() & (self.r == 0)).astype(np.int64)
        self.count = self.count + self.z
        return self.z


class Readout:
    """Leaky readouts y of K outputs, their error, and the gradient of the readout weights with its trace Z."""

    def __init__(self, numbers: Numbers, network: Network, learning: Learning):
        topo = network.topology
        self.numbers, self.topology, self.classification = numbers, topo, learning.classification
        self.leak, self.onto_out = numbers.value("decay", numbers.arithmetic.coefficients.leak_readout), Groups(topo.syn_out.post, topo.n_out)

    def program(self, weights: dict[str, np.ndarray]) -> None:
        """Take stored weights of the layer out."""
        self.w_out = self.numbers.value("weight_out", weights["out"])

    def rest(self) -> None:
        zero, topo = self.numbers.zero, self.topology
        self.y, self.Z, self.G = zero("readout", topo.n_out), zero("readout_trace", topo.n), zero("gradient_out", topo.syn_out.size)

    def step(self, z: np.ndarray) -> Exact:
        """Spikes z(t), (B, n), to readouts y(t), (B, K)."""
        return self.integrate((self.w_out * self.numbers.number(z.take(self.topology.syn_out.pre, -1))).scatter(self.onto_out))

    def integrate(self, current: Exact) -> Exact:
        """The current that arrives, (B, K), to readouts y(t)."""
        self.y = self.numbers.store("readout", self.y - self.leak * self.y + current, self.y, current)
        return self.y

    def trace(self, z: np.ndarray) -> None:
        """Z(t), what the readout weights learn from."""
        spike = self.numbers.number(z)
        self.Z = self.numbers.store("readout_trace", self.Z - self.leak * self.Z + spike, self.Z, spike)

    def error(self, target: np.ndarray) -> Exact:
        """err(t), (B, K), of y(t) against stored targets (B, K), see Arithmetic.target_to_raw."""
        if self.classification:
            return self.numbers.store("error", self._softmax() - self.numbers.number(target))
        return self.numbers.store("error", self.y - self.numbers.value("readout", target))

    def _softmax(self) -> Exact:
        if self.numbers.spec:
            return Exact(softmax_raw(self.y.raw, self.y.frac), PROBABILITY_FRAC)
        e = np.exp(self.y.raw - self.y.raw.max(-1, keepdims=True))
        return Real(e / e.sum(-1, keepdims=True))

    def learn(self, error: Exact) -> None:
        """Gout(t) += err(t) Z(t)."""
        out = self.topology.syn_out
        self.G = self.numbers.store("gradient_out", self.G + error.take(out.post) * self.Z.take(out.pre), self.G)


class Signal:
    """From readout errors to each neuron's learning signal L: directly (e-prop) or by the modulator M on the grid (diffusion)."""

    def __init__(self, numbers: Numbers, network: Network, learning: Learning):
        ar, topo = numbers.arithmetic, network.topology
        self.numbers, self.diffuses, self.cells = numbers, learning.diffuses, topo.cell
        self.feedback = numbers.value("feedback", ar.feedback_to_raw(network.feedback))
        self.gain, self.at_cell = numbers.value("diffusion_gain", ar.coefficients.diffusion_gain), Groups(topo.cell, topo.n_cells)

    def rest(self) -> None:
        self.M = self.numbers.zero("modulator", self.at_cell.size) if self.diffuses else None

    def step(self, error: Exact, neighbours: np.ndarray) -> Exact:
        """err(t), (B, K), to L(t), (B, n). ``neighbours``: the cells that each cell averages over, (B or 1, n_cells, 9)."""
        direct = (self.feedback * error[:, None, :]).sum(2)
        if not self.diffuses:
            return self.numbers.store("learning_signal", direct)
        assert self.M is not None
        nine = self.M[np.arange(self.M.raw.shape[0])[:, None, None], neighbours].sum(2)
        self.M = self.numbers.store("modulator", self.gain * nine + direct.scatter(self.at_cell))
        return self.M.take(self.cells)


class Eligibility:
    """Traces X of every line, pseudo-derivatives H, the eligibilities E, U, F of every synapse, and their gradient G."""

    def __init__(self, numbers: Numbers, network: Network):
        co, topo = numbers.arithmetic.coefficients, network.topology
        self.numbers, self.wiring, self.lines = numbers, eligibility_wiring(topo), topo.n + topo.n_in
        self.leak_membrane, self.leak_adaptation, self.leak_readout = (
            numbers.value("decay", leak) for leak in (co.leak_membrane, co.leak_adaptation, co.leak_readout))
        self.drive = numbers.value("adaptation_drive", co.adaptation_drive).take(self.wiring.post)
        self.alif = self.drive.raw != 0

    def rest(self) -> None:
        zero, size = self.numbers.zero, self.wiring.size
        self.X = zero("trace", self.lines)
        self.E, self.U, self.F, self.Esum, self.G = (zero(quantity, size) for quantity in (
            "eligibility", "adaptation_eligibility", "filtered_eligibility", "eligibility_sum", "gradient"))

    def step(self, lines: np.ndarray, distance: Exact, ready: np.ndarray) -> None:
        """Spikes of all lines, (B, n + m): z(t-1), then x(t); V - A, (B, n); ready: not refractory."""
        store, wiring, spikes = self.numbers.store, self.wiring, self.numbers.number(lines)
        self.X = store("trace", self.X - self.leak_membrane * self.X + spikes, self.X, spikes)
        self.H = pseudo_derivative(self.numbers, distance, ready)
        self.E = store("eligibility", self.H.take(wiring.post) * (self.X.take(wiring.line) - self.U))
        self.F = store("filtered_eligibility", self.F - self.leak_readout * self.F + self.E, self.F, self.E)
        self.U = store("adaptation_eligibility", self.U - self.leak_adaptation * self.U + self.drive * self.E, self.U, count=self.alif)
        self.Esum = store("eligibility_sum", self.Esum + self.E, self.Esum, self.E)

    def learn(self, signal: Exact) -> None:
        """G(t) += L(t) F(t)."""
        self.G = self.numbers.store("gradient", self.G + signal.take(self.wiring.post) * self.F, self.G)

    def finish(self, count: np.ndarray, duration: np.ndarray) -> None:
        """The firing-rate regularisation joins after the last step: G += D S. Spike counts (B, n), trial durations (B,)."""
        self.D = self.numbers.store("rate_error", self._rate_error(count, duration))
        self.G = self.numbers.store("gradient", self.G + self.D.take(self.wiring.post) * self.Esum, self.G)

    def _rate_error(self, count: np.ndarray, duration: np.ndarray) -> Exact:
        """c_reg S/(1-kappa) (n - f_target T_b) / T_b^2; in fixed point the quotient's floor plus its ceiling, twice what it is or what stands for
        all between two integers: every rounding makes of it what it would make of the exact quotient."""
        ar, T_b = self.numbers.arithmetic, duration[:, None]
        co = ar.coefficients
        if not ar.spec:
            T_b = T_b.astype(ar.dtype)
            return Real(co.rate_gain * (count.astype(T_b.dtype) - co.rate_target * T_b) / (T_b * T_b))
        change = co.rate_gain * ((count << np.int64(RATE_FRAC)) - co.rate_target * T_b)
        return Exact(change // (T_b * T_b) - -change // (T_b * T_b), RATE_FRAC + RATE_GAIN_FRAC + 1)


def pseudo_derivative(numbers: Numbers, distance: Exact, ready: np.ndarray) -> Exact:
    """H(t), (B, n), of V - A and whether a neuron is not refractory."""
    return numbers.store("pseudo_derivative", (numbers.number(1) - abs(distance)).positive_part().where(ready))


class Oracle:
    """The reference engine; see :class:`fxsim.engine.interface.Engine`. Raises InputError for formats that could overflow 64 bits in a kernel."""

    name = "oracle"

    def __init__(self, network: Network, learning: Learning, arithmetic: Arithmetic, seed: int = 0, threads: int = 0):
        self.network, self.learning, self.arithmetic, self.seed = network, learning, arithmetic, seed
        self.watch: Watch | None = None     # see exact.Numbers
        if arithmetic.spec:
            proof_for(arithmetic, network)      # what the kernels refuse is no specification either

    def neurons(self, numbers: Numbers) -> tuple[Somata, Readout]:
        """The neuron model; others than the paper's override this."""
        return Somata(numbers, self.network), Readout(numbers, self.network, self.learning)

    def run(self, weights: dict[str, np.ndarray], trials: Trials, learn: bool = True,
            telemetry: bool = False, record: bool = False, driven: np.ndarray | None = None) -> Result:
        """``driven``: (B, T, n) spikes that neurons have in place of their own. All else goes on as they say: resets and refractory periods,
        adaptation, what reaches synapses and readout. Membrane potentials may then lie above the threshold of a neuron that is told to be silent."""
        net, topo, ar, rule = self.network, self.network.topology, self.arithmetic, self.learning
        T, S = trials.steps, rule.window
        numbers = Numbers(ar, self.seed)
        numbers.counters = np.zeros((len(INDEX), Counters.WIDTH), np.float64 if ar.spec is None else np.int64) if telemetry else None
        numbers.watch = self.watch
        numbers.begin(trials.ids)
        somata, readout = self.neurons(numbers)
        signal, synapses = Signal(numbers, net, rule), Eligibility(numbers, net)
        tables, target = neighbour_tables(topo, rule, net.permutation, self.seed, trials.ids, T), ar.target_to_raw(trials.target)
        for part in (somata, readout):
            part.program(weights)
        for stateful in (somata, readout, signal, synapses):
            stateful.rest()
        out, recorder = np.zeros((trials.size, S, topo.n_out)), Recorder() if record else None

        for t in range(T):
            numbers.t, s, err = t, t - (T - S), None
            x = trials.x[:, t].astype(np.int64)
            z = somata.step(x)
            if driven is not None:
                z = somata.drive(driven[:, t].astype(np.int64))
            y = readout.step(z)
            if s >= 0:
                out[:, s] = ar.to_scaled("readout", y.raw)
            if learn:
                synapses.step(np.concatenate([somata.before, somata.arrived], 1), somata.distance, somata.r == 0)
                readout.trace(z)
            if learn and s >= 0:
                err = readout.error(target[:, s])
                L = signal.step(err, neighbours_at(tables, s))
                synapses.learn(L)
                readout.learn(err)
            if recorder:
                recorder.add(V=somata.V, a=somata.a, r=somata.r, z=z, y=y)
                if learn:
                    recorder.add(X=synapses.X, H=synapses.H, E=synapses.E, U=synapses.U, F=synapses.F, Esum=synapses.Esum, Z=readout.Z,
                                 G=synapses.G, Gout=readout.G)
                if err is not None:
                    recorder.add(err=err, L=L, M=signal.M)

        gradients = None
        if learn:
            numbers.t = T
            synapses.finish(somata.count, trials.duration)
            gradients = {**synapses.wiring.split(synapses.G.raw.sum(0)), "out": readout.G.raw.sum(0)}
            if recorder:
                recorder.add(D=synapses.D, G=synapses.G)
        counters = Counters(numbers.counters, ar.spec).report() if numbers.counters is not None else None
        return Result(out, somata.count, gradients, counters, recorder.stacked() if recorder else None)

    def modulator(self, y: np.ndarray, trials: Trials) -> np.ndarray:
        """(S, B, n_cells) stored M of the window's steps, from stored readouts y, (T, B, K): those of a run that learns, in a tenth of its time."""
        ar, rule, T = self.arithmetic, self.learning, trials.steps
        numbers = Numbers(ar, self.seed)
        numbers.begin(trials.ids)
        (_, readout), signal = self.neurons(numbers), Signal(numbers, self.network, rule)
        tables = neighbour_tables(self.network.topology, rule, self.network.permutation, self.seed, trials.ids, T)
        signal.rest()
        target, rows = ar.target_to_raw(trials.target), []
        for s in range(rule.window):
            numbers.t = T - rule.window + s
            readout.y = numbers.value("readout", y[numbers.t])
            signal.step(readout.error(target[:, s]), neighbours_at(tables, s))
            assert signal.M is not None
            rows.append(np.array(signal.M.raw))
        return np.stack(rows)


def neighbours_at(tables: np.ndarray, s: int) -> np.ndarray:
    """The neighbourhoods of window step s, (B or 1, n_cells, 9), of what wiring.neighbour_tables gave."""
    return tables[:, s] if tables.ndim == 4 else tables[None, :]


class Recorder:
    """Collects what happened at every step; quantities that do not exist at a step are simply not added."""

    def __init__(self) -> None:
        self.steps: dict[str, list[np.ndarray]] = {}

    def add(self, **quantities: Exact | np.ndarray | None) -> None:
        for name, value in quantities.items():
            if value is not None:
                self.steps.setdefault(name, []).append(np.array(value.raw if isinstance(value, Exact) else value))

    def stacked(self) -> dict[str, np.ndarray]:
        """name -> (steps, B, ...)."""
        return {name: np.stack(rows) for name, rows in self.steps.items()}

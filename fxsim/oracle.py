"""The oracle: the model and its learning in plain NumPy, written to be checked against the equations, not for speed.

It is the specification of the fixed-point semantics. All sums and products are exact (class ``Exact`` aligns binary
points by itself, so no shift is written by hand); each new state is rounded once, into its format. With a float
arithmetic the same equations run on float arrays.

Scaled units (see :mod:`quant.quantities`). Axes: trial first, then neuron, synapse, output or cell.
"""
from __future__ import annotations

import numpy as np

from quant.formats import QFormat
from quant.quantities import INDEX
from quant.random import element_key, random31, step_key, stream_key
from quant.rounding import OVERFLOWS, ROUNDINGS

from .arithmetic import RATE_FRAC, RATE_GAIN_FRAC, Arithmetic
from .engine.interface import Result
from .network import Learning, Network, Trials
from .softmax import PROBABILITY_FRAC, softmax_raw
from .telemetry import Counters
from .wiring import eligibility_wiring, neighbour_tables


class Exact:
    """An array of exact fixed-point numbers ``raw * 2**-frac``; + - * are exact in int64."""

    def __init__(self, raw, frac: int):
        self.raw, self.frac = np.asarray(raw, np.int64), frac

    def at(self, frac: int) -> np.ndarray:
        """Raw values at a finer or equal binary point."""
        return self.raw << np.int64(frac - self.frac)

    def _aligned(self, other: Exact):
        frac = max(self.frac, other.frac)
        return self.at(frac), other.at(frac), frac

    def __add__(self, other: Exact) -> Exact:
        a, b, frac = self._aligned(other)
        return Exact(a + b, frac)

    def __sub__(self, other: Exact) -> Exact:
        a, b, frac = self._aligned(other)
        return Exact(a - b, frac)

    def __mul__(self, other: Exact) -> Exact:
        return Exact(self.raw * other.raw, self.frac + other.frac)

    def __getitem__(self, index) -> Exact:
        return Exact(self.raw[index], self.frac)

    def __neg__(self) -> Exact:
        return Exact(-self.raw, self.frac)

    def sum(self, axis: int) -> Exact:
        return Exact(self.raw.sum(axis), self.frac)

    def floor(self, frac: int) -> np.ndarray:
        """Raw values at another binary point, rounded down if it is coarser."""
        return self.at(frac) if frac >= self.frac else self.raw >> np.int64(self.frac - frac)

    def __abs__(self) -> Exact:
        return Exact(abs(self.raw), self.frac)

    def positive_part(self) -> Exact:
        return Exact(np.maximum(self.raw, 0), self.frac)

    def is_positive(self) -> np.ndarray:
        return self.raw > 0

    def where(self, condition) -> Exact:
        return Exact(np.where(condition, self.raw, 0), self.frac)

    def scatter(self, index: np.ndarray, size: int) -> Exact:
        """Sums of the last axis' entries that share an ``index`` (0 .. size-1)."""
        out = np.zeros((*self.raw.shape[:-1], size), np.int64)
        np.add.at(out, (..., index), self.raw)
        return Exact(out, self.frac)


class Real(Exact):
    """The same operations on floats; the binary point has no meaning."""

    def __init__(self, raw, frac: int = 0):
        self.raw, self.frac = np.asarray(raw), 0

    def _aligned(self, other):
        return self.raw, other.raw, 0

    def __add__(self, other):
        return Real(self.raw + other.raw)

    def __sub__(self, other):
        return Real(self.raw - other.raw)

    def __mul__(self, other):
        return Real(self.raw * other.raw)

    def __neg__(self):
        return Real(-self.raw)

    def __getitem__(self, index):
        return Real(self.raw[index])

    def sum(self, axis):
        return Real(self.raw.sum(axis))

    def __abs__(self):
        return Real(abs(self.raw))

    def positive_part(self):
        return Real(np.maximum(self.raw, 0))

    def where(self, condition):
        return Real(np.where(condition, self.raw, self.raw.dtype.type(0)))

    def scatter(self, index, size):
        out = np.zeros((*self.raw.shape[:-1], size), self.raw.dtype)
        np.add.at(out, (..., index), self.raw)
        return Real(out)


def round_into(fmt: QFormat, exact: Exact, random=None) -> tuple[np.ndarray, np.ndarray]:
    """Round an exact number once into ``fmt``: raw values before and after its overflow rule.

    ``random``: 31-bit words where fmt rounds stochastically.
    """
    frac = max(exact.frac, fmt.frac_bits)
    raw = ROUNDINGS[fmt.rounding](exact.at(frac), frac - fmt.frac_bits, random)
    if fmt.overflow == "saturate":
        return raw, np.clip(raw, fmt.min_raw, fmt.max_raw)
    return raw, OVERFLOWS["wrap"](raw, fmt.min_raw, fmt.max_raw)


class Oracle:
    """The reference engine; see :class:`fxsim.engine.interface.Engine`."""

    name = "oracle"

    def __init__(self, network: Network, learning: Learning, arithmetic: Arithmetic, seed: int = 0, threads: int = 0):
        self.network, self.learning, self.arithmetic, self.seed = network, learning, arithmetic, seed
        self.counters: np.ndarray | None = None

    # ---- arithmetic ------------------------------------------------------------------------------------------------
    def value(self, quantity: str, raw):
        """Stored values as exact numbers."""
        spec = self.arithmetic.spec
        return Exact(raw, spec[quantity].frac_bits) if spec else Real(np.asarray(raw, self.arithmetic.dtype))

    def number(self, raw, frac: int = 0):
        """Integers (spikes, counts, table values) as exact numbers with ``frac`` fraction bits; floats are taken as they are."""
        return Exact(raw, frac) if self.arithmetic.spec else Real(np.asarray(raw).astype(self.arithmetic.dtype))

    def store(self, quantity: str, exact, *start, count=None):
        """Round an exact number into the quantity's format: the only rounding there is.

        start   terms that the new state starts from (old state, whole drives): telemetry calls a state stalled if it
                should change but rounds to where it started
        count   which elements telemetry counts (default: all)
        """
        spec = self.arithmetic.spec
        if not spec:
            new = self.value(quantity, exact.raw.astype(self.arithmetic.dtype))
            full = new.raw
        else:
            fmt, random = spec[quantity], None
            if fmt.rounding == "stochastic":
                elements = np.arange(exact.raw.shape[-1], dtype=np.uint64)
                random = random31(self.streams[:, None], element_key(step_key(INDEX[quantity], self.t), elements)).astype(np.int64)
            full, kept = round_into(fmt, exact, random)
            new = self.value(quantity, kept)
        if self.counters is not None:
            self._count(quantity, exact, start, full, new.raw, slice(None) if count is None else count)
        return new

    def _count(self, quantity: str, exact, start, full, kept, which) -> None:
        row = self.counters[INDEX[quantity]]
        full, kept = np.broadcast_to(full, exact.raw.shape)[..., which], kept[..., which]
        row[Counters.STORED] += full.size
        row[Counters.LARGEST] = max(row[Counters.LARGEST], abs(full).max(initial=0))
        if not self.arithmetic.spec:
            return
        frac = self.arithmetic.spec[quantity].frac_bits
        begin = sum((np.broadcast_to(term.floor(frac), exact.raw.shape) for term in start), np.zeros(exact.raw.shape, np.int64))
        changed = ((exact - Exact(begin, frac)).raw != 0)[..., which]
        begin = begin[..., which]
        row[Counters.SATURATED] += (full != kept).sum()
        row[Counters.UNDERFLOWED] += (changed & (begin == 0) & (full == 0)).sum()
        row[Counters.STALLED] += (changed & (begin != 0) & (full == begin)).sum()

    # ---- one run ---------------------------------------------------------------------------------------------------
    def run(self, weights: dict[str, np.ndarray], trials: Trials, learn: bool = True,
            telemetry: bool = False, record: bool = False) -> Result:
        net, topo, ar, rule = self.network, self.network.topology, self.arithmetic, self.learning
        co, R = ar.coefficients, net.constants.refractory
        B, T, n, S = trials.size, trials.steps, topo.n, rule.window
        self.counters = np.zeros((len(INDEX), Counters.WIDTH), np.float64 if ar.spec is None else np.int64) if telemetry else None
        self.streams = np.asarray(stream_key(self.seed, trials.ids.astype(np.uint64)), np.uint64)
        wiring = eligibility_wiring(topo)
        alif = np.asarray(co.adaptation_drive)[wiring.post] != 0
        tables = neighbour_tables(topo, rule, net.permutation, self.seed, trials.ids, T)

        zero = lambda quantity, size: self.value(quantity, np.zeros((B, size), ar.dtype))     # noqa: E731
        coefficient = lambda quantity, raw: self.value(quantity, raw)                           # noqa: E731
        leak_m, leak_a, leak_k = (coefficient("decay", raw) for raw in (co.leak_membrane, co.leak_adaptation, co.leak_readout))
        ca, ce = coefficient("adaptation_gain", co.adaptation_gain), coefficient("adaptation_drive", co.adaptation_drive)
        kd, one = coefficient("diffusion_gain", co.diffusion_gain), self.number(1)
        w_in, w_rec, w_out = (self.value(f"weight_{layer}", weights[layer]) for layer in ("in", "rec", "out"))
        feedback = self.value("feedback", ar.feedback_to_raw(net.feedback))
        target = ar.target_to_raw(trials.target)

        V, a, H = zero("membrane", n), zero("adaptation", n), zero("pseudo_derivative", n)
        X, Z, y = zero("trace", n + topo.n_in), zero("readout_trace", n), zero("readout", topo.n_out)
        U, F, E, Esum = (zero(q, wiring.size) for q in ("adaptation_eligibility", "filtered_eligibility", "eligibility", "eligibility_sum"))
        M, L = zero("modulator", topo.n_cells), None
        G, Gout = zero("gradient", wiring.size), zero("gradient_out", topo.syn_out.size)
        z, r, count = np.zeros((B, n), np.int64), np.zeros((B, n), np.int64), np.zeros((B, n), np.int64)
        readout, recorder = np.zeros((B, S, topo.n_out)), Recorder() if record else None

        for t in range(T):
            self.t = t
            x = trials.x[:, t].astype(np.int64)
            # forward
            spike = self.number(z)
            r = np.where(z == 1, R, np.maximum(0, r - 1))
            current_rec = (w_rec * self.number(z[:, topo.syn_rec.pre])).scatter(topo.syn_rec.post, n)
            current_in = (w_in * self.number(x[:, topo.syn_in.pre])).scatter(topo.syn_in.post, n)
            a = self.store("adaptation", a - leak_a * a + spike, a, spike)
            V = self.store("membrane", V - leak_m * V + current_rec + current_in - spike, V, current_rec, current_in, -spike)
            if learn:
                spikes = self.number(np.concatenate([z, x], 1))
                X = self.store("trace", X - leak_m * X + spikes, X, spikes)
            distance = V - one - ca * a
            z = (distance.is_positive() & (r == 0)).astype(np.int64)
            count += z
            current_out = (w_out * self.number(z[:, topo.syn_out.pre])).scatter(topo.syn_out.post, topo.n_out)
            y = self.store("readout", y - leak_k * y + current_out, y, current_out)
            s = t - (T - S)
            if s >= 0:
                readout[:, s] = ar.to_scaled("readout", y.raw)
            if learn:
                # eligibility
                H = self.store("pseudo_derivative", (one - abs(distance)).positive_part().where(r == 0))
                Hj = H[:, wiring.post]
                E = self.store("eligibility", Hj * (X[:, wiring.line] - U))
                F = self.store("filtered_eligibility", F - leak_k * F + E, F, E)
                U = self.store("adaptation_eligibility", U - leak_a * U + ce[wiring.post] * E, U, count=alif)
                Esum = self.store("eligibility_sum", Esum + E, Esum, E)
                Z = self.store("readout_trace", Z - leak_k * Z + self.number(z), Z, self.number(z))
            err = None
            if learn and s >= 0:
                # learning signal
                if rule.classification:
                    err = self.store("error", self._softmax(y) - self.number(target[:, s]))
                else:
                    err = self.store("error", y - self.value("readout", target[:, s]))
                direct = (feedback * err[:, None, :]).sum(2)
                if rule.diffuses:
                    table = tables[:, s] if tables.ndim == 4 else tables[None, :]
                    nine = M[np.arange(B)[:, None, None], table].sum(2)
                    M = self.store("modulator", kd * nine + direct.scatter(topo.cell, topo.n_cells))
                    L = M[:, topo.cell]
                else:
                    L = self.store("learning_signal", direct)
                # gradients
                G = self.store("gradient", G + L[:, wiring.post] * F, G)
                out = topo.syn_out
                Gout = self.store("gradient_out", Gout + err[:, out.post] * Z[:, out.pre], Gout)
            if recorder:
                recorder.add(V=V, a=a, r=r, z=z, y=y)
                if learn:
                    recorder.add(X=X, H=H, E=E, U=U, F=F, Esum=Esum, Z=Z, G=G, Gout=Gout)
                if err is not None:
                    recorder.add(err=err, L=L, M=M if rule.diffuses else None)

        gradients = None
        if learn:
            self.t = T
            D = self.store("rate_error", self._rate_error(count, trials.duration))
            G = self.store("gradient", G + D[:, wiring.post] * Esum, G)
            total = G.raw.sum(0)
            gradients = {**wiring.split(total), "out": Gout.raw.sum(0)}
            if recorder:
                recorder.add(D=D, G=G)
        counters = Counters(self.counters, ar.spec).report() if telemetry else None
        return Result(readout, count, gradients, counters, recorder.stacked() if recorder else None)

    def _softmax(self, y):
        if self.arithmetic.spec:
            return Exact(softmax_raw(y.raw, y.frac), PROBABILITY_FRAC)
        e = np.exp(y.raw - y.raw.max(-1, keepdims=True))
        return Real(e / e.sum(-1, keepdims=True))

    def _rate_error(self, count: np.ndarray, duration: np.ndarray):
        """c_reg S/(1-kappa) (n - f_target T_b) / T_b^2, in fixed point the floor of the exact quotient at many bits."""
        co, T_b = self.arithmetic.coefficients, duration[:, None]
        if not self.arithmetic.spec:
            T_b = T_b.astype(self.arithmetic.dtype)
            return Real(co.rate_gain * (count.astype(T_b.dtype) - co.rate_target * T_b) / (T_b * T_b))
        excess = (count << np.int64(RATE_FRAC)) - co.rate_target * T_b
        return Exact((co.rate_gain * excess) // (T_b * T_b), RATE_FRAC + RATE_GAIN_FRAC)


class Recorder:
    """Collects what happened at every step; quantities that do not exist at a step are simply not added."""

    def __init__(self):
        self.steps: dict[str, list[np.ndarray]] = {}

    def add(self, **quantities) -> None:
        for name, value in quantities.items():
            if value is not None:
                self.steps.setdefault(name, []).append(np.array(value.raw if isinstance(value, Exact) else value))

    def stacked(self) -> dict[str, np.ndarray]:
        """name -> (steps, B, ...)."""
        return {name: np.stack(rows) for name, rows in self.steps.items()}

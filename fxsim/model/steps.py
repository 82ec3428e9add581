"""The update of every quantity, written once.

This text is the single definition that the kernels are built from. :mod:`fxsim.engine.build.module` reads it and writes it
out again for one arithmetic: integers (each operation wrapped in a 32- or 64-bit word that the interval analysis has
proved wide enough) or floats (where shifts vanish). Names and order follow the model; scales are those of
:mod:`quant.quantities`: V = v/thr, a and X and Z count spikes, F sums E.

Binary points. A new state is ``base + y / 2**s`` exactly, then rounded once by ``store_<update>(y, base, r)``.
For each term of each sum the builder supplies, from ``TERMS`` and the formats,

    fine_<update>_<term>(x)    x at the binary point of y
    whole_<update>_<term>(x)   the part of x that is a multiple of the quantity's resolution, for base
    part_<update>_<term>(x)    the rest, at the binary point of y

``r`` are 31 random bits, used where the format rounds stochastically.
"""
# ruff: noqa: F821   (the names above exist in the built module)

TERMS: dict[str, dict[str, tuple[str, ...]]] = {       # update: {term: quantities multiplied in it}; their fraction bits add up
    "adaptation": {"leak": ("decay", "adaptation"), "spike": ()},
    "membrane": {"leak": ("decay", "membrane"), "in": ("weight_in",), "rec": ("weight_rec",), "spike": ()},
    "trace": {"leak": ("decay", "trace"), "spike": ()},
    "distance": {"potential": ("membrane",), "one": (), "adaptation": ("adaptation_gain", "adaptation")},
    "pseudo_derivative": {"distance": ("distance",), "one": ()},
    "distance_lif": {"potential": ("membrane",), "one": ()},
    "pseudo_derivative_lif": {"nearness": ("distance_lif",)},
    "readout_trace": {"leak": ("decay", "readout_trace"), "spike": ()},
    "readout": {"leak": ("decay", "readout"), "current": ("weight_out",)},
    "bracket": {"trace": ("trace",), "adaptation": ("adaptation_eligibility",)},
    "eligibility": {"product": ("pseudo_derivative", "bracket")},
    "filtered_eligibility": {"leak": ("decay", "filtered_eligibility"), "drive": ("eligibility",)},
    "adaptation_eligibility": {"leak": ("decay", "adaptation_eligibility"), "drive": ("adaptation_drive", "eligibility")},
    "eligibility_sum": {"drive": ("eligibility",)},
    "error_classification": {"probability": ("probability",), "label": ()},
    "error_regression": {"readout": ("readout",)},
    "direct": {"product": ("feedback", "error")},
    "learning_signal": {"direct": ("direct",)},
    "modulator": {"neighbours": ("diffusion_gain", "modulator"), "direct": ("direct",)},
    "gradient": {"task": ("signal", "filtered_eligibility")},
    "gradient_rate": {"rate": ("rate_error", "eligibility_sum")},
    "gradient_out": {"product": ("error", "readout_trace")},
    "rate_error": {"excess": ("excess",)},
}
EXACT = ("distance", "distance_lif", "bracket", "direct")   # aligned sums that are never stored, so never rounded
STORES = {"error_classification": "error", "error_regression": "error", "gradient_rate": "gradient",
          "pseudo_derivative_lif": "pseudo_derivative"}    # else: its own name


# ---- forward ---------------------------------------------------------------------------------------------------------
def refractory(r, z, R):
    """r(t) = R after a spike, else it counts down to 0; it never exceeds R."""
    return max(z * R, r - 1)


def adaptation(a, z, leak, rnd):
    """a(t) = rho a + z(t-1), a leaky spike count."""
    return store_adaptation(part_adaptation_spike(z) + fine_adaptation_leak(-leak * a), a + whole_adaptation_spike(z), rnd)


def membrane(V, z, current_in, current_rec, leak, rnd):
    """V(t) = alpha V + Win x(t) + Wrec z(t-1) - z(t-1)."""
    y = part_membrane_in(current_in) + part_membrane_rec(current_rec) + fine_membrane_leak(-leak * V) - part_membrane_spike(z)
    base = V + whole_membrane_in(current_in) + whole_membrane_rec(current_rec) - whole_membrane_spike(z)
    return store_membrane(y, base, rnd)


def trace(X, s, leak, rnd):
    """X(t) = alpha X + s(t); s is x(t) for an input line and z(t-1) for a neuron's line."""
    return store_trace(part_trace_spike(s) + fine_trace_leak(-leak * X), X + whole_trace_spike(s), rnd)


def distance(V, a, gain):
    """V - A, exactly; a neuron spikes where this is positive and it is not refractory. A = 1 + beta a."""
    return fine_distance_potential(V) - fine_distance_one(1) - fine_distance_adaptation(gain * a)


def pseudo_derivative(distance, ready, rnd):
    """H = max(0, 1 - |V - A|) where not refractory (ready = 1), else 0."""
    return store_pseudo_derivative(
        max(0, ready * (fine_pseudo_derivative_one(1) - fine_pseudo_derivative_distance(abs(distance)))), 0, rnd)


def distance_lif(V):
    """V - A of a LIF neuron, whose A is 1, or -2 where it is less: H is 0 there in any case. Narrow words hold it."""
    return max(fine_distance_lif_potential(V), -fine_distance_lif_one(1)) - fine_distance_lif_one(1)


def pseudo_derivative_lif(distance, rnd):
    """H of a LIF neuron that is not refractory."""
    return store_pseudo_derivative_lif(fine_pseudo_derivative_lif_nearness(max(0, fine_distance_lif_one(1) - abs(distance))), 0, rnd)


def readout_trace(Z, z, leak, rnd):
    """Z(t) = kappa Z + z(t)."""
    return store_readout_trace(
        part_readout_trace_spike(z) + fine_readout_trace_leak(-leak * Z), Z + whole_readout_trace_spike(z), rnd)


def readout(y, current, leak, rnd):
    """y(t) = kappa y + Wout z(t)."""
    return store_readout(part_readout_current(current) + fine_readout_leak(-leak * y), y + whole_readout_current(current), rnd)


# ---- eligibility -----------------------------------------------------------------------------------------------------
def eligibility(H, X, U, rnd):
    """E = H (X - U); U is zero for LIF neurons."""
    return store_eligibility(fine_eligibility_product(H * (fine_bracket_trace(X) - fine_bracket_adaptation(U))), 0, rnd)


def filtered_eligibility(F, E, leak, rnd):
    """F(t) = kappa F + E(t)."""
    return store_filtered_eligibility(
        part_filtered_eligibility_drive(E) + fine_filtered_eligibility_leak(-leak * F), F + whole_filtered_eligibility_drive(E), rnd)


def adaptation_eligibility(U, E, drive, leak, rnd):
    """U(t+1) = rho U + ce E(t)."""
    return store_adaptation_eligibility(
        fine_adaptation_eligibility_drive(drive * E) + fine_adaptation_eligibility_leak(-leak * U), U, rnd)


def eligibility_sum(S, E, rnd):
    """S = sum of E over the trial."""
    return store_eligibility_sum(part_eligibility_sum_drive(E), S + whole_eligibility_sum_drive(E), rnd)


# ---- learning signal -------------------------------------------------------------------------------------------------
def error_classification(probability, label, rnd):
    """err = softmax(y) - label."""
    return store_error_classification(
        fine_error_classification_probability(probability) - fine_error_classification_label(label), 0, rnd)


def error_regression(y, target, rnd):
    """err = y - target."""
    return store_error_regression(fine_error_regression_readout(y - target), 0, rnd)


def direct(sum, B, err):
    """One more output's share of d = B err."""
    return sum + B * err


def learning_signal(d, rnd):
    """L = d (e-prop)."""
    return store_learning_signal(fine_learning_signal_direct(d), 0, rnd)


def modulator(neighbours, d, gain, rnd):
    """M(t) = k/9 sum of the 3x3 neighbourhood of M(t-1) + d(t) (diffusion)."""
    return store_modulator(fine_modulator_neighbours(gain * neighbours) + fine_modulator_direct(d), 0, rnd)


# ---- gradients -------------------------------------------------------------------------------------------------------
def gradient(G, L, F, rnd):
    """G = sum of L F over the window."""
    return store_gradient(fine_gradient_task(L * F), G, rnd)


def gradient_rate(G, D, S, rnd):
    """G + D S: the firing-rate regularisation joins at the end of the trial."""
    return store_gradient_rate(fine_gradient_rate_rate(D * S), G, rnd)


def gradient_out(G, err, Z, rnd):
    """Gout = sum of err Z over the window."""
    return store_gradient_out(fine_gradient_out_product(err * Z), G, rnd)


def rate_error(count, duration, target, gain, rnd):
    """D = c_reg S/(1-kappa) (count - f_target T_b) / T_b^2."""
    change = gain * ((count << RATE_FRAC) - target * duration)
    square = duration * duration
    down = change // square
    left = max(0, min(1, -(-change // square) - down))      # 1 where the quotient lies between two integers: no rounding tells more apart
    return store_rate_error(fine_rate_error_excess((down << 1) + left), 0, rnd)

"""Every quantity that has a number format, declared once: name, symbol, scale, meaning.

The simulator works in scaled units, so that integers are well used and most drives are exact:

* potentials are in units of the threshold: V = v/thr, weights onto neurons absorb (1-alpha)/thr;
* leaky sums that are driven by spikes or by e are *count-like*: they leave out the (1-decay) of the model's
  low-pass filters (a, ev, ebar, zbar), so that the drive is added exactly and only the leak is rounded;
* U is the part of e's bracket that adaptation takes away, so that e = H (X - U) needs one product.

"model / scaled" is the factor that turns a scaled value into the model's.
"""
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Quantity:
    """One row of the scale table."""

    name: str
    symbol: str
    scale: str          # model value / scaled value
    kind: str           # weight | neuron | synapse | readout | signal | accumulator | coefficient
    meaning: str


_ROWS = (
    ("weight_in", "Win", "thr/(1-alpha)", "weight", "input weights"),
    ("weight_rec", "Wrec", "thr/(1-alpha)", "weight", "recurrent weights"),
    ("weight_out", "Wout", "1/(1-kappa)", "weight", "readout weights"),
    ("feedback", "B", "1", "weight", "feedback weights that carry the error back to the neurons"),
    ("membrane", "V", "thr", "neuron", "membrane potential v"),
    ("adaptation", "a", "1-rho", "neuron", "threshold adaptation, a leaky spike count"),
    ("trace", "X", "1-alpha", "neuron", "presynaptic trace ev, a leaky spike count"),
    ("pseudo_derivative", "H", "gamma/thr", "neuron", "surrogate derivative psi of the spike, 0 to 1"),
    ("eligibility", "E", "(1-alpha) gamma/thr", "synapse", "instantaneous eligibility e = H (X - U)"),
    ("adaptation_eligibility", "U", "(1-alpha)/beta", "synapse", "adaptation's share ea of the eligibility (ALIF posts only)"),
    ("filtered_eligibility", "F", "(1-alpha) (1-kappa) gamma/thr", "synapse", "eligibility trace ebar, a leaky sum of E"),
    ("eligibility_sum", "S", "(1-alpha) gamma/thr", "synapse", "sum of E over the trial, for the firing-rate regularisation"),
    ("readout", "y", "1", "readout", "leaky readout, and its regression target"),
    ("readout_trace", "Z", "1-kappa", "neuron", "zbar, a leaky spike count that the readout weights learn from"),
    ("error", "err", "1", "readout", "readout error: softmax(y) - label, or y - target"),
    ("learning_signal", "L", "1", "signal", "e-prop's learning signal, B err"),
    ("modulator", "M", "1", "signal", "neuromodulator on the grid: diffusion's learning signal"),
    ("rate_error", "D", "(1-kappa)/S", "signal", "regularisation signal of a trial, c_reg (f - f_target) / T_b"),
    ("gradient", "G", "(1-alpha) (1-kappa) gamma/thr / S", "accumulator", "per-trial gradient of input and recurrent weights"),
    ("gradient_out", "Gout", "(1-kappa)/S", "accumulator", "per-trial gradient of readout weights"),
    ("decay", "1-alpha, 1-rho, 1-kappa", "1", "coefficient", "leak per step of V and X, a and U, F, y and Z"),
    ("adaptation_gain", "ca", "1", "coefficient", "beta (1-rho)/thr: threshold rise in V units per unit of a"),
    ("adaptation_drive", "ce", "1", "coefficient", "beta (1-rho) gamma/thr: drive of U by E"),
    ("diffusion_gain", "k/9", "1", "coefficient", "weight of each cell of the 3x3 neighbourhood"),
)
QUANTITIES: dict[str, Quantity] = {row[0]: Quantity(*row) for row in _ROWS}
SHADOWS = {"shadow_in": "weight_in", "shadow_rec": "weight_rec", "shadow_out": "weight_out"}
"""Optional wider copies of the weights that the optimizer writes; the network runs on their rounding."""

INDEX: dict[str, int] = {name: i for i, name in enumerate((*QUANTITIES, *SHADOWS))}
"""Number of each quantity: part of the key of its random bits, and its row in telemetry and parameter tables."""

"""Number formats: what a fixed-point value is, how it is rounded, and which quantity has which format.

formats      QFormat: word and fraction bits, rounding, overflow
rounding     the roundings and overflows as plain integer arithmetic (compiled into every kernel)
random       counter-based random bits for stochastic rounding
quantities   every quantity of the model declared once: symbol, scale, meaning
spec         PrecisionSpec: a YAML file that gives every quantity its format; presets/
interval     proof that no intermediate overflows its machine word

Read quantities first. This package imports nothing of fxsim or lava_backend.
"""
from .errors import InputError
from .formats import FLOATS, QFormat
from .quantities import QUANTITIES, SHADOWS, Quantity
from .spec import PrecisionSpec, load_spec, preset_names

__all__ = ["FLOATS", "InputError", "PrecisionSpec", "QFormat", "QUANTITIES", "Quantity", "SHADOWS", "load_spec", "preset_names"]

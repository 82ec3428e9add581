"""Number formats: what a fixed-point value is, how it is rounded, and which quantity has which format.

formats      QFormat: word and fraction bits, rounding, overflow
rounding     the roundings and overflows as plain integer arithmetic (compiled into every kernel)
random       counter-based random bits for stochastic rounding
quantities   every quantity of the model declared once: symbol, scale, meaning
spec         PrecisionSpec: a YAML file that gives every quantity its format; presets/
interval     proof that no intermediate overflows its machine word

Read quantities first. This package imports nothing of fxsim or lava_backend.
"""
from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import InputError
    from .formats import FLOATS, QFormat
    from .quantities import QUANTITIES, SHADOWS, Quantity
    from .spec import PrecisionSpec, load_spec, preset_names

_HOMES = {"FLOATS": "formats", "InputError": "errors", "PrecisionSpec": "spec", "QFormat": "formats", "QUANTITIES": "quantities",
          "Quantity": "quantities", "SHADOWS": "quantities", "load_spec": "spec", "preset_names": "spec"}


def __getattr__(name: str) -> Any:
    """A public name from its module when it is first asked for: who needs the error alone does not wait for NumPy."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value


__all__ = ["FLOATS", "InputError", "PrecisionSpec", "QFormat", "QUANTITIES", "Quantity", "SHADOWS", "load_spec", "preset_names"]

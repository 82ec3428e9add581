"""The one error that bad input ends in, see :class:`quant.errors.InputError`."""
from quant.errors import InputError

__all__ = ["InputError"]

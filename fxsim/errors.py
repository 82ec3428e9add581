"""The one error that bad input ends in, see :class:`quant.errors.InputError`."""
import sys

from quant.errors import InputError

__all__ = ["InputError", "require_posix"]


def require_posix() -> None:
    """InputError on Windows: files are locked, and processes ended, as POSIX has it."""
    if sys.platform == "win32":
        raise InputError("fxsim", "system", "Windows", "Linux or macOS; on Windows in WSL, its Linux")

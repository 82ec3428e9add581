"""Whether Lava is there. Importing this module needs no Lava."""
from __future__ import annotations

import sys
from importlib import metadata

from fxsim.errors import InputError

NEEDED = "lava-nc 0.10 on Python 3.10 with numpy < 2: python3.10 -m pip install 'fxsim[lava]'"


def why_not() -> str | None:
    """What keeps Lava from running here, in a few words; None if nothing does. Lava itself is not imported."""
    python = f"Python {sys.version_info[0]}.{sys.version_info[1]}"
    try:
        lava = metadata.version("lava-nc")
    except metadata.PackageNotFoundError:
        reason = " (lava-nc 0.10 cannot be installed there)" if sys.version_info[:2] != (3, 10) else ""
        return f"no lava-nc on {python}{reason}"
    if not lava.startswith("0.10."):
        return f"lava-nc {lava}"
    if int(metadata.version("numpy").split(".")[0]) >= 2:
        return f"lava-nc {lava} with numpy {metadata.version('numpy')}"
    if not sys.platform.startswith("linux"):
        return f"lava-nc {lava} on {sys.platform} (its processes are watched and cleaned up through /proc and /dev/shm)"
    return None


def require_lava() -> None:
    """InputError, one line that says why and what to do, where Lava cannot run."""
    if (reason := why_not()) is not None:
        raise InputError("lava", "", reason, NEEDED)

"""Where the process of a command begins. Imports next to nothing: until :mod:`.main` takes over, a signal is a line and an exit status, too."""
from __future__ import annotations

import io
import os
import signal
import sys
from typing import Any, TextIO

from fxsim.errors import InputError, require_posix

try:
    require_posix()
except InputError as unfit:
    print(unfit, file=sys.stderr)
    sys.exit(2)

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    """The command ``fxsim``."""
    hold_streams()
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:      # as under nohup
            signal.signal(number, _end)
    from .main import main as command
    command(prog_name="fxsim")


def _end(number: int, frame: object) -> None:
    """Nothing is begun that would have to be ended."""
    try:
        os.write(2, f"interrupted by {signal.Signals(number).name}\n".encode())
    finally:
        os._exit(128 + number)


class Steady(io.FileIO):
    """Standard output or error: when it cannot be written any more, what is said goes nowhere, and the work goes on."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())     # for compiled code and other processes, too
            os.close(nowhere)
            if self.fileno() == 1 and not isinstance(error, BrokenPipeError):       # who closes a pipe knows
                print(f"standard output: {error.strerror}; going on without", file=sys.stderr)
            return len(data)


def hold_streams() -> None:
    """Replace standard output and error by :class:`Steady` ones, and what is closed by nothing, lest a file of ours gets its number."""
    for number, mode in enumerate((os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)           # the lowest free number, which is this one
    sys.stdout, sys.stderr = _steady(sys.stdout, 1), _steady(sys.stderr, 2)


def _steady(stream: TextIO | None, number: int) -> TextIO:
    raw = Steady(number, "w", closefd=False)
    encoding, errors = (stream.encoding, stream.errors) if stream else ("utf-8", "replace")
    # Line by line into files and pipes, too: whoever follows the log of a job sees how far it is.
    text = io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors, line_buffering=True)
    text.reconfigure(write_through=number == 2)
    return text

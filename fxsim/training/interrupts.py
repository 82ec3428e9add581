"""SIGINT and SIGTERM as one exception, which work on files can put off."""
from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from types import FrameType
from typing import Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """SIGINT or SIGTERM arrived. ``args``: the signal's number."""

    def __str__(self) -> str:
        return signal.Signals(self.args[0]).name

    @property
    def status(self) -> int:
        """The exit status that shells give to a process that the signal ended: 130 or 143."""
        return 128 + self.args[0]


class Interrupts:
    """Raises Interrupted in the main thread as soon as a signal arrives, or where :meth:`shield` ends."""

    def __init__(self) -> None:
        self._received, self._shields = 0, 0

    def arrived(self, number: int, frame: FrameType | None) -> None:
        """The signal handler. Only the first signal raises: a second one must not cut short what the first one set off."""
        first, self._received = not self._received, number
        if first and not self._shields:
            raise Interrupted(number)

    def check(self) -> None:
        """Raise what has arrived: an exception out of a handler is lost if it interrupts a destructor."""
        if self._received:
            raise Interrupted(self._received)

    @contextmanager
    def shield(self) -> Iterator[None]:
        """A block that signals do not cut short; they are raised at its end."""
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1
        self.check()


@contextmanager
def interruptible() -> Iterator[Interrupts]:
    """A block in which SIGINT and SIGTERM raise Interrupted; before and after it they do what they did.

    Signals that are ignored (as in shell scripts, for jobs in the background) stay ignored. Only the main thread can have
    handlers; in others, signals do what they did.
    """
    interrupts, before = Interrupts(), {}
    if threading.current_thread() is threading.main_thread():
        before = {number: handler for number in SIGNALS if (handler := signal.getsignal(number)) not in (signal.SIG_IGN, None)}
    try:
        for number in before:
            signal.signal(number, interrupts.arrived)
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def hidden_from_children(number: int) -> Iterator[None]:
    """Processes that are started in this block never see the signal; this process gets it afterwards."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})

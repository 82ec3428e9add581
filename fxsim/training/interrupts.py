"""SIGINT, SIGTERM and SIGHUP as one exception, which work on files can put off."""
from __future__ import annotations

import _thread
import signal
import sys
import threading
import time
import weakref
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)      # Ctrl-C, the batch system, a terminal that goes away


class Interrupted(KeyboardInterrupt):
    """One of SIGNALS arrived. ``args``: its number."""

    def __str__(self) -> str:
        return signal.Signals(self.args[0]).name

    @property
    def status(self) -> int:
        """The exit status that shells give to a process that the signal ended: 130, 143 or 129."""
        return 128 + self.args[0]


class Interrupts:
    """Raises Interrupted in the main thread as soon as a signal arrives, or where :meth:`shield` ends."""

    def __init__(self) -> None:
        self._received, self._shields, self.over = 0, 0, False
        self._raised: weakref.ref[Interrupted] | None = None

    def arrived(self, number: int, frame: object) -> None:
        """The signal handler. Only the first signal raises: a second one must not cut short what the first one set off."""
        first, self._received = not self._received, number
        if first and not self._shields:
            self.check()

    def _lost(self, raised: weakref.ref[Interrupted]) -> None:
        """The exception is gone, and has not ended the block: a destructor, or an import that takes any error for a missing package, had it.
        Another thread sends the signal again, for here the next exception would go the same way."""
        if not self.over:
            _thread.start_new_thread(self._again, (self._received,))

    def _again(self, number: int) -> None:
        time.sleep(0.05)
        if not self.over:
            self._received = 0
            signal.pthread_kill(threading.main_thread().ident or 0, number)

    def check(self) -> None:
        """Raise what has arrived."""
        if self._received:
            interrupted = Interrupted(self._received)
            self._raised = weakref.ref(interrupted, self._lost)
            try:
                raise interrupted
            finally:
                del interrupted     # its traceback holds this frame

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
    """A block in which SIGNALS raise Interrupted; before and after it they do what they did.

    Signals that are ignored (as in shell scripts, for jobs in the background) stay ignored. Only the main thread can have
    handlers; in others, signals do what they did.
    """
    interrupts, before, hook = Interrupts(), {}, sys.unraisablehook
    if threading.current_thread() is threading.main_thread():
        before = {number: handler for number in SIGNALS if (handler := signal.getsignal(number)) not in (signal.SIG_IGN, None)}
    try:
        sys.unraisablehook = lambda unraisable: None if isinstance(unraisable.exc_value, Interrupted) else hook(unraisable)     # raised again
        for number in before:
            signal.signal(number, interrupts.arrived)
        yield interrupts
    finally:
        interrupts.over, sys.unraisablehook = True, hook
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def hidden_from_children() -> Iterator[None]:
    """Processes that are started in this block never see what a terminal sends to all: it is for this process, which gets it afterwards."""
    terminal = {signal.SIGINT, signal.SIGHUP}
    signal.pthread_sigmask(signal.SIG_BLOCK, terminal)
    try:
        resource_tracker.ensure_running()       # multiprocessing's own process; starting it lets SIGINT through again
        signal.pthread_sigmask(signal.SIG_BLOCK, terminal)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, terminal)

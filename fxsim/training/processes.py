"""Processes for work beside this process: they end with it, whatever ends it, and a terminal's signals are this process's alone."""
from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Callable, Iterator, Mapping

from .interrupts import Interrupts, hidden_from_children

Submit = Callable[..., Future]      # (function, *arguments)


class ProcessDied(RuntimeError):
    """The process of a piece of work was killed, again and again."""


@contextmanager
def processes(count: int, interrupts: Interrupts, environment: Mapping[str, str] | None = None) -> Iterator[Submit]:
    """A pool of ``count`` processes with these environment variables; where one was killed, another pool takes its place.

    An exception in the block ends the processes by SIGTERM; its end waits for them.
    """
    context = get_context("spawn")      # not forked: Numba may have threads
    theirs, lifeline = context.Pipe(duplex=False)
    pools: list[ProcessPoolExecutor] = []

    def submit(function: Callable[..., Any], *arguments: Any) -> Future:
        with interrupts.shield(), hidden_from_children(), _environment(environment or {}):
            for attempt in range(2):
                if not pools or attempt:        # none yet, or one of its processes was killed
                    pools.append(ProcessPoolExecutor(count, context, _end_with, (theirs,)))
                try:
                    return pools[-1].submit(function, *arguments)
                except BrokenProcessPool:
                    pass
            raise ProcessDied("processes end as soon as they start")
    with lifeline:
        try:
            yield submit
        except BaseException:
            lifeline.close()
            raise
        finally:
            for pool in pools:
                pool.shutdown(cancel_futures=True)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for processes that are started in this block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _end_with(parent: Connection) -> None:
    """In a worker process: SIGTERM as soon as the other end of the pipe is closed, also by the parent's death, of whatever kind."""
    def wait_for_end() -> None:
        try:
            parent.recv_bytes()     # nothing is ever sent
        except EOFError:
            os.kill(os.getpid(), signal.SIGTERM)
    threading.Thread(target=wait_for_end, daemon=True).start()

"""Processes for work beside this process: they end with it, whatever ends it, and a terminal's signals are this process's alone."""
from __future__ import annotations

import os
import signal
import sys
import threading
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from typing import Any, Callable, Iterable, Iterator, Mapping, TypeVar

from .interrupts import Interrupts, hidden_from_children

Submit = Callable[..., Future]      # (function, *arguments)
Work = TypeVar("Work")
ENOUGH = 8      # compiled kernels that a process keeps, some 30 MB each: then another one takes its place, which loads them from the cache


class ProcessDied(RuntimeError):
    """The process of a piece of work was killed, again and again."""


@contextmanager
def processes(count: int, interrupts: Interrupts, environment: Mapping[str, str] | None = None) -> Iterator[Submit]:
    """A pool of ``count`` processes with these environment variables; where one was killed, or has compiled ENOUGH, another pool takes its place
    for what is submitted from then on.

    An exception in the block ends the processes by SIGTERM; its end waits for them.
    """
    context = get_context("spawn")      # not forked: Numba may have threads
    theirs, lifeline = context.Pipe(duplex=False)
    pools: list[tuple[ProcessPoolExecutor, Event]] = []     # and whether a process of it has compiled enough

    def submit(function: Callable[..., Any], *arguments: Any) -> Future:
        with interrupts.shield(), hidden_from_children(), _environment(environment or {}):
            for attempt in range(2):
                if not pools or pools[-1][1].is_set() or attempt:        # none yet, or one of its processes was killed
                    full = context.Event()
                    pools.append((ProcessPoolExecutor(count, context, _begin, (theirs, full)), full))
                    for pool, _ in pools[:-1]:
                        pool.shutdown(wait=False)       # what it has been given it ends
                try:
                    return pools[-1][0].submit(_work, function, *arguments)
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
            for pool, _ in pools:
                pool.shutdown(cancel_futures=True)


def in_turns(submit: Submit, function: Callable[[Work], Any], work: Iterable[Work], count: int) -> Iterator[Work]:
    """Submit so many at a time; yields each when it is done. Raises what it raised."""
    waiting, running = deque(work), dict[Future, Work]()
    while waiting or running:
        while waiting and len(running) < count:
            one = waiting.popleft()
            running[submit(function, one)] = one
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            future.result()
            yield running.pop(future)


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


_full: Event


def _begin(parent: Connection, full: Event) -> None:
    """In a worker process, before its first work."""
    global _full
    _full = full
    _end_with(parent)


def _work(function: Callable[..., Any], *arguments: Any) -> Any:
    """In a worker process."""
    try:
        return function(*arguments)
    finally:
        code = sys.modules.get("fxsim.files.machine_code")      # which imports Numba
        if code is not None and code.compiled >= ENOUGH:
            _full.set()


def _end_with(parent: Connection) -> None:
    """In a worker process: SIGTERM as soon as the other end of the pipe is closed, also by the parent's death, of whatever kind."""
    def wait_for_end() -> None:
        try:
            parent.recv_bytes()     # nothing is ever sent
        except EOFError:
            os.kill(os.getpid(), signal.SIGTERM)
    threading.Thread(target=wait_for_end, daemon=True).start()

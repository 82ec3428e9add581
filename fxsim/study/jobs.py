"""Many runs, several at a time: in processes of this machine, or on the workers of a Dask cluster.

Results do not depend on where or how many. A process that is killed loses nothing: its run goes on from the last
checkpoint in a new one. Whatever ends this process, also by SIGKILL, ends its processes; they leave checkpoints.
"""
from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections import Counter, deque
from concurrent.futures import FIRST_COMPLETED, Executor, Future, as_completed, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Generator, Iterator, Sequence

from fxsim.config import Config
from fxsim.errors import InputError
from fxsim.training.backend import compile_kernels, kernels_of
from fxsim.training.evaluation import evaluate_in, is_evaluated
from fxsim.training.initial import pinned
from fxsim.training.interrupts import Interrupted, Interrupts
from fxsim.training.processes import ProcessDied, processes
from fxsim.training.runs import is_finished, train_in

TICK = 1.0      # seconds between looks at a cluster that has not finished a run
CLOSING = 3     # seconds that a cluster has to take a goodbye
QUIET, SAY_AGAIN = 5.0, 60.0    # seconds without workers before it is said, and before it is said again
DEATHS = 3      # a run whose process was killed so often is given up
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Run:
    """One run and its directory.

    snapshot    it also leaves snapshot.npz, see fxsim.training.runs
    source      nothing is trained: the weights of this run directory are evaluated
    """

    config: Config
    directory: Path
    snapshot: bool = True
    source: Path | None = None

    @property
    def is_finished(self) -> bool:
        """Whether its directory holds it. InputError if that holds another one."""
        if self.source:
            return is_evaluated(self.directory, self.config, self.source)
        begun = (self.directory / "config.yaml").exists()       # else the run that this one begins with may not be finished
        return begun and is_finished(self.directory, pinned(self.config), more=True)

    def __str__(self) -> str:
        c, numbers = self.config, self.config.resolved_precision()
        return f"{c.task.name} {c.learning.rule} {numbers if isinstance(numbers, str) else numbers.name} seed {c.seed}"


@dataclass(frozen=True)
class Workers:
    """Who trains.

    jobs        runs at a time on this machine, each in its own process; 0: as many as cores
    threads     of each run; 0: what its configuration says, and if that is 0 its share of this machine's cores, or 1 on a cluster
    scheduler   address of a Dask scheduler, tcp://HOST:PORT, whose workers see the same files; "": this machine
    """

    jobs: int = 0
    threads: int = 0
    scheduler: str = ""

    def side_by_side(self, runs: int) -> int:
        """How many of so many runs go at a time on this machine."""
        return max(1, min(self.jobs or os.cpu_count() or 1, runs))

    def share(self, config: Config, jobs: int) -> int:
        """Threads of a run of which ``jobs`` go at a time on this machine."""
        return self.threads or config.threads or max(1, (os.cpu_count() or 1) // jobs)


def run_all(runs: Sequence[Run], workers: Workers, interrupts: Interrupts) -> Generator[tuple[Run, Future], None, None]:
    """Train; yields each run with its done future, whose result is the last evaluation as a curve row, in the order of completion."""
    if not runs:
        return
    with _cluster(workers) if workers.scheduler else _processes(workers, len(runs), interrupts) as (submit, slots, waited):
        waiting, deaths = deque(_apart(runs)), Counter[Path]()
        running: dict[Future, Run] = {}
        while waiting or running:
            while waiting and len(running) < slots:
                run = waiting.popleft()
                running[submit(run)] = run
            died = []
            while not (done := wait(running, TICK, FIRST_COMPLETED).done):
                waited()
            for future in done:
                if future.cancelled():
                    raise lost(workers.scheduler)       # with it go all that it had been given
                run = running.pop(future)
                if not isinstance(future.exception(), BrokenProcessPool):
                    yield run, future
                else:
                    died.append(run)
            for run in died:
                deaths[run.directory] += 1
                if deaths[run.directory] < DEATHS:
                    waiting.appendleft(run)
                else:
                    given_up: Future = Future()
                    given_up.set_exception(ProcessDied(f"its process was killed {DEATHS} times (out of memory?)"))
                    yield run, given_up


def _apart(runs: Sequence[Run]) -> list[Run]:
    """The runs in the order in which they start: precisions in turns, so that processes that begin do not all compile the same kernels."""
    met, turns = Counter[str](), []
    for run in runs:
        turns.append(met[run.config.precision])
        met[run.config.precision] += 1
    return [run for _, run in sorted(zip(turns, runs), key=lambda pair: pair[0])]


def compile_all(configs: Sequence[Config], jobs: int, interrupts: Interrupts) -> Generator[tuple[Config, int], None, None]:
    """Compile what runs of these configurations compute with on the CPU engine, each kernel once, into the cache.

    jobs        processes; 0: as many as cores

    Yields each configuration that brings kernels which none before it has, when they are there, and how many. Raises InputError.
    """
    with processes(max(1, min(jobs or os.cpu_count() or 1, len(configs))), interrupts, dict.fromkeys(THREADS, "1")) as submit:
        looked = {submit(kernels_of, config): config for config in configs}
        known: set[str] = set()
        compiled: dict[Future, tuple[Config, int]] = {}
        for future, config in looked.items():
            new = set(future.result()) - known
            known |= new
            if new:
                compiled[submit(compile_kernels, config)] = config, len(new)
        for future in as_completed(compiled):
            future.result()
            yield compiled[future]


@contextmanager
def _processes(workers: Workers, runs: int, interrupts: Interrupts) -> Iterator[tuple[Callable[[Run], Future], int, Callable[[], None]]]:
    jobs = workers.side_by_side(runs)
    share = workers.threads or max(1, (os.cpu_count() or 1) // jobs)
    with processes(jobs, interrupts, dict.fromkeys(THREADS, str(share))) as submit:
        yield lambda run: submit(train_one, run, workers.share(run.config, jobs)), jobs, lambda: None


@contextmanager
def _cluster(workers: Workers) -> Iterator[tuple[Callable[[Run], Future], int, Callable[[], None]]]:
    """Workers of a Dask cluster. What they have begun when this process ends, they end; the same command then finds it done."""
    try:
        from distributed import Client
    except ImportError:
        raise InputError("--scheduler", workers.scheduler, "no package distributed", "pip install 'fxsim[cluster]'") from None
    try:
        client = Client(workers.scheduler, timeout=10, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError("--scheduler", workers.scheduler, str(error) or type(error).__name__,
                         "the address of a running Dask scheduler, tcp://HOST:PORT") from None
    for name in logging.root.manager.loggerDict:        # what happens to the cluster is said in a line
        if name.startswith("distributed"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        slots = sum(client.nthreads().values())
        if not slots:
            raise InputError("--scheduler", workers.scheduler, "a scheduler without workers",
                             "at least one worker (dask worker ADDRESS --nthreads 1)")
        executor: Executor = client.get_executor(retries=DEATHS)

        def submit(run: Run) -> Future:
            if client.status != "running":
                raise lost(workers.scheduler)
            return executor.submit(train_one, run, workers.threads or run.config.threads or 1)
        yield submit, 2 * slots, Watch(client)
    finally:
        client.close(timeout=CLOSING)


def lost(address: str) -> InputError:
    return InputError("--scheduler", address, "a scheduler that went away", "a running one: the same command goes on with what is not finished")


class Watch:
    """Looks at a cluster in which no run ends, and says in a line what is waited for and how long already."""

    def __init__(self, client: Any):
        self.client, self._since, self._next = client, 0.0, 0.0

    def __call__(self) -> None:
        now = time.monotonic()
        if self.client.scheduler_info()["workers"]:
            self._since = 0.0
            return
        if not self._since:
            self._since, self._next = now, now + QUIET
        if now >= self._next:
            self._next = now + SAY_AGAIN
            print(f"waiting for workers: the cluster has had none for {now - self._since:.0f} s (Ctrl-C ends this; the same command goes on)",
                  file=sys.stderr, flush=True)


def train_one(run: Run, threads: int) -> dict:
    """One run with its directory; returns its last evaluation. An interrupted process ends, having left a checkpoint."""
    if run.source:
        return evaluate_in(run.directory, run.config, run.source)
    begun = (run.directory / "config.yaml").exists()
    try:
        result = train_in(run.directory, run.config, resume=begun, threads=threads, with_snapshot=run.snapshot)
    except Interrupted:
        signal.raise_signal(signal.SIGTERM)     # without our handler: the pool would begin with the next run
        raise
    return [row for row in result.curves if row["split"] == "eval"][-1]

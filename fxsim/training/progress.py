"""What the terminal shows while a run goes on: nothing, a line per evaluation, or a bar."""
from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import Callable, Iterator


def describe(row: dict) -> str:
    """loss, accuracy (or nMSE) and rate of a curve row."""
    quality = f"nmse {row['nmse']:.4f}" if row["accuracy"] is None else f"accuracy {100 * row['accuracy']:5.1f} %"
    return f"loss {row['loss']:.4f}  {quality}  rate {row['rate_hz']:5.1f} Hz"


class Progress:
    """Shows nothing but notes; the others inherit. A context manager around the run."""

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def trained(self, row: dict) -> None:
        """After each training iteration, with its curve row."""

    def evaluated(self, row: dict) -> None:
        """After each evaluation, with its curve row."""

    def note(self, line: str) -> None:
        """What must be said even where nothing else is shown."""
        print(line, file=sys.stderr, flush=True)


class Lines(Progress):
    """One line per evaluation, for logs."""

    def __init__(self, iterations: int, print_line: Callable[[str], None] = print):
        self.iterations, self.print_line = iterations, print_line

    def evaluated(self, row: dict) -> None:
        self.print_line(f"iteration {row['iteration']:>{len(str(self.iterations))}}/{self.iterations}  eval  {describe(row)}  {row['seconds']:.1f} s")


class Bar(Lines):
    """A bar with the latest training loss, accuracy and rate; a line per evaluation above it."""

    def __init__(self, iterations: int):
        from rich.progress import BarColumn, MofNCompleteColumn, Progress as RichProgress, TextColumn, TimeRemainingColumn
        self.bar = RichProgress(TextColumn("train"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
        super().__init__(iterations, self.bar.console.print)
        self.job = self.bar.add_task("building kernels", total=iterations)

    def __enter__(self) -> Bar:
        self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def trained(self, row: dict) -> None:
        self.bar.update(self.job, completed=row["iteration"] + 1, description=describe(row))


def terminal_progress(iterations: int) -> Progress:
    """A bar on a terminal, lines elsewhere."""
    return Bar(iterations) if sys.stdout.isatty() else Lines(iterations)


class SweepProgress:
    """Of many runs; shows nothing, the others inherit."""

    @contextmanager
    def of(self, runs: int, before: int) -> Iterator[None]:
        """Around the sweep. ``before``: runs that were finished when it began."""
        yield

    def finished(self, line: str) -> None:
        """After each run, with what came out in a line."""


class SweepLines(SweepProgress):
    """One line per run, with the time that the rest will take, for logs."""

    def __init__(self, print_line: Callable[[str], None] = print):
        self.print_line = print_line

    @contextmanager
    def of(self, runs: int, before: int) -> Iterator[None]:
        self.runs, self.before, self.done, self.start = runs, before, 0, time.perf_counter()
        self.print_line(f"{runs} runs, {before} finished before")
        yield

    def finished(self, line: str) -> None:
        self.done += 1
        left = self.runs - self.before - self.done
        seconds = (time.perf_counter() - self.start) / self.done * left
        self.print_line(f"[{self.before + self.done}/{self.runs}, {seconds / 60:.0f} min left] {line}")


class SweepBar(SweepProgress):
    """A bar with the time left; a line per run above it."""

    @contextmanager
    def of(self, runs: int, before: int) -> Iterator[None]:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress as RichProgress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        columns = TextColumn("runs"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left:"), TimeRemainingColumn()
        with RichProgress(*columns) as self.bar:
            self.job = self.bar.add_task("runs", total=runs, completed=before)
            yield

    def finished(self, line: str) -> None:
        self.bar.console.print(line)
        self.bar.advance(self.job)


def terminal_sweep_progress() -> SweepProgress:
    """A bar on a terminal, lines elsewhere."""
    return SweepBar() if sys.stdout.isatty() else SweepLines()

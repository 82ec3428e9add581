"""What the terminal shows while trials run on Lava."""
from __future__ import annotations

import sys
from typing import Callable

from fxsim.training.progress import describe


class TrialBar:
    """A bar over trials on a terminal; elsewhere a line per batch only."""

    def __init__(self, trials: int):
        self.done, self.bar = 0, None
        self.print_line: Callable[[str], None] = print
        if sys.stdout.isatty():
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
            self.bar = Progress(TextColumn("trials"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self.job = self.bar.add_task("", total=trials)
            self.print_line = self.bar.console.print

    def __enter__(self) -> TrialBar:
        if self.bar:
            self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.bar:
            self.bar.stop()

    def trial(self, done: int) -> None:
        """``done`` trials are over."""
        if self.bar:
            self.bar.update(self.job, completed=done)

    def batch(self, row: dict) -> None:
        """A batch is over; ``row`` as in deployment.Report."""
        self.done += row["trials"]
        self.print_line(f"{self.done:6d} trials  {describe(row)}")

"""The comparison that ``make demo`` shows: the paper's networks and tasks, with shorter delays and fewer iterations."""
from __future__ import annotations

from pathlib import Path
from typing import Callable

RULES = ("eprop", "diffusion")
PRECISIONS = ("float32", "q16", "w8s16", "w4s8")
SEEDS = (0, 1, 2)
TASKS = {
    "delayed_match": ["iterations=100", "batch_size=32", "evaluation.batch_size=128", "task.delay=300"],
    "cue_accumulation": ["iterations=100", "batch_size=32", "evaluation.batch_size=128", "task.delay=300"],
}
"""Task -> what differs from the shipped configuration."""


def run_demo(out: Path, jobs: int = 0, announce: Callable[[str], None] = print) -> Path:
    """Train and report; returns the report's path."""
    from .comparison import compare
    from .config import load_config
    return compare([load_config(task, changes) for task, changes in TASKS.items()], RULES, PRECISIONS, SEEDS, out, jobs, announce)

"""The comparison that ``make demo`` shows: the paper's networks and task generators,
with shorter trials, smaller batches and fewer, larger steps, so that learning shows within minutes."""
from __future__ import annotations

from pathlib import Path
from typing import Callable

RULES = ("eprop", "diffusion")
PRECISIONS = ("float32", "q16", "w8s16", "w4s8")
SEEDS = (0, 1, 2)
REDUCED = ["iterations=150", "batch_size=32", "evaluation.batch_size=128", "learning.optimizer.rate=0.01"]
TASKS = {
    "delayed_match": [*REDUCED, "task.delay=100"],                          # paper: 700 ms
    "cue_accumulation": [*REDUCED, "task.delay=200", "task.cues=5"],        # paper: 1000 ms, 7 cues
}
"""Task -> what differs from the shipped configuration."""
NOTES = (
    "Reduced: the paper's networks and task generators, but 150 updates (paper: 2000), batch 32 (64), 128 evaluation trials (512), "
    "learning rate 0.01 (0.005).",
    "Delayed match: delay 100 ms (paper: 700). Cue accumulation: 5 cues (7), delay 200 ms (1000).",
)


def run_demo(out: Path, jobs: int = 0, announce: Callable[[str], None] = print) -> None:
    """Train and write the tables."""
    from fxsim.config import load_config

    from .comparison import compare
    compare([load_config(task, changes) for task, changes in TASKS.items()], RULES, PRECISIONS, SEEDS, out, jobs, announce, NOTES)

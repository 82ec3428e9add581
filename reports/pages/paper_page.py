"""reports/paper/README.md: what its studies say of themselves."""
from __future__ import annotations

from pathlib import Path
from typing import Callable, Iterator

from fxsim.config import load_config
from fxsim.study.plan import Study, load_study

from measured_pages import markdown

FOLDER = Path(__file__).parents[1] / "paper"
TASKS = ("delayed_match", "cue_accumulation", "pattern_generation")


def studies() -> dict[str, Study]:
    return {task: load_study(FOLDER / f"{task}.yaml")[0] for task in TASKS}


def blocks() -> list[str]:
    """Blocks, in the order of what they are worth, and what they are for."""
    grid = {block.name: block.grid for block in studies()["delayed_match"].blocks}
    assert grid["eprop"] == grid["diffusion"] and grid["decay"]["precision"] == grid["controls"]["precision"] == ["float32", "q16"]
    return markdown([
        ["block", "runs of a task"],
        ["`eprop`, `diffusion`", ", ".join(map(str, grid["eprop"]["precision"]))],
        ["`on_chip`", "diffusion in loihi2 with the integer optimizer AdaMax: no arithmetic on the host"],
        ["`decay` (two tasks)", f"diffusion with post-release decay k = {', '.join(map(str, grid['decay']['learning.k']))}, float32 and q16"],
        ["`controls` (two tasks)", "the same amount of neuromodulator in other places: `shuffled_fixed`, `shuffled_per_step`, float32 and q16"],
        ["`bptt`", "float32"]])


TABLES: dict[str, Callable[[], list[str]]] = {"blocks": blocks}


def sentences() -> Iterator[str]:
    found = studies()
    (seeds,), (updates,) = {len(s.seeds) for s in found.values()}, {load_config(task).updates for task in TASKS}
    yield f"in float32 and in integers, {seeds} seeds, {updates} updates,"
    match = {block.name: block.set for block in found["delayed_match"].blocks}
    assert match["eprop"]["learning.c_reg"] == match["bptt"]["learning.c_reg"]
    yield f"delayed match {match['eprop']['learning.c_reg']} for e-prop and BPTT, {load_config('delayed_match').learning.c_reg} for whatever diffuses)."
    said = {task: s.statistics for task, s in found.items()}
    (marks,) = {tuple(s.marks) for task, s in said.items() if task != "pattern_generation"}
    assert said["delayed_match"].margin == said["cue_accumulation"].margin
    yield (f"margins of {100 * said['delayed_match'].margin:.0f} points of accuracy and {said['pattern_generation'].margin} of nMSE, "
           f"marks at {', '.join(map(str, marks[:-1]))} and {marks[-1]} updates,")

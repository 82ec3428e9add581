"""What trained networks of a sweep do in one trial, as their run directories keep it."""
from __future__ import annotations

import numpy as np

from fxsim.report.data import read_snapshot
from fxsim.report.study_data import Sweep, done

BLOCK = "diffusion"
SHOWN = ("float32", "loihi2")       # precisions


def trained_trials(sweep: Sweep) -> dict[str, dict[str, np.ndarray]]:
    """precision -> the arrays of fxsim.training.runs.snapshot of a finished run of BLOCK; empty where run directories are not at hand."""
    results, found = done(sweep.results), {}
    for precision in SHOWN:
        runs = results.loc[(results["block"] == BLOCK) & (results["precision"] == precision), "run"]
        kept = [path for run in runs if (path := sweep.path / "runs" / str(run) / "snapshot.npz").is_file()]
        if kept:
            found[precision] = read_snapshot(kept[0])
    return found

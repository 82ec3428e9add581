"""Share of trained weights at the ends of their format: python limits.py DIR writes limits.csv beside it, of the runs that fxsim sweep left in DIR."""
from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from fxsim.config import load_config
from fxsim.files.archive import Archive
from fxsim.files.writing import write_csv
from fxsim.model.network import LAYERS
from fxsim.study.store import read_store
from quant import load_spec

COLUMNS = ("block", "seed", "layer", "share")


def at_ends(run: Path) -> dict[str, float]:
    """layer -> share. Of float weights: what loihi2's format would clip."""
    spec = load_config(str(run / "config.yaml")).resolved_precision()
    fixed = not isinstance(spec, str)
    formats = spec if fixed else load_spec("loihi2")
    with Archive(run / "weights.npz") as archive:
        raw = {layer: archive.array(f"raw_final_{layer}", "if", "numbers") for layer in LAYERS}
    found = {}
    for layer in LAYERS:
        fmt = formats[f"weight_{layer}"]
        stored = raw[layer] if fixed else raw[layer] * 2.0**fmt.frac_bits
        found[layer] = round(float(np.mean((stored <= fmt.min_raw) | (stored >= fmt.max_raw))), 4)
    return found


if __name__ == "__main__":
    results: pd.DataFrame = read_store(Path(sys.argv[1]), "results")
    rows = [{"block": row["block"], "seed": row["seed"], "layer": layer, "share": share} for row in results[results["status"] == "done"].to_dict("records")
            for layer, share in at_ends(Path(sys.argv[1]) / "runs" / str(row["run"])).items()]
    write_csv(Path(__file__).with_name("limits.csv"), COLUMNS, rows)

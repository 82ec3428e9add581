"""Noise of the gradients of diffusion and e-prop with one word length for all quantities: python uniform.py [SEEDS] [WEIGHTS] writes uniform.csv beside it.

The paper's delayed match at the start, the middle and the end of 2000 updates in float32 by the rule itself, which both rules begin with the same
weights and trials of a seed; networks driven by their float64 twin's spikes. All quantities but coefficients and feedback have so many bits at q24's
ranges, rounded stochastically. WEIGHTS: a directory of trained weights, such as that of fxsim sensitivity; what is not there is trained.
"""
from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from fxsim.config import load_config
from fxsim.model.network import LAYERS
from fxsim.study.formats.points import held_against_twin, quantities_of, train
from fxsim.study.formats.sensitivity import training_of
from quant import QUANTITIES, load_spec

FOLDER = Path(__file__).parent
BITS, RULES = (10, 12, 14, 16, 18, 20), ("diffusion", "eprop")
KEPT = ["rule", "seed", "word_bits", "moment", "layer", "cosine"]


def measured(rule: str, seed: int, weights: Path) -> list[dict]:
    config, base = training_of(load_config("delayed_match"), rule, seed), load_spec("q24")
    kept = weights / f"{rule}-s{seed}.npz"
    if not kept.is_file():
        train(config, kept)
    narrowed = [name for name in quantities_of(rule, base) if QUANTITIES[name].kind != "coefficient" and name != "feedback"]
    formats = [({"rule": rule, "seed": seed, "word_bits": bits},
                base.changed({name: {"word_bits": bits, "rounding": "stochastic"} for name in narrowed})) for bits in BITS]
    return [{name: row[name] for name in KEPT}
            for row in held_against_twin(config, kept, config.batch_size, ["driven"], formats) if row["layer"] in LAYERS]


if __name__ == "__main__":
    rows: list[dict] = []
    count, weights = int(sys.argv[1]) if len(sys.argv) > 1 else 10, Path(sys.argv[2]) if len(sys.argv) > 2 else FOLDER / "runs"
    for seed in range(1, count + 1):
        for rule in RULES:
            rows += measured(rule, seed, weights)
            print(rule, seed, [row["cosine"] for row in rows if (row["rule"], row["seed"], row["layer"]) == (rule, seed, "rec")], flush=True)
        pd.DataFrame(rows).to_csv(FOLDER / "uniform.csv", index=False)

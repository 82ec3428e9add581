"""Noise of the gradients of diffusion and e-prop with one word length for all quantities: python uniform.py [SEEDS] writes uniform.csv beside it.

The paper's delayed match after 0, 250 and 500 updates in float32 by the rule itself, which both rules begin with the same weights and trials of a
seed; networks driven by their float64 twin's spikes. All quantities but coefficients and feedback have so many bits at q24's ranges, rounded
stochastically.
"""
from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from fxsim.config import load_config
from fxsim.study.formats.points import MOMENTS, held_against_twin, quantities_of, train
from fxsim.study.formats.sensitivity import training_of
from fxsim.training.alignment.rows import ALL
from quant import QUANTITIES, load_spec

FOLDER = Path(__file__).parent
UPDATES, BITS, RULES = 500, (10, 12, 14, 16), ("diffusion", "eprop")
KEPT = ["rule", "seed", "word_bits", "moment", "cosine"]


def measured(rule: str, seed: int) -> list[dict]:
    config, base = training_of(load_config("delayed_match", [f"iterations={UPDATES}"]), rule, seed), load_spec("q24")
    weights = FOLDER / "runs" / f"{rule}-s{seed}.npz"
    if not weights.is_file():
        train(config, weights)
    narrowed = [name for name in quantities_of(rule, base) if QUANTITIES[name].kind != "coefficient" and name != "feedback"]
    formats = [({"rule": rule, "seed": seed, "word_bits": bits},
                base.changed({name: {"word_bits": bits, "rounding": "stochastic"} for name in narrowed})) for bits in BITS]
    return [{name: row[name] for name in KEPT} for row in held_against_twin(config, weights, ["driven"], formats) if row["layer"] == ALL]


if __name__ == "__main__":
    rows: list[dict] = []
    for seed in range(1, int(sys.argv[1] if len(sys.argv) > 1 else 10) + 1):
        for rule in RULES:
            rows += measured(rule, seed)
            print(rule, seed, [round(row["cosine"], 4) for row in rows[-len(BITS) * len(MOMENTS):]], flush=True)
        pd.DataFrame(rows).to_csv(FOLDER / "uniform.csv", index=False)

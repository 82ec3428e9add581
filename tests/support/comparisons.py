"""A comparison directory that no training has filled."""
import json

import numpy as np
import pandas as pd

from fxsim.training.loop import CURVE_COLUMNS, TELEMETRY_COLUMNS

QUALITY = {"float32": 1.0, "q16": 0.95, "w4s8": 0.2}      # precision -> how far it learns
FORMATS = {"w4s8": (8, 4)}


def snapshot(rng, rule, classification):
    """One made-up trial: 18 neurons on a 4 x 5 grid, 200 steps, a window of 50, a modulator that diffuses."""
    drive, modulator = np.where(rng.random((4, 5)) < 0.2, rng.normal(size=(4, 5)), 0.0), np.zeros((50, 4, 5))
    for t in range(50):
        modulator[t] = drive + sum(np.roll(modulator[t - 1], (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)) * 0.75 / 9
    readout = np.cumsum(rng.normal(size=(50, 2 if classification else 1)), axis=0) / 5
    return {"spikes": (rng.random((200, 18)) < 0.05).astype(np.uint8), "input": (rng.random((200, 8)) < 0.05).astype(np.uint8),
            "modulator": (modulator.reshape(50, 20) if rule == "diffusion" else np.zeros((0, 20))).astype(np.float32), "readout": readout,
            "target": np.tile([0.0, 1.0], (50, 1)) if classification else np.sin(np.arange(50) / 8)[:, None],
            "cell": np.arange(18), "grid": np.array([4, 5])}


def synthetic_comparison(directory, seeds=(0, 1, 2), tasks=("delayed_match", "pattern_generation"), rules=("eprop", "diffusion"), quality=QUALITY):
    """A comparison directory as fxsim.study.comparison leaves it, with made-up curves."""
    rng, curves, telemetry = np.random.default_rng(0), [], []
    for task in tasks:
        accuracy = task != "pattern_generation"
        for rule in rules:
            for precision, good in quality.items():
                for seed in seeds:
                    for iteration in range(0, 101, 25):
                        level = good * iteration / 100 + rng.normal(0, 0.02)
                        curves.append((task, rule, precision, seed, iteration, "eval", 0.69 - 0.3 * level, 0.5 + 0.4 * level if accuracy else None,
                                       None if accuracy else 1.05 - 0.9 * level, 10.0, iteration / 10))
                    for iteration, quantity in ((i, q) for i in (0, 100) for q in ("membrane", "eligibility", "filtered_eligibility")):
                        if precision != "float32":
                            bad = (iteration > 0) * (5 if precision == "w4s8" else 1)
                            telemetry.append((task, rule, precision, seed, iteration, quantity, *FORMATS.get(precision, (16, 11)), "nearest_even",
                                              1000, bad * (quantity == "membrane"), 40 * bad, 10 * bad, 0.3 * bad))
                run = directory / "runs" / task / f"{rule}-{precision}-s{seeds[0]}"
                run.mkdir(parents=True)
                (run / "manifest.json").write_text(json.dumps({"task": task, "rule": rule, "precision": precision, "seed": seeds[0]}))
                np.savez(run / "snapshot.npz", **snapshot(rng, rule, accuracy))
    pd.DataFrame(curves, columns=CURVE_COLUMNS).to_csv(directory / "curves.csv", index=False)
    pd.DataFrame(telemetry, columns=TELEMETRY_COLUMNS).to_csv(directory / "telemetry.csv", index=False)
    description = {"n": 18, "steps": 200, "batch_size": 4, "iterations": 100, "seeds": list(seeds), "paper_size": True, "c_reg": 0.01}
    (directory / "manifest.json").write_text(json.dumps({
        "command": "fxsim compare <tiny>", "versions": {"numpy": "1"}, "machine": {"cpu": "any"}, "date": "2026-01-01",
        "tasks": {task: description for task in tasks}, "notes": ["made-up data"]}))
    return directory

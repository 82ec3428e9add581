"""How time and memory grow with the network and the batch: delayed match on larger grids, fan-in kept the same.

Each row is measured in a process of its own, so that its peak memory (above that of the imports) is its own.
"""
from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Callable

import numpy as np

from fxsim.files.writing import write_atomic

from .iteration import child, peak_mib, repeated

SIZES = (100, 400, 1600, 6400, 25600)
BATCHES = (1, 4, 8, 16, 64, 256)
PRECISIONS = ("float32", "q16")
THREADS = (1, 2)
BATCH, NEURONS = 8, 100         # while the other one varies
SIGMA = 1.2                     # in cells: about 10 recurrent synapses a neuron
TRIAL = {"task.fixation": 20, "task.cue": 50, "task.delay": 30, "task.decision": 50}      # 200 steps
REPEATS = 5


def rows_to_measure() -> list[dict]:
    """One row for each size and each batch, precision and number of threads."""
    sizes = [{"neurons": n, "batch": BATCH} for n in SIZES] + [{"neurons": NEURONS, "batch": b} for b in BATCHES if b != BATCH]
    return [{**size, "precision": p, "threads": t} for size in sizes for p in PRECISIONS for t in THREADS]


def measure(progress: Callable[[dict], None] = lambda row: None) -> list[dict]:
    """All rows, one after the other; kernels are compiled before."""
    done = []
    for row in rows_to_measure():
        child("fxsim.bench.scaling", {**row, "neurons": min(row["neurons"], 400), "repeats": 0})
        done.append(child("fxsim.bench.scaling", {**row, "repeats": REPEATS}))
        progress(done[-1])
    return done


def measure_row(neurons: int, batch: int, precision: str, threads: int, repeats: int) -> dict:
    """Seconds per step and peak memory of forward pass, e-prop and diffusion, in this process."""
    import numba  # noqa: F401    (before memory is looked at)

    from fxsim.config import load_config
    from fxsim.training.loop import Training
    before = peak_mib()
    side = round(np.sqrt(neurons))
    training = Training(load_config("delayed_match").changed({
        **TRIAL, "network.grid": [side, side], "network.n_lif": neurons // 2, "network.n_alif": neurons - neurons // 2,
        "network.sigma": SIGMA, "network.sigma_units": "grid", "batch_size": batch, "precision": precision, "threads": threads,
        "engine": "cpu"}))
    trials = training.task.training_trials(0)
    training.engine.run(training.optimizer.weights, trials)
    seconds = repeated(lambda: training.engine.run(training.optimizer.weights, trials), repeats)
    topology = training.network.topology
    return {"neurons": neurons, "synapses": topology.syn_in.size + topology.syn_rec.size, "batch": batch, "precision": precision,
            "threads": threads, "steps": trials.steps, "seconds_per_step": float(np.median(seconds)) / trials.steps if seconds else float("nan"),
            "peak_mib": peak_mib() - before}


def exponent(rows: list[dict], y: str) -> float:
    """Slope of log y over log synapses, least squares."""
    return float(np.polyfit(np.log([r["synapses"] for r in rows]), np.log([r[y] for r in rows]), 1)[0])


def of_sizes(rows: list[dict], precision: str, threads: int) -> list[dict]:
    return [r for r in rows if r["batch"] == BATCH and r["precision"] == precision and r["threads"] == threads]


def of_batches(rows: list[dict], precision: str, threads: int) -> list[dict]:
    chosen = [r for r in rows if r["neurons"] == NEURONS and r["precision"] == precision and r["threads"] == threads]
    return sorted(chosen, key=lambda r: r["batch"])


def write_report(directory: Path, rows: list[dict]) -> Path:
    """scaling.json, figures and README.md; returns the directory."""
    from fxsim.files.writing import make_directory, write_json
    from fxsim.training.runs import command_line, machine, versions
    make_directory(directory)
    measured = {"command": command_line(), "date": time.strftime("%Y-%m-%d"), "load": _load(), "versions": versions(), "machine": machine(),
                "rows": rows}
    write_json(directory / "scaling.json", measured)
    draw(directory / "scaling", rows)
    write_atomic(directory / "README.md", page(measured).encode())
    return directory


def page(measured: dict) -> str:
    """The text of README.md, from what scaling.json holds."""
    rows, host = measured["rows"], measured["machine"]
    columns = ("neurons", "synapses", "batch", "precision", "threads")
    table = ["| " + " | ".join((*columns, "µs / step", "ns / synapse, step and trial", "peak MiB above imports")) + " |", "|" + " --- |" * 8]
    for r in rows:
        each = r["seconds_per_step"] / r["synapses"] / r["batch"]
        table.append("| " + " | ".join([*(str(r[c]) for c in columns), f"{r['seconds_per_step'] * 1e6:.1f}", f"{each * 1e9:.2f}",
                                        f"{r['peak_mib']:.0f}"]) + " |")
    fits = ["| precision | threads | exponent of time | exponent of memory above that of 100 neurons |", "|" + " --- |" * 4]
    for precision in PRECISIONS:
        for threads in THREADS:
            chosen = of_sizes(rows, precision, threads)
            grown = [{**r, "peak_mib": r["peak_mib"] - chosen[0]["peak_mib"]} for r in chosen[2:]]
            fits.append(f"| {precision} | {threads} | {exponent(chosen[1:], 'seconds_per_step'):.2f} | {exponent(grown, 'peak_mib'):.2f} |")
    return README.format(command=measured["command"], date=measured["date"], cpu=host["cpu"], cores=host["cores"], python=host["python"],
                         fits="\n".join(fits), table="\n".join(table), load=measured["load"])


def _load() -> str:
    import os
    return f"{os.getloadavg()[2]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def draw(path: Path, rows: list[dict]) -> None:
    """Time and memory over synapses, time over the batch: PNG and SVG."""
    from fxsim.files.pictures import style
    with style({}):
        _draw(path, rows)


def _draw(path: Path, rows: list[dict]) -> None:
    from fxsim.files.pictures import panels, save_picture
    figure, (size_axis, memory_axis, batch_axis) = panels(1, 3, figsize=(12, 3.8), layout="constrained")
    for precision, colour in zip(PRECISIONS, ("#000000", "#0072b2")):
        for threads, dashes in zip(THREADS, ("--", "-")):
            label = f"{precision}, {threads} thread{'s' * (threads > 1)}"
            sizes, batches = of_sizes(rows, precision, threads), of_batches(rows, precision, threads)
            look = {"color": colour, "linestyle": dashes, "marker": "o", "markersize": 4, "label": label}
            size_axis.loglog([r["synapses"] for r in sizes], [r["seconds_per_step"] * 1e6 for r in sizes], **look)
            memory_axis.loglog([r["synapses"] for r in sizes], [r["peak_mib"] for r in sizes], **look)
            batch_axis.loglog([r["batch"] for r in batches], [r["seconds_per_step"] * 1e6 / r["batch"] for r in batches], **look)
    for axis, x, y in ((size_axis, "synapses", "µs per step (batch 8)"), (memory_axis, "synapses", "peak MiB above imports (batch 8)"),
                       (batch_axis, "batch (100 neurons)", "µs per step and trial")):
        axis.set(xlabel=x, ylabel=y)
        axis.spines[["top", "right"]].set_visible(False)
    size_axis.legend(frameon=False, fontsize=8)
    save_picture(figure, path.parent, path.stem, dpi=110)


README = """# Scaling: larger networks at the same fan-in, larger batches

Made by `{command}` on {date}: {cpu}, {cores} cores, Python {python}; load average of the last 15 minutes {load}. Delayed match with short trials
(200 steps), half LIF half ALIF, diffusion; connections by distance in cells (`network.sigma_units: grid`, sigma {sigma}): about 10 recurrent
and 8 input synapses a neuron at every size. Forward pass and learning, median of {repeats}; each row in its own process.

![Time and memory](scaling.png)

Fitted exponents over synapses (least squares on logarithms; time from 400 neurons on, memory from 1600 on): 1 is linear.

{fits}

{table}

A block of trials is the unit of work, 16 of them, or 32 with AVX-512; 8 where a batch is no more than half of it. Below that
lanes are empty, so one trial costs as much as eight.
""".replace("{sigma}", str(SIGMA)).replace("{repeats}", str(REPEATS))


if __name__ == "__main__":
    print(json.dumps(measure_row(**json.loads(sys.argv[1]))))

"""Pages whose data commands have written: speed, the CUDA engine, its model, Lava."""
from __future__ import annotations

import importlib.util
import json
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Iterator

from fxsim.bench.cuda_bench import ALU_CYCLES, BARRIER_CYCLES, GLOBAL_CYCLES, OVERLAP, SHARED_CYCLES, Estimate, model_table
from fxsim.bench.iteration import REPEATS, TASKS
from fxsim.bench.scaling import page as scaling_page
from fxsim.config import load_config
from fxsim.verify.card.report import page as gpu_page
from fxsim.verify.card.timing import Timing

REPORTS = Path(__file__).parents[1]
AUTHORS = {     # s, (task, rule) -> an iteration of the paper authors' program; measured once, on a machine with 2 cores
    ("cue_accumulation", "eprop"): 4.52, ("cue_accumulation", "diffusion"): 4.84, ("delayed_match", "eprop"): 3.01,
    ("delayed_match", "diffusion"): 3.25, ("pattern_generation", "eprop"): 8.48, ("pattern_generation", "diffusion"): 8.83,
    ("cue_accumulation", "bptt"): 0.66, ("delayed_match", "bptt"): 0.31, ("pattern_generation", "bptt"): 1.0}


def data(path: str) -> dict:
    return json.loads((REPORTS / path).read_text())


@cache
def program(path: Path) -> ModuleType:
    """What a program beside a page computes."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def markdown(rows: list[list[str]]) -> list[str]:
    """Lines of a table; the first row is its head."""
    lines = ["".join(f"| {cell} " if cell else "| " for cell in row) + "|" for row in rows]
    return [lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]]


def signed(value: float) -> str:
    """A difference with its sign; nothing is 0.0."""
    return f"{value:+.1f}" if abs(value) >= 0.05 else "0.0"


def iterations() -> list[str]:
    """bench.json beside the authors' seconds."""
    rows = [["task", "rule", "precision", "ms / iteration", "fastest ms", "G synapse updates / s", "peak MiB above imports",
             "authors' program, s", "ratio", "ratio of the fastest"]]
    for r in data("performance/bench.json")["rows"]:
        if r["rule"] != "bptt":
            theirs, ours, best = AUTHORS[r["task"], r["rule"]], r["seconds_per_iteration"], r["fastest_seconds"]
            rows.append([r["task"], r["rule"], r["precision"], f"{1000 * ours:.1f}", f"{1000 * best:.1f}", f"{r['synapse_updates_per_second'] / 1e9:.1f}",
                         f"{r['peak_mib']:.0f}", f"{theirs:.2f}", f"{theirs / ours:.0f}", f"{theirs / best:.0f}"])
    return markdown(rows)


def model() -> list[str]:
    return markdown(model_table([Estimate(**{name: row[name] for name in Estimate.__dataclass_fields__}) for row in data("cuda_model/model.json")["rows"]]))


def gpu() -> str:
    return gpu_page(data("gpu/results.json"))


def scaling() -> str:
    return scaling_page(data("scaling/scaling.json"))


def stock() -> list[str]:
    """Both stock.json: a network in three ways, on Lava and without."""
    names, rows = ("full model", "full model, approximated", "trained as loihi_lif"), {}
    for task in ("delayed_match", "pattern_generation"):
        for row in data(f"lava/stock_{task}/stock.json")["rows"]:
            if row["runs on"] == "simulator":
                rows[task, row["network"], row["trials"]] = row
    match = {trials: [f"{100 * rows['delayed_match', name, trials]['accuracy']:.0f} %" for name in names] for trials in (128, 16)}
    pattern = [f"{rows['pattern_generation', name, 4]['nmse']:.3f}" for name in names]
    return markdown([
        ["", *names[:2], "trained as `loihi_lif`"],
        ["pattern generation (100 LIF neurons, T = 500, 120 updates): nMSE, 0 is perfect", *pattern],
        ["delayed match (T = 320, 150 updates): accuracy, 128 trials", *match[128]],
        ["delayed match: accuracy, the first 16 trials (those that ran on Lava)", *match[16]],
        ["runs on", "simulator", "simulator and Lava", "simulator and Lava"]])


def three_factor() -> list[str]:
    """Both engine.json: last evaluations, and what Lava repeated."""
    cells = []
    for task, measure in (("cue_accumulation", "accuracy"), ("pattern_generation", "nmse")):
        found = data(f"lava/engine_{task}/engine.json")
        of = {name: [row[measure] for row in found["evaluations"] if row["network"] == name] for name in ("float32", "fixed", "engine")}
        last = [f"{100 * values[-1]:.0f} %" if measure == "accuracy" else f"{values[-1]:.3f}" for values in of.values()]
        if measure == "nmse":
            last[2] += f"; best {min(of['engine']):.3f}"
        lava = found["lava"]
        assert lava["difference"] is None
        compared = f"{lava['compared']:,}".replace(",", " ")
        cells.append([*last, f"{lava['trials']} trials, {lava['steps']} steps, {compared} states"])
    return markdown([["", "last evaluation: float32", "fixed", "engine", "repeated on Lava"],
                     ["cue accumulation (LIF and ALIF, T = 180), 250 updates of 8 trials: accuracy", *cells[0]],
                     ["pattern generation (LIF, T = 500), 300 updates: nMSE", *cells[1]]])


PERFORMANCE, MODEL, LAVA = {"iterations": iterations}, {"model": model}, {"stock processes": stock, "three factors": three_factor}


# ---- what the text says ----------------------------------------------------------------------------------------------
def speeds() -> Iterator[str]:
    rows, host = data("performance/bench.json")["rows"], data("performance/bench.json")["machine"]
    threads = {row["threads"] for row in rows if row["rule"] != "bptt"}
    bptt = {row["task"]: row["seconds_per_iteration"] for row in rows if row["rule"] == "bptt" and row["engine"] == "reference"}
    yield f"on a shared virtual machine with {host['cores']} cores of an AMD EPYC"
    yield f"{threads.pop()} threads: median and fastest of {REPEATS} iterations"
    yield "BPTT on the PyTorch reference, float32, one thread: {:.2f}, {:.2f} and {:.2f} s an iteration on the three tasks (authors' program: {:.2f}, {:.2f} and {:.1f} s).".format(
        *(bptt[task] for task in TASKS), *(AUTHORS[task, "bptt"] for task in TASKS))


def modelled() -> Iterator[str]:
    timings = [Timing(**row) for row in data("gpu/results.json")["timings"]]
    lanes, blocks = ([t.ratio for t in timings if (t.batch == 64) == few] for few in (False, True))
    rows = data("cuda_model/model.json")["rows"]
    yield "These rows are of the kernels with one trial a block, also at batch 4096, where the engine now has 32 trials in each warp."
    yield (f"measured over modelled is {min(lanes):.1f} to {max(lanes):.1f} with trials in lanes, whose instructions the model counts too dearly, and "
           f"{min(blocks):.1f} to {max(blocks):.1f} for 64 trials of one block each,")
    yield (f"{ALU_CYCLES} cycles for 32-bit arithmetic, {SHARED_CYCLES} for a load from shared memory, {GLOBAL_CYCLES} from global memory in the nearest cache, "
           f"{BARRIER_CYCLES} for a barrier; {OVERLAP:g} instructions of a warp under way at a time: assumed")
    assert {row["batch"] for row in rows} == {64, 4096}
    yield "L2 is left out, though 16 bytes for each of some twenty thousand synapses"
    yield "At batch 64 most multiprocessors hold one trial or none:"
    yield "so 4096 trials cost far less than 64 times as much as 64."
    yield f"the {load_config('pattern_generation').network.n} neurons of pattern generation have some 20,000 synapses,"


def on_lava() -> Iterator[str]:
    proof = data("lava/curve/proof.json")
    config, steps = proof["config"], sum(proof["config"]["task"][name] for name in ("fixation", "cue", "cue", "delay", "decision"))
    assert proof["curves_equal"] and proof["weights_equal"]
    yield (f"Delayed match, {config['network']['n_lif'] + config['network']['n_alif']} neurons, shortened trials (T = {steps}), diffusion, `q16`, "
           f"{config['iterations']} updates of {config['batch_size']} trials: {proof['rows']} rows of the curves and all weights are equal to the bit, "
           f"{proof['weights_changed']} of them changed in training.")
    yield f"{config['iterations']} updates of {config['batch_size']} trials are too few to learn the task."
    yield "LIF neurons (20 ms) do not have it: trained as `loihi_lif` the network stays at chance (50 %)."
    yield "One seed each; weights deploy in 8 bits, training keeps 16 on the host."
    cue, pattern = (data(f"lava/engine_{task}/engine.json") for task in ("cue_accumulation", "pattern_generation"))
    learned = {name: min(row["iteration"] for row in cue["evaluations"] if row["network"] == name and row["accuracy"] > 0.85) for name in ("float32", "fixed", "engine")}
    assert learned["float32"] == learned["fixed"] == 125
    yield f"The engine learns cue accumulation {learned['engine'] - learned['fixed']} updates later than the other two."
    yield (f"one cue of {cue['config']['task']['cue']} ms and a delay of {cue['config']['task']['delay']} ms; {pattern['config']['task']['duration']} ms of the pattern.")

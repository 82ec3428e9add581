"""reports/precision/README.md: the tables of its studies, and what its text says in numbers."""
from __future__ import annotations

from functools import cache
from itertools import product
from pathlib import Path
from typing import Iterator

import allocation_page
import numpy as np
import pandas as pd
from scipy import stats

from fxsim.cli.commands.chips import TABLE
from fxsim.cli.tables import text_table
from fxsim.config import load_config
from fxsim.hardware.cost import counted_tables
from fxsim.hardware.memory import memory
from fxsim.hardware.operations import ELIGIBILITY, FORWARD, WINDOW, operations
from fxsim.model.topology import build_network
from fxsim.report import published
from fxsim.study.plan import load_study
from fxsim.study.statistics.outcome import mean_of

import pareto_page
import weights_page
from measured_pages import markdown

FOLDER = Path(__file__).parents[1] / "precision"
PRECISIONS = ("float32", "q24", "q16", "w8s16", "loihi2")
RULES = {"diffusion": "diffusion", "eprop": "e-prop"}
TASKS = ("delayed_match", "cue_accumulation", "pattern_generation")


@cache
def results(name: str) -> pd.DataFrame:
    """All runs of a study; accuracy in percent."""
    table = pd.read_parquet(FOLDER / name / "results.parquet")
    return table.assign(accuracy=100 * table["accuracy"])


def setting(study: str, field: str) -> object:
    """What a study says of all its runs."""
    return load_study(FOLDER / f"{study}.yaml")[0].set[field]


def seeds(study: str) -> int:
    return len(load_study(FOLDER / f"{study}.yaml")[0].seeds)


def spread(values: pd.Series, digits: int = 1) -> str:
    """mean +- standard error."""
    return f"{values.mean():.{digits}f} +- {values.sem():.{digits}f}"


# ---- tables ----------------------------------------------------------------------------------------------------------
def curves() -> list[str]:
    """Last evaluations, task and rule x precision."""
    rows = [["task, rule", *PRECISIONS]]
    for task, (rule, said) in product(TASKS, RULES.items()):
        of = results(task).query(f"rule == '{rule}'").groupby("precision")["nmse" if task == "pattern_generation" else "accuracy"]
        rows.append([f"{task.replace('_', ' ')}, {said}", *(spread(of.get_group(p), 3 if task == "pattern_generation" else 1) for p in PRECISIONS)])
    return markdown(rows)


def cost() -> list[str]:
    printed = "\n\n".join(map(text_table, counted_tables(load_config("delayed_match"), TABLE.split(","))))
    return ["    " + line if line else "" for line in printed.splitlines()]


TABLES = {"curves": curves, "cost": cost, **weights_page.TABLES, **allocation_page.TABLES, **pareto_page.TABLES}


# ---- what the text says ----------------------------------------------------------------------------------------------
def sentences() -> Iterator[str]:
    for part in (learning_curves, two_rules, single_quantities, weights_by_state, on_chip, memory_and_operations, accumulators, weights_page.sentences,
                 allocation_page.sentences, pareto_page.sentences):
        yield from part()


def learning_curves() -> Iterator[str]:
    trials = {load_config(study).evaluation.batch_size for study in TASKS[:2]} | {setting(study, "evaluation.batch_size") for study in ("bits", "onchip")}
    yield f"single evaluations of {min(trials)} or {max(trials)} trials,"
    updates = {task: results(task).query("rule != 'bptt'")["updates"].max() for task in TASKS}
    full = {load_config(task).updates for task in TASKS}
    bptt = {task: results(task).query("rule == 'bptt'") for task in TASKS[:2]}
    yield (f"{seeds('delayed_match')} seeds, after {updates['delayed_match']} updates of delayed match, {updates['cue_accumulation']} of cue accumulation, "
           f"{updates['pattern_generation']} of pattern generation (nMSE, 0 is perfect) and of BPTT; the paper has {full.pop()}:")
    assert not full and all(set(t["updates"]) == {updates["pattern_generation"]} and len(t) == 5 for t in bptt.values())
    said = {key: dict(zip(published.UPDATES, values, strict=True)) for key, values in published.ACCURACY.items()}
    theirs = [said[task, "bptt"][250] for task in TASKS[:2]]
    yield "BPTT, float32: {} (published at 250 updates: {}).".format(
        ", ".join(f"{task.replace('_', ' ')} {spread(table['accuracy'])}" for task, table in bptt.items()),
        ", ".join(f"{mean:.1f} +- {sem:.1f}" for mean, sem in theirs))
    values = [said[task, rule][updates] for task, updates in (("delayed_match", 500), ("cue_accumulation", 250)) for rule in RULES]
    yield ("Published, 20 seeds, in the order of the first four rows, float32, at 500 updates (delayed match) and 250 (cue accumulation): "
           f"{', '.join(f'{mean:.1f} +- {sem:.1f}' for mean, sem in values)}.")
    found = {}
    for study, (rule, _), precision in product(TASKS, RULES.items(), PRECISIONS[1:]):
        wide = results(study).query(f"rule == '{rule}'").pivot(index="seed", columns="precision", values="nmse" if study == TASKS[2] else "accuracy")
        difference = wide[precision] - wide["float32"]
        found[study, rule, precision] = stats.ttest_1samp(difference, 0).pvalue, difference.mean(), difference.sem()
    classified = {key: value for key, value in found.items() if key[0] != TASKS[2]}
    (key, (p, mean, sem)), *others = sorted(classified.items(), key=lambda item: item[1][0])
    assert key == ("delayed_match", "diffusion", "loihi2") and max(abs(m) for _, m, _ in classified.values()) == mean
    assert min(value[0] for name, value in found.items() if name != key) > 0.05
    yield (f"the largest difference of the {len(classified)} on the two classification tasks is loihi2 in delayed match with diffusion: {mean:+.1f} +- {sem:.1f} points "
           f"(t test: p = {p:.3f}, which {len(classified)} comparisons make {len(classified) * p:.2f}). "
           f"No other has p below 0.05, and none of the {len(found) - len(classified)} of pattern generation has.")


def half_way(task: str, kind: str, rule: str) -> pd.Series:
    """seed -> word length at which half of float32's gain is gained, by straight lines between the tried lengths; NaN where it never is."""
    table, (metric, worst) = pd.read_parquet(FOLDER / "rules/results.parquet"), {"cue": ("accuracy", 0.5), "pattern": ("nmse", 1.0)}[task]
    column = {"states": "state bits", "weights": "weight bits"}[kind]
    goal = table[(table["block"] == f"{task}_reference") & (table["rule"] == rule) & (table["precision"] == "float32")][metric].mean()
    out = {}
    for seed, rows in table[(table["block"] == f"{task}_{kind}") & (table["rule"] == rule)].groupby("seed"):
        rows = rows.sort_values(column)
        bits, gained = rows[column].to_numpy(float), np.maximum.accumulate(((rows[metric] - worst) / (goal - worst)).to_numpy())
        i = int(np.argmax(gained >= 0.5))
        out[seed] = np.nan if gained[-1] < 0.5 else bits[0] if i == 0 else np.interp(0.5, gained[i - 1:i + 1], bits[i - 1:i + 1])
    return pd.Series(out)


def two_rules() -> Iterator[str]:
    said = {}
    for key in product(("pattern", "cue"), ("states", "weights")):
        found = mean_of((half_way(*key, "diffusion") - half_way(*key, "eprop")).dropna())
        said[key] = f"{found.mean:+.2f} +- {found.half:.2f}", found.n
    yield (f"(or over nMSE 1) is gained, between the tried lengths by straight lines; diffusion minus e-prop, mean and 95 % interval over {said['pattern', 'states'][1]} seeds: "
           f"states in pattern generation {said['pattern', 'states'][0]} bits, weights in pattern generation {said['pattern', 'weights'][0]}, "
           f"weights in cue accumulation {said['cue', 'weights'][0]}. States in cue accumulation, {said['cue', 'states'][0]} ({said['cue', 'states'][1]} seeds), say nothing: q16 minus")


def single_quantities() -> Iterator[str]:
    table = results("bits")
    of = table.groupby(["block", "bits", "rounding"])["accuracy"].mean().round(1)
    reference = table.query("block == 'reference' and rule == 'diffusion'").groupby("precision")["accuracy"]
    yield (f"reduced delayed match, {seeds('bits')} seeds, diffusion (float32 {spread(reference.get_group('float32'))}, q16 {spread(reference.get_group('q16'))}). "
           f"Chance is 50, and with {seeds('bits')} seeds only losses of 15 points and more are visible:")
    floor = {name: of[name, :, "floor"] for name in ("adaptation", "modulator", "eligibility", "adaptation_eligibility", "filtered_eligibility")}
    assert all(floor[name].nunique() == 1 for name in ("adaptation", "modulator"))
    yield (f"at any width up to 10 bits, in the adaptation ({floor['adaptation'][10]}) and the modulator ({floor['modulator'][10]}), and at 10 bits in the eligibility "
           f"({floor['eligibility'][10]}), the adaptation eligibility ({floor['adaptation_eligibility'][10]}) and the filtered eligibility ({floor['filtered_eligibility'][10]}).")

    def pair(name: str, bits: int) -> str:
        return f"{of[name, bits, 'stochastic']} against {of[name, bits, 'nearest_even']}"
    yield (f"at 4 bits of trace {pair('trace', 4)}, at 8 bits of modulator {pair('modulator', 8)}, of filtered eligibility {pair('filtered_eligibility', 8)}, "
           f"of eligibility {pair('eligibility', 8)}, of weights (without a shadow) {pair('weights', 8)}.")
    yield (f"with 3 bits ({of['pseudo_derivative', 3].min()} to {of['pseudo_derivative', 3].max()}) and the readout's trace with 3 ({of['readout_trace', 3, 'floor']}), "
           f"as far as {seeds('bits')} seeds show.")
    failed = table[table["status"] == "failed"]
    assert set(failed["block"]) == {"readout"} and set(failed["bits"]) == {3, 4}
    yield f"The {len(failed)} readout runs with 3 and 4 bits failed: these formats are refused (softmax needs 2 fraction bits)."


def weights_by_state() -> Iterator[str]:
    grid = results("weights_by_state")
    (nothing,) = {f"{value:.1f}" for value in grid[grid["state bits"] == 6].groupby("weight bits")["accuracy"].mean()}
    odd = grid[(grid["state bits"] == 8) & (grid["weight bits"] == 4)]
    assert (odd["accuracy"] < 50).all() and (odd["loss"] > np.log(2)).all() and len(odd) == 3
    yield (f"{seeds('weights_by_state')} seeds. With 6 bits of all states nothing learns ({nothing} at every weight width). One cell, 4 weight bits and 8 state bits, "
           f"lies below chance ({odd['accuracy'].mean():.1f}) with all three seeds; their losses are above ln 2,")


def on_chip() -> Iterator[str]:
    table = results("onchip")
    cell = {key: spread(rows["accuracy"]) for key, rows in table.groupby(["block", "log2 rate"])}
    means = table.groupby(["block", "log2 rate"])["accuracy"].mean().round(1)
    host = {task: spread(results(task).query("rule == 'diffusion' and precision == 'loihi2'")["accuracy"]) for task in TASKS[:2]}
    updates = {task: table[table["block"] == task]["updates"].max() for task in TASKS[:2]}
    adam = spread(table.query("block == 'host' and precision == 'loihi2'")["accuracy"])
    yield (f"{table[table['block'] == 'delayed_match']['seed'].nunique()} seeds: delayed match {cell['delayed_match', -5]} after {updates['delayed_match']} updates and cue accumulation "
           f"{cell['cue_accumulation', -5]} after {updates['cue_accumulation']}, at log2 rate -5 ({cell['delayed_match', -6]} and {cell['cue_accumulation', -6]} at -6). "
           f"`adam` on the host had {host['delayed_match']} and {host['cue_accumulation']}, at its smaller rate. What decides, on the reduced task with {seeds('onchip')} seeds:")
    best = means["adamax"].idxmax()
    yield f"stays at chance at every rate ({means['sgd'].min()} to {means['sgd'].max()}):"
    yield f"`adamax` has {cell['adamax', best]} at the best of the rates that were tried with it; `adam` on the host, at the only rate that it was given, {adam}."
    rounding = table.query("block == 'rounding'").groupby(["log2 rate", "weights.rounding"])["accuracy"].mean().round(1)
    assert max(rounding[-5]["floor"], rounding[-6]["floor"]) < 52 and best == -5
    yield (f"At log2 rate -6 steps are below half of it: rounding to nearest learns nothing ({rounding[-6]['nearest_even']}), stochastic rounding {rounding[-6]['stochastic']}. "
           f"At -5 both learn ({rounding[-5]['nearest_even']} and {rounding[-5]['stochastic']}). Floor learns nothing at either.")
    assert table.query("block in ('batch_1', 'batch_8')").eval("updates").unique().tolist() == [600, 4800]
    yield (f"Single trials learn as well as batches of 32 from the same 4800 trials, at lower rates: {cell['batch_1', -6]} (batch 1, log2 rate -6), "
           f"{cell['batch_8', -6]} (batch 8, -6), {cell['adamax', -5]} (batch 32, -5).")
    slow = table.query("block == 'memory'").groupby(["learning.optimizer.beta1_shift", "learning.optimizer.beta2_shift"])["accuracy"].mean()
    assert slow[[0, 3]].drop(5, level=1).min() > slow[5].max()
    yield f"`beta1_shift` 0 to 3 and `beta2_shift` 8 to 11; a mean over 32 updates (5) has {slow[5].min():.1f} to {slow[5].max():.1f}."


def memory_and_operations() -> Iterator[str]:
    config = load_config("delayed_match")
    network = build_network(config)
    counted = {name: {o.phase: o for o in operations(config.changed({"precision": name}), network)} for name in ("q16", "q24")}
    narrow, wide = (counted[name][ELIGIBILITY] for name in ("q16", "q24"))
    every = narrow.total + counted["q16"][FORWARD].total

    def kept(batch: int, **optimizer: object) -> object:
        return memory(config.changed({"precision": "q16", "learning.optimizer": optimizer, "batch_size": batch}), network).synapse_onto_lif
    alone, adamax = kept(1, name="sgd", log2_rate=-5), kept(config.batch_size, name="adamax", log2_rate=-5)
    assert alone.accumulators == 62 and alone.optimizer == 0
    yield (f"The presets called 16-bit have 16-bit state and 31-bit accumulators: of the {alone.total:.0f} bits that a synapse of q16 holds in a trial, {alone.accumulators:.0f} are sums "
           "(31 of the gradient G, 31 of E for the firing-rate regularisation), "
           f"and a batch of {config.batch_size} trials and the optimizer come on top: `sgd` keeps nothing, `adamax` {adamax.optimizer:.0f} bits with `beta1_shift` 3, `adam` two float64 on the host.")
    yield (f"q24 takes {wide.total / narrow.total:.2f} times the operations of q16 on the eligibilities, and {wide.result_bits / narrow.result_bits:.2f} times the bits of results.")
    yield f"{narrow.total:.0f} of {every:.0f} are eligibilities at most steps, of {every + counted['q16'][WINDOW].total:.0f} at those of the window;"


def accumulators() -> Iterator[str]:
    """How many bits of the sums are used, and how G does with fewer."""
    used, saturated = {}, {}
    for study in TASKS:
        table = pd.read_parquet(FOLDER / study / "telemetry.parquet").query("precision == 'q16'")
        for quantity in ("eligibility_sum", "gradient"):
            rows = table[table["quantity"] == quantity]
            used[study, quantity] = int(np.ceil(np.log2(rows["max_abs"].max() * 2.0 ** (rows["word_bits"].max() - 1))))
            saturated[study, quantity] = int(rows["saturated"].sum())
    sums = [used[study, "eligibility_sum"] for study in TASKS]
    assert sums[0] == sums[1] and max(sums) + 1 < 22 and used["pattern_generation", "gradient"] > 30
    assert not any(saturated[study, "eligibility_sum"] for study in TASKS)
    yield (f"of q16's 31 bits the largest value that telemetry counted in the runs at the paper's size above, {seeds('delayed_match')} seeds a task, used {sums[0]} and the sign in delayed match "
           f"and cue accumulation, {sums[2]} in pattern generation. So 22 bits at the same binary point")
    table = results("bits")
    found = table[table["block"] == "gradient"].groupby(["bits", "rounding"])["accuracy"].mean()
    q16 = table.query("block == 'reference' and precision == 'q16' and rule == 'diffusion'")["accuracy"].mean()
    yield (f"its range is needed ({used['delayed_match', 'gradient']} bits and the sign in delayed match, {used['cue_accumulation', 'gradient']} in cue accumulation; in pattern generation all, and "
           f"{saturated['pattern_generation', 'gradient']} of the values that were counted saturated), its last bits are not. On the reduced task of `bits` 20 bits at the same range, "
           f"rounded to nearest, have {found[20, 'nearest_even']:.1f} (q16: {q16:.1f}), 16 bits rounded stochastically {found[16, 'stochastic']:.1f}, and rounded to nearest "
           f"{found[16, 'nearest_even']:.1f}:")
    yield "because the CPU kernels add up E without clipping where 31 bits cannot overflow."
    yield "Together 42 bits in place of 62: 74 bits a synapse."

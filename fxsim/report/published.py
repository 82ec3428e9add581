"""Published results: evaluation accuracy in percent, mean and standard error over 20 seeds (19 in two conditions).

Source: the paper's public learning curves behind figure 2 of arXiv 2603.08949. The delayed-match runs of BPTT and e-prop
used c_reg 0.1, all others the shipped configurations' value.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandas import DataFrame

SOURCE = "arXiv 2603.08949, figure 2"
UPDATES = (100, 250, 500, 1000, 2000)       # the authors evaluated after one update more
CONDITIONS = {      # (task, rule) -> name of the condition in the public curves
    ("cue_accumulation", "bptt"): "bptt_lr_005_creg_005",
    ("cue_accumulation", "diffusion"): "diffusion_k_075_lr_005_creg_005",
    ("cue_accumulation", "eprop"): "e_prop_lr_005_creg_005",
    ("delayed_match", "bptt"): "BPTT_lr_0050_c_reg_0_10",
    ("delayed_match", "diffusion"): "diffusion_k_075_lr_0050_c_reg_0_01",
    ("delayed_match", "eprop"): "mean_e_prop_lr_0050_c_reg_0_10",
}
ACCURACY = {        # (task, rule) -> (mean, standard error) at UPDATES
    ("cue_accumulation", "bptt"): ((77.5, 1.5), (91.9, 0.5), (94.6, 1.1), (95.2, 0.8), (96.8, 0.9)),
    ("cue_accumulation", "diffusion"): ((57.0, 1.2), (72.3, 1.1), (79.4, 0.9), (87.1, 0.8), (92.9, 0.4)),
    ("cue_accumulation", "eprop"): ((57.1, 1.6), (68.7, 1.5), (75.2, 1.3), (81.1, 1.0), (86.0, 0.9)),
    ("delayed_match", "bptt"): ((69.6, 2.4), (85.6, 2.1), (97.8, 0.9), (99.7, 0.1), (99.7, 0.1)),
    ("delayed_match", "diffusion"): ((63.1, 2.4), (75.1, 1.8), (84.5, 2.3), (90.8, 1.2), (95.1, 0.7)),
    ("delayed_match", "eprop"): ((50.1, 0.4), (54.8, 1.6), (60.7, 1.9), (67.2, 2.5), (74.4, 2.6)),
}
C_REG = {("delayed_match", "bptt"): 0.1, ("delayed_match", "eprop"): 0.1, ("delayed_match", "diffusion"): 0.01,
         ("cue_accumulation", "bptt"): 0.005, ("cue_accumulation", "eprop"): 0.005, ("cue_accumulation", "diffusion"): 0.005}
K = 0.75
COLUMNS = {"accuracy": "accuracy_eval", "loss": "loss_eval"}
QUANTILES = (0, 0.25, 0.75, 1)


def obstacle(task: str, rule: str, facts: dict) -> str | None:
    """Why nothing published is drawn beside these runs, as a sentence; None where they are comparable."""
    key = (task, rule)
    if key not in ACCURACY:
        return "no published curve"
    if not facts.get("paper_size"):
        return "not the paper's size"
    if facts.get("c_reg") != C_REG[key]:
        return f"published with c_reg {C_REG[key]}, here {facts.get('c_reg', 'unknown')}"
    if rule == "diffusion" and facts.get("k", K) != K:
        return f"published with k {K}, here {facts['k']}"
    return None


def points(task: str, rule: str, facts: dict) -> list[tuple[int, float, float]]:
    """(updates, mean, standard error) of the accuracy as shares, up to the updates of the runs themselves."""
    if obstacle(task, rule, facts):
        return []
    return [(u, mean / 100, sem / 100) for u, (mean, sem) in zip(UPDATES, ACCURACY[task, rule], strict=True) if u <= facts["iterations"]]


def seeds(table: DataFrame, task: str, rule: str) -> DataFrame:
    """seed, iteration, accuracy, loss of the evaluations of the published seeds. Iteration u here is after u + 1 updates there."""
    rows = table[table["condition"] == CONDITIONS[task, rule]]
    found = rows.assign(iteration=rows["iteration"] - rows["iteration"].min(), **{name: rows[column] for name, column in COLUMNS.items()})
    return found[["seed", "iteration", *COLUMNS]]


def spread(table: DataFrame, task: str, rule: str, facts: dict, measure: str) -> dict[str, list[float]] | None:
    """x (updates), lowest, lower, upper, highest: range and quartiles of the published seeds. None where there is nothing to compare with.

    table   the authors' curves of this task
    """
    if obstacle(task, rule, facts) or measure not in COLUMNS:
        return None
    rows = seeds(table, task, rule)     # stored from 0 or 1, and means after one update in both
    rows = rows.assign(updates=rows["iteration"] + 1)
    grouped = rows[rows["updates"] <= facts["iterations"] + 1].groupby("updates")[measure]
    if not len(grouped):
        return None
    quantiles = grouped.quantile(QUANTILES).unstack()
    return {"x": quantiles.index.tolist(), **{name: quantiles[q].tolist() for name, q in
                                              zip(("lowest", "lower", "upper", "highest"), QUANTILES, strict=True)}}

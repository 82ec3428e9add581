"""Published results: evaluation accuracy in percent, mean and standard error over 20 seeds (19 in two conditions).

Source: the paper's public learning curves behind figure 2 of arXiv 2603.08949. The delayed-match runs of BPTT and e-prop
used c_reg 0.1, all others the shipped configurations' value.
"""
from __future__ import annotations

SOURCE = "arXiv 2603.08949, figure 2"
UPDATES = (100, 250, 500, 1000, 2000)
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


def points(task: str, rule: str, description: dict) -> list[tuple[int, float, float]]:
    """(updates, mean, standard error) as shares, where a run is comparable: the paper's size and regularisation."""
    key = (task, rule)
    if key not in ACCURACY or not description.get("paper_size") or description.get("c_reg") != C_REG[key]:
        return []
    return [(u, mean / 100, sem / 100) for u, (mean, sem) in zip(UPDATES, ACCURACY[key], strict=True) if u <= description.get("iterations", 0)]


def spread(table, task: str, rule: str, description: dict):
    """(updates, lowest, highest) accuracy of the published seeds, or None where a run is not comparable."""
    key = (task, rule)
    if key not in CONDITIONS or not description.get("paper_size") or description.get("c_reg") != C_REG[key]:
        return None
    rows = table[(table["condition"] == CONDITIONS[key]) & (table["iteration"] <= description.get("iterations", 0))]
    if rows.empty:
        return None
    by_iteration = rows.groupby("iteration")["accuracy_eval"]
    return by_iteration.min().index.to_numpy(), by_iteration.min().to_numpy(), by_iteration.max().to_numpy()

"""A network and task small enough to train in a test."""
from fxsim import load_config

TINY = ("network.n_lif=6", "network.n_alif=6", "network.grid=[4, 4]", "network.gains={input: 2}", "network.input_sparsity=0.5",
        "network.readout_sparsity=0.5", "task.delay=100", "batch_size=8", "evaluation.batch_size=16", "iterations=2", "precision=float32")


def tiny_changes(*changes):
    return [*TINY, *changes]


def tiny(*changes):
    return load_config("delayed_match", tiny_changes(*changes))

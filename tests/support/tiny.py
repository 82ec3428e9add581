"""A network and task small enough to train in a test."""
from fxsim import load_config

NETWORK = ("network.n_lif=6", "network.n_alif=6", "network.grid=[4, 4]", "network.gains={input: 2}", "network.input_sparsity=0.5",
           "network.readout_sparsity=0.5")
TINY = (*NETWORK, "task.delay=100", "batch_size=8", "evaluation.batch_size=16", "iterations=2")
SHORT = ("task.fixation=0", "task.cue=10", "task.delay=0", "task.decision=10", "task.window=5", "batch_size=2", "evaluation.batch_size=2",
         "evaluation.every=3", "checkpoint.every=1")
"""Trials so short that the oracle trains within a second."""


def tiny_changes(*changes):
    return [*TINY, *changes]


def tiny(*changes):
    return load_config("delayed_match", tiny_changes(*changes))

"""What was measured of a network on trials: spikes, what they deliver, and the metrics of NeuroBench under their names.

NeuroBench (J. Yik et al., Nature Communications 2025; neurobench.readthedocs.io, read 2026-11), applied to a network with input, recurrent and
readout layers:

    footprint                   bytes of the model: weights and the state that inference keeps. Connections that are not there take none, and the
                                indices that a sparse memory needs are not counted; weights of zero are
    connection sparsity         share of potential connections, pre x post of each layer, without a weight that is not zero
    activation sparsity         share of neurons and steps without a spike; readouts, which are no neurons with a threshold, are left out
    synaptic operations         of a trial, its mean. Dense: every potential connection at every step. Effective_ACs: a spike times a weight that is
                                not zero, input spikes included. Effective_MACs: products, of activations that are no spikes: none here
"""
from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fxsim.config import Config
from fxsim.engine.registry import make_engine
from fxsim.model.arithmetic import make_arithmetic
from fxsim.model.network import LAYERS, Network, Trials
from fxsim.model.topology import learning_of
from fxsim.tasks import make_task
from fxsim.training.metrics import mean_rate

from .memory import Words, inference_bits

TRIALS = 8


@dataclass(frozen=True)
class Activity:
    """Means over trials, in one precision.

    steps       a trial's own, without its padding
    spikes      of neurons;  input_spikes  of channels
    delivered   layer -> spikes times the connections that they go to, whatever the weight
    """

    trials: int
    steps: float
    rate_hz: float
    spikes: float
    input_spikes: float
    delivered: dict[str, float]
    footprint: float
    connection_sparsity: float
    activation_sparsity: float
    synaptic_operations: dict[str, float]


@dataclass(frozen=True)
class Traffic:
    """What energies need of the spikes of a trial: its steps, and layer -> spikes times the connections that they go to."""

    steps: float
    delivered: dict[str, float]


def traffic_at(network: Network, trials: Trials, rate_hz: float) -> Traffic:
    """Of a network of which only the mean rate is known: every neuron fires at it. Input spikes are those of the trials."""
    topology, steps = network.topology, float(trials.duration.mean())
    arriving = trials.x.sum(1, dtype=np.int64).mean(0)
    own = rate_hz * steps / 1000       # spikes of a neuron
    return Traffic(steps, {"in": float(arriving[topology.syn_in.pre].sum()), "rec": own * topology.syn_rec.size, "out": own * topology.syn_out.size})


def evaluation_trials(config: Config, trials: int) -> Trials:
    """The first evaluation trials of a configuration's task, as many as asked for; a regression is evaluated on its training trials."""
    field = "evaluation.batch_size" if config.task.classification else "batch_size"
    return make_task(config.changed({field: trials})).evaluation_trials()


def measure_activity(config: Config, network: Network, trials: Trials) -> Activity:
    """Run the trials without learning. In fixed point every engine has these spikes; the oracle needs no compiler."""
    learning, topology = learning_of(config), network.topology
    learning = replace(learning, rule="eprop") if learning.rule == "bptt" else learning
    numbers = config.resolved_precision()
    arithmetic = make_arithmetic(numbers, network, learning, trials.steps, config.seed)
    stored = arithmetic.weights_to_raw(network.weights)
    counts = make_engine("oracle", network, learning, arithmetic, config.seed).run(stored, trials, learn=False).spike_counts
    sent = {"in": trials.x.sum(1, dtype=np.int64).mean(0), "rec": counts.mean(0), "out": counts.mean(0)}       # spikes of each line in a trial
    pre = {layer: topology.synapses(layer).pre for layer in LAYERS}
    potential = topology.n_in * topology.n + topology.n * topology.n + topology.n * topology.n_out
    steps = float(trials.duration.mean())
    effective = sum(float(sent[layer][pre[layer][np.asarray(stored[layer]) != 0]].sum()) for layer in LAYERS)
    return Activity(
        trials.size, steps, mean_rate(counts, trials.duration), float(counts.sum(1).mean()), float(sent["in"].sum()),
        {layer: float(sent[layer][pre[layer]].sum()) for layer in LAYERS}, inference_bits(network, Words(numbers)) / 8,
        1 - sum(int(np.count_nonzero(stored[layer])) for layer in LAYERS) / potential,
        1 - float(counts.sum() / (topology.n * trials.duration.sum())),
        {"Dense": steps * potential, "Effective_ACs": effective, "Effective_MACs": 0.0})

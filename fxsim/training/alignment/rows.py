"""The table of alignments: which gradient is held against which.

    iteration           weight updates done when the weights were those
    gradient, numbers   the rule and the precision of the gradient that is looked at
    reference           bptt: BPTT's in float64;  twin: the same rule's in float64
    way                 run: as the network runs;  driven: with the spikes of the float64 network;  floor: float64, moved weights
    batches             training batches over which both gradients are means
    layer               in, rec, out; all: the three as one vector
    ...                 see .measures
"""
from __future__ import annotations

from typing import Callable, Iterator, Mapping

import numpy as np

from fxsim.config.evaluation import AlignmentConfig
from fxsim.model.network import LAYERS, Trials

from . import measures
from .gradients import TWIN, Gradient, Gradients, Groups

KEYS = ("iteration", "gradient", "numbers", "reference", "way", "batches", "layer")
COLUMNS = (*KEYS, *measures.COLUMNS, "norm")
ALL = "all"
GROUPS = 16         # of trials, at least, from which intervals are taken; as many as there are trials where those are fewer


def align(gradients: Gradients, asked: AlignmentConfig, weights: Mapping[str, np.ndarray], batch: Callable[[int], Trials],
          iteration: int) -> list[dict]:
    """Rows with COLUMNS at these weights, layer -> (n_syn,) in model units. ``batch``: training trials by the number of their update.

    norm: of the gradient in model units.
    """
    rows = []
    for count in asked.batches:
        batches = [Groups.of(batch(iteration + i), -(-GROUPS // count)) for i in range(count)]
        for keys, a, b in _pairs(gradients, asked, weights, batches):
            for layer in (*LAYERS, ALL):
                rows.append({**dict(zip(KEYS, (iteration, *keys, count, layer))), **measures.compared(layer_of(a, layer), layer_of(b, layer)),
                             "norm": float(np.linalg.norm(layer_of(a, layer).mean(0)))})
    return rows


def _pairs(gradients: Gradients, asked: AlignmentConfig, weights: Mapping[str, np.ndarray], batches: list[Groups]
           ) -> Iterator[tuple[tuple[str, str, str, str], Gradient, Gradient]]:
    """(gradient, numbers, reference, way), a gradient, and what it is held against."""
    bptt = gradients.of("bptt", TWIN, weights, batches)
    others = [name for name in gradients.precisions if name != TWIN]
    spikes = gradients.spikes(weights, batches) if asked.driven and others else []
    for rule in asked.rules:
        twin = bptt if rule == "bptt" else gradients.of(rule, TWIN, weights, batches)
        if rule != "bptt":
            yield (rule, TWIN, "bptt", "run"), twin, bptt
        if asked.floor:
            yield (rule, TWIN, "twin", "floor"), gradients.of(rule, TWIN, gradients.moved(weights, asked.floor), batches), twin
        for precision in others:
            found = gradients.of(rule, precision, weights, batches)
            yield (rule, precision, "twin", "run"), found, twin
            if rule != "bptt":
                yield (rule, precision, "bptt", "run"), found, bptt
                if asked.driven:
                    yield (rule, precision, "twin", "driven"), gradients.of(rule, precision, weights, batches, spikes), twin


def layer_of(gradient: Gradient, layer: str) -> np.ndarray:
    """(groups, weights) of one layer or of all."""
    return np.concatenate([gradient[name] for name in LAYERS], 1) if layer == ALL else gradient[layer]

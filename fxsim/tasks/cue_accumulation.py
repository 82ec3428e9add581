"""Cue accumulation: cues on the left or right, then a delay; which side had more?"""
from __future__ import annotations

import numpy as np

from fxsim.model.network import Trials

from .base import Task, one_hot
from .poisson import poisson_spikes


class CueAccumulation(Task):
    """Slots of silence and a cue, then a delay that ends in the decision period.

    Populations: background, decision, left, right; with ``input: modified`` decision, left, right, each at a third of the background's
    rate while it is not driven. Label 1 if more cues were on the right, 0 if not (also for a tie, which only
    an even number of cues allows). With several cue numbers or a range of delays, shorter trials start with silence.
    """

    def trials(self, ids: np.ndarray) -> Trials:
        p, B, T = self.parameters, ids.size, self.steps
        shape = self.draw(ids, "trial shape", 2)
        cues = np.array(p.cue_numbers)[(shape[:, 0] * len(p.cue_numbers)).astype(int)]
        shortest, longest = p.delays
        delay = shortest + (shape[:, 1] * (longest - shortest + 1)).astype(np.int64)
        slot, most = p.silence + p.cue, max(p.cue_numbers)
        duration = cues * slot + delay
        right, exists = self.draw(ids, "cues", most) < p.p, np.arange(most) < cues[:, None]

        first = (T - duration)[:, None] + np.arange(most) * slot + p.silence        # step at which each cue starts
        starts = np.concatenate([(T - duration)[:, None], first, np.full((B, 1), T - self.window)], 1)
        stops = np.concatenate([np.full((B, 1), T), first + p.cue, np.full((B, 1), T)], 1)
        rates = np.zeros((B, most + 2, 4))
        rates[:, 0, 0] = p.background_rate
        rates[:, 1:-1, 2], rates[:, 1:-1, 3] = p.cue_rate * (exists & ~right), p.cue_rate * (exists & right)
        rates[:, -1, 1] = p.cue_rate
        if p.input == "modified":
            rates = rates[:, :, 1:]
            rates[:, 0] = p.background_rate / 3     # later segments, where a population is driven, replace the first one's spikes
        x = poisson_spikes(self.key, ids, rates, starts, stops, p.channels, T)
        label = (2 * (right & exists).sum(1) > cues).astype(int)
        return Trials(x, one_hot(label, self.window), duration.astype(np.int64), ids)

"""Delayed match to sample: two cues, each on or off; are they the same?"""
from __future__ import annotations

import numpy as np

from fxsim.model.network import Trials

from .base import Task, one_hot
from .poisson import poisson_spikes


class DelayedMatch(Task):
    """Fixation, cue 1, delay, cue 2, decision delay, decision. Populations: background, decision, cue 1, cue 2. Label 1 if the cues agree."""

    def trials(self, ids: np.ndarray) -> Trials:
        p, B, T = self.parameters, ids.size, self.steps
        on = self.draw(ids, "cues", 2) < p.p
        second = p.fixation + p.cue + p.delay
        segments = [(0, T), (p.fixation, p.fixation + p.cue), (second, second + p.cue), (T - self.window, T)]
        starts, stops = (np.broadcast_to([s[i] for s in segments], (B, 4)) for i in (0, 1))
        rates = np.zeros((B, 4, 4))
        rates[:, 0, 0] = p.background_rate
        rates[:, 1, 2], rates[:, 2, 3] = p.cue_rate * on[:, 0], p.cue_rate * on[:, 1]
        rates[:, 3, 1] = p.cue_rate
        x = poisson_spikes(self.key, ids, rates, starts, stops, p.channels, T)
        return Trials(x, one_hot((on[:, 0] == on[:, 1]).astype(int), self.window), np.full(B, T, np.int64), ids)

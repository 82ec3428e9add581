"""The cheapest formats for each noise: bit allocation by marginal gains.

Costs and noises are taken to add up over quantities. Then the best formats of all quantities at once, for every price of noise, are found one step
after the other: of each quantity only the options on the lower convex hull of noise over cost can be best (Lagrangian; Y. Shoham, A. Gersho, IEEE
Trans. ASSP 36, 1988), and the next step is always the one that saves the most for the noise that it adds.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Mapping, Sequence

import numpy as np

from quant import PrecisionSpec

from .options import Option

NOISIEST = 3.0      # a cosine of 0.5: nobody wants more
QUIETEST = 0.001    # a cosine of 0.9995: nobody sees less


@dataclass(frozen=True)
class Point:
    """Formats of all quantities. ``noise``: predicted, the sum of all quantities', beyond the base's."""

    spec: PrecisionSpec
    noise: float


@dataclass(frozen=True)
class _Step:
    """From an option of a quantity to a narrower one; ``slope``: noise that it adds for each unit of cost that it saves."""

    slope: float
    quantity: str
    to: Option
    more: float


def front(options: Mapping[str, Sequence[Option]], base: PrecisionSpec, saved: Callable[[PrecisionSpec], float]) -> list[Point]:
    """From the base to the narrowest formats whose predicted noise is at most NOISIEST.

    saved       what formats cost less than the base, in any unit; asked with one format changed
    """
    saves = {quantity: [saved(base.replace(None, **{quantity: option.format})) for option in of] for quantity, of in options.items()}
    steps = [step for quantity, of in options.items() for step in _steps(quantity, of, saves[quantity])]
    points, spec, noise = [Point(base, 0.0)], base, 0.0
    for step in sorted(steps, key=lambda step: step.slope):     # within a quantity slopes rise
        spec, noise = spec.replace(None, **{step.quantity: step.to.format}), noise + step.more
        if noise > NOISIEST:
            break
        points.append(Point(spec, noise))
    return points


def _steps(quantity: str, options: Sequence[Option], saved: Sequence[float]) -> list[_Step]:
    """Along the lower convex hull, from the first option on."""
    found, at = list[_Step](), 0
    while True:
        slopes = {i: (options[i].noise - options[at].noise) / (saved[i] - saved[at]) for i in range(at + 1, len(options)) if saved[i] > saved[at]}
        if not slopes:
            return found
        least = min(slopes.values())
        to = max(i for i, slope in slopes.items() if slope <= least)
        found.append(_Step(least, quantity, options[to], options[to].noise - options[at].noise))
        at = to


def thinned(points: Sequence[Point], count: int) -> list[int]:
    """At most so many points: the base, and the narrowest below each of levels of noise a constant factor apart, as bits are."""
    levels = np.geomspace(QUIETEST, NOISIEST, max(1, count - 1))
    noise = np.array([point.noise for point in points])
    return sorted({0, *(int(np.searchsorted(noise, level, "right")) - 1 for level in levels)})

"""A network as a picture: where its neurons are, how many synapses each has, and who gets feedback."""
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fxsim.files.pictures import panels, save_picture, style
from fxsim.model.network import Network

from .figures import COLOURS, STYLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INCHES, POINTS = 4.2, 72
MARKERS = 3.0, 12.0     # points: one that can still be seen, and one that is large enough


def fan_in(network: Network) -> dict[str, np.ndarray]:
    """input and recurrent -> (n,) synapses onto each neuron."""
    topology = network.topology
    return {name: np.bincount(topology.synapses(layer).post, minlength=topology.n) for name, layer in (("input", "in"), ("recurrent", "rec"))}


def fed_back(network: Network) -> np.ndarray:
    """(n,) true for neurons that the error reaches directly, through B."""
    return np.asarray(network.feedback).any(axis=1)


def described(network: Network) -> str:
    """Sizes in a line."""
    topology, adaptive = network.topology, int(np.count_nonzero(network.constants.beta))
    where = f"on {topology.grid[0]} x {topology.grid[1]} cells" if topology.placed else "without places"
    synapses = ", ".join(f"{topology.synapses(layer).size} {name}" for layer, name in (("in", "input"), ("rec", "recurrent"), ("out", "readout")))
    return (f"{topology.n_in} inputs, {topology.n - adaptive} LIF and {adaptive} ALIF neurons {where}, {topology.n_out} outputs; "
            f"synapses: {synapses}; {fed_back(network).sum()} neurons get feedback")


def save_network_picture(network: Network, heading: str, folder: Path, name: str, kinds: tuple[str, ...] = ("svg", "png")) -> Path:
    """Draw a network into NAME.KIND; returns the last one's path."""
    with style(STYLE):
        return save_picture(draw_network(network, heading), folder, name, kinds)


def draw_network(network: Network, heading: str) -> Figure:
    """Left every neuron in its cell (without places: in order, row by row), right how many have how many synapses onto them."""
    from matplotlib.ticker import MaxNLocator
    topology, counts = network.topology, fan_in(network)
    h, w = topology.grid if topology.placed else 2 * (int(np.ceil(np.sqrt(topology.n))),)
    row, column = np.divmod(topology.cell, w)
    adaptive, fed = network.constants.beta > 0, fed_back(network)
    figure, (grid, histogram) = panels(1, 2, figsize=(2 * INCHES + 1, INCHES), layout="constrained")
    size = float(np.clip(0.5 * INCHES * POINTS / max(h, w), *MARKERS)) ** 2
    total = counts["input"] + counts["recurrent"]
    for kind, marker, name in ((~adaptive, "o", "LIF"), (adaptive, "D", "ALIF")):
        shown = grid.scatter(column[kind], row[kind], s=size if marker == "o" else 0.6 * size, c=total[kind], marker=marker, cmap="viridis",
                             vmin=total.min(), vmax=max(total.max(), total.min() + 1), label=f"{kind.sum()} {name}", linewidths=0)
    grid.scatter(column[fed], row[fed], s=1.5 * size, facecolors="none", edgecolors=COLOURS[3], linewidths=1.2, label=f"{fed.sum()} with feedback")
    grid.set(xlim=(-0.7, w - 0.3), ylim=(h - 0.3, -0.7), aspect="equal", title="places" if topology.placed else "no places: neurons in order")
    grid.legend(loc="upper center", bbox_to_anchor=(0.5, -0.06), ncols=3, frameon=False, fontsize=7)
    figure.colorbar(shown, ax=grid, shrink=0.8, label="synapses onto the neuron")
    edges = np.arange(max(values.max() for values in counts.values()) + 2) - 0.5
    for (name, values), colour in zip(counts.items(), (COLOURS[0], COLOURS[1]), strict=True):
        histogram.hist(values, edges, histtype="step", color=colour, label=f"{name}, mean {values.mean():.1f}")
    histogram.set(xlabel="fan-in", ylabel="neurons")
    for axis in (grid.xaxis, grid.yaxis, histogram.xaxis, histogram.yaxis):
        axis.set_major_locator(MaxNLocator(5, integer=True))
    if not topology.placed:
        grid.set(xticks=[], yticks=[])
    histogram.legend(frameon=False, fontsize=8)
    figure.suptitle(heading, fontsize=10)
    return figure

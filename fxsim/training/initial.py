"""The network that a run begins with: drawn from the seed, or given by the configuration's ``initial``.

A given network replaces all that is drawn: places, connections, weights, feedback, the controls' permutation. Sizes, grid and the
neurons' constants are the configuration's and must agree. Given is

    a run directory     what its weights.npz holds after training (final_*)
    weights.npz         the same. Without the network's own arrays (fxsim.model.stored) final_in, final_rec and final_out, each (n_syn,) in
                        model units, belong to the connections that the configuration draws
    another file        what a reader of that suffix makes of it. Installed packages offer readers under the entry point ``fxsim.networks``,
                        suffix without its dot -> module:function of (path, configuration or None), which gives a Network and the
                        configuration, or the file's own where there was none; NIR's is in lava_backend.nir

Readers are looked up here, not in the command line, because workers of sweeps and Python's own callers begin runs, too.
The checksum of the file is part of the configuration as soon as a run begins (:func:`pinned`), so a run never goes on from other weights.
"""
from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Callable

import numpy as np

from fxsim.config import Config
from fxsim.config.io import load_run_config
from fxsim.errors import InputError
from fxsim.files.archive import Archive
from fxsim.model.network import LAYERS, Network
from fxsim.model.stored import read_network
from fxsim.model.topology import build_network, constants_of, feedback_of
from quant.files import read_regular, read_text

READERS = "fxsim.networks"      # entry points: suffix -> module:function
LARGEST_FILE = 1 << 32
DECAYS = {"alpha": "tau_m", "rho": "tau_adaptation", "kappa": "tau_out"}
SAME = 1e-6                     # relative: other programs store time constants in float32


def pinned(config: Config) -> Config:
    """The configuration with the checksum of its initial network. InputError if the file has another one than the configuration says."""
    given = config.initial
    if given is None:
        return config
    found = checksum(Path(given.path))
    if given.sha256 and given.sha256 != found:
        raise InputError(given.path, "initial.sha256", found, f"{given.sha256}, the weights that the run begins with")
    return config.model_copy(update={"initial": given.model_copy(update={"sha256": found})})


def checksum(path: Path) -> str:
    """SHA-256 of a file of weights; of a directory of that of its finished run. Raises InputError."""
    return hashlib.sha256(read_regular(_weights_file(path), LARGEST_FILE, "initial", "a file of weights")).hexdigest()


def network_of(config: Config) -> Network:
    """The network that a run of this configuration begins with. Raises InputError for a given one that does not fit, by layer and size."""
    given = pinned(config).initial
    if given is None:
        return build_network(config)
    network = fitted(given.path, _read(_weights_file(Path(given.path)), config)[0], config)
    return network if given.feedback == "given" else replace(network, feedback=network.topology.syn_out.dense(network.weights["out"]))


def network_in_file(path: Path, config: Config | None = None) -> tuple[Network, Config]:
    """The network of a run directory or a file, and ``config`` or, without, the configuration that it has of its own. Raises InputError."""
    file = _weights_file(path)
    network, own = network_of_run(path) if path.is_dir() else _read(file, config)
    return network, config or own


def network_of_run(directory: Path, when: str = "final") -> tuple[Network, Config]:
    """The network of a finished run directory with its ``final`` or ``initial`` weights. Raises InputError."""
    config = load_run_config(directory)
    with Archive(directory / "weights.npz") as archive:
        return _weighted(archive, network_in(archive, config), when), config


def network_in(archive: Archive, config: Config) -> Network:
    """The network that the weights of a run belong to, with the weights that it was drawn with or none."""
    return build_network(config) if config.initial is None else read_network(archive)


def _weights_file(path: Path) -> Path:
    """The file that is meant; of a directory that of its finished run."""
    if not path.is_dir():
        return path
    manifest = path / "manifest.json"
    try:
        if json.loads(read_text(manifest, "initial", "the manifest of a finished run"))["finished"] is True:
            return path / "weights.npz"
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
    raise InputError(manifest, "finished", "no true", "true: a run that has ended (fxsim train --resume)")


def _read(path: Path, config: Config | None) -> tuple[Network, Config]:
    if path.suffix != ".npz":
        return _reader(path)(path, config)
    if config is None:
        raise InputError(path, "configuration", "nothing", "--config, which says task and precision")
    with Archive(path) as archive:
        if "sizes" in archive:
            return _weighted(archive, read_network(archive), "final"), config
        network = _weighted(archive, build_network(config), "final")
        return replace(network, feedback=feedback_of(config, network.topology, network.weights["out"])), config


def _weighted(archive: Archive, network: Network, when: str) -> Network:
    """The network with weights of an archive."""
    return network.with_weights({layer: archive.floats(f"{when}_{layer}", (network.topology.synapses(layer).size,)).astype(np.float64)
                                 for layer in LAYERS})


def _reader(path: Path) -> Callable[[Path, Config | None], tuple[Network, Config]]:
    points = {point.name: point for point in entry_points(group=READERS)}
    if path.suffix[1:] not in points:
        known = ", ".join(["npz", *sorted(points)])
        raise InputError(path, "initial", f"a file that ends in {path.suffix or 'nothing'}", f"a run directory, or a file that ends in {known}")
    reader: Callable[[Path, Config | None], tuple[Network, Config]] = points[path.suffix[1:]].load()
    return reader


def fitted(source: str, network: Network, config: Config) -> Network:
    """The network with the configuration's own constants. Raises InputError, by layer and size or by constant, if the two do not agree."""
    topo, wanted, net = network.topology, constants_of(config.network), config.network
    n_in, n, n_out = config.n_in, net.n, config.n_out
    for layer, sizes in {"in": (n_in, n), "rec": (n, n), "out": (n, n_out)}.items():
        found = topo.synapses(layer).n_pre, topo.synapses(layer).n_post
        if found != sizes:
            raise InputError(source, f"layer {layer}", f"{found[0]} x {found[1]}", f"{sizes[0]} x {sizes[1]}, as network and task say")
    if topo.grid != tuple(net.grid):
        raise InputError(source, "grid", list(topo.grid), f"{list(net.grid)}, as network.grid says")
    if not np.allclose(network.constants.beta, wanted.beta, rtol=SAME, atol=0):
        beta = network.constants.beta
        raise InputError(source, "beta", f"{np.count_nonzero(beta)} neurons that adapt, with up to {beta.max():.6g}",
                         f"{net.n_alif} with {net.beta}, as network.n_alif and network.beta say")
    for name in ("threshold", "refractory", "alpha", "rho", "kappa"):
        found_value, value = getattr(network.constants, name), getattr(wanted, name)
        if not np.isclose(found_value, value, rtol=SAME, atol=0) and (name != "rho" or wanted.beta.any()):
            raise InputError(source, name, f"{found_value:.9g}", f"{value:.9g}, as network.{DECAYS.get(name, name)} says")
    return replace(network, constants=wanted)

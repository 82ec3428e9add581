"""The network that a run begins with: drawn from the seed, or given.

``network: {from: FILE}`` gives all of it, the neurons' constants too (fxsim.model.given.stored); only its sizes must be those of the task.

``initial`` gives a trained one, which replaces all that is drawn: places, connections, weights, feedback, the controls' permutation. Sizes,
grid and the neurons' constants are those of the section network and must agree. Given is

    a run directory     what its weights.npz holds after training (final_*)
    weights.npz         the same. Without the network's own arrays (fxsim.model.given.stored) final_in, final_rec and final_out, each (n_syn,) in
                        model units, belong to the connections that the section network has
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
from fxsim.config.base import Refusal
from fxsim.config.io import load_run_config
from fxsim.config.network import GivenNetwork, InitialConfig, NetworkConfig
from fxsim.errors import InputError
from fxsim.files.archive import Archive
from fxsim.model.given.stored import load_network, read_network
from fxsim.model.network import LAYERS, Constants, Network
from fxsim.model.topology import build_network, constants_of, feedback_of
from quant.files import read_regular, read_text

READERS = "fxsim.networks"      # entry points: suffix -> module:function
LARGEST_FILE = 1 << 32
DECAYS = {"alpha": "tau_m", "rho": "tau_adaptation", "kappa": "tau_out"}
SHARED = ("threshold", "refractory", "alpha", "rho", "kappa")      # constants of all neurons that a run must agree on
SAME = 1e-6                     # relative: other programs store time constants in float32


def pinned(config: Config) -> Config:
    """The configuration with the checksums of the files that give its network. InputError if one has another than the configuration says."""
    sums: dict[str, GivenNetwork | InitialConfig] = {}
    if isinstance(config.network, GivenNetwork):
        _require_sum("network.sha256", config.network, sum := file_sum(Path(config.network.path), "network.from"))
        sums["network"] = config.network.model_copy(update={"sha256": sum})
    if config.initial is not None:
        _require_sum("initial.sha256", config.initial, sum := checksum(Path(config.initial.path)))
        sums["initial"] = config.initial.model_copy(update={"sha256": sum})
    return config.model_copy(update=sums)


def _require_sum(field: str, given: GivenNetwork | InitialConfig, found: str) -> None:
    if given.sha256 not in ("", found):
        raise InputError(given.path, field, found, f"{given.sha256}, the content that the run begins with")


def checksum(path: Path) -> str:
    """SHA-256 of a file of weights; of a directory of that of its finished run. Raises InputError."""
    return file_sum(_weights_file(path), "initial")


def file_sum(path: Path, field: str) -> str:
    """SHA-256 of a file that ``field`` names. Raises InputError."""
    return hashlib.sha256(read_regular(path, LARGEST_FILE, field, "a file of a network")).hexdigest()


def network_of(config: Config) -> Network:
    """The network that a run of this configuration begins with. Raises InputError for a given one that does not fit, by layer and size."""
    config = pinned(config)
    given, network = config.initial, _base(config)
    if given is not None:
        base, network = network, fitted(given.path, _read(_weights_file(Path(given.path)), config)[0], config)
        if isinstance(config.network, GivenNetwork):
            network = _same_neurons(given.path, network, base)
        if given.feedback == "readout":
            network = replace(network, feedback=network.topology.syn_out.dense(network.weights["out"]))
    network.require_places(config.name, "learning.rule", config.learning.rule)
    return network


def neurons_of(config: Config) -> int:
    """n of a run's network. Raises InputError."""
    return config.network.n if isinstance(config.network, NetworkConfig) else _base(config).topology.n


def _base(config: Config) -> Network:
    """The network of the section ``network``."""
    if isinstance(config.network, NetworkConfig):
        return build_network(config)
    network = fitted(config.network.path, load_network(config.network.path), config)
    topology = network.topology
    try:
        config.check_memory(topology.n, topology.syn_in.size + topology.syn_rec.size)
    except Refusal as refusal:
        raise InputError(config.name, refusal.field, refusal.found, refusal.allowed) from None
    return network


def network_in_file(path: Path, config: Config | None = None) -> tuple[Network, Config]:
    """The network of a run directory or a file, and ``config`` or, without, the configuration that it has of its own. Raises InputError."""
    file = _weights_file(path)
    network, own = network_of_run(path) if path.is_dir() else _read(file, config)
    return network, config or own


def network_of_run(directory: Path, when: str = "final") -> tuple[Network, Config]:
    """The network of a finished run directory with its ``final`` or ``initial`` weights. Raises InputError."""
    config = load_run_config(directory)
    with Archive(directory / "weights.npz") as archive:
        return weighted(archive, network_in(archive, config), when), config


def network_in(archive: Archive, config: Config) -> Network:
    """The network that the weights of a run belong to, with the weights that it was drawn with or none."""
    return build_network(config) if config.drawn else read_network(archive)


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
            return weighted(archive, read_network(archive), "final"), config
        network = weighted(archive, _base(config), "final")
        if isinstance(config.network, NetworkConfig):
            network = replace(network, feedback=feedback_of(config, network.topology, network.weights["out"]))
        return network, config


def weighted(archive: Archive, network: Network, when: str) -> Network:
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
    topo, net = network.topology, config.network
    n = net.n if isinstance(net, NetworkConfig) else topo.n
    for layer, sizes in {"in": (config.n_in, n), "rec": (n, n), "out": (n, config.n_out)}.items():
        found = topo.synapses(layer).n_pre, topo.synapses(layer).n_post
        if found != sizes:
            raise InputError(source, f"layer {layer}", f"{found[0]} x {found[1]}", f"{sizes[0]} x {sizes[1]}, as network and task say")
    if not isinstance(net, NetworkConfig):
        return network
    wanted = constants_of(net)
    if topo.grid != tuple(net.grid) or not topo.placed:
        raise InputError(source, "grid", list(topo.grid) if topo.placed else "no places", f"{list(net.grid)}, as network.grid says")
    if not np.allclose(network.constants.beta, wanted.beta, rtol=SAME, atol=0):
        beta = network.constants.beta
        raise InputError(source, "beta", f"{np.count_nonzero(beta)} neurons that adapt, with up to {beta.max():.6g}",
                         f"{net.n_alif} with {net.beta}, as network.n_alif and network.beta say")
    _require_same(source, network.constants, wanted, {name: f"network.{DECAYS.get(name, name)}" for name in SHARED})
    return replace(network, constants=wanted)


def _same_neurons(source: str, network: Network, base: Network) -> Network:
    """The network with the constants of the one that the section network gives. Raises InputError if the two do not agree."""
    for name, found, value in (("neurons", network.topology.n, base.topology.n), ("places", network.topology.placed, base.topology.placed),
                               ("grid", network.topology.grid, base.topology.grid)):
        if found != value:
            raise InputError(source, name, found, f"{value}, as in the file of network.from")
    if not np.allclose(network.constants.beta, base.constants.beta, rtol=SAME, atol=0):
        raise InputError(source, "beta", "other neurons that adapt, or adapt otherwise", "those in the file of network.from")
    _require_same(source, network.constants, base.constants, dict.fromkeys(SHARED, "the file of network.from"))
    return replace(network, constants=base.constants)


def _require_same(source: str, found: Constants, wanted: Constants, origin: dict[str, str]) -> None:
    """InputError for the first constant that differs. ``origin``: constant -> what says it."""
    for name, where in origin.items():
        value, expected = getattr(found, name), getattr(wanted, name)
        if not np.isclose(value, expected, rtol=SAME, atol=0) and (name != "rho" or wanted.beta.any()):
            raise InputError(source, name, f"{value:.9g}", f"{expected:.9g}, as {where} says")

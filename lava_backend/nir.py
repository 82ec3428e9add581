"""Exchange with NIR, the Neuromorphic Intermediate Representation (Pedersen et al. 2024), package ``nir``: docs/nir.md.

    input (m) -> w_in (n, m) -> neurons (n) -> w_out (K, n) -> readout (K) -> output          w_rec (n, n): neurons -> neurons

``neurons`` is LIF, ``readout`` LI, weights are Linear, (post, pre), float64 in model units; tau in seconds, r = 1, v_leak = 0.
What these nodes cannot say is refused by name, or kept beside them, in the graph's metadata, which only fxsim reads.
"""
from __future__ import annotations

import io
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterable, Sequence

import numpy as np

from fxsim.config import Config, build_config, dump_config
from fxsim.config.base import LARGEST, LONGEST, SMALLEST
from fxsim.config.io import override
from fxsim.config.network import NetworkConfig
from fxsim.errors import InputError
from fxsim.files.archive import Archive
from fxsim.files.ownership import claim_file
from fxsim.files.writing import write_atomic
from fxsim.model.given.stored import network_arrays, read_network
from fxsim.model.network import LAYERS, Constants, Network, Synapses, Topology
from fxsim.model.topology import build_network, constants_of, feedback_of
from fxsim.tasks import make_task
from fxsim.training.evaluation import engine_of
from fxsim.training.initial import network_of_run
from fxsim.training.metrics import measure, require_finite
from quant.files import parse_yaml

if TYPE_CHECKING:
    import nir

MAX_ITEMS, MAX_BYTES, SECONDS = 1000, 1 << 30, 60
HDF5 = b"\x89HDF\r\n"
DT = 1e-3                       # seconds of a step
CONFIG, NETWORK, ACCEPT = "fxsim_config", "fxsim_network", "--lossy-ok"
NODES = {"input": "Input", "w_in": "Linear", "w_rec": "Linear", "w_out": "Linear", "neurons": "LIF", "readout": "LI", "output": "Output"}
NEURONS = {"tau_m": "alpha", "tau_adaptation": "rho", "tau_out": "kappa", "threshold": "threshold", "beta": "beta", "refractory": "refractory"}
"""Fields of the section network that the neurons of a given graph depend on -> constant of the model."""
EDGES = {("input", "w_in"), ("w_in", "neurons"), ("neurons", "w_rec"), ("w_rec", "neurons"), ("neurons", "w_out"), ("w_out", "readout"),
         ("readout", "output")}


@dataclass(frozen=True)
class Imported:
    """What a NIR file holds: a network with weights in model units, and the configuration it is evaluated with."""

    network: Network
    config: Config
    changed: tuple[str, ...]    # where fxsim differs from what the nodes of the file say


def library() -> Any:
    """The package nir. Raises InputError if it is not installed."""
    try:
        import nir
    except ImportError as error:
        raise InputError("nir", "import", error, "the package nir (pip install 'fxsim[nir]')") from None
    return nir


def inexpressible(constants: Constants, config: Config) -> list[str]:
    """What a run has that LIF and LI nodes cannot say."""
    found = ["subtractive reset (LIF: to v_reset)"]
    if constants.beta.any():
        found.append(f"adaptive threshold of {np.count_nonzero(constants.beta)} neurons")
    if constants.refractory:
        found.append(f"refractory period of {constants.refractory} steps")
    if config.precision not in ("float32", "float64"):
        found.append(f"fixed-point formats of {config.precision}")
    return [*found, "learning rule and state"]


# ---- export ----------------------------------------------------------------------------------------------------------
def graph_of(network: Network, config: Config) -> nir.NIRGraph:
    """The NIR graph of a network; the configuration, for what the nodes cannot say, goes into its metadata.

    So does the whole network, as the bytes of an npz archive, where it is not what the configuration draws.
    """
    nir, topo, said = library(), network.topology, _said(network.constants, config)

    def filled(size: int, value: float) -> np.ndarray:
        return np.full(size, value, np.float64)
    weights = {f"w_{layer}": nir.Linear(topo.synapses(layer).dense(network.weights[layer]).T.copy()) for layer in LAYERS}
    n, K = topo.n, topo.n_out
    nodes = {"input": nir.Input({"input": np.array([topo.n_in])}), **weights,
             "neurons": nir.LIF(filled(n, said["neurons", "tau"]), filled(n, 1), filled(n, 0), filled(n, said["neurons", "v_threshold"]),
                                filled(n, 0)),
             "readout": nir.LI(filled(K, said["readout", "tau"]), filled(K, 1), filled(K, 0)),
             "output": nir.Output({"output": np.array([K])})}
    metadata: dict[str, Any] = {CONFIG: dump_config(config)}
    if not config.drawn:
        whole = io.BytesIO()
        np.savez_compressed(whole, **network_arrays(network))
        metadata[NETWORK] = np.frombuffer(whole.getvalue(), np.uint8)
    return nir.NIRGraph(nodes, sorted(EDGES), metadata=metadata)


def _said(constants: Constants, config: Config) -> dict[tuple[str, str], float]:
    """(node, field) -> what a file of ours says there: the configuration's number, or that of the network which the configuration names."""
    if isinstance(config.network, NetworkConfig):
        tau_m, tau_out = config.network.tau_m, config.network.tau_out
    else:
        tau_m, tau_out = (float(-1 / np.log(max(decay, SMALLEST))) for decay in (constants.alpha, constants.kappa))
    return {("neurons", "tau"): tau_m * DT, ("neurons", "v_threshold"): constants.threshold, ("readout", "tau"): tau_out * DT}


def export_nir(directory: Path, path: Path, lossy: bool, when: str = "final", force: bool = False) -> list[str]:
    """Write a run as a NIR file; returns what other readers will not see. Raises InputError for that unless ``lossy``.

    force   replace a file that fxsim did not write, too
    """
    network, config = network_of_run(directory, when)
    lost = inexpressible(network.constants, config)
    if not lossy:
        raise InputError(directory, "network", ", ".join(lost), f"what NIR's LIF and LI can say; {ACCEPT} keeps the rest in metadata")
    claim_file(path, lambda content: content.startswith(HDF5) and CONFIG.encode() in content, force)
    whole = io.BytesIO()        # on a full disk HDF5 crashes, having destroyed what was there
    library().write(whole, graph_of(network, config))
    write_atomic(path, whole.getvalue())
    return lost


# ---- import ----------------------------------------------------------------------------------------------------------
def import_nir(path: Path, config: Config | None = None, lossy: bool = False, changes: Sequence[str] = ()) -> Imported:
    """Read a NIR file. Raises InputError for a file that fxsim cannot express.

    A file of fxsim is the network that was exported, to the bit; its own configuration is taken unless ``config`` is given.
    A file of others needs ``config`` for task and precision and, as fxsim's neurons reset by subtraction, ``lossy``.

    changes     ``field=value``, see :func:`fxsim.config.io.override`. Constants of the neurons that they or, for a file of fxsim, ``config``
                change are changed; what the file fixes, and what an evaluation does not depend on, is refused by name.
    """
    graph = _read(path)
    own = _own_config(path, graph)
    if own is not None:
        wanted = override(config or own, changes)
        names = tuple(NEURONS) if isinstance(wanted.network, NetworkConfig) else ()
        _require_used(wanted, changes, names)
        differences = _differences(path, own, wanted)
        return Imported(_changed(_own_network(path, graph, own), wanted, names), wanted, differences)
    if config is None:
        raise InputError(path, f"metadata.{CONFIG}", "nothing", "a file of fxsim export nir, or --config with a task")
    if not lossy:
        raise InputError(path, "neurons", "LIF that resets to v_reset", f"reset by subtraction; {ACCEPT} takes that instead")
    wanted = override(config, changes)
    _require_used(wanted, changes, (*NEURONS, "n_lif", "n_alif"))
    given = {change.partition("=")[0].strip() for change in changes}
    network = _changed(_foreign_network(path, graph, wanted), wanted, [name for name in NEURONS if f"network.{name}" in given])
    net = constants_of(_drawn(path, wanted))
    kept = [f"network.{name}" for name, constant in NEURONS.items() if np.any(getattr(net, constant) != getattr(network.constants, constant))]
    from_file = (f"of the file, not of the configuration: {', '.join(kept)}",) if kept else ()
    return Imported(network, wanted, ("reset by subtraction instead of to v_reset", *from_file))


def _require_used(config: Config, changes: Sequence[str], neurons: Sequence[str]) -> None:
    """InputError for a change that an evaluation of the file's network would ignore."""
    batch = "evaluation.batch_size" if config.task.classification else "batch_size"
    used = ("task", "precision", "formats", "engine", "threads", "seed", batch, *(f"network.{name}" for name in neurons))
    for change in changes:
        field, _, value = change.partition("=")
        if not any(f"{field.strip()}.".startswith(f"{name}.") for name in used):
            raise InputError("--set", field.strip(), "what the file fixes or what an evaluation does not depend on", "one of " + ", ".join(used))
        if field.strip() == "engine" and config.engine == "reference":
            raise InputError("--set", "engine", value, "auto, cpu, cuda or oracle: the reference evaluates no files")


def _differences(path: Path, own: Config, wanted: Config) -> tuple[str, ...]:
    """Where the neurons of ``wanted`` are not those of the file. InputError where its synapses cannot be those."""
    there, here = own.network.model_dump(), wanted.network.model_dump()
    if there.keys() != here.keys():
        raise InputError(wanted.name, "network", ", ".join(here), f"{', '.join(there)}, as in {path}")
    for name in there:
        if name not in (*NEURONS, "gamma", "from") and there[name] != here[name]:
            raise InputError(wanted.name, f"network.{name}", here[name], f"{there[name]}, as in {path}")
    return tuple(f"network.{name} is {here[name]}, not {there[name]}" for name in NEURONS if name in there and there[name] != here[name])


def _changed(network: Network, config: Config, names: Iterable[str]) -> Network:
    """The network with the configuration's value of these fields of NEURONS."""
    if not isinstance(config.network, NetworkConfig):       # has none of them
        return network
    wanted = constants_of(config.network)
    return replace(network, constants=replace(network.constants, **{NEURONS[name]: getattr(wanted, NEURONS[name]) for name in names}))


def network_of_nir(path: Path, config: Config | None) -> tuple[Network, Config]:
    """The network of a NIR file for a run of ``config``, or of its own configuration (entry point ``fxsim.networks``). Raises InputError."""
    graph = _read(path)
    own = _own_config(path, graph)
    if own is not None:
        return _own_network(path, graph, own), config or own
    if config is None:
        raise InputError(path, f"metadata.{CONFIG}", "nothing", "a file of fxsim export nir, or --config with a task")
    if config.initial is None or not config.initial.lossy:
        raise InputError(path, "neurons", "LIF that resets to v_reset", "reset by subtraction; initial: {path: ..., lossy: true} takes that instead")
    return _foreign_network(path, graph, config.model_copy(update={"initial": None})), config


def _own_config(path: Path, graph: nir.NIRGraph) -> Config | None:
    """The configuration that fxsim wrote into the file."""
    stored = graph.metadata.get(CONFIG)
    return None if stored is None else build_config(parse_yaml(str(stored), str(path)), str(path))


def _read(path: Path) -> nir.NIRGraph:
    library()
    _require_readable(path)
    try:
        graph = _graph(path)
    except InputError:
        raise
    except Exception as error:      # h5py and nir raise whatever a damaged file makes them meet
        raise InputError(path, "", f"{type(error).__name__}: {error}".splitlines()[0][:160], "a NIR file") from None
    found = {name: type(node).__name__ for name, node in getattr(graph, "nodes", {}).items()}
    if found != NODES or {(str(a), str(b)) for a, b in graph.edges} != EDGES:
        raise InputError(path, "nodes", ", ".join(f"{name} {kind}" for name, kind in sorted(found.items()))[:200] or "nothing",
                         "the nodes and edges " + ", ".join(f"{name} {kind}" for name, kind in NODES.items()))
    for name, size in (("neurons", "w_rec"), ("readout", "w_out")):
        node, rows = graph.nodes[name], graph.nodes[size].weight.shape[0]
        for field in ("tau", "r", "v_leak", *(("v_threshold", "v_reset") if name == "neurons" else ())):
            values = _real(path, f"{name}.{field}", getattr(node, field))
            if values.shape != (rows,) or not (values == values[0]).all() or not np.isfinite(values).all():
                raise InputError(path, f"{name}.{field}", f"shape {values.shape}, or values that differ", f"one finite value for all {rows}")
        for field, needed in (("r", 1.0), ("v_leak", 0.0), *((("v_reset", 0.0),) if name == "neurons" else ())):
            if getattr(node, field)[0] != needed:
                raise InputError(path, f"{name}.{field}", getattr(node, field)[0], needed)
        for field, smallest, largest in (("tau", SMALLEST * DT, LONGEST * DT), *((("v_threshold", SMALLEST, LARGEST),) if name == "neurons" else ())):
            if not smallest <= getattr(node, field)[0] <= largest:
                raise InputError(path, f"{name}.{field}", getattr(node, field)[0], f"{smallest:g} to {largest:g}")
    return graph


def _graph(path: Path) -> nir.NIRGraph:
    _require_plain(path)
    return library().read(str(path))


def _require_readable(path: Path) -> None:
    """InputError for a file that HDF5 never comes back from: its library has loops that damaged files make endless, and crashes."""
    code = "import sys; from pathlib import Path; from lava_backend.nir import _graph; _graph(Path(sys.argv[1]))"
    try:
        done = subprocess.run([sys.executable, "-c", code, str(path)], timeout=SECONDS, capture_output=True, start_new_session=True,
                              env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    except subprocess.TimeoutExpired:
        raise InputError(path, "", f"nothing within {SECONDS} s", "a NIR file that HDF5 can read") from None
    except ValueError as error:         # a null byte in the name
        raise InputError(path, "", error, "a NIR file") from None
    if done.returncode < 0:             # a refusal is that of the same call in this process
        raise InputError(path, "", f"a crash of HDF5, signal {-done.returncode}", "a NIR file that HDF5 can read")


def _require_plain(path: Path) -> None:
    """InputError for what HDF5 can hold and a NIR file has no use for: links, data in other files, arrays of any size from a few bytes."""
    import h5py

    def refuse(name: str, found: object) -> None:
        raise InputError(path, name, found, f"at most {MAX_ITEMS} groups and arrays of at most {MAX_BYTES} bytes, in the file itself")
    if not path.is_file():
        found = "a directory" if path.is_dir() else "no regular file" if path.exists() else "no such file"
        raise InputError(path, "", found, "a NIR file (fxsim export nir)")
    left, total = MAX_ITEMS, 0
    with h5py.File(path, "r") as file:
        groups = [file]
        while groups:
            group = groups.pop()
            for name in group:
                left -= 1
                if left < 0 or not isinstance(group.get(name, getlink=True), h5py.HardLink):      # hard links may form loops, which the number ends
                    refuse(name, "a link" if left >= 0 else "more")
                item = group[name]
                if isinstance(item, h5py.Group):
                    groups.append(item)
                elif isinstance(item, h5py.Dataset):
                    total += item.size * max(item.dtype.itemsize, 1) if item.shape is not None else 0
                    if item.is_virtual or item.external or total > MAX_BYTES or (item.dtype.hasobject and item.size > MAX_ITEMS):
                        refuse(name, f"{total} bytes" if total > MAX_BYTES else "data that are elsewhere, or too many texts")


def _real(path: Path, field: str, values: Any) -> np.ndarray:
    """Numbers as float64. InputError for complex ones, which would lose their imaginary part, and for what are none."""
    values = np.asarray(values)
    if values.dtype.kind not in "fiub":
        raise InputError(path, field, values.dtype, "real numbers")
    return values.astype(np.float64)


def _matrix(path: Path, graph: nir.NIRGraph, layer: str, shape: tuple[int, int] | None = None) -> np.ndarray:
    """(n_pre, n_post) float64 weights."""
    weight = _real(path, f"w_{layer}.weight", graph.nodes[f"w_{layer}"].weight).T
    if weight.ndim != 2 or (shape is not None and weight.shape != shape) or not np.isfinite(weight).all():
        raise InputError(path, f"w_{layer}.weight", f"shape {weight.T.shape}, or values that are not finite",
                         f"finite, of shape {shape[::-1] if shape else '(n_post, n_pre)'}")
    return weight


def _own_network(path: Path, graph: nir.NIRGraph, config: Config) -> Network:
    network, weights = _drawn_or_stored(path, graph, config), {}
    for (name, field), expected in _said(network.constants, config).items():
        if getattr(graph.nodes[name], field)[0] != expected:
            raise InputError(path, f"{name}.{field}", getattr(graph.nodes[name], field)[0], f"{expected}, as its metadata say")
    for layer in LAYERS:
        synapses = network.topology.synapses(layer)
        matrix = _matrix(path, graph, layer, (synapses.n_pre, synapses.n_post))
        weights[layer] = synapses.sparse(matrix)
        if np.count_nonzero(matrix) != np.count_nonzero(weights[layer]):
            raise InputError(path, f"w_{layer}.weight", "weights where the network has no synapse", "those of its metadata's network")
    return network.with_weights(weights)


def _drawn(path: Path, config: Config) -> NetworkConfig:
    """What the rest of a foreign network is drawn by."""
    if not isinstance(config.network, NetworkConfig):
        raise InputError(config.name, "network.from", config.network.path, f"a network that is drawn: {path} has no places, no feedback")
    return config.network


def _drawn_or_stored(path: Path, graph: nir.NIRGraph, config: Config) -> Network:
    stored = graph.metadata.get(NETWORK)
    if config.drawn:
        return build_network(config)
    if not isinstance(stored, np.ndarray) or stored.dtype != np.uint8 or stored.ndim != 1:
        raise InputError(path, f"metadata.{NETWORK}", "nothing", "the bytes of the network that the run began with")
    with Archive(f"{path}: metadata.{NETWORK}", io.BytesIO(stored.tobytes()), size=MAX_BYTES) as archive:
        return read_network(archive)


def _foreign_network(path: Path, graph: nir.NIRGraph, config: Config) -> Network:
    """LIF neurons with the file's weights (zero: no synapse); cells, feedback and what else learns come from ``config``."""
    _drawn(path, config)
    base = build_network(config)
    sizes = {layer: (base.topology.synapses(layer).n_pre, base.topology.synapses(layer).n_post) for layer in LAYERS}
    matrices = {layer: _matrix(path, graph, layer, sizes[layer]) for layer in LAYERS}
    if np.diagonal(matrices["rec"]).any():
        raise InputError(path, "w_rec.weight", "a neuron that is connected to itself", "zeros on the diagonal")
    synapses = {layer: Synapses.from_mask(matrix != 0) for layer, matrix in matrices.items()}
    topology = Topology(base.topology.grid, base.topology.cell, synapses["in"], synapses["rec"], synapses["out"])
    neurons, readout = graph.nodes["neurons"], graph.nodes["readout"]
    constants: Constants = replace(base.constants, threshold=float(neurons.v_threshold[0]), alpha=float(np.exp(-DT / neurons.tau[0])),
                                   kappa=float(np.exp(-DT / readout.tau[0])), refractory=0, beta=np.zeros(topology.n))
    weights = {layer: synapses[layer].sparse(matrices[layer]) for layer in LAYERS}
    return replace(base, constants=constants, topology=topology, weights=weights, feedback=feedback_of(config, topology, weights["out"]))


def evaluate(imported: Imported) -> dict[str, float | None]:
    """Loss, accuracy or nmse and rate of the network on the evaluation trials of its configuration's task."""
    config, task = imported.config, make_task(imported.config)
    topo = imported.network.topology
    if (topo.n_in, topo.n_out) != (task.n_in, task.n_out):
        raise InputError(config.name, "task", f"{task.n_in} inputs, {task.n_out} outputs", f"{topo.n_in} and {topo.n_out}, as the file has")
    trials = task.evaluation_trials()
    engine, arithmetic = engine_of(config, imported.network, trials.steps)
    with np.errstate(over="ignore", invalid="ignore"):      # refused in the next line
        found = measure(engine.run(arithmetic.weights_to_raw(imported.network.weights), trials, learn=False), trials, task.classification)
    require_finite(config.name, found, "on the evaluation trials")
    return found

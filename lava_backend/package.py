"""A package: one network, everything that running it needs, in three files that can be copied anywhere.

    package.yaml    what it is: constants, formats, learning rule, optimizer, task (the run's whole configuration), provenance
    arrays.npz      topology, stored weights, feedback, permutation; see ARRAYS
    run.py          a short script that builds the Lava processes and runs a few trials

Stored weights are integers in the formats of package.yaml. Nothing is pickled.
"""
from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fxsim.config import Config, build_config
from fxsim.config.base import LARGEST
from fxsim.config.io import load_run_config
from fxsim.config.learning import OPTIMIZERS, RULES, AdamConfig, OptimizerConfig
from fxsim.errors import InputError
from fxsim.files.archive import Archive
from fxsim.files.ownership import claim_directory
from fxsim.files.writing import write_atomic, write_npz
from fxsim.model.arithmetic import Arithmetic
from fxsim.model.given.stored import LONGEST_SIDE, NUMBERS, drawn_arrays, read_beta, read_parts
from fxsim.model.network import LAYERS, Constants, Learning, Network
from fxsim.model.topology import learning_of
from fxsim.tasks import Task, make_task
from fxsim.training.initial import network_in
from fxsim.training.optimizers import OnMasters, make_optimizer
from quant import FLOATS, PrecisionSpec, QFormat
from quant.files import dump_yaml, parse_yaml, read_text
from quant.spec import is_file, spec_from_dict

if TYPE_CHECKING:
    from fxsim.training.loop import Training

SCRIPTS = {"model": "run_template.txt", "loihi_lif": "run_stock_template.txt", "three_factor": "run_engine_template.txt"}
NEURONS = tuple(SCRIPTS)
FILES = ("package.yaml", "arrays.npz", "run.py")
KIND, VERSION = "fxsim Lava package", 1
FIXED_POINT = "a fixed-point precision, such as q16 (Lava processes compute with integers)"
ARRAYS = """those of fxsim.model.given.stored.drawn_arrays, and for each layer in, rec, out: weight_, master_ (n_syn,) stored integers (masters
differ from weights only where the precision has shadow formats)"""


@dataclass(frozen=True)
class Package:
    """A network with stored weights, its formats and its rule; what a Lava circuit is built from.

    steps       T of every trial
    weights     layer -> (n_syn,) stored weights, integers
    masters     layer -> (n_syn,) what the optimizer updates: shadow weights where the precision has them, else the weights
    updates     weight updates done so far: the next training batch and the random bits of the next update
    optimizer   settings
    config      the run's configuration, which knows the task; None for a bare network
    neuron      model: the paper's neurons, on this project's own Lava processes; loihi_lif: what Lava's stock processes do,
                see lava_backend.stock.loihi_lif; three_factor: the paper's neurons, synapses on Lava's three-factor learning engine, see
                lava_backend.three_factor.rule
    period      three_factor only: steps over which the learning signal is gathered before it is sent, a power of two
    """

    name: str
    spec: PrecisionSpec
    network: Network
    learning: Learning
    seed: int
    steps: int
    weights: dict[str, np.ndarray]
    masters: dict[str, np.ndarray]
    updates: int = 0
    optimizer: OptimizerConfig = AdamConfig(name="adam")
    config: Config | None = None
    neuron: str = "model"
    period: int = 1

    @cached_property
    def arithmetic(self) -> Arithmetic:
        return Arithmetic(self.spec.name, self.spec, self.network.constants, self.learning, self.steps, self.seed)

    def task(self) -> Task:
        """The trials of the run. InputError for a bare network."""
        if self.config is None:
            raise InputError(self.name, "config", "nothing", "a package that was exported from a run")
        return make_task(self.config)

    def make_optimizer(self) -> OnMasters:
        """The run's optimizer with these weights. Moments of gradients are not part of a run directory: they start at zero."""
        return resumed(self.optimizer, self.arithmetic, self.masters, self.updates)

    def trained(self, optimizer: OnMasters) -> Package:
        """This package with the weights that an optimizer holds."""
        return replace(self, weights=dict(optimizer.weights), masters=dict(optimizer.masters.raw), updates=optimizer.updates)


def resumed(settings: OptimizerConfig, arithmetic: Arithmetic, masters: dict[str, np.ndarray], updates: int) -> OnMasters:
    """An optimizer that goes on from these masters (layers that are not there: no synapses)."""
    masters = {layer: np.asarray(masters.get(layer, np.zeros(0)), np.int64) for layer in LAYERS}
    optimizer = make_optimizer(settings, arithmetic, {layer: np.zeros(raw.size) for layer, raw in masters.items()})
    optimizer.restore({**optimizer.state(), "updates": np.array(updates, np.int64), **{f"master_{layer}": raw for layer, raw in masters.items()}})
    return optimizer


def bare_package(name: str, network: Network, learning: Learning, arithmetic: Arithmetic, weights: dict[str, np.ndarray]) -> Package:
    """A package without a task, for a network that is in memory. ``weights``: stored values."""
    if arithmetic.spec is None:
        raise InputError(name, "precision", arithmetic.name, FIXED_POINT)
    return Package(name, arithmetic.spec, network, learning, arithmetic.seed, arithmetic.steps, weights, masters_of(arithmetic.spec, weights))


def masters_of(spec: PrecisionSpec, weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Stored weights at the binary point of their shadow formats, where there are any."""
    masters = {}
    for layer, raw in weights.items():
        shadow = spec.formats.get(f"shadow_{layer}")
        shift = shadow.frac_bits - spec[f"weight_{layer}"].frac_bits if shadow else 0
        raw = np.asarray(raw, np.int64)
        masters[layer] = raw << shift if shift >= 0 else raw >> -shift
    return masters


# ---- from a training or a run ----------------------------------------------------------------------------------------
def package_of_training(training: Training) -> Package:
    """The package of a training as it stands: stored weights, masters, updates. InputError unless it is in fixed point."""
    config, spec = training.config, training.arithmetic.spec
    if spec is None:
        raise InputError(config.name, "precision", config.precision, FIXED_POINT)
    optimizer = training.optimizer
    assert isinstance(optimizer, OnMasters)     # another one holds no masters
    return Package(config.name, spec, training.network, training.learning, config.seed, training.task.steps, dict(optimizer.weights),
                   dict(optimizer.masters.raw), training.iteration, config.learning.optimizer, config)


def package_of_run(directory: Path, when: str = "final") -> Package:
    """The package of a finished run directory (see fxsim.training.runs), with its ``final`` or ``initial`` weights. Raises InputError."""
    config = load_run_config(directory)
    if config.precision in FLOATS or config.learning.rule == "bptt":
        raise InputError(directory / "config.yaml", "precision", config.precision, FIXED_POINT)
    manifest = _mapping(directory / "manifest.json")
    if manifest.get("finished") is not True:
        raise InputError(directory / "manifest.json", "finished", manifest.get("finished"), "true: a run that has ended (fxsim train --resume)")
    updates = manifest.get("updates") if when == "final" else 0
    if not isinstance(updates, int) or updates < 0:
        raise InputError(directory / "manifest.json", "updates", updates, "the number of weight updates")
    spec = spec_from_dict({"name": manifest.get("precision"), "quantities": manifest.get("formats")}, str(directory / "manifest.json"))
    with Archive(directory / "weights.npz") as archive:
        network = network_in(archive, config)
        weights = {layer: _stored(archive, f"raw_{when}_{layer}", network.topology.synapses(layer).size, spec[f"weight_{layer}"]) for layer in LAYERS}
    return Package(config.name, spec, network, learning_of(config), config.seed, config.task.steps, weights, masters_of(spec, weights),
                   updates, config.learning.optimizer, config)


def _mapping(path: Path) -> dict:
    """A YAML (or JSON) file as a mapping."""
    data = parse_yaml(read_text(path, allowed="a file that fxsim wrote"), str(path))
    if not isinstance(data, dict):
        raise InputError(path, "", type(data).__name__, "a mapping")
    return data


def _stored(archive: Archive, name: str, size: int, fmt: QFormat) -> np.ndarray:
    """(size,) stored values that fit their format."""
    values = archive.integers(name, (size,))
    if size and (values.min() < fmt.min_raw or values.max() > fmt.max_raw):
        raise archive.error(name, f"{values.min()} to {values.max()}", f"{fmt.min_raw} to {fmt.max_raw}, the weight's format")
    return values


# ---- files ---------------------------------------------------------------------------------------------------------------
def save_package(package: Package, directory: Path, provenance: dict | None = None, force: bool = False) -> None:
    """Write the files of a package; package.yaml comes last, so that a directory that has it is complete.

    InputError if files of these names are there that are no package, unless ``force``.
    """
    claim_package(directory, force)
    (directory / "package.yaml").unlink(missing_ok=True)
    net, topo = package.network, package.network.topology
    arrays = drawn_arrays(net)
    for layer in LAYERS:
        arrays |= {f"weight_{layer}": package.weights[layer], f"master_{layer}": package.masters[layer]}
    write_npz(directory / "arrays.npz", arrays)
    write_atomic(directory / "run.py", resources.files("lava_backend").joinpath(SCRIPTS[package.neuron]).read_bytes())
    constants = {name: value for name, value in asdict(net.constants).items() if name != "beta"}
    meta = {"kind": KIND, "version": VERSION, "name": package.name, "neuron": package.neuron, "period": package.period, "seed": package.seed,
            "steps": package.steps, "updates": package.updates,
            "sizes": {"neurons": topo.n, "inputs": topo.n_in, "outputs": topo.n_out, "grid": list(topo.grid) if topo.placed else None},
            "constants": {name: float(value) if isinstance(value, float) else int(value) for name, value in constants.items()},
            "learning": asdict(package.learning), "optimizer": package.optimizer.model_dump(mode="json"),
            "precision": package.spec.to_dict(), "config": package.config and _task_of(package.config),
            "provenance": provenance or {}}
    write_atomic(directory / "package.yaml", dump_yaml(_plain(meta)).encode())


def _task_of(config: Config) -> dict[str, Any]:
    """The run's configuration; changes of a precision that is a file, which may not be there where this is read, are in the package's formats."""
    data = config.model_dump(mode="json")
    return {**data, "formats": {}} if is_file(config.precision) else data


def claim_package(directory: Path, force: bool = False) -> None:
    """Make the directory of a package. InputError if files of its names are there that are none of a package, unless ``force``."""
    claim_directory(directory, FILES, _is_package, force, "another directory, or --force")


def _is_package(directory: Path) -> bool:
    """True for a package and for one that was being written when its process ended."""
    described = directory / "package.yaml"
    if described.exists():
        return described.is_file() and f"kind: {KIND}".encode() in described.read_bytes()
    return all((directory / name).exists() for name in FILES if name != described.name)


def _plain(value: Any) -> Any:
    """Nested data without NumPy scalars."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def load_package(directory: str | Path) -> Package:
    """Read and check a package directory. Raises InputError, one line, for anything wrong in it."""
    directory = Path(directory)
    source, meta = str(directory / "package.yaml"), _mapping(directory / "package.yaml")
    if meta.get("kind") != KIND or meta.get("version") != VERSION:
        raise InputError(source, "kind, version", f"{meta.get('kind')!r} {meta.get('version')!r}", f"{KIND} {VERSION} (fxsim export lava)")
    fields = _Fields(source, meta)
    sizes, constants = fields.mapping("sizes"), fields.mapping("constants")
    n, m, K = (sizes.integer(name, 1) for name in ("neurons", "inputs", "outputs"))
    grid = sizes.data.get("grid", ())       # null: neurons without places
    if grid is not None:
        grid = tuple(grid) if isinstance(grid, list) else ()
        if len(grid) != 2 or not all(type(side) is int and 0 < side <= LONGEST_SIDE for side in grid) or grid[0] * grid[1] < n:
            raise InputError(source, "sizes.grid", list(grid), f"[h, w] with at least {n} cells, or null")
    spec = spec_from_dict(meta.get("precision"), source)
    learning = _learning(fields.mapping("learning"))
    steps = fields.integer("steps", 1)
    if learning.window > steps or learning.rule == "bptt":
        raise InputError(source, "learning", f"rule {learning.rule}, window {learning.window}",
                         f"a rule other than bptt, a window of 1 to {steps} steps")
    with Archive(directory / "arrays.npz") as archive:
        neurons = Constants(**{name: constants.number(name, *limits) for name, limits in NUMBERS.items()},
                            refractory=constants.integer("refractory", 0), beta=read_beta(archive, n))
        network = read_parts(archive, neurons, grid, m, n, K)
        topology = network.topology
        weights, masters = ({layer: _stored(archive, f"{kind}_{layer}", topology.synapses(layer).size, spec.formats.get(
            f"shadow_{layer}" if kind == "master" else "", spec[f"weight_{layer}"])) for layer in LAYERS} for kind in ("weight", "master"))
    network.require_places(source, "learning.rule", learning.rule)
    config = build_config(meta["config"], f"{source}: config") if meta.get("config") is not None else None
    optimizer = _optimizer(meta.get("optimizer"), source)
    package = Package(str(meta.get("name")), spec, network, learning, fields.integer("seed", 0), steps, weights, masters,
                      fields.integer("updates", 0), optimizer, config, meta.get("neuron", "model"))
    period = fields.integer("period", 1) if "period" in meta else 1
    if period & (period - 1):
        raise InputError(source, "period", period, "a power of two")
    package = replace(package, period=period)
    if package.neuron not in NEURONS:
        raise InputError(source, "neuron", package.neuron, ", ".join(NEURONS))
    return replace(package, network=network.with_weights(package.arithmetic.weights_to_model(weights)))


class _Fields:
    """Fields of a mapping, checked one by one."""

    def __init__(self, source: str, data: dict, path: str = ""):
        self.source, self.data, self.path = source, data, path

    def mapping(self, name: str) -> _Fields:
        value = self.data.get(name)
        if not isinstance(value, dict):
            raise InputError(self.source, self.path + name, type(value).__name__, "a mapping")
        return _Fields(self.source, value, f"{self.path}{name}.")

    def integer(self, name: str, least: int) -> int:
        value = self.data.get(name)
        if type(value) is not int or not least <= value < 2**32:
            raise InputError(self.source, self.path + name, repr(value)[:80], f"an integer from {least}")
        return value

    def number(self, name: str, least: float, largest: float) -> float:
        value = self.data.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= largest:     # NaN is refused, too
            raise InputError(self.source, self.path + name, repr(value)[:80], f"a number from {least} to {largest}")
        return float(value)


def _learning(fields: _Fields) -> Learning:
    rule, classification = fields.data.get("rule"), fields.data.get("classification")
    unknown = set(fields.data) - set(Learning.__dataclass_fields__)
    if not isinstance(rule, str) or rule not in RULES or type(classification) is not bool or unknown:
        raise InputError(fields.source, "learning", f"rule {rule}, classification {classification}"[:120],
                         "a known rule, classification true or false, window, k, c_reg, f_target")
    return Learning(rule, fields.integer("window", 1), classification, fields.number("k", 0.0, 1.0), fields.number("c_reg", 0.0, LARGEST),
                    fields.number("f_target", 0.0, 1.0))


def _optimizer(data: object, source: str) -> OptimizerConfig:
    if not isinstance(data, dict) or not isinstance(data.get("name"), str) or data["name"] not in OPTIMIZERS:
        found = str(data.get("name"))[:80] if isinstance(data, dict) else type(data).__name__
        raise InputError(source, "optimizer.name", found, "one of " + ", ".join(OPTIMIZERS))
    try:
        return OPTIMIZERS[data["name"]](**data)
    except (TypeError, ValueError) as error:
        raise InputError(source, "optimizer", str(error)[:200], f"the settings of {data['name']}") from None

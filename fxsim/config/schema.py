"""The configuration of a run: what is simulated, how it learns, how it computes.

Every field says its unit and the symbol it has in the model. Configurations are frozen; :meth:`Config.changed` gives a
changed, checked copy. Reading files is in :mod:`fxsim.config.io`.
"""
from __future__ import annotations

import os
import re
from typing import Annotated, Any, Literal, Mapping, Optional, Union

from pydantic import BaseModel, BeforeValidator, Field, PlainValidator, SerializeAsAny, TypeAdapter, ValidationError, model_validator

from fxsim.errors import InputError
from quant import FLOATS, QUANTITIES, SHADOWS, PrecisionSpec, load_spec
from quant.errors import shown

from .base import Count, Integer, Name, Positive, Refusal, Section, refuse
from .evaluation import OWN, CheckpointConfig, EvaluationConfig
from .formats import FormatChange, Quantity
from .learning import OPTIMIZERS, LearningConfig
from .network import NETWORKS, InitialConfig, NetworkConfig, NetworkSection, as_section
from .registry import load_plugin, plugin_of, read_task, section_of
from .task import TaskSection

MEMORY_LIMIT_SHARE = 0.8
EPOCHS = re.compile(r"([1-9]\d{0,5}) epochs?")
_UPDATES: TypeAdapter[int] = TypeAdapter(Annotated[Count, Field(le=10**8)])


def _iterations(value: Any) -> int | str:
    return value if isinstance(value, str) and EPOCHS.fullmatch(value) else _UPDATES.validate_python(value)


class Config(Section):
    """One run."""

    name: Name
    seed: Annotated[Integer, Field(ge=0, lt=2**32)] = Field(1, description="drives topology, weights, trials and stochastic rounding")
    iterations: Annotated[Union[int, str], PlainValidator(_iterations)] = Field(
        2000, description="weight updates; of a data set that says its trials also epochs, \"10 epochs\"")
    batch_size: Positive = Field(64, le=10**6, description="trials of one update")
    task: Annotated[SerializeAsAny[TaskSection], PlainValidator(read_task)]
    network: NetworkSection
    initial: Annotated[Optional[InitialConfig], BeforeValidator(as_section)] = Field(
        None, description="a network to begin with: path of a run directory, weights.npz or NIR file; null: drawn from the seed")
    learning: LearningConfig = LearningConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    precision: str = Field("float32", min_length=1, max_length=4096, description="float32, float64, a preset's name, or a precision YAML")
    formats: dict[Quantity, FormatChange] = Field({}, description="formats that differ from the precision's: quantity -> word_bits, rounding, ...")
    engine: Literal["auto", "cpu", "cuda", "oracle", "reference"] = Field("auto", description="auto: cuda where there is a GPU, else cpu")
    threads: Annotated[Integer, Field(ge=0, le=4096)] = Field(0, description="threads of the CPU engine; 0 = all cores")

    @model_validator(mode="after")
    def _consistent(self) -> Config:
        if isinstance(self.network, NetworkConfig):
            self._check_network(self.network)
        if isinstance(self.iterations, str) and not self.task.epoch:
            refuse("iterations", self.iterations, "a number of updates; epochs need task.trials, the trials in the training file of a data set")
        if self.learning.rule == "bptt":
            self._check_bptt()
        elif self.engine == "reference" and self.precision not in FLOATS:
            refuse("precision", f"{self.precision} with engine reference", "float32 or float64")
        if self.formats:
            self._check_formats()
        return self

    def _check_network(self, network: NetworkConfig) -> None:
        cells, n = network.grid[0] * network.grid[1], network.n
        if n < 1:
            refuse("network.n_lif", f"n_lif + n_alif = {n}", "at least 1 neuron")
        if cells < n:
            refuse("network.grid", f"{network.grid[0]} x {network.grid[1]} = {cells} cells", f"at least n_lif + n_alif = {n}")
        self.check_memory(n, self._synapses(network))

    def _check_formats(self) -> None:
        if self.precision in FLOATS:
            refuse("formats", f"{', '.join(self.formats)} with precision {self.precision}", "no formats, or a fixed-point precision")
        try:
            self.resolved_precision()
        except InputError as error:
            refuse(f"formats.{error.field}", error.found, error.allowed)

    def _check_bptt(self) -> None:
        if self.engine == "reference" and self.precision not in FLOATS:
            refuse("precision", f"{self.precision} with engine reference", "float32 or float64")
        if self.engine not in ("auto", "cpu", "reference"):
            refuse("engine", f"{self.engine} with rule bptt", "auto, cpu or reference")
        if self.learning.optimizer.name != "adam":
            refuse("learning.optimizer.name", f"{self.learning.optimizer.name} with rule bptt", "adam")
        if self.engine == "reference" and self.learning.memory_mib is not None:
            refuse("learning.memory_mib", f"{self.learning.memory_mib} with engine reference", "null, or engine auto or cpu")

    def check_memory(self, n: int, synapses: float) -> None:
        """Refuses a run of n neurons and so many synapses that this machine has no memory for; of a given network, when it is read."""
        needed, there = self.memory_estimate(n, synapses), _physical_memory()
        if needed > MEMORY_LIMIT_SHARE * there:
            refuse("network, task, batch_size", f"sizes that need about {needed / 2**30:.1f} GiB",
                    f"at most {MEMORY_LIMIT_SHARE:.0%} of this machine's {there / 2**30:.1f} GiB")

    def _synapses(self, network: NetworkConfig) -> float:
        """About as many as will be drawn."""
        n = network.n
        density = {"full": 1.0, "sparse": network.recurrent_sparsity}.get(
            network.connectivity, 0.15 if network.sigma_units == "relative" else min(1.0, 60 * max(1.0, network.sigma) / n))
        return n * n * density + n * self.n_in * network.input_sparsity

    def memory_estimate(self, n: int, synapses: float) -> float:
        """Bytes, roughly: input spikes and targets, synapse state, and what rule bptt keeps of its trials."""
        m, trials = self.n_in, max(self.batch_size, self.evaluation.batch_size)
        window = self.task.window or self.task.steps
        spikes = 3.0 * trials * (self.task.steps * m + 8.0 * window * self.n_out)
        state = synapses * (60 + 16 * self.batch_size)
        kept = (80.0 if self.engine == "reference" else 9.0) * self.batch_size * self.task.steps * n if self.learning.rule == "bptt" else 0.0
        return spikes + state + min(kept, (self.learning.memory_mib or float("inf")) * 2**20)

    def resolved_precision(self) -> str | PrecisionSpec:
        """float32, float64, or all formats: the precision's with ``formats`` put in. Raises InputError for what cannot be read."""
        if self.precision in FLOATS:
            return self.precision
        spec = load_spec(self.precision)
        changes = {quantity: change.model_dump() for quantity, change in self.formats.items()}
        return spec.changed(changes) if changes else spec

    @property
    def aligned_precisions(self) -> dict[str, str | PrecisionSpec]:
        """Of ``evaluation.alignment``: label -> float32, float64 or formats; the run's own goes by its name."""
        found: dict[str, str | PrecisionSpec] = {}
        for name in self.evaluation.alignment.precisions if self.evaluation.alignment else ():
            numbers = self.resolved_precision() if name == OWN else name if name in FLOATS else load_spec(name)
            found[numbers if isinstance(numbers, str) else numbers.name] = numbers
        return found

    @property
    def n_in(self) -> int:
        """Input channels."""
        return self.task.inputs

    @property
    def updates(self) -> int:
        """Weight updates of the run: ``iterations``, or as many as meet every training trial once an epoch."""
        if isinstance(self.iterations, int):
            return self.iterations
        epochs = int(self.iterations.split()[0])
        return -(-epochs * self.task.epoch // self.batch_size)

    @property
    def n_out(self) -> int:
        """Outputs."""
        return self.task.outputs

    @property
    def drawn(self) -> NetworkConfig | None:
        """What the network is drawn by, where all of it is; None where a file gives it."""
        return self.network if isinstance(self.network, NetworkConfig) and self.initial is None else None

    def __reduce__(self) -> tuple[Any, ...]:
        """Data, and the file of the task where a plugin brought it: other processes load it, too."""
        return _restored, (plugin_of(self.task.name)[0], self.model_dump(mode="json"))

    def changed(self, changes: dict[str, Any], source: str = "") -> Config:
        """A checked copy with dotted fields changed, ``{"learning.rule": "eprop"}``. Raises InputError."""
        data = self.model_dump(mode="json")
        for path, value in changes.items():
            *parents, last = path.split(".")
            place: Any = data
            for parent in parents:
                if place is data["formats"]:
                    place.setdefault(parent, {})        # formats name only what they change
                place = place.get(parent) if isinstance(place, dict) else None
                if not isinstance(place, dict):
                    raise InputError(source or self.name, path, "an unknown field", "fields of the configuration, such as learning.rule")
            place[last] = value
        return build_config(data, source or self.name)


def _restored(plugin: str, data: dict[str, Any]) -> Config:
    if plugin:
        load_plugin(plugin)
    return build_config(data, str(data["name"]))


def _physical_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def build_config(data: Any, source: str) -> Config:
    """Check parsed data. Raises InputError for the first thing that is wrong."""
    if not isinstance(data, dict):
        raise InputError(source, "", "nothing in it" if data is None else shown(data), "a mapping with the keys " + ", ".join(Config.model_fields))
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        task = section_of(data["task"].get("name")) if isinstance(data.get("task"), dict) else None
        raise one_line(error.errors(include_url=False)[0], source, sections={"task": task} if task else {}) from None
    except (RecursionError, OverflowError, MemoryError) as error:
        raise InputError(source, "", type(error).__name__, "a configuration of ordinary depth and size") from None


_TAGS = {*OPTIMIZERS, *NETWORKS}


def one_line(error: Any, source: str, model: type[Section] = Config, sections: Mapping[str, type[Section]] = {}) -> InputError:
    """What pydantic found as one line. ``sections``: models inside ``model`` that a path names by their key."""
    context = error.get("ctx") or {}
    if isinstance(context.get("error"), Refusal):
        refusal = context["error"]
        return InputError(source, refusal.field, refusal.found, refusal.allowed)
    path = [part for part in error["loc"] if part not in (*_TAGS, "[key]")]
    field = ".".join(map(str, path))
    if error["type"] == "extra_forbidden":
        section = _section([part for part in error["loc"][:-1]], model, sections)
        names = (known.alias or name for name, known in section.model_fields.items())
        return InputError(source, field, "an unknown key", "one of " + ", ".join(names))
    if error["type"] == "missing":
        return InputError(source, field, "nothing", "a value: this field is needed")
    if error["type"].startswith("union_tag"):
        return InputError(source, f"{field}.name", repr(_short(error["input"].get("name") if isinstance(error["input"], dict) else error["input"])),
                          str(context.get("expected_tags", "a mapping with a name")).replace("'", ""))
    return InputError(source, field, repr(_short(error["input"])), error["msg"].replace("Input should be ", ""))


def _short(value: object) -> object:
    text = str(value)
    return value if len(text) <= 60 else text[:57] + "..."


def _section(path: list, model: Any, sections: Mapping[str, type[Section]]) -> type[BaseModel]:
    """The model that a validation path points at."""
    choices = {**sections, **OPTIMIZERS, **NETWORKS, **dict.fromkeys((*QUANTITIES, *SHADOWS), FormatChange)}
    for part in path:
        if part in choices:
            model = choices[part]
        elif part in getattr(model, "model_fields", {}):
            annotation = model.model_fields[part].annotation
            model = annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else model
    return model

"""The configuration of a run: what is simulated, how it learns, how it computes.

Every field says its unit and the symbol it has in the model. Configurations are frozen; :meth:`Config.changed` gives a
changed, checked copy. Reading files is in :mod:`fxsim.config_io`, re-exported here.
"""
from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Mapping, Optional, Union, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_serializer, model_validator

from quant import QUANTITIES, SHADOWS, PrecisionSpec, load_spec
from quant.formats import FRAC_BITS, WORD_BITS
from quant.rounding import OVERFLOWS, ROUNDINGS

from .arithmetic import FLOATS
from .errors import InputError
from .network import Learning

Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Duration = Annotated[int, Field(ge=1, le=10**6)]
Real = Annotated[float, Field(allow_inf_nan=False)]
PositiveReal = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
Chance = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Rate = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]
Bits = Annotated[int, Field(ge=WORD_BITS[0], le=WORD_BITS[1])]
FracBits = Annotated[int, Field(ge=FRAC_BITS[0], le=FRAC_BITS[1])]
MEMORY_LIMIT_SHARE = 0.8


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


# ---- tasks -----------------------------------------------------------------------------------------------------------
class TaskSection(Section):
    """Parameters of a task. Subclasses are listed in ``TASKS`` and say their length in ``steps``."""

    classification: ClassVar[bool] = True   # else regression, of one output
    populations: ClassVar[int] = 4          # of ``channels`` input channels each
    outputs: ClassVar[int] = 2


class PatternGeneration(TaskSection):
    """Regression: follow a sum of sinusoids, driven by the same Poisson noise in every trial."""

    classification: ClassVar[bool] = False
    populations: ClassVar[int] = 1
    outputs: ClassVar[int] = 1
    name: Literal["pattern_generation"]
    channels: Positive = Field(100, description="Poisson input channels")
    rate: Rate = Field(50.0, description="their rate, Hz")
    duration: Duration = Field(2000, description="trial length T, ms")
    frequencies: tuple[PositiveReal, ...] = Field((0.5, 1.0, 2.0, 3.0, 4.0), min_length=1, description="sinusoids of the target, Hz")
    window: Count = Field(0, description="ls_avail: last steps with a learning signal; 0 = all")

    @property
    def steps(self) -> int:
        return self.duration


class CuedTask(TaskSection):
    """What classification tasks with cues share: four populations of input channels and their rates."""

    channels: Positive = Field(10, description="channels of each of the four populations")
    cue_rate: Rate = Field(40.0, description="rate of a cue or decision population while on, Hz")
    background_rate: Rate = Field(10.0, description="rate of the background population, Hz")
    window: Duration = Field(description="ls_avail: last steps, the decision period, with a learning signal, ms")


class DelayedMatch(CuedTask):
    """Classification: were the two cues the same?"""

    name: Literal["delayed_match"]
    channels: Positive = 20
    fixation: Count = Field(50, description="ms before cue 1")
    cue: Duration = Field(150, description="ms of each cue")
    delay: Count = Field(700, description="ms between the cues")
    decision: Duration = Field(50, description="ms after cue 2")
    p: Chance = Field(0.5, description="probability that a cue is on")
    window: Duration = 50

    @property
    def steps(self) -> int:
        return self.fixation + 2 * self.cue + self.delay + self.decision


class CueAccumulation(CuedTask):
    """Classification: were there more cues on the right than on the left?"""

    name: Literal["cue_accumulation"]
    cues: Union[Positive, tuple[Positive, ...]] = Field(7, description="number of cues, or several to draw from in each trial")
    silence: Count = Field(50, description="ms of silence before each cue")
    cue: Duration = Field(100, description="ms of each cue")
    delay: Union[Duration, tuple[Duration, Duration]] = Field(
        1000, description="ms after the last cue's slot, decision period included; or [shortest, longest]")
    p: Chance = Field(0.5, description="probability that a cue is on the right")
    window: Duration = 150

    @property
    def cue_numbers(self) -> tuple[int, ...]:
        return self.cues if isinstance(self.cues, tuple) else (self.cues,)

    @property
    def delays(self) -> tuple[int, int]:
        return self.delay if isinstance(self.delay, tuple) else (self.delay, self.delay)

    @property
    def steps(self) -> int:
        return max(self.cue_numbers) * (self.silence + self.cue) + self.delays[1]


TaskConfig = Union[PatternGeneration, DelayedMatch, CueAccumulation]
Task = Annotated[TaskConfig, Field(discriminator="name")]
TASKS: dict[str, type[TaskConfig]] = {task.model_fields["name"].annotation.__args__[0]: task for task in get_args(TaskConfig)}


# ---- network and learning --------------------------------------------------------------------------------------------
class Gains(Section):
    """Factors on the He-normal initial weights."""

    input: NonNegative = 1.0
    recurrent: NonNegative = 1.0
    readout: NonNegative = 1.0
    feedback: NonNegative = 1.0


class NetworkConfig(Section):
    """Neurons, their place on the torus, and their connections."""

    n_lif: Count = Field(description="LIF neurons")
    n_alif: Count = Field(description="adaptive LIF neurons")
    grid: tuple[Positive, Positive] = Field(description="[h, w] cells of the torus")
    tau_m: PositiveReal = Field(description="membrane time constant, ms")
    tau_out: PositiveReal = Field(description="readout time constant, ms")
    tau_adaptation: PositiveReal = Field(2000.0, description="time constant of the adaptive threshold, ms")
    threshold: PositiveReal = Field(0.03, description="thr")
    beta: NonNegative = Field(1.8, description="strength of the adaptation of ALIF neurons")
    gamma: PositiveReal = Field(0.3, description="dampening of the pseudo-derivative")
    refractory: Count = Field(5, le=10**4, description="R, steps without a spike after a spike")
    gains: Gains = Gains()
    connectivity: Literal["local", "sparse", "full"] = Field("local", description="recurrent connections")
    sigma: PositiveReal = Field(0.012, description="width of local connectivity")
    sigma_units: Literal["relative", "grid"] = Field(
        "relative", description="relative: distances as shares of the grid (the paper); grid: in cells, so that fan-in stays as nets grow")
    input_sparsity: Share = Field(0.1, description="share of the input connections that exist")
    recurrent_sparsity: Share = Field(0.1, description="share of the recurrent connections, for connectivity: sparse")
    readout_sparsity: Share = Field(0.1, description="share of the readout connections that exist")
    feedback: Literal["Symmetric", "Random", "Random_sparse"] = Field("Symmetric", description="B: the initial readout weights, or random")

    @property
    def n(self) -> int:
        return self.n_lif + self.n_alif


class AdamConfig(Section):
    """Adam on the host, in float64."""

    on_chip: ClassVar[bool] = False

    name: Literal["adam"]
    rate: PositiveReal = 0.005
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    epsilon: PositiveReal = 1e-8


class SgdConfig(Section):
    """On-chip integer gradient descent: scaled weights change by -2^log2_rate times the batch's summed scaled gradient."""

    on_chip: ClassVar[bool] = True

    name: Literal["sgd"]
    log2_rate: Annotated[int, Field(ge=-60, le=20)] = -10


class AdaMaxConfig(Section):
    """On-chip integer AdaMax, with shifts in place of products and divisions (see fxsim.optimizers)."""

    on_chip: ClassVar[bool] = True

    name: Literal["adamax"]
    log2_rate: Annotated[int, Field(ge=-60, le=20)] = Field(-6, description="largest step of a weight: 2^log2_rate in model units")
    beta1_shift: Annotated[int, Field(ge=0, le=6)] = Field(3, description="mean of the gradients over 2^beta1_shift updates")
    beta2_shift: Annotated[int, Field(ge=0, le=30)] = Field(8, description="maximum of the gradients over 2^beta2_shift updates")

    @model_validator(mode="after")
    def _consistent(self) -> AdaMaxConfig:
        if self.beta2_shift < self.beta1_shift:
            _refuse("learning.optimizer.beta2_shift", self.beta2_shift, f"at least beta1_shift = {self.beta1_shift}")
        return self


OptimizerConfig = Union[AdamConfig, AdaMaxConfig, SgdConfig]
Optimizer = Annotated[OptimizerConfig, Field(discriminator="name")]


class LearningConfig(Section):
    """Where the gradients come from and what is done with them."""

    rule: Literal["eprop", "diffusion", "shuffled_fixed", "shuffled_per_step", "bptt"] = "diffusion"
    k: Annotated[float, Field(ge=0, lt=1)] = Field(0.75, description="post-release decay of the neuromodulator")
    c_reg: NonNegative = Field(0.01, description="strength of the firing-rate regularisation")
    f_target_hz: Rate = Field(10.0, description="target rate, Hz")
    optimizer: Optimizer = AdamConfig(name="adam")


def _off(value: object) -> object:
    """YAML reads a bare ``off`` as false."""
    return "off" if value is False else value


class EvaluationConfig(Section):
    """When the run is measured, and when it may stop early."""

    every: Positive = Field(25, description="updates between evaluations")
    batch_size: Positive = Field(512, description="evaluation trials (pattern generation: its own training trials)")
    stop: bool = Field(False, description="stop when an evaluation meets the criterion and fresh batches confirm it")
    accuracy: Chance = Field(1.0, description="criterion of classification")
    nmse: NonNegative = Field(0.001, description="criterion of regression")
    confirmations: Count = Field(3, description="fresh batches that must meet the criterion too")
    telemetry: Annotated[Literal["off", "ends", "always"], BeforeValidator(_off)] = Field(
        "ends", description="count where precision is lost: never, before and after training, or at every evaluation too")


class FormatChange(Section):
    """Fields of one quantity's format that differ from the precision's; ``word_bits`` alone keeps the format's range."""

    word_bits: Optional[Bits] = None
    frac_bits: Optional[FracBits] = None
    signed: Optional[bool] = None
    rounding: Optional[Literal[tuple(ROUNDINGS)]] = None        # type: ignore[valid-type]
    overflow: Optional[Literal[tuple(OVERFLOWS)]] = None        # type: ignore[valid-type]

    @model_serializer
    def _given(self) -> dict[str, Any]:
        return {name: value for name in type(self).model_fields if (value := getattr(self, name)) is not None}


Quantity = Literal[(*QUANTITIES, *SHADOWS)]                     # type: ignore[valid-type]


class CheckpointConfig(Section):
    """When a run writes down its state, which --resume goes on from; on SIGINT, on SIGTERM and at the end it always does."""

    every: Count = Field(50, description="updates between checkpoints; 0 = only on signals and at the end")


class Config(Section):
    """One run."""

    name: str = Field(min_length=1, max_length=200)
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(1, description="drives topology, weights, trials and stochastic rounding")
    iterations: Count = Field(2000, le=10**8, description="weight updates")
    batch_size: Positive = Field(64, le=10**6, description="trials of one update")
    task: Task
    network: NetworkConfig
    learning: LearningConfig = LearningConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    precision: str = Field("float32", min_length=1, max_length=4096, description="float32, float64, a preset's name, or a precision YAML")
    formats: dict[Quantity, FormatChange] = Field({}, description="formats that differ from the precision's: quantity -> word_bits, rounding, ...")
    engine: Literal["auto", "cpu", "cuda", "oracle", "reference"] = Field("auto", description="auto: cuda where there is a GPU, else cpu")
    threads: Annotated[int, Field(ge=0, le=4096)] = Field(0, description="threads of the CPU engine; 0 = all cores")

    @model_validator(mode="after")
    def _consistent(self) -> Config:
        cells, n = self.network.grid[0] * self.network.grid[1], self.network.n
        if n < 1:
            _refuse("network.n_lif", f"n_lif + n_alif = {n}", "at least 1 neuron")
        if cells < n:
            _refuse("network.grid", f"{self.network.grid[0]} x {self.network.grid[1]} = {cells} cells", f"at least n_lif + n_alif = {n}")
        if self.task.window > self.task.steps:
            _refuse("task.window", f"{self.task.window} ms", f"at most the trial's {self.task.steps} ms")
        if isinstance(self.task, CueAccumulation) and self.task.delays[0] > self.task.delays[1]:
            _refuse("task.delay", list(self.task.delays), "[shortest, longest]")
        if isinstance(self.task, CueAccumulation) and self.task.window > self.task.delays[0]:
            _refuse("task.window", f"{self.task.window} ms", f"at most the shortest delay, {self.task.delays[0]} ms")
        if isinstance(self.task, PatternGeneration) and max(self.task.frequencies) > 500:
            _refuse("task.frequencies", max(self.task.frequencies), "at most 500 Hz, half the step rate")
        if self.learning.rule == "bptt":
            self._check_bptt()
        elif self.engine == "reference" and self.precision not in FLOATS:
            _refuse("precision", f"{self.precision} with engine reference", "float32 or float64")
        if self.formats:
            self._check_formats()
        self._check_memory()
        return self

    def _check_formats(self) -> None:
        if self.precision in FLOATS:
            _refuse("formats", f"{', '.join(self.formats)} with precision {self.precision}", "no formats, or a fixed-point precision")
        try:
            self.resolved_precision()
        except InputError as error:
            _refuse(f"formats.{error.field}", error.found, error.allowed)

    def _check_bptt(self) -> None:
        if self.precision not in FLOATS:
            _refuse("precision", f"{self.precision} with rule bptt", "float32 or float64 (backpropagation runs in float)")
        if self.engine not in ("auto", "reference"):
            _refuse("engine", f"{self.engine} with rule bptt", "auto or reference")
        if self.learning.optimizer.name != "adam":
            _refuse("learning.optimizer.name", f"{self.learning.optimizer.name} with rule bptt", "adam")

    def _check_memory(self) -> None:
        needed, there = self.memory_estimate(), _physical_memory()
        if needed > MEMORY_LIMIT_SHARE * there:
            _refuse("network, task, batch_size", f"sizes that need about {needed / 2**30:.1f} GiB",
                    f"at most {MEMORY_LIMIT_SHARE:.0%} of this machine's {there / 2**30:.1f} GiB")

    def memory_estimate(self) -> float:
        """Bytes, roughly: input spikes, synapse state, and what rule bptt keeps."""
        n, m, trials = self.network.n, self.n_in, max(self.batch_size, self.evaluation.batch_size)
        density = {"full": 1.0, "sparse": self.network.recurrent_sparsity}.get(
            self.network.connectivity, 0.15 if self.network.sigma_units == "relative" else min(1.0, 60 * max(1.0, self.network.sigma) / n))
        synapses = n * n * density + n * m * self.network.input_sparsity
        spikes = 3.0 * trials * self.task.steps * m
        state = synapses * (60 + 16 * self.batch_size)
        return spikes + state + (80.0 * self.batch_size * self.task.steps * n if self.learning.rule == "bptt" else 0.0)

    def resolved_precision(self) -> str | PrecisionSpec:
        """float32, float64, or all formats: the precision's with ``formats`` put in. Raises InputError for what cannot be read."""
        if self.precision in FLOATS:
            return self.precision
        spec = load_spec(self.precision)
        changes = {quantity: change.model_dump() for quantity, change in self.formats.items()}
        return spec.changed(changes) if changes else spec

    @property
    def n_in(self) -> int:
        """Input channels."""
        return self.task.channels * self.task.populations

    @property
    def n_out(self) -> int:
        """Outputs."""
        return self.task.outputs

    def learning_spec(self) -> Learning:
        """The learning rule in the simulator's units (steps, spikes per step)."""
        return Learning(self.learning.rule, self.task.window or self.task.steps, self.task.classification,
                        self.learning.k, self.learning.c_reg, self.learning.f_target_hz / 1000)

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


class _Refusal(ValueError):
    def __init__(self, field: str, found: object, allowed: str):
        self.field, self.found, self.allowed = field, found, allowed
        super().__init__(field)


def _refuse(field: str, found: object, allowed: str) -> None:
    raise _Refusal(field, found, allowed)


def _physical_memory() -> int:
    import os
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


# ---- errors ----------------------------------------------------------------------------------------------------------
def build_config(data: Any, source: str) -> Config:
    """Check parsed data. Raises InputError for the first thing that is wrong."""
    if not isinstance(data, dict):
        raise InputError(source, "", type(data).__name__, "a mapping with the keys " + ", ".join(Config.model_fields))
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise one_line(error.errors(include_url=False)[0], source) from None
    except (RecursionError, OverflowError, MemoryError) as error:
        raise InputError(source, "", type(error).__name__, "a configuration of ordinary depth and size") from None


OPTIMIZERS: dict[str, type[OptimizerConfig]] = {"adam": AdamConfig, "adamax": AdaMaxConfig, "sgd": SgdConfig}
_TAGS = {*TASKS, *OPTIMIZERS}


def one_line(error: Any, source: str, model: type[Section] = Config, sections: Mapping[str, type[Section]] = {}) -> InputError:
    """What pydantic found as one line. ``sections``: models inside ``model`` that a path names by their key."""
    context = error.get("ctx") or {}
    if isinstance(context.get("error"), _Refusal):
        refusal = context["error"]
        return InputError(source, refusal.field, refusal.found, refusal.allowed)
    path = [part for part in error["loc"] if part not in (*_TAGS, "[key]")]
    field = ".".join(map(str, path))
    if error["type"] == "extra_forbidden":
        section = _section([part for part in error["loc"][:-1]], model, sections)
        return InputError(source, field, "an unknown key", "one of " + ", ".join(section.model_fields))
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
    choices = {**sections, **TASKS, **OPTIMIZERS, **dict.fromkeys((*QUANTITIES, *SHADOWS), FormatChange)}
    for part in path:
        if part in choices:
            model = choices[part]
        elif part in getattr(model, "model_fields", {}):
            annotation = model.model_fields[part].annotation
            model = annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else model
    return model


from .config_io import config_names, dump_config, load_config  # noqa: E402  (re-export; config_io needs Config)

__all__ = ["Config", "build_config", "config_names", "dump_config", "load_config"]

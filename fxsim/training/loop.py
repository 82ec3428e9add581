"""The training loop: trials -> engine -> gradients -> optimizer -> weights, with evaluations in between.

Rows that a run leaves (a row's iteration is the number of weight updates done before the measurement):

    curves      task, rule, precision, seed, iteration, split (train | eval), loss, accuracy, nmse, rate_hz, seconds
    telemetry   task, rule, precision, seed, iteration, quantity, its format, and the counters of fxsim.model.telemetry
    alignment   task, rule, precision, seed, and the columns of fxsim.training.alignment.rows
"""
from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Callable, Mapping

import numpy as np

from fxsim.config import Config
from fxsim.model.network import Trials
from fxsim.model.topology import learning_of
from fxsim.tasks import make_task
from fxsim.tasks.ahead import Ahead
from quant import PrecisionSpec

from .alignment.gradients import Gradients
from .alignment.rows import COLUMNS as ALIGNED, align
from .backend import make_backend
from .initial import network_of, pinned
from .metrics import Measured, measure, require_finite
from .optimizers import Optimizer, make_optimizer
from .progress import Progress

if TYPE_CHECKING:
    import pandas as pd

CURVE_COLUMNS = ("task", "rule", "precision", "seed", "iteration", "split", "loss", "accuracy", "nmse", "rate_hz", "seconds")
TELEMETRY_COLUMNS = ("task", "rule", "precision", "seed", "iteration", "quantity", "word_bits", "frac_bits", "rounding",
                     "stored", "saturated", "underflowed", "stalled", "max_abs")
ALIGNMENT_COLUMNS = ("task", "rule", "precision", "seed", *ALIGNED)
TELEMETRY_TRIALS = 4        # the counting kernel is slow, and these many trials hold millions of stored values


@dataclass
class TrainingResult:
    """What a run leaves. Weights: name -> (n_syn,), names ``initial_in`` .. ``final_out`` in model units and, with the
    prefix ``raw_``, as stored."""

    curves: list[dict] = field(default_factory=list)
    telemetry: list[dict] = field(default_factory=list)
    alignment: list[dict] = field(default_factory=list)
    weights: dict[str, np.ndarray] = field(default_factory=dict)
    stopped: bool = False       # the stop criterion was met and confirmed

    @property
    def frame(self) -> pd.DataFrame:
        """``curves`` as a pandas DataFrame."""
        import pandas as pd
        return pd.DataFrame(self.curves, columns=CURVE_COLUMNS)


@dataclass(frozen=True)
class State:
    """All that a run needs to go on to the same bits, between two updates and before what is measured there.

    arrays      ``optimizer_*``: state of the optimizer;  ``initial_*``, ``raw_initial_*``: initial weights, each (n_syn,)
    """

    iteration: int
    seconds: float              # spent on training so far
    curves: list[dict]
    telemetry: list[dict]
    alignment: list[dict]
    arrays: dict[str, np.ndarray]


class Training:
    """One run of one configuration.

    >>> training = Training(load_config("delayed_match", ["iterations=50"]))
    >>> training.run().frame
    """

    def __init__(self, config: Config, aligned: Mapping[str, str | PrecisionSpec] | None = None, planned: int = 0):
        """``aligned``: label -> precision of gradients, in place of those that ``evaluation.alignment`` names; ``planned``: updates of the run that
        this one stands for, if they are more."""
        config = pinned(config)
        self._aligned = config.aligned_precisions if aligned is None else aligned
        self.config, self.task, self.network = config, make_task(config), network_of(config)
        self.learning = learning_of(config)
        backend = make_backend(config, self.network, self.learning, self.task.steps, max(planned, config.updates))
        self.engine, self.arithmetic = backend.engine, backend.arithmetic
        self._draws = Ahead(self.task, config.updates, threaded=getattr(self.engine, "threads", 0) != 1)
        self.optimizer: Optimizer = make_optimizer(config.learning.optimizer, self.arithmetic, self.network.weights)
        self.result = TrainingResult(weights=self._weights("initial"))
        self.seconds_before, self._start, self._progress = 0.0, time.perf_counter(), Progress()
        self.labels = {"task": config.task.name, "rule": config.learning.rule, "precision": self.arithmetic.name, "seed": config.seed}

    @property
    def iteration(self) -> int:
        """Weight updates done so far."""
        return self.optimizer.updates

    @property
    def seconds(self) -> float:
        """Time spent on training, before a resume included."""
        return self.seconds_before + time.perf_counter() - self._start

    @property
    def formats(self) -> dict[str, dict] | None:
        """quantity -> format; None for floats."""
        return {name: asdict(fmt) for name, fmt in self.arithmetic.spec.formats.items()} if self.arithmetic.spec else None

    def run(self, progress: Progress | None = None, between: Callable[[Training], None] = lambda training: None) -> TrainingResult:
        """Train until the iterations are done or the stop criterion is met.

        ``between`` is called before the first update and after every one, when :meth:`state` is complete.
        """
        progress, config, telemetry = progress or Progress(), self.config, self.config.evaluation.telemetry
        self._start, self._progress = time.perf_counter(), progress
        with progress, self._draws, np.errstate(over="ignore", invalid="ignore"):       # what is not finite is refused where it would be kept
            while True:
                between(self)
                due = self.iteration % config.evaluation.every == 0 or self.iteration == config.updates
                if telemetry == "always" and due or telemetry == "ends" and self.iteration == 0:
                    self._count_telemetry()
                if due and self._evaluate() and config.evaluation.stop and self._confirmed():
                    self.result.stopped = True
                self._measure_alignment()
                if self.result.stopped or self.iteration == config.updates:
                    break
                self.update(self._draws.training(self.iteration))
        if telemetry == "ends" and self.iteration > 0:
            self._count_telemetry()
        self.result.weights |= self._weights("final")
        return self.result

    def update(self, trials: Trials) -> None:
        """One iteration: forward pass, gradients, new weights."""
        result = self.engine.run(self.optimizer.weights, trials, learn=True)
        assert result.gradients is not None
        self._progress.trained(self._row("train", result, trials))
        self.optimizer.step(result.gradients, trials.size)
        self._require_finite({f"weights.{layer}": w for layer, w in self.optimizer.weights.items()})

    def _row(self, split: str, result: Measured, trials: Trials) -> dict:
        row = {**self.labels, "iteration": self.iteration, "split": split, **measure(result, trials, self.task.classification),
               "seconds": self.seconds}
        self._require_finite(row)
        self.result.curves.append(row)
        return row

    def _require_finite(self, values: Mapping[str, Any]) -> None:
        """A run that has left the numbers is refused, and not trained to its end."""
        require_finite(self.config.name, values, f"after {self.iteration} updates")

    # ---- going on later --------------------------------------------------------------------------------------------
    def state(self) -> State:
        """What :meth:`restore` goes on from. Arrays are not copied: updates replace them, they change none."""
        initial = {name: w for name, w in self.result.weights.items() if "initial" in name}
        return State(self.iteration, self.seconds, list(self.result.curves), list(self.result.telemetry), list(self.result.alignment),
                     {**{f"optimizer_{name}": np.asarray(a) for name, a in self.optimizer.state().items()}, **initial})

    def restore(self, state: State) -> None:
        """Go on from the :meth:`state` of a run with the same configuration; arrays have the names, types and shapes of the own state."""
        self.optimizer.restore({name.removeprefix("optimizer_"): a for name, a in state.arrays.items() if name.startswith("optimizer_")})
        self.result.curves, self.result.telemetry, self.seconds_before = list(state.curves), list(state.telemetry), state.seconds
        self.result.alignment = list(state.alignment)

    # ---- evaluation ------------------------------------------------------------------------------------------------
    def _evaluate(self) -> bool:
        """One evaluation; true if it meets the stop criterion."""
        trials = self.evaluation_trials
        row = self._row("eval", self.engine.run(self.optimizer.weights, trials, learn=False), trials)
        self._progress.evaluated(row)
        return self._meets(row)

    def _confirmed(self) -> bool:
        """True if fresh test batches, as many as ``evaluation.confirmations``, meet the criterion too."""
        count = self.config.evaluation.confirmations
        for index in range(self.iteration * count, (self.iteration + 1) * count):
            trials = self._draws.confirmation(index)
            if not self._meets(measure(self.engine.run(self.optimizer.weights, trials, learn=False), trials, self.task.classification)):
                return False
        return True

    def _meets(self, row: dict) -> bool:
        wanted = self.config.evaluation
        return row["accuracy"] >= wanted.accuracy if self.task.classification else row["nmse"] <= wanted.nmse

    @cached_property
    def evaluation_trials(self) -> Trials:
        """The run's fixed evaluation set."""
        return self._draws.evaluation()

    # ---- telemetry and weights -------------------------------------------------------------------------------------
    def _count_telemetry(self) -> None:
        trials = self.evaluation_trials.take(slice(TELEMETRY_TRIALS))
        counters = self.engine.run(self.optimizer.weights, trials, learn=True, telemetry=True).telemetry
        for quantity, counts in (counters or {}).items():       # the reference counts nothing
            self._require_finite({f"largest {quantity}": counts["max_abs"]})
            fmt = self.arithmetic.spec[quantity] if self.arithmetic.spec else None
            self.result.telemetry.append({
                **self.labels, "iteration": self.iteration, "quantity": quantity, "word_bits": fmt and fmt.word_bits,
                "frac_bits": fmt and fmt.frac_bits, "rounding": fmt and fmt.rounding, **counts})

    @cached_property
    def _gradients(self) -> Gradients:
        return Gradients(self.config, self.network, self._aligned, self.task.steps)

    def _measure_alignment(self) -> None:
        """How gradients agree at these weights, if it is time for that; at the end, also an early one, it always is."""
        asked = self.config.evaluation.alignment
        if asked is not None and (self.iteration % asked.every == 0 or self.iteration == self.config.updates or self.result.stopped):
            weights = self.arithmetic.weights_to_model(self.optimizer.weights)
            self.result.alignment += [{**self.labels, **row} for row in
                                      align(self._gradients, asked, weights, self.task.training_trials, self.iteration)]

    def _weights(self, when: str) -> dict[str, np.ndarray]:
        raw = self.optimizer.weights
        return {**{f"{when}_{layer}": w for layer, w in self.arithmetic.weights_to_model(raw).items()},
                **{f"raw_{when}_{layer}": w for layer, w in raw.items()}}

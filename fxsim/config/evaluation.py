"""The sections ``evaluation``, with ``alignment``, and ``checkpoint``."""
from __future__ import annotations

from typing import Literal, Optional

from pydantic import Field, model_validator

from quant import FLOATS
from quant.spec import preset_names

from .base import Chance, Count, Flag, Name, NonNegative, Positive, Section, refuse
from .learning import RULES

OWN = "own"


class AlignmentConfig(Section):
    """How well gradients agree at the weights of a training, see :mod:`fxsim.training.alignment`."""

    every: Positive = Field(50, description="updates between measurements")
    rules: tuple[Literal[tuple(RULES)], ...] = Field(       # type: ignore[valid-type]
        ("eprop", "diffusion"), min_length=1, description="whose gradients: each is held against BPTT's")
    precisions: tuple[Name, ...] = Field(
        (), description=f"in which, beside float64: float32, a preset, or {OWN}, the run's with its formats; each is held against float64, too")
    batches: tuple[Positive, ...] = Field((1,), min_length=1, description="mean gradients over the next so many training batches")
    driven: Flag = Field(False, description="each precision also with the spikes of its float64 twin")
    floor: Chance = Field(1e-6, description="float64 also with weights moved by so much of themselves; 0: not")

    @model_validator(mode="after")
    def _known(self) -> AlignmentConfig:
        for field, values in (("rules", self.rules), ("precisions", self.precisions), ("batches", self.batches)):
            if len(set(values)) < len(values):
                refuse(f"evaluation.alignment.{field}", ", ".join(map(str, values)), "each only once")
        for name in self.precisions:
            if name not in (OWN, *FLOATS, *preset_names()):
                refuse("evaluation.alignment.precisions", name, f"{OWN}, or one of {', '.join((*FLOATS, *preset_names()))}")
        return self


class EvaluationConfig(Section):
    """When the run is measured, and when it may stop early."""

    every: Positive = Field(25, description="updates between evaluations")
    batch_size: Positive = Field(512, description="evaluation trials (pattern generation: its own training trials)")
    stop: Flag = Field(False, description="stop when an evaluation meets the criterion and fresh batches confirm it")
    accuracy: Chance = Field(1.0, description="criterion of classification")
    nmse: NonNegative = Field(0.001, description="criterion of regression")
    confirmations: Count = Field(3, description="fresh batches that must meet the criterion too")
    telemetry: Literal["off", "ends", "always"] = Field(
        "ends", description="count where precision is lost: never, before and after training, or at every evaluation too")
    alignment: Optional[AlignmentConfig] = Field(None, description="measure how gradients agree; null: do not")


class CheckpointConfig(Section):
    """When a run writes down its state, which --resume goes on from; on SIGINT, on SIGTERM and at the end it always does."""

    every: Count = Field(50, description="updates between checkpoints; 0 = only on signals and at the end")

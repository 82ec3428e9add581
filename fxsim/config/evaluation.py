"""The sections ``evaluation`` and ``checkpoint``."""
from __future__ import annotations

from typing import Literal

from pydantic import Field

from .base import Chance, Count, Flag, NonNegative, Positive, Section


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


class CheckpointConfig(Section):
    """When a run writes down its state, which --resume goes on from; on SIGINT, on SIGTERM and at the end it always does."""

    every: Count = Field(50, description="updates between checkpoints; 0 = only on signals and at the end")

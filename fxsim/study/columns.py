"""Columns of a sweep's tables, and what nothing in a study may be called for their sake."""
from __future__ import annotations

from fxsim.training.alignment.rows import COLUMNS as ALIGNED
from fxsim.training.evaluation import COLUMNS as EVALUATED
from fxsim.training.loop import CURVE_COLUMNS

from .drawn import DRAW

QUALITIES = ("loss", "accuracy", "nmse", "rate_hz")
RESULTS = ("block", "run", "task", "rule", "precision", "seed", "status", "error", "updates", "stopped_early", *QUALITIES,
           "best_accuracy", "best_nmse")
"""Columns of results.parquet; all others are axes."""
OWN_COLUMNS = {"learning.rule": "rule", "precision": "precision"}     # fields that the tables have columns for anyhow
RESERVED = frozenset((*RESULTS, *CURVE_COLUMNS, *EVALUATED, *ALIGNED, "trained", DRAW))
"""Names that no axis may have, but for the fields of OWN_COLUMNS."""

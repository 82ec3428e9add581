"""Tables as plain text."""
from __future__ import annotations

from typing import Any, Mapping, Sequence


def text_table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells, aligned; plain text at any terminal width."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def cells(rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """The header and the rows of a table of records, as text."""
    return [list(rows[0]), *(["" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values()]
                             for row in rows)]

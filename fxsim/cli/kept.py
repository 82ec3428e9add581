"""What a command found, kept in a directory with its page."""
from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import click


def keep(save: Callable[..., None], found: Any, out: Path | None, source: str | Path, changes: tuple[str, ...], force: bool) -> None:
    """Write it and its page, if the user names a directory."""
    if out is not None:
        from fxsim.report.build import build_report
        save(found, out, source, changes, force)
        click.echo(f"report: {build_report(out)}")

"""``fxsim doctor``: what is here, and what to do about what is not."""
from __future__ import annotations

import sys
from itertools import chain
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from fxsim.verify.doctor import Finding


@click.command()
def doctor() -> None:
    """Look at Python, packages, cores, SIMD, the cache, the GPU and Lava, and test an engine; for bug reports, too.

    Exit status 1 if something is at fault; what is only missing is a note.
    """
    from fxsim.verify.doctor import FAULT, examine, self_test
    faults = 0
    for finding in chain(examine(), (look() for look in (_lava, self_test))):
        faults += finding.status == FAULT
        click.echo(f"{finding.status:<6} {finding.what:<16} {finding.found}")
        if finding.advice:
            click.echo(f"{'':<23} -> {finding.advice}")
    sys.exit(1 if faults else 0)


def _lava() -> Finding:
    from fxsim.verify.doctor import NOTE, OK, Finding
    from lava_backend.runtime.availability import NEEDED, why_not
    reason = why_not()
    return Finding("Lava", NOTE, reason, NEEDED) if reason else Finding("Lava", OK, "can run here")

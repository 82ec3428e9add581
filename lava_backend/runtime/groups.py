"""Process groups and shared memory of Linux: who is still there, and what was left behind."""
from __future__ import annotations

import os
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat after the name: state, parent, group, ...; empty if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def is_alive(pid: int) -> bool:
    """Whether a process exists and has not ended."""
    stat = _stat(pid)
    return bool(stat) and stat[0] not in "ZX"


def cpu_seconds(pid: int) -> float:
    """Seconds of processor time, user and system, that a process has used."""
    stat = _stat(pid)
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK") if stat else 0.0


def members(group: int) -> list[int]:
    """The processes of a group that have not ended."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (stat := _stat(int(entry.name))) and stat[0] not in "ZX" and int(stat[2]) == group:
            found.append(int(entry.name))
    return found


def remove_shared_memory(prefix: str) -> None:
    """Remove the segments whose names begin with ``prefix``."""
    for segment in SHARED_MEMORY.glob(f"{prefix}*"):
        segment.unlink(missing_ok=True)

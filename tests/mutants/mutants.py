"""Mutation run: makes one deliberate fault after the other in a copy of the project and sees whether the tests meant for it fail.

    python tests/mutants/mutants.py [--only WORD ...] [--out FILE]

The faults stand in mutants.yaml. Killed: the tests failed. Survived: they passed. Prints a line for each and the score; writes the score
and the survivors as Markdown to FILE; ends with status 1 if a fault was not killed. Needs tests that pass without a fault. An edit that does not apply, or tests that cannot run, are errors.
"""
from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
LIST = Path(__file__).with_name("mutants.yaml")
FAILED, PASSED = 1, 0       # exit statuses of pytest; any other means that it could not run
TIMEOUT = 600               # s: neither found nor missed, run it again where there is time


def load() -> list[dict[str, str]]:
    """The faults: file, old, new, tests."""
    return yaml.safe_load(LIST.read_text())


def applied(fault: dict[str, str], root: Path = ROOT) -> str:
    """The text of the file with the fault. ValueError if ``old`` does not stand there exactly once."""
    text = (root / fault["file"]).read_text()
    if text.count(fault["old"]) != 1:
        raise ValueError(f"{fault['file']}: {fault['old']!r} stands there {text.count(fault['old'])} times, needed: once")
    return text.replace(fault["old"], fault["new"])


def copy_of_project(folder: Path) -> Path:
    """The tracked files, and what is new beside them."""
    names = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, names.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


def outcome(fault: dict[str, str], copy: Path) -> str:
    """killed | survived | timeout, of one fault."""
    target, environment = copy / fault["file"], {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    environment["FXSIM_CACHE_DIR"] = str(copy / "cache")
    before, faulty = target.read_text(), applied(fault, copy)
    target.write_text(faulty)
    try:
        done = subprocess.run([sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--hypothesis-profile=mutants", *shlex.split(fault["tests"])], cwd=copy, env=environment,
                              capture_output=True, text=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return "timeout"
    finally:
        target.write_text(before)
    if done.returncode not in (FAILED, PASSED):
        raise ValueError(f"{fault['file']}, {fault['tests']}: pytest ended with {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return "killed" if done.returncode == FAILED else "survived"


def report(found: list[tuple[dict[str, str], str]]) -> str:
    """Score and survivors, as Markdown."""
    killed, rooms = Counter(), Counter()
    for fault, result in found:
        room = "/".join(Path(fault["file"]).parts[:-1])
        rooms[room] += 1
        killed[room] += result == "killed"
    rows = [f"| {room} | {killed[room]} of {rooms[room]} |" for room in sorted(rooms)]
    alive = [f"* {fault['file']}: `{fault['new']}` ({result})" for fault, result in found if result != "killed"]
    return "\n".join([f"{killed.total()} of {len(found)} deliberate faults are found by the tests meant for them (`make mutants`).", "", "| room | found |", "| --- | --- |",
                      *rows, *(["", "Not found:", "", *alive] if alive else []), ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=[], help="faults whose file, edit or tests contain one of these words")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    faults = [fault for fault in load() if not arguments.only or any(word in str(fault) for word in arguments.only)]
    for fault in faults:
        applied(fault)
    found = []
    with tempfile.TemporaryDirectory(prefix="fxsim-mutants-") as folder:
        copy = copy_of_project(Path(folder))
        for number, fault in enumerate(faults, 1):
            start = time.monotonic()
            found.append((fault, outcome(fault, copy)))
            print(f"[{number}/{len(faults)}, {time.monotonic() - start:.0f} s] {found[-1][1]:<8} {fault['file']}: {fault['new']!r}", flush=True)
    text = report(found)
    if arguments.out:
        arguments.out.write_text(text)
    print(text)
    sys.exit(any(result != "killed" for _, result in found))


if __name__ == "__main__":
    main()

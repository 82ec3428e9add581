"""Mutation run: makes one deliberate fault after the other in a copy of the project and sees whether the tests meant for it fail.

    python tests/mutants/mutants.py [--only WORD ...] [--keep FILE] [--out FILE]

The faults stand in mutants.yaml. Killed: the tests failed, and pass without the fault, which is seen first. Survived: they passed.
Prints a line for each and the score; --out writes the score and the survivors as Markdown, --keep what was found so far, from which the next
run with the same file goes on; ends with status 1 if a fault was not killed. An edit that does not apply, or tests that cannot run or fail
without a fault, are errors.
"""
from __future__ import annotations

import argparse
import json
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
Fault = dict[str, str]      # file, old, new, tests


def load() -> list[Fault]:
    return yaml.safe_load(LIST.read_text())


def applied(fault: Fault, root: Path = ROOT) -> str:
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


def tests_pass(tests: str, copy: Path) -> bool:
    """Whether ``tests`` (arguments of pytest) pass in ``copy``. ValueError if they cannot run; subprocess.TimeoutExpired."""
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "FXSIM_CACHE_DIR": str(copy / "cache")}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--hypothesis-profile=mutants", *shlex.split(tests)]
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=TIMEOUT)
    if done.returncode not in (FAILED, PASSED) or done.returncode == PASSED and " passed" not in done.stdout:       # all left out
        raise ValueError(f"{tests}: pytest ended with {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode == PASSED


def outcome(fault: Fault, copy: Path) -> str:
    """killed | survived | timeout, of one fault."""
    target = copy / fault["file"]
    before, faulty = target.read_text(), applied(fault, copy)
    target.write_text(faulty)
    try:
        return "survived" if tests_pass(fault["tests"], copy) else "killed"
    except subprocess.TimeoutExpired:
        return "timeout"
    finally:
        target.write_text(before)


def report(found: list[tuple[Fault, str]]) -> str:
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
    parser.add_argument("--keep", type=Path, help="where results are kept, to go on from")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    faults = [fault for fault in load() if not arguments.only or any(word in str(fault) for word in arguments.only)]
    for fault in faults:
        applied(fault)
    found: dict[str, str] = json.loads(arguments.keep.read_text()) if arguments.keep and arguments.keep.exists() else {}
    with tempfile.TemporaryDirectory(prefix="fxsim-mutants-") as folder:
        copy = copy_of_project(Path(folder))
        for number, fault in enumerate(faults, 1):
            start, without = time.monotonic(), f"no fault: {fault['tests']}"
            if json.dumps(fault) in found:
                continue
            if without not in found and not tests_pass(fault["tests"], copy):
                raise ValueError(f"{fault['tests']}: fail without a fault")
            found |= {without: "passed", json.dumps(fault): outcome(fault, copy)}
            print(f"[{number}/{len(faults)}, {time.monotonic() - start:.0f} s] {found[json.dumps(fault)]:<8} {fault['file']}: {fault['new']!r}", flush=True)
            if arguments.keep:
                arguments.keep.write_text(json.dumps(found, indent=1))
    text = report([(fault, found[json.dumps(fault)]) for fault in faults])
    if arguments.out:
        arguments.out.write_text(text)
    print(text)
    sys.exit(any(found[json.dumps(fault)] != "killed" for fault in faults))


if __name__ == "__main__":
    main()

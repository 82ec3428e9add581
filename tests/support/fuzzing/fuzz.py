"""Coverage-guided fuzzing of the loaders: ``python tests/support/fuzzing/fuzz.py --seconds 300`` runs all of tests/support/fuzzing/loaders.py, one after another.

Each target runs in a process of its own, with limits on memory and on the time of one input. A fault does not end it: the first
input of each kind is written to OUT/TARGET/faults. The table at the end is that of docs/robustness.md. Needs the extra ``fuzz``.
``--keep`` then takes what a run has collected into tests/corpus: the inputs that go from one line to another as no smaller one does.
"""
from __future__ import annotations

import argparse
import re
import subprocess
import sys
import traceback
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))      # run as a script

from places import CORPUS, ROOT  # noqa: E402

LARGEST = 20_000        # bytes of tests/corpus/TARGET.zip
LONGEST, SECONDS, MEGABYTES = {"nir": 16384, "package": 16384, "run": 16384, "checkpoint": 16384, "golden": 16384, "weights": 16384, "network": 16384}, 20, 2048
# Left alone: what becomes machine code is read as bytecode and source, and must stay as it is.
COMPILED = ["fxsim.engine", "fxsim.tasks.poisson", "fxsim.tasks.poisson_kernel", "fxsim.model.steps", "fxsim.model.softmax", "fxsim.model.permutations", "quant.rounding", "quant.random", "quant.interval"]


def fuzz(target: str, seconds: int, out: Path) -> None:
    """Run one target in this process, which ends with it."""
    import atheris
    with atheris.instrument_imports(include=["fxsim", "quant", "lava_backend", "yaml", "nir"], exclude=COMPILED):
        import loaders
    load, kinds = loaders.TARGETS[target], set()
    corpus, faults = out / "corpus", out / "faults"
    for path in (corpus, faults):
        path.mkdir(parents=True, exist_ok=True)
    for i, seed in enumerate(loaders.seeds(target)):
        assert load(seed), f"{target}: a valid input is refused"
        (corpus / f"seed-{i}").write_bytes(seed)
    for i, data in enumerate(kept(target)):
        (corpus / f"kept-{i}").write_bytes(data)
    (out / "words").write_text("".join('"' + "".join(f"\\x{b:02x}" for b in word) + '"\n' for word in sorted(loaders.words())))

    def once(data: bytes) -> None:
        try:
            load(data)
        except Exception as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            kind = f"{type(error).__name__}-{Path(frame.filename).stem}-{frame.lineno}"
            if kind not in kinds:
                kinds.add(kind)
                (faults / kind).write_bytes(data)
                (faults / f"{kind}.txt").write_text(traceback.format_exc())
    atheris.Setup([sys.argv[0], f"-max_total_time={seconds}", f"-timeout={SECONDS}", f"-report_slow_units={SECONDS}", f"-rss_limit_mb={MEGABYTES}", f"-max_len={LONGEST.get(target, 4096)}",
                   "-len_control=0", "-print_final_stats=1", "-seed=1", f"-dict={out}/words", f"-artifact_prefix={faults}/", str(corpus)], once)
    atheris.Fuzz()


def run(target: str, seconds: int, out: Path) -> tuple[str, int]:
    """Fuzz one target; a row of the table and the number of faults."""
    for old in (out / target).glob("faults/*"):
        old.unlink()
    done = subprocess.run([sys.executable, __file__, target, "--seconds", str(seconds), "--out", str(out), "--here"], stderr=subprocess.PIPE, text=True, errors="replace")
    (out / target / "log").write_text(done.stderr)
    faults = [path for path in (out / target / "faults").iterdir() if path.suffix != ".txt"]
    status = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)/(\S+)", done.stderr)
    runs = re.findall(r"number_of_executed_units: (\d+)", done.stderr)
    if not status or not runs:
        raise SystemExit(f"{target} ended with status {done.returncode}:\n{done.stderr[-3000:]}")
    edges, features, inputs, size = status[-1]
    return f"| `{target}` | {int(runs[-1]):,} | {edges} | {features} | {inputs} ({size}) | {len(faults)} |", len(faults)


# ---- the corpus in the repository ---------------------------------------------------------------------------------------
def kept(target: str) -> list[bytes]:
    """The inputs in tests/corpus."""
    path = CORPUS / f"{target}.zip"
    if not path.exists():
        return []
    with zipfile.ZipFile(path) as file:
        return [file.read(name) for name in file.namelist()]


def steps_of(load, data: bytes) -> set[tuple[str, int, int]]:
    """Steps from line to line of this project that an input takes."""
    found: set[tuple[str, int, int]] = set()
    before: dict = {}
    ours = tuple(str(ROOT / package) for package in ("fxsim", "quant", "lava_backend"))

    def trace(frame, event, argument):
        if not frame.f_code.co_filename.startswith(ours):
            return None
        found.add((frame.f_code.co_filename, before.get(frame, 0), frame.f_lineno))
        before[frame] = frame.f_lineno
        return trace
    sys.settrace(trace)
    try:
        load(data)
    finally:
        sys.settrace(None)
    return found


def keep(target: str, out: Path) -> None:
    """Write tests/corpus/TARGET.zip from what was collected, the smallest inputs first."""
    import loaders
    found: set[tuple[str, int, int]] = set()
    with zipfile.ZipFile(CORPUS / f"{target}.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted((out / target / "corpus").iterdir(), key=lambda path: (path.stat().st_size, path.name)):
            steps = steps_of(loaders.TARGETS[target], path.read_bytes())
            if steps - found and sum(member.compress_size for member in file.infolist()) < LARGEST:
                file.writestr(zipfile.ZipInfo(f"{len(file.namelist()):03d}"), path.read_bytes(), zipfile.ZIP_DEFLATED)
                found |= steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", help="functions of tests/support/fuzzing/loaders.py; default: all")
    parser.add_argument("--seconds", type=int, default=300, help="for each target")
    parser.add_argument("--out", type=Path, default=Path("runs/fuzz"))
    parser.add_argument("--keep", action="store_true", help="run nothing, take over the corpus in OUT")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        fuzz(given.targets[0], given.seconds, given.out / given.targets[0])
    names = given.targets or re.findall(r"\w+", re.findall(r"for f in \((.*)\)\}\n\Z", (Path(__file__).with_name("loaders.py")).read_text())[0])     # importing it is left to fuzz()
    if given.keep:
        for name in names:
            keep(name, given.out)
        return
    print("| loader | executions | edges | features | corpus | faults |\n| --- | --- | --- | --- | --- | --- |", flush=True)
    total = 0
    for name in names:
        (given.out / name).mkdir(parents=True, exist_ok=True)
        row, faults = run(name, given.seconds, given.out)
        total += faults
        print(row, flush=True)
    sys.exit(1 if total else 0)


if __name__ == "__main__":
    main()

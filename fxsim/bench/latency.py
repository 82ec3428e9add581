"""How long a user waits: import of the package, the first iteration of a training whose kernels are compiled already, and of one in formats
never seen before; and what compiling the kernels of a new structure of formats takes, telemetry included."""
from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from statistics import median

REPEATS = 5
FIRST = """
import time; start = time.time()
import fxsim, resource
from fxsim.training.progress import Progress
class First(Progress):
    def trained(self, row):
        spent = resource.getrusage(resource.RUSAGE_SELF)
        print(time.time() - {launched}, spent.ru_utime + spent.ru_stime); import os; os._exit(0)
small = ["iterations=2", "precision=q16", "batch_size=16", "evaluation.batch_size=16"]
fxsim.train(fxsim.load_config("delayed_match", [*small, *{changes}]), progress=First())
"""
STRUCTURE = "formats.membrane.word_bits"        # its widths share a kernel that is no preset's


def measure() -> dict[str, float]:
    """What -> seconds, medians of fresh processes; runs before them compile what is missing."""
    with tempfile.TemporaryDirectory() as empty:
        compiled = _first([f"{STRUCTURE}=13"], empty)[1] - _first([f"{STRUCTURE}=12"], empty)[1]
    for changes in ([], [f"{STRUCTURE}=13"]):
        _first(changes)
    return {"processor time to compile a new structure of formats, telemetry included": compiled,
            "to the end of the first iteration, formats never seen": median(_first([f"{STRUCTURE}={12 - turn}"])[0] for turn in range(REPEATS)),
            "python starts": median(_seconds("pass") for _ in range(REPEATS)),
            "import fxsim, with it": median(_seconds("import fxsim") for _ in range(REPEATS)),
            "to the end of the first iteration (delayed match, q16, batch 16)": median(_first([])[0] for _ in range(REPEATS))}


def _seconds(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, start_new_session=True)
    return time.perf_counter() - start


def _first(changes: list[str], cache: str = "") -> tuple[float, float]:
    """Seconds and processor time until the first iteration is done; ``cache``: of kernels, instead of the user's."""
    with tempfile.TemporaryDirectory() as directory:
        code = FIRST.format(launched=time.time(), changes=changes)
        out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=directory,
                             env={**os.environ, **({"FXSIM_CACHE_DIR": cache} if cache else {})}, start_new_session=True)
    seconds, processor = out.stdout.split()[-2:]
    return float(seconds), float(processor)

"""How long a user waits: import of the package, and the first iteration of a training whose kernels are compiled already."""
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
import fxsim
from fxsim.training.progress import Progress
class First(Progress):
    def trained(self, row):
        print(time.time() - {launched}); import os; os._exit(0)
fxsim.train(fxsim.load_config("delayed_match", ["iterations=2", "precision=q16", "batch_size=16", "evaluation.batch_size=16"]), progress=First())
"""


def measure() -> dict[str, float]:
    """What -> seconds, medians of fresh processes; the second run of the first kind compiles what is missing."""
    _first()
    return {"python starts": median(_seconds("pass") for _ in range(REPEATS)),
            "import fxsim, with it": median(_seconds("import fxsim") for _ in range(REPEATS)),
            "to the end of the first iteration (delayed match, q16, batch 16)": median(_first() for _ in range(REPEATS))}


def _seconds(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, start_new_session=True)
    return time.perf_counter() - start


def _first() -> float:
    with tempfile.TemporaryDirectory() as directory:
        out = subprocess.run([sys.executable, "-c", FIRST.format(launched=time.time())], check=True, capture_output=True, text=True, cwd=directory,
                             env=os.environ, start_new_session=True)
    return float(out.stdout.split()[-1])

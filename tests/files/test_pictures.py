"""Pictures go to files whatever the environment names to draw on, and a notebook's own drawing stays as it was."""
import os
import subprocess
import sys

import pytest

from places import ROOT

pytestmark = pytest.mark.core

PROGRAM = """
import os, sys
from pathlib import Path
{before}
from fxsim.files.pictures import panels, save_picture, style
with style({{"font.size": 7}}):
    figure, axes = panels(figsize=(1, 1))
    axes.plot([1, 2])
    print(save_picture(figure, Path("."), "p"))
assert {after} and os.environ.get("MPLBACKEND") == (sys.argv[1] or None)
"""


@pytest.mark.parametrize("backend, before, after", [
    ("module://matplotlib_inline.backend_inline_of_nobody", "", "True"), ("nonsense", "", "True"), ("", "", "'matplotlib.pyplot' not in sys.modules"),
    ("", "import matplotlib.pyplot as plt; plt.switch_backend('svg'); plt.figure()", "plt.get_backend() == 'svg' and len(plt.get_fignums()) == 1")])
def test_pictures_are_files(backend, before, after, tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"} | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(before=before, after=after), backend], cwd=tmp_path, text=True, capture_output=True,
                          env={**environment, **({"MPLBACKEND": backend} if backend else {})})
    assert done.returncode == 0 and done.stdout == "p.png\n", done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"p.png", "p.svg"}

"""The wheel has everything that a run needs, and works outside of the source tree; importing it is cheap."""
import email
import json
import subprocess
import sys
import zipfile

import pytest

from places import ROOT

PACKAGES = ("fxsim", "quant", "lava_backend")
LIGHT = ("numpy", "yaml", "click")
TINY = ["network.n_lif=6", "network.n_alif=6", "network.grid=[4, 4]", "task.delay=10", "task.cue=10", "task.fixation=0", "batch_size=2", "evaluation.batch_size=2",
        "iterations=2", "engine=oracle"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    pytest.importorskip("setuptools")
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"      # a copy: building leaves files in the tree
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", *PACKAGES):
        (source / name).symlink_to(ROOT / name)
    done = subprocess.run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source],
                          capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("fxsim-*.whl")
    return path


def test_every_file_of_the_packages_is_in_the_wheel(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    files = {str(path.relative_to(ROOT)) for package in PACKAGES for path in (ROOT / package).rglob("*")
             if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"}
    assert not files - names
    assert {f"{package}/py.typed" for package in PACKAGES} <= names
    assert {"fxsim/config/shipped/delayed_match.yaml", "fxsim/report/templates/chart.js", "fxsim/hardware/energies.yaml",
            "fxsim/hardware/limits.yaml", "quant/presets/q16.yaml"} <= names


def test_readme_names_every_extra(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        extras = email.message_from_bytes(archive.read(metadata)).get_all("Provides-Extra")
    sentence = (ROOT / "README.md").read_text().partition("with the extras")[2].partition("## ")[0]
    assert extras and all(f"`{extra}`" in sentence for extra in extras)


@pytest.mark.parametrize("modules", ["fxsim", "fxsim.cli.main, fxsim.cli.commands.lava"])
def test_an_import_loads_nothing_heavy(modules):
    """What a module imports is what its import costs: numpy 0.1 s, but numba, pandas, matplotlib, torch, lava 0.3 s to 3 s each."""
    program = f"import json, sys; before = set(sys.modules); import {modules}; print(json.dumps(sorted(set(sys.modules) - before)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)} - set(sys.stdlib_module_names)
    assert {name for name in loaded if not name.startswith("_")} - {"cython_runtime"} <= {*PACKAGES, *LIGHT}


@pytest.mark.long
def test_the_wheel_trains_and_reports_outside_of_the_tree(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    program = "import sys; sys.path.insert(0, 'site'); import fxsim; assert 'site' in fxsim.__file__, fxsim.__file__; from fxsim.cli.main import main; main()"
    changes = [x for change in TINY for x in ("--set", change)]
    for arguments in (["--version"], ["train", "delayed_match", *changes, "--set", "precision=q16", "--out", "run"], ["presets"],
                      ["compare", "delayed_match", *changes, "--precisions", "q16", "--rules", "eprop", "--seeds", "1", "--out", "compared"]):
        done = subprocess.run([sys.executable, "-c", program, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "run/weights.npz").exists() and (tmp_path / "compared/report.html").exists()

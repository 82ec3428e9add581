"""The documentation is true: blocks run, tables are those of the code, files that are named exist."""
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from quant import QUANTITIES
from quant.rounding import ROUNDINGS

from documents import ROOT, blocks, run_blocks
from processes import wait_until

PAGES = sorted(path.name for path in (ROOT / "docs").glob("*.md"))


@pytest.mark.long
@pytest.mark.parametrize("page, least", [("precision_study.md", 7), ("fixed_point.md", 3), ("your_data.md", 2), ("your_task.md", 2), ("arrays.md", 3), ("off_chip.md", 6), ("alignment.md", 1), ("rounding.md", 1), ("cost.md", 4)])
def test_every_block_runs(page, least, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert sum(run_blocks(f"docs/{page}").values()) >= least
    assert page != "precision_study.md" or (tmp_path / "runs/membrane/figures/figure-0.svg").stat().st_size > 3000


def test_no_page_has_blocks_that_nothing_runs():
    tested = {"precision_study.md", "fixed_point.md", "your_data.md", "your_task.md", "arrays.md", "off_chip.md", "alignment.md", "rounding.md", "cost.md", "lava_deployment.md"}      # the last: test_lava_docs.py
    assert {page for page in PAGES if blocks(f"docs/{page}")} == tested


def test_tables_are_those_of_the_code():
    text = (ROOT / "docs/fixed_point.md").read_text()
    rows = [tuple(cell.strip(" `") for cell in line.strip("|").split(" | ")) for line in text.splitlines() if line.startswith("| `")]
    assert [row for row in rows if len(row) == 5] == [(q.name, q.symbol, q.scale, q.kind, q.meaning) for q in QUANTITIES.values()]
    assert [row[0] for row in rows if row[0] in ROUNDINGS] == list(ROUNDINGS)


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_exists(page):
    text = (ROOT / "docs" / page).read_text()
    for path in re.findall(r"\]\(([^):]*)\)", text):
        assert (ROOT / "docs" / path).exists(), path
    for path in re.findall(r"`((?:fxsim|quant|tests|reports|lava_backend|docs)/[\w/.*-]+)`", text):
        assert list(ROOT.glob(path)), path


def test_the_index_lists_every_page():
    index = (ROOT / "docs/README.md").read_text()
    assert all(f"]({page})" in index for page in PAGES if page != "README.md")
    assert "docs/README.md" in (ROOT / "README.md").read_text()


@pytest.mark.long
def test_the_notebook_runs(tmp_path):
    """Its cells, which are plain Python, in order, in a process and a directory of their own."""
    notebook = json.loads((ROOT / "docs/first_study.ipynb").read_text())
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert notebook["nbformat"] == 4 and len(cells) >= 4 and not any(cell.get("outputs") for cell in notebook["cells"])
    check = "assert len(plt.get_fignums()) == 2 and set(curves['rule']) == {'eprop', 'diffusion'} and difference.notna().all()"
    (tmp_path / "notebook.py").write_text("\n".join(["import matplotlib", "matplotlib.use('Agg')", *cells, check]).replace("plt.show()", ""))
    done = subprocess.run([sys.executable, "notebook.py"], cwd=tmp_path, capture_output=True, text=True, timeout=300, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr


def test_the_slurm_script_runs_a_study_with_a_stand_in_for_srun(tmp_path):
    """Two workers instead of two tasks; the scheduler, the waiting and the end are the script's own."""
    pytest.importorskip("distributed")
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, text in {"srun": 'shift; for i in 1 2; do "$@" & done; wait', "dask": f'exec {sys.executable} -m dask "$@"',
                       "python": f'exec {sys.executable} "$@"', "fxsim": f'exec {sys.executable} -c "from fxsim.cli.main import main; main()" "$@"'}.items():
        (tools / name).write_text(f"#!/bin/bash\n{text}\n")
        (tools / name).chmod(0o755)
    study = [text for kind, text in blocks("docs/precision_study.md") if kind == "yaml"][0]
    (tmp_path / "study.yaml").write_text(study.replace("[6, 10]", "[6]"))
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "SLURM_NTASKS": "2", "SLURM_JOB_ID": "7", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", ROOT / "docs/study.sbatch", "study.yaml", "out"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/results.parquet").exists() and not list(tmp_path.glob("out/scheduler-*.json"))
    wait_until(lambda: not _running(str(tmp_path)), 30)


def _running(folder):
    """Processes whose command line names ``folder``."""
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    return [line for line in lines if folder.encode() in line and b"scheduler-7" in line]

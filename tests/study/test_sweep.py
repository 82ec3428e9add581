"""Sweeps: paired runs of a study, whatever happens to the processes that make them."""
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from studies import BAD, SMALL, STUDY, study, swept

from fxsim.config import load_config
from fxsim.config.io import load_run_config
from fxsim.errors import InputError
from fxsim.study.columns import RESERVED
from fxsim.study.comparison import plan as plan_comparison
from fxsim.study.plan import load_study, parse_study, plan
from fxsim.study.store import read_store

from processes import alive, children, command, needs_proc, wait_until

TABLES = ("results.parquet", "curves.parquet", "telemetry.parquet")


def same_tables(first, second):
    assert [(first / name).read_bytes() == (second / name).read_bytes() for name in TABLES] == [True] * 3


# ---- studies ---------------------------------------------------------------------------------------------------------
def test_runs_of_a_study_are_paired_and_named_by_what_they_are(tmp_path):
    loaded, _ = load_study(study(tmp_path / "s.yaml"))
    runs = plan(loaded, str(tmp_path / "s.yaml"))
    assert [(r.block, r.config.seed, r.config.learning.rule) for r in runs[:4]] == [
        ("float", 3, "eprop"), ("float", 3, "diffusion"), ("bits", 3, "diffusion"), ("bits", 3, "diffusion")]
    spec = runs[2].config.resolved_precision()
    assert [spec[q].word_bits for q in ("membrane", "readout", "trace")] == [10, 10, 15] and spec["membrane"].frac_bits == 5      # 11 of 16: same range
    assert runs[2].axes == {"state bits": 10} and len({r.folder for r in runs}) == 8
    longer = plan(parse_study({**STUDY, "set": {**SMALL, "iterations": 99}}, "s.yaml"), "s.yaml")
    assert [r.folder for r in longer] == [r.folder for r in runs]       # a longer study goes on in the same directories


def test_formats_in_files_are_part_of_a_runs_identity(tmp_path):
    folders = []
    for bits in (12, 13, 12):
        (tmp_path / "mine.yaml").write_text(f"extends: q16\nquantities: {{membrane: {{word_bits: {bits}, frac_bits: 7}}}}\n")
        blocks = [{"name": "mine", "runs": [{"precision": "mine.yaml"}]}]
        folders.append(plan(parse_study({**STUDY, "blocks": blocks}, str(tmp_path / "s.yaml")), str(tmp_path / "s.yaml"))[0].folder)
    assert folders[0] == folders[2] != folders[1]


@pytest.mark.parametrize("changes, words", [
    ({"blocks": []}, ["blocks", "at least 1"]), ({"sedes": [1]}, ["sedes", "unknown key", "seeds"]),
    ({"blocks": [{"name": "a", "gird": {}}]}, ["blocks.0.gird", "unknown key", "grid"]),
    ({"blocks": [{"name": "a"}, {"name": "a"}]}, ["blocks.1.name", "own"]),
    ({"blocks": [{"name": "a", "grid": {"seed": [1]}, "runs": [{}]}]}, ["grid and runs"]),
    ({"blocks": [{"name": "a", "grid": {"precision": []}}]}, ["grid.precision", "no values"]),
    ({"base": ""}, ["blocks.0.base"]), ({"base": "delayed_mtch"}, ["delayed_mtch", "delayed_match"]),
    ({"set": {"learning.rul": "eprop"}}, ["learning.rul", "unknown"]), ({"blocks": [{"name": "a", "runs": [{"precision": "q17"}]}]}, ["q17", "q16"]),
    ({"blocks": [{"name": "a", "grid": {"formats.membrane.word_bits": [1]}, "set": {"precision": "q16"}}]}, ["block a, run 1", "word_bits", "found 1"]),
    ({"blocks": [{"name": "a", "grid": {"batch_size": list(range(1, 500)), "iterations": list(range(500))}}]}, ["499000 runs", "100000"]),
    ({"set": {"seed": 5}}, ["block float, run 1", "seed", "seeds of the study"]), ({"axes": {"s": ["seed"]}, "blocks": [{"name": "a", "grid": {"s": [1]}}]}, ["seed: found 1", "seeds of"]),
    ({"axes": {"loss": ["batch_size"]}}, ["axes.loss", "another name"]), ({"axes": {"nothing": []}}, ["axes.nothing", "no fields"]),
    ({"blocks": [{"name": "a", "axes": {"rule": ["learning.rule"]}}]}, ["blocks.0.axes.rule", "another name"]),
    ({"blocks": [{"name": "a", "grid": {"task": [{"name": "delayed_match"}]}}]}, ["blocks.0.grid.task", "another name"]),
    ({"blocks": [{"name": "a", "runs": [{"state bits": 8, "formats.membrane.word_bits": 9}]}]}, ["blocks.0.runs.0", "formats.membrane.word_bits more than once"]),
    ({"seeds": ["x"]}, ["seeds.0", "a number"])])
def test_a_wrong_study_is_one_line_and_nothing_is_written(changes, words, tmp_path):
    result = swept(study(tmp_path / "s.yaml", **changes), "--out", tmp_path / "out")
    assert result.exit_code == 2 and result.output.count("\n") == 1 and all(word in result.output for word in words), result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("column", sorted(RESERVED - {"precision"}))
def test_no_axis_has_the_name_of_a_column(column):
    with pytest.raises(InputError, match="another name"):
        parse_study({**STUDY, "axes": {column: ["batch_size"]}}, "s.yaml")


@pytest.mark.parametrize("first, second", [("q16.yaml", "q16"), ("float32.yaml", "float64"), ("a/mine.yaml", "b/mine.yaml")])
def test_two_precisions_of_one_name_are_refused(first, second, tmp_path):
    for i, name in enumerate((first, second)):
        if name.endswith(".yaml"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(f"extends: q16\nquantities: {{membrane: {{word_bits: {12 + i}, frac_bits: 7}}}}\n")
    data = {**STUDY, "set": {}, "blocks": [{"name": "mine", "grid": {"precision": [first, second]}}]}
    with pytest.raises(InputError, match=f"two precisions called {Path(first).stem}|name: found 'float32'"):
        plan(parse_study(data, str(tmp_path / "s.yaml")), str(tmp_path / "s.yaml"))
    paths = [str(tmp_path / name) if name.endswith(".yaml") else name for name in (first, second)]
    with pytest.raises(InputError, match="two precisions called|each only once|name: found 'float32'"):
        plan_comparison([load_config("delayed_match")], ["eprop"], paths, [1], tmp_path)


# ---- sweeps ----------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    result = swept(study(folder / "s.yaml"), "--out", folder / "out", "--jobs", 2)
    assert result.exit_code == 0, result.output
    return folder / "out"


def test_a_sweep_leaves_tidy_tables(undisturbed):
    results, curves, telemetry = (read_store(undisturbed, name) for name in ("results", "curves", "telemetry"))
    assert list(results["block"]) == ["float", "float", "bits", "bits"] * 2 and set(results["status"]) == {"done"} and set(results["updates"]) == {10}
    assert list(results["state bits"].dropna()) == [10, 12, 10, 12] and list(results["seed"]) == [3] * 4 + [4] * 4
    last = curves[(curves["split"] == "eval") & (curves["iteration"] == 10)].set_index("run")["loss"]
    assert (results.set_index("run")["loss"] == last).all() and len(last) == 8
    assert "seconds" not in curves and set(telemetry["run"]) == set(results["run"])
    assert len(list(undisturbed.glob("runs/*/snapshot.npz"))) == 4          # of the first seed
    assert json.loads((undisturbed / "manifest.json").read_text())["runs"] == 8


def test_finished_runs_are_not_repeated_and_more_seeds_only_add(undisturbed, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in undisturbed.glob("runs/*/manifest.json")}
    assert "8 runs, 8 finished before" in swept(undisturbed / "study.yaml", "--out", undisturbed).output
    assert before == {path: path.stat().st_mtime_ns for path in undisturbed.glob("runs/*/manifest.json")}


def test_an_axis_that_is_called_like_a_column_of_telemetry_takes_nothing_away(tmp_path):
    axes, blocks = {"rounding": ["formats.trace.rounding"]}, [{"name": "a", "set": {"precision": "q16"}, "grid": {"rounding": ["floor"]}}]
    assert swept(study(tmp_path / "s.yaml", axes=axes, blocks=blocks, seeds=[3]), "--out", tmp_path / "out", "--jobs", 1).exit_code == 0
    table = read_store(tmp_path / "out", "telemetry").set_index("quantity")
    assert set(table["rounding"]) == {"floor"} and table.loc["membrane", "counted rounding"].iloc[0] == "nearest_up"


def test_a_failing_run_stops_no_other_and_is_told(tmp_path):
    blocks = [BAD, STUDY["blocks"][1]]
    result = swept(study(tmp_path / "s.yaml", blocks=blocks, seeds=[3]), "--out", tmp_path / "out", "--jobs", 1)
    assert result.exit_code == 1 and "1 runs failed" in result.output
    table = read_store(tmp_path / "out", "results").set_index("block")
    assert table.loc["bad", "status"] == "failed" and "fewer word or fraction bits" in table.loc["bad", "error"]
    assert list(table.loc["bits", "status"]) == ["done", "done"] and pd.isna(table.loc["bad", "loss"])
    assert "InputError" in next((tmp_path / "out").glob("runs/*/failure.txt")).read_text()


@pytest.mark.long
@needs_proc
def test_killed_workers_and_drivers_change_no_bit_of_the_tables(undisturbed, tmp_path):
    out = tmp_path / "out"
    arguments = ["sweep", study(tmp_path / "s.yaml"), "--out", out, "--jobs", 2]
    checkpoints = lambda: set(out.glob("runs/*/checkpoints/*"))     # noqa: E731
    for number in (signal.SIGKILL, signal.SIGTERM):                 # the driver
        before = checkpoints()
        driver = command(arguments)
        wait_until(lambda: checkpoints() - before)                  # noqa: B023 (called at once)
        workers = children(driver.pid)
        driver.send_signal(number)
        assert driver.wait(30) == (-9 if number == signal.SIGKILL else 128 + number)
        wait_until(lambda: not any(map(alive, workers)))            # noqa: B023 (called at once)
    assert not (out / "results.parquet").exists()
    before = checkpoints()
    driver = command(arguments)                                     # a worker, which another one replaces
    wait_until(lambda: checkpoints() - before)
    os.kill(children(driver.pid)[-1], signal.SIGKILL)
    assert driver.communicate()[0].count("loss") and driver.returncode == 0
    same_tables(out, undisturbed)


def test_a_run_whose_process_always_dies_is_given_up(tmp_path, monkeypatch):
    """A worker that kills itself, as the kernel does when memory runs out."""
    (tmp_path / "sitecustomize.py").write_text("import os, signal\nfrom fxsim.training import loop\n"
                                               "loop.Training.update = lambda *a: os.kill(os.getpid(), signal.SIGKILL)\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    result = swept(study(tmp_path / "s.yaml", blocks=STUDY["blocks"][1:], seeds=[3]), "--out", tmp_path / "out", "--jobs", 2)
    assert result.exit_code == 1 and result.output.count("ProcessDied: its process was killed 3 times") == 2


# ---- clusters --------------------------------------------------------------------------------------------------------
@pytest.mark.long
def test_two_workers_of_a_dask_cluster_make_the_same_tables(undisturbed, tmp_path):
    pytest.importorskip("distributed", reason="needs pip install 'fxsim[cluster]'")
    file = tmp_path / "scheduler.json"
    processes = [_dask("scheduler", tmp_path, "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file))]
    try:
        wait_until(lambda: file.exists() and file.read_text().endswith("}"), 60)
        address = json.loads(file.read_text())["address"]
        processes += [_dask("worker", tmp_path, address, "--nthreads", "1", "--no-nanny") for _ in range(2)]
        wait_until(lambda: _workers(address) == 2, 60)
        result = swept(study(tmp_path / "s.yaml"), "--out", tmp_path / "out", "--scheduler", address)
        assert result.exit_code == 0, result.output
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(20)
    same_tables(tmp_path / "out", undisturbed)


@pytest.mark.long
def test_a_cluster_that_goes_away_is_told_in_a_line(tmp_path):
    """First its only worker, then the scheduler."""
    pytest.importorskip("distributed", reason="needs pip install 'fxsim[cluster]'")
    file, said = tmp_path / "scheduler.json", tmp_path / "said"
    processes = [_dask("scheduler", tmp_path, "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file))]
    try:
        wait_until(lambda: file.exists() and file.read_text().endswith("}"), 60)
        address = json.loads(file.read_text())["address"]
        processes.append(_dask("worker", tmp_path, address, "--nthreads", "1", "--no-nanny"))
        wait_until(lambda: _workers(address) == 1, 60)
        path = study(tmp_path / "s.yaml", set={**SMALL, "iterations": 100_000}, seeds=[3])
        with open(said, "w") as errors:
            driver = subprocess.Popen([sys.executable, "-c", "from fxsim.cli.main import main; main()", "sweep", path, "--out", tmp_path / "out", "--scheduler", address],
                                      stdout=subprocess.DEVNULL, stderr=errors)
        processes.append(driver)
        wait_until(lambda: list(tmp_path.glob("out/runs/*/checkpoints/*")), 60)
        processes[1].kill()
        wait_until(lambda: "waiting for workers: the cluster has had none for" in said.read_text(), 60)
        processes[0].kill()
        assert driver.wait(60) == 2
        assert said.read_text().count("\n") == 2 and f"--scheduler: {address}: found a scheduler that went away" in said.read_text(), said.read_text()
    finally:
        for process in processes:
            process.kill()
            process.wait(20)


def _dask(name, folder, *options):
    return subprocess.Popen([sys.executable, "-m", f"distributed.cli.dask_{name}", *options, "--no-dashboard"],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)


def _workers(address):
    from distributed import Client
    with Client(address, set_as_default=False) as client:
        return len(client.nthreads())


@pytest.mark.parametrize("address, words", [("tcp://127.0.0.1:1", ["--scheduler", "running Dask scheduler"]), ("nonsense:x", ["--scheduler"])])
def test_a_scheduler_that_is_not_there_is_one_line(address, words, tmp_path):
    pytest.importorskip("distributed", reason="needs pip install 'fxsim[cluster]'")
    result = swept(study(tmp_path / "s.yaml"), "--out", tmp_path / "out", "--scheduler", address)
    assert result.exit_code == 2 and all(word in result.output for word in words), result.output


def test_a_damaged_table_is_one_line(tmp_path):
    (tmp_path / "results.parquet").write_bytes(b"PAR1 not really PAR1")
    with pytest.raises(InputError, match="results.parquet"):
        read_store(tmp_path, "results")


# ---- blocks that evaluate --------------------------------------------------------------------------------------------
EVALUATES = [STUDY["blocks"][0], {"name": "deployed", "evaluate": "float", "grid": {"precision": ["float64", "w8s16"]}},
             {"name": "narrow", "evaluate": "float", "set": {"precision": "q16"}, "grid": {"bits": [8]}, "axes": {"bits": ["formats.weight_in.word_bits"]}}]


@pytest.mark.long
def test_a_block_evaluates_the_trained_weights_of_another(tmp_path):
    file = study(tmp_path / "s.yaml", blocks=EVALUATES, set={**SMALL, "iterations": 3})
    assert swept(file, "--out", tmp_path / "out", "--jobs", 1).exit_code == 0
    results, found = read_store(tmp_path / "out", "results"), read_store(tmp_path / "out", "evaluations")
    assert (results["status"] == "done").all() and len(results) == 4 + 8 + 4 and len(found) == 12
    trained, same = results[results["block"] == "float"].set_index("run"), found.query("block == 'deployed' and precision == 'float64'")
    for row in same.to_dict("records"):     # to the bit what the run measured last
        assert all(row[name] == trained.loc[row["trained"], name] for name in ("loss", "accuracy", "rate_hz", "rule", "seed")) and row["flipped"] == 0
    assert set(found.query("block == 'narrow'")["bits"]) == {8} and set(results.query("block == 'deployed'")["updates"]) == {3}
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "runs").glob("*/manifest.json")}
    assert swept(file, "--out", tmp_path / "out", "--jobs", 1).exit_code == 0
    assert before == {path: path.stat().st_mtime_ns for path in before}      # nothing is made twice
    longer = study(tmp_path / "s.yaml", blocks=EVALUATES, set={**SMALL, "iterations": 4})
    assert swept(longer, "--out", tmp_path / "out", "--jobs", 1).exit_code == 0
    assert set(read_store(tmp_path / "out", "results")["updates"]) == {4}        # new weights are evaluated anew


@pytest.mark.parametrize("changes, words", [
    ({"evaluate": "nothing"}, "blocks.1.evaluate: found nothing, allowed: the name of a block of trainings before this one"),
    ({"evaluate": "float", "seeds": [1]}, "blocks.1: found evaluate with base or seeds"),
    ({"evaluate": "float", "set": {"learning.rule": "eprop"}}, "learning.rule: found eprop, allowed: what an evaluation depends on")])
def test_a_wrong_evaluation_is_one_line(changes, words):
    with pytest.raises(InputError, match=words):
        plan(parse_study({**STUDY, "blocks": [STUDY["blocks"][0], {"name": "deployed", **changes}]}, "s.yaml"), "s.yaml")


# ---- blocks that begin with the networks of another --------------------------------------------------------------------
BEGINS = [{"name": "float", "grid": {"precision": ["float64"]}},
          {"name": "tuned", "begin": "float", "set": {"precision": "q16", "task.cue_rate": 20}, "grid": {"learning.rule": ["eprop", "diffusion"]}},
          {"name": "deployed", "evaluate": "tuned", "grid": {"precision": ["w8s16"]}},
          {"name": "again", "begin": "tuned", "set": {"initial.feedback": "readout", "formats.weight_in.word_bits": 8}}]


@pytest.mark.long
def test_a_block_begins_with_the_trained_networks_of_another(tmp_path):
    file, out = study(tmp_path / "s.yaml", blocks=BEGINS, set={**SMALL, "iterations": 3}), tmp_path / "out"
    assert swept(file, "--out", out, "--jobs", 1, "--only", "tuned").exit_code == 0       # and what goes before it
    assert swept(file, "--out", out, "--jobs", 2).exit_code == 0
    results = read_store(out, "results")
    assert (results["status"] == "done").all() and results["block"].value_counts().to_dict() == {"float": 2, "tuned": 4, "deployed": 4, "again": 4}
    for block, source, precision in (("tuned", "float", "q16"), ("again", "tuned", "q16")):
        for run in results[results["block"] == block].to_dict("records"):
            config = load_run_config(out / "runs" / run["run"])
            begun = Path(config.initial.path)
            assert begun.name in set(results[results["block"] == source]["run"]) and config.seed == run["seed"] and config.precision == precision
            with np.load(out / "runs" / run["run"] / "weights.npz") as mine, np.load(begun / "weights.npz") as its:
                assert np.abs(mine["initial_rec"] - its["final_rec"]).max() <= 2.0**-9       # rounded into the format of q16
    assert {load_run_config(out / "runs" / run).initial.feedback for run in results[results["block"] == "again"]["run"]} == {"readout"}
    before = {path: path.stat().st_mtime_ns for path in (out / "runs").glob("*/manifest.json")}
    assert swept(file, "--out", out, "--jobs", 1).exit_code == 0
    assert before == {path: path.stat().st_mtime_ns for path in before}      # nothing is made twice


def test_what_begins_with_a_failed_training_fails_and_names_it(tmp_path):
    blocks = [BAD, {"name": "tuned", "begin": "bad", "set": {"precision": "q16"}}, {"name": "deployed", "evaluate": "tuned"}]
    file = study(tmp_path / "s.yaml", blocks=blocks, seeds=[1], set={**SMALL, "iterations": 3})
    assert swept(file, "--out", tmp_path / "out", "--jobs", 1).exit_code == 1
    results = read_store(tmp_path / "out", "results").set_index("block")
    assert set(results["status"]) == {"failed"}
    assert set(results.drop("bad")["error"]) == {f"a training before it failed: {results.loc['bad', 'error']}"}


@pytest.mark.parametrize("changes, words", [
    ({"begin": "nothing"}, "blocks.1.begin: found nothing, allowed: the name of a block of trainings before this one"),
    ({"begin": "float", "seeds": [1]}, "blocks.1: found begin with base or seeds"),
    ({"begin": "float", "evaluate": "float"}, "blocks.1: found evaluate and begin"),
    ({"begin": "float", "set": {"initial": "elsewhere"}}, "initial: found elsewhere, allowed: nothing: it is that of block float")])
def test_a_wrong_beginning_is_one_line(changes, words):
    with pytest.raises(InputError, match=words):
        plan(parse_study({**STUDY, "blocks": [STUDY["blocks"][0], {"name": "tuned", **changes}]}, "s.yaml"), "s.yaml")

"""Parts of a sweep, its tables before it is done, and what it is said to take."""
import json
from dataclasses import replace

import numpy as np
import pytest
from studies import BAD, SMALL, STUDY, study, swept

from fxsim.study.estimate import UPDATES, Measured, evaluations_of, expected, kind_of, measured
from fxsim.study.jobs import Workers
from fxsim.study.plan import load_study, plan
from fxsim.study.store import read_store
from fxsim.training.runs import train_in

DEPLOYED = {"name": "deployed", "evaluate": "float", "grid": {"precision": ["w8s16"]}}


def statuses(out):
    results = read_store(out, "results")
    return {block: sorted(set(rows["status"])) for block, rows in results.groupby("block")}


def test_a_block_is_made_alone_and_the_tables_say_what_is_open(tmp_path):
    file, out = study(tmp_path / "s.yaml", blocks=[*STUDY["blocks"], DEPLOYED], set={**SMALL, "iterations": 3}, seeds=[3]), tmp_path / "out"
    assert swept(file, "--out", out, "--tables").exit_code == 0 and statuses(out) == {"float": ["open"], "bits": ["open"], "deployed": ["open"]}
    assert not list(out.glob("runs/*")) and len(read_store(out, "curves")) == 0
    result = swept(file, "--out", out, "--jobs", 1, "--only", "deployed")        # and what it evaluates
    assert result.exit_code == 0 and statuses(out) == {"float": ["done"], "bits": ["open"], "deployed": ["done"]}, result.output
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["runs"], manifest["open"], manifest["failed"], list(manifest["seconds"])) == (6, 2, 0, ["float"])
    before = (out / "results.parquet").read_bytes()
    assert swept(file, "--out", out, "--tables").exit_code == 0 and (out / "results.parquet").read_bytes() == before
    assert swept(file, "--out", out, "--jobs", 1).exit_code == 0 and {word for words in statuses(out).values() for word in words} == {"done"}
    whole = tmp_path / "whole"
    assert swept(file, "--out", whole, "--jobs", 1).exit_code == 0
    for name in ("results", "curves", "telemetry", "evaluations"):
        assert (out / f"{name}.parquet").read_bytes() == (whole / f"{name}.parquet").read_bytes()


def test_a_failed_run_stays_failed_in_the_tables_until_it_is_made(tmp_path):
    file, out = study(tmp_path / "s.yaml", blocks=[BAD, STUDY["blocks"][1]], seeds=[3]), tmp_path / "out"
    assert swept(file, "--out", out, "--jobs", 1, "--only", "bad").exit_code == 1
    assert swept(file, "--out", out, "--tables").exit_code == 1
    table = read_store(out, "results").set_index("block")
    assert table.loc["bad", "status"] == "failed" and "fewer word or fraction bits" in table.loc["bad", "error"] and set(table.loc["bits", "status"]) == {"open"}


def test_tables_keep_every_evaluation_and_some_rows_of_training(tmp_path):
    file = study(tmp_path / "s.yaml", training_every=4, blocks=STUDY["blocks"][1:], seeds=[3])
    assert swept(file, "--out", tmp_path / "out", "--jobs", 1).exit_code == 0
    for _, rows in read_store(tmp_path / "out", "curves").groupby("run"):
        assert {split: list(of["iteration"]) for split, of in rows.groupby("split")} == {"eval": [0, 5, 10], "train": [0, 4, 8]}


@pytest.mark.parametrize("arguments, words", [
    (["--only", "flaot"], ["--only: found flaot", "float, bits"]), (["--dry-run", "--tables"], ["--dry-run", "--tables"]),
    (["--dry-run", "--force"], ["--dry-run", "--force"]), (["--dry-run", "--scheduler", "tcp://127.0.0.1:1"], ["--dry-run", "--scheduler"]),
    (["--tables", "--only", "bits"], ["--tables", "--only"]), (["--dry-run", "--only", "flaot"], ["--only: found flaot"])])
def test_parts_that_cannot_be_are_one_line_and_nothing_is_written(arguments, words, tmp_path):
    result = swept(study(tmp_path / "s.yaml"), "--out", tmp_path / "out", *arguments)
    assert result.exit_code == 2 and result.output.count("\n") == 1 and all(word in result.output for word in words), result.output
    assert not (tmp_path / "out").exists()


# ---- what it will take -------------------------------------------------------------------------------------------------
def planned(path, **changes):
    return plan(load_study(study(path, **changes))[0], str(path))


def test_a_dry_run_counts_and_writes_nothing(tmp_path):
    file, out = study(tmp_path / "s.yaml", set={**SMALL, "iterations": 1}, seeds=[3]), tmp_path / "out"
    result = swept(file, "--out", out, "--dry-run", "--jobs", 1)
    lines = [line.split()[:3] for line in result.output.splitlines() if "measur" not in line]
    assert lines == [["block", "runs", "done"], ["float", "2", "0"], ["bits", "2", "0"], ["all", "4", "0"]] and not out.exists()
    assert swept(file, "--out", out, "--jobs", 1, "--only", "bits").exit_code == 0
    assert "float  2     0" in (again := swept(file, "--out", out, "--dry-run").output) and "bits   2     2     0           0" in again


def test_what_is_measured_has_the_kernels_of_the_whole_run(tmp_path, monkeypatch):
    (run, *_) = planned(tmp_path / "s.yaml", set={**SMALL, "iterations": 47})
    told = []
    monkeypatch.setattr("fxsim.study.estimate.train_in", lambda *arguments, planned, **options: told.append(planned) or train_in(*arguments, **options))
    measured(run.config, 1)
    assert told == [47, 47]
    assert kind_of(run) != kind_of(replace(run, config=run.config.changed({"iterations": 4700})))


def test_a_dry_run_names_what_would_be_refused_and_goes_on(tmp_path):
    result = swept(study(tmp_path / "s.yaml", blocks=[BAD, STUDY["blocks"][1]], set={**SMALL, "iterations": 1}, seeds=[3]), "--out", tmp_path / "out",
                   "--dry-run", "--jobs", 1)
    lines = [line.split()[:4] for line in result.output.splitlines() if "measur" not in line and "refused" not in line]
    assert result.exit_code == 0 and lines == [["block", "runs", "done", "hours"], ["bad", "1", "0", "0"], ["bits", "2", "0", lines[2][3]],
                                               ["all", "3", "0", lines[3][3]]], result.output
    assert "would be refused: " in result.output and "fewer word or fraction bits" in result.output and float(lines[2][3]) > 0


def test_what_a_run_takes_is_what_was_measured_and_the_rest_of_its_rows(tmp_path, monkeypatch):
    """Bytes against a whole run; seconds against numbers that are made up, with the evaluations that a run has."""
    (run, *_) = planned(tmp_path / "s.yaml", set={**SMALL, "iterations": 47})
    made = train_in(tmp_path / "run", run.config, with_snapshot=False)
    evaluations = sum(row["split"] == "eval" for row in made.curves)
    assert evaluations_of(run.config) == evaluations == 11 and evaluations_of(run.config.changed({"iterations": 45})) == 10
    size = sum(path.stat().st_size for path in (tmp_path / "run").rglob("*") if path.is_file())
    found = measured(run.config, 1)
    assert found.updates == UPDATES and found.evaluations == 3 and found.expected(run.config)[1] == pytest.approx(size, rel=0.1)
    monkeypatch.setattr("fxsim.study.estimate.measured", lambda config, threads: Measured(6, 2, 5.0, 1000, 0.1, 1.0, 10.0))
    runs = planned(tmp_path / "s.yaml", set={**SMALL, "iterations": 26, "evaluation.every": 10}, blocks=[*STUDY["blocks"], DEPLOYED])
    blocks = {block.block: block for block in expected(runs, tmp_path / "none", Workers())}
    assert [(blocks[name].runs, blocks[name].done) for name in ("float", "bits", "deployed")] == [(4, 0)] * 3
    assert blocks["float"].seconds == pytest.approx(4 * (5 + 20 * 0.1 + (4 - 2) * 1.0)) and blocks["float"].bytes == 4 * (1000 + 2 * 10 * 22)


def test_runs_of_a_kind_are_measured_once(tmp_path):
    runs = planned(tmp_path / "s.yaml")
    assert len({kind_of(p) for p in runs}) == 3 and np.ptp([p.config.seed for p in runs])       # both rules in float, and fixed of any bits

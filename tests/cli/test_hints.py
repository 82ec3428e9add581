"""What a slip is told: the thing that is wrong, and what was probably meant."""
import os
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

import fxsim
from fxsim.cli.main import main
from fxsim.config import dump_config
from fxsim.engine.registry import make_engine
from fxsim.errors import InputError
from fxsim.files.writing import read_csv_text
from fxsim.model.topology import learning_of
from fxsim.study.comparison import concatenate
from quant import load_spec

from comparisons import synthetic_comparison
from tiny import SHORT, tiny


@pytest.mark.parametrize("arguments, words", [
    (["import", "nir", "nothing.nir"], ["nothing.nir: found no such file", "a NIR file"]), (["import", "nir", "folder"], ["folder: found a directory"]),
    (["train", "empty.yaml"], ["empty.yaml: found nothing in it"]), (["sweep", "empty.yaml", "--out", "x"], ["empty.yaml: found nothing in it"]),
    (["train", "text.yaml"], ["text.yaml: found 'only words'", "a mapping"]), (["train", "delayed_match", "--set", "precision=empty.yaml"], ["nothing in it"]),
    (["export", "nir", "nothing", "x.nir", "--lossy-ok"], ["nothing: found no such directory", "fxsim train --out"]),
    (["export", "lava", "nothing", "x"], ["nothing: found no such directory", "fxsim train --out"]),
    (["export", "lava", "folder", "x"], ["folder: config.yaml: found nothing", "fxsim train --out"]),
    (["report", "nothing"], ["nothing: found no such directory", "comparison or a sweep"]), (["report", "empty.yaml"], ["found a file"]),
    (["train", "delayed_match", "--set", "precision=q-16"], ["did you mean q16?"]), (["train", "delayed_match", "--set", "precision=flaot32"], ["did you mean float32?"]),
    (["train", "delayed_mtch.yaml"], ["did you mean delayed_match?"]),
    (["train", "delayed_match", "--out", ""], ["--out: found an empty path"]), (["sweep", "", "--out", "x"], ["an empty path"]), (["report", ""], ["an empty path"]),
    (["bench", "iteration", "--json", ""], ["--json: found an empty path"]), (["fit", ""], ["an empty path"]), (["cost", ""], ["an empty path"])])
def test_hints(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.yaml").touch()
    (tmp_path / "text.yaml").write_text("only words")
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.iterdir())
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2 and result.stderr.count("\n") == 1 and all(word in result.stderr for word in words), result.output
    assert not any(wrong in result.stderr for wrong in ("NoneType", "groups", "cue_accumulation") if "did you mean" not in result.stderr), result.stderr
    assert sorted(tmp_path.iterdir()) == before


def test_an_extended_precision_is_guessed_too(tmp_path):
    (tmp_path / "mine.yaml").write_text("extends: w8s61\n")
    with pytest.raises(InputError, match="did you mean w8s16"):
        load_spec(tmp_path / "mine.yaml")


def test_python_takes_a_name_or_a_path_and_says_what_else(tmp_path):
    (tmp_path / "tiny.yaml").write_text(dump_config(tiny(*SHORT, "engine=oracle", "iterations=0")))
    for path in (tmp_path / "tiny.yaml", str(tmp_path / "tiny.yaml")):
        assert fxsim.train(path).curves
    with pytest.raises(InputError, match="config: found dict"):
        fxsim.train({"name": "x"})
    with pytest.raises(InputError, match="empty path"):
        fxsim.train(tiny(), out="")


@pytest.mark.parametrize("name", ["cpu", "cuda"])
def test_compiled_engines_are_refused_without_a_compiler(name, monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    with pytest.raises(InputError, match=f"NUMBA_DISABLE_JIT: found 1, allowed: .*engine {name}.*oracle"):
        make_engine(name, None, learning_of(tiny()), None)


def test_the_oracle_trains_without_a_compiler(tmp_path):
    changes = [part for change in (*SHORT, "engine=oracle", "iterations=1") for part in ("--set", change)]
    done = subprocess.run([sys.executable, "-m", "fxsim", "train", "delayed_match", *changes, "--out", tmp_path / "run"], capture_output=True, text=True,
                          env={**os.environ, "NUMBA_DISABLE_JIT": "1"})
    assert done.returncode == 0 and "done after 1 iterations" in done.stdout, done.stderr


@pytest.mark.parametrize("cut", [1, 3, 20])
def test_a_table_that_ends_in_the_middle_of_a_row_is_refused(cut, tmp_path):
    synthetic_comparison(tmp_path, (0,), ("delayed_match",), ("eprop",))
    path = tmp_path / "curves.csv"
    path.write_text(path.read_text()[:-cut])
    for read in (lambda: CliRunner().invoke(main, ["report", str(tmp_path)], catch_exceptions=False), lambda: read_csv_text(path),
                 lambda: concatenate([path], (), tmp_path / "all.csv")):
        try:
            assert read().exit_code == 2
        except InputError as error:
            assert "curves.csv: table: found a last row without its end" in str(error)


def test_complex_weights_are_refused(tmp_path):
    nir = pytest.importorskip("nir")
    from fxsim.model.topology import build_network
    from lava_backend.nir import graph_of, import_nir
    graph = graph_of(build_network(tiny()), tiny())
    graph.nodes["w_in"].weight = graph.nodes["w_in"].weight * np.complex128(1 + 0.5j)
    nir.write(tmp_path / "net.nir", graph)
    with pytest.raises(InputError, match="w_in.weight: found complex128, allowed: real numbers"):
        import_nir(tmp_path / "net.nir")

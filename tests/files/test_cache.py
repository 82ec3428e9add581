"""The cache of compiled code: what is damaged is compiled anew, what cannot be written is not kept, and neither ends a command."""
import errno
import os
import resource
import subprocess
import sys
import time

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, strategies as st

from fxsim.cli.main import main
from fxsim.files.cache import Cache, cache
from fxsim.files.machine_code import kept

from places import ROOT
from tiny import SHORT

pytestmark = pytest.mark.core


@given(content=st.binary(max_size=300), data=st.data())
def test_damaged_entries_are_none(content, data, tmp_path_factory):
    entries = Cache(tmp_path_factory.mktemp("cache"))
    assert entries.read("a.code") is None
    entries.write("a.code", content)
    assert entries.read("a.code") == content
    whole = (entries.directory / "a.code").read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    damaged = data.draw(st.sampled_from([whole[:place], whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1:], whole + b"x"]))
    (entries.directory / "a.code").write_bytes(damaged)
    assert entries.read("a.code") is None
    entries.write("a.code", content)
    assert entries.read("a.code") == content


def test_a_full_disk_is_said_once(tmp_path, caplog):
    entries, (_, hard) = Cache(tmp_path), resource.getrlimit(resource.RLIMIT_FSIZE)
    entries.write("small", b"x")
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        for name in "abc":
            entries.write(name, bytes(2000))
        entries.write_text("text", "x" * 2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert [record.message for record in caplog.records] == [f"cache {tmp_path}: File too large while writing 2084 bytes; going on without (FXSIM_CACHE_DIR names another place)"]
    assert [path.name for path in tmp_path.iterdir()] == ["small"] and entries.read("small") == b"x"


def test_a_text_is_written_again_where_it_was_cut(tmp_path):
    entries = Cache(tmp_path)
    for damage in (b"", b"x = (", None):
        entries.write_text("a.py", "x = (1)\n")
        assert (tmp_path / "a.py").read_text() == "x = (1)\n"
        if damage is not None:
            (tmp_path / "a.py").write_bytes(damage)


def test_machine_code_is_found_by_its_source_and_types(tmp_path, monkeypatch):
    monkeypatch.setenv("FXSIM_CACHE_DIR", str(tmp_path))

    def double(x):
        return x + x
    one, same, other = (kept(source)(double) for source in ("one", "one", "other"))
    assert one(3) == 6 and one(1.5) == 3.0 and len(list((tmp_path / "kernels").iterdir())) == 2
    monkeypatch.setattr("fxsim.files.machine_code.MachineCode.save_overload", lambda *_: pytest.fail("compiled again"))
    assert same(4) == 8 and same(np.float64(2.5)) == 5.0
    with pytest.raises(pytest.fail.Exception):
        other(3)


SPIKES = """
import sys, numpy as np
from fxsim.tasks.poisson import poisson_spikes
spikes = poisson_spikes(7, np.arange(2, dtype=np.uint32), np.full((2, 1, 1), 200.0), np.zeros((2, 1)), np.full((2, 1), 50), 10, 50)
print(spikes.sum(), "numba.np.linalg" in sys.modules)
"""


def _spikes(directory, **machine):
    """A process that compiles or loads a kernel: begun, to be asked for its number of spikes and whether it had to import what compiling needs."""
    return subprocess.Popen([sys.executable, "-c", SPIKES], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
                            env={**os.environ, **machine, "FXSIM_CACHE_DIR": str(directory)})


def _said(process):
    out, errors = process.communicate()
    assert process.returncode == 0 and errors == "", errors
    return out.split()


@pytest.mark.long
def test_machines_with_other_processors_share_a_directory(tmp_path):
    """And code that is found starts without all that Numba imports to compile: it takes as long as the rest of a start."""
    other = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    here, there, again, there_again = (_said(_spikes(tmp_path, **machine)) for machine in ({}, other, {}, other))
    assert here[0] == there[0] == again[0] == there_again[0] != "0"
    assert (here[1], there[1], again[1], there_again[1]) == ("True", "True", "False", "False")
    assert len(list((tmp_path / "kernels").glob("fill-*.code"))) == 2


@pytest.mark.long
def test_processes_that_compile_the_same_at_once(tmp_path):
    first, second = (_said(process) for process in [_spikes(tmp_path), _spikes(tmp_path)])
    assert first == second
    entry, = (tmp_path / "kernels").iterdir()
    assert _said(_spikes(tmp_path)) == [first[0], "False"]


def test_a_disk_that_can_only_be_read_is_read_and_said_once(tmp_path, caplog, monkeypatch):
    entries = Cache(tmp_path)
    entries.write("a.code", b"there")

    def refuse(*arguments, **more):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    monkeypatch.setattr("fxsim.files.writing.tempfile.mkstemp", refuse)
    for name in ("b.code", "c.code"):
        entries.write(name, b"x")
    assert entries.read("a.code") == b"there" and entries.read("b.code") is None
    assert [record.message for record in caplog.records] == [f"cache {tmp_path}: Read-only file system; going on without (FXSIM_CACHE_DIR names another place)"]


def test_the_command_shows_and_clears_what_is_the_cache_s(tmp_path, monkeypatch):
    monkeypatch.setenv("FXSIM_CACHE_DIR", str(tmp_path))
    folder = tmp_path / "kernels"

    def run(*arguments):
        result = CliRunner().invoke(main, ["cache", *arguments], catch_exceptions=False)
        return result.exit_code, result.output
    assert run() == (0, f"cache: {folder}\nnothing in it\n")
    for name, days in (("run_block-1.code", 3), ("fill-2.code", 40), ("fxsim_kernel_3.py", 40), (".fill-2.code.abcd1234", 1), (".fill-4.code.abcd1234", 0), ("notes.txt", 90)):
        (folder / name).write_bytes(bytes(2**19))
        os.utime(folder / name, (time.time() - days * 86400,) * 2)
    code, shown = run()
    assert code == 0 and [line.split()[-5:] for line in shown.splitlines()[2:]] == [
        ["2", "1.0", "3.0", "to", "40.0"], ["1", "0.5", "40.0", "to", "40.0"], ["2", "1.0", "0.0", "to", "1.0"]]
    assert run("--older", "7")[0] == 2
    assert "removed: 2 entries, 1.0 MiB\n" in run("--clear", "--older", "7")[1]
    assert "removed: 2 entries, 1.0 MiB\n" in run("--clear")[1]        # what a process may be writing now stays
    assert {path.name for path in folder.iterdir()} == {".fill-4.code.abcd1234", "notes.txt"}


def _train(tmp_path, home, cached):
    changes = [part for change in (*SHORT, "engine=oracle", "iterations=1") for part in ("--set", change)]
    return subprocess.run([sys.executable, "-m", "fxsim", "train", "delayed_match", *changes, "--out", tmp_path / "run"], capture_output=True, text=True,
                          env={**os.environ, "HOME": home, "XDG_CACHE_HOME": home, "FXSIM_CACHE_DIR": cached, "PYTHONPATH": str(ROOT)}, cwd=tmp_path)


@pytest.mark.long
def test_commands_compile_into_the_project_s_cache_only(tmp_path):
    """A home that cannot be written; then damage; then no place at all."""
    entries = tmp_path / "cache" / "kernels"
    first = _train(tmp_path, "/proc", str(tmp_path / "cache"))
    assert first.returncode == 0 and first.stderr == "", first.stderr
    spikes, = entries.glob("fill-*.code")
    assert not [*ROOT.glob("fxsim/**/*.nbi"), *ROOT.glob("quant/**/*.nbi")]
    whole = spikes.read_bytes()
    spikes.write_bytes(b"")
    second = _train(tmp_path, "/proc", str(tmp_path / "cache"))
    assert second.returncode == 0 and second.stderr == f"{spikes}: damaged; compiled anew\n"
    assert spikes.stat().st_size == pytest.approx(len(whole), rel=0.1)
    third = _train(tmp_path, "/proc", "/proc/nowhere")
    assert third.returncode == 0 and third.stderr.splitlines() == ["cache /proc/nowhere: No such file or directory; going on without (FXSIM_CACHE_DIR names another place)"]
    assert first.stdout.splitlines()[-2:] == third.stdout.splitlines()[-2:]


def test_the_cache_follows_the_variable(tmp_path, monkeypatch):
    for name in ("a", "b"):
        monkeypatch.setenv("FXSIM_CACHE_DIR", str(tmp_path / name))
        assert cache().directory == tmp_path / name / "kernels"

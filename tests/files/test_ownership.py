"""No command destroys a file: what fails leaves the old one, and what fxsim did not write is not written over without --force."""
import os
import resource
import signal
import subprocess
import sys

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings, strategies as st

from fxsim.cli.main import main
from fxsim.errors import InputError
from fxsim.files.ownership import claim_directory, claim_file, json_with
from fxsim.files.writing import write_atomic

from tiny import SHORT, TINY

CHANGES = [part for change in (*TINY, *SHORT, "engine=oracle", "iterations=1", "evaluation.telemetry=off") for part in ("--set", change)]
MINE = b"name: mine\nnotes: two years of them\n"


def invoked(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def filled(arguments, **places):
    return [places[a[1:-1]] if a in ("{made}", "{out}") else a.replace("{made}", str(places["made"])) for a in arguments]


def refused(result, *words):
    assert result.exit_code == 2 and result.stderr.count("\n") == 1 and all(word in result.stderr for word in words), result.output


def everything(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run and a sweep."""
    folder = tmp_path_factory.mktemp("made")
    assert invoked("train", "delayed_match", *CHANGES, "--set", "precision=q16", "--out", folder / "run").exit_code == 0
    small = {name: yaml.safe_load(value) for name, _, value in (change.partition("=") for change in CHANGES[1::2])}
    study = {"name": "first", "base": "delayed_match", "set": {**small, "evaluation.telemetry": "off"}, "seeds": [1], "blocks": [{"name": "a"}]}
    (folder / "first.yaml").write_text(yaml.safe_dump(study))
    (folder / "more.yaml").write_text(yaml.safe_dump({**study, "seeds": [1, 2]}))
    (folder / "second.yaml").write_text(yaml.safe_dump({**study, "name": "second"}))
    assert invoked("sweep", folder / "first.yaml", "--jobs", 1, "--out", folder / "sweep").exit_code == 0
    return folder


COMMANDS = {        # what writes -> (arguments, a name that it writes)
    "train": (["train", "delayed_match", *CHANGES, "--out", "{out}"], "curves.csv"),
    "compare": (["compare", "delayed_match", *CHANGES, "--rules", "eprop", "--precisions", "float32", "--seeds", "1", "--out", "{out}"], "curves.csv"),
    "sweep": (["sweep", "{made}/first.yaml", "--jobs", "1", "--out", "{out}"], "study.yaml"),
    "allocate": (["allocate", "delayed_match", *CHANGES, "--memory", "1000", "--out", "{out}"], "allocation.yaml"),
    "package": (["export", "lava", "{made}/run", "{out}"], "run.py"),
    "scaling": (["bench", "scaling", "--out", "{out}"], "README.md"),
    "model": (["bench", "model", "--out", "{out}"], "README.md"),
    "stock": (["lava", "stock", "delayed_match", "--set", "precision=q16", "--out", "{out}"], "precision.yaml"),
    "engine": (["lava", "engine", "delayed_match", "--set", "precision=q16", "--out", "{out}"], "curves.csv"),
    "prove": (["lava", "prove", "delayed_match", "--set", "precision=q16", "--out", "{out}"], "curves.csv"),
}
FILES = {
    "nir": ["export", "nir", "{made}/run", "--lossy-ok", "{out}"],
    "calibrate": ["calibrate", "delayed_match", *CHANGES[:-2], "--out", "{out}"],
    "bench": ["bench", "iteration", "--task", "delayed_match", "--json", "{out}"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_directory_with_a_file_of_the_user_is_refused_and_left_as_it_was(command, made, tmp_path):
    arguments, name = COMMANDS[command]
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_bytes(MINE)
    refused(invoked(*filled(arguments, made=made, out=out)), str(out), name, "new or empty directory")
    assert everything(tmp_path) == {(out / name).relative_to(tmp_path): MINE}


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in ("sweep", "scaling", "model", "stock", "engine", "prove")])
def test_the_directory_of_a_sweep_is_no_place_for_others(command, made):
    before = everything(made)
    arguments, _ = COMMANDS[command]
    if command != "package":            # none of its names is there
        refused(invoked(*filled(arguments, made=made, out=made / "sweep")), "something else")
        assert everything(made) == before


def test_a_study_goes_on_in_its_own_directory_and_another_needs_force(made):
    before = everything(made / "sweep")
    refused(invoked("sweep", made / "second.yaml", "--jobs", 1, "--out", made / "sweep"), "something else", "--force")
    assert everything(made / "sweep") == before
    assert "2 runs, 1 finished before" in invoked("sweep", made / "more.yaml", "--jobs", 1, "--out", made / "sweep").output
    assert invoked("sweep", made / "second.yaml", "--jobs", 1, "--out", made / "sweep", "--force").exit_code == 0


@pytest.mark.parametrize("command", FILES)
def test_a_file_of_the_user_and_what_is_none_are_refused(command, made, tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_bytes(MINE)
    (tmp_path / "device").symlink_to("/dev/null")
    for name, words in (("mine.yaml", ["did not write", "--force"]), ("", ["directory"]), ("device", ["no regular file"])):
        if command == "bench" and not name:     # said by click
            continue
        refused(invoked(*filled(FILES[command], made=made, out=tmp_path / name)), *words)
    assert mine.read_bytes() == MINE and os.path.realpath(tmp_path / "device") == "/dev/null"


@pytest.mark.parametrize("command", ["nir", "calibrate"])
def test_an_own_file_is_replaced_and_with_force_any(command, made, tmp_path):
    if command == "nir":
        pytest.importorskip("nir")
    out = tmp_path / "out"
    arguments = filled(FILES[command], made=made, out=out)
    for more in ([], [], ["--force"]):
        if more:
            out.write_bytes(MINE)
        result = invoked(*arguments, *more)
        assert result.exit_code == 0 and out.read_bytes() != MINE, result.output


def test_a_full_disk_leaves_the_good_file(made, tmp_path):
    """In a process whose files may have 4 kB, which ends a write as a full disk does."""
    pytest.importorskip("nir")
    out = tmp_path / "net.nir"
    assert invoked("export", "nir", made / "run", out, "--lossy-ok").exit_code == 0
    before = out.read_bytes()

    def small():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    done = subprocess.run([sys.executable, "-c", "from fxsim.cli.main import main; main()", "export", "nir", made / "run", out, "--lossy-ok"],
                          capture_output=True, text=True, preexec_fn=small)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "Traceback" not in done.stderr, done.stderr
    assert out.read_bytes() == before and list(tmp_path.iterdir()) == [out]


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(there=st.sets(st.sampled_from("abcd")), names=st.sets(st.sampled_from("abcd")), ours=st.booleans(), force=st.booleans())
def test_only_names_that_are_written_count(there, names, ours, force, tmp_path_factory):
    folder = tmp_path_factory.mktemp("claimed")
    for name in there:
        (folder / name).write_text("x")
    try:
        claim_directory(folder, names, lambda place: ours, force)
        assert ours or force or not there & names
    except InputError as error:
        assert not ours and not force and all(name in str(error) for name in there & names)
    assert {path.name for path in folder.iterdir()} == there


def test_devices_and_directories_are_never_written_over(tmp_path):
    for path in (tmp_path, tmp_path / "device"):
        if path != tmp_path:
            path.symlink_to("/dev/null")
        for write in (lambda: claim_file(path, lambda content: True, force=True), lambda: write_atomic(path, b"x")):    # noqa: B023 (called at once)
            with pytest.raises(InputError):
                write()


@pytest.mark.parametrize("content, ours", [(b'{"rows": [], "machine": {}}', True), (b'{"rows": []}', False), (b"[]", False), (b"{", False), (b"\xff", False)])
def test_what_is_ours_is_seen_by_content(content, ours):
    assert json_with("rows", "machine")(content) is ours

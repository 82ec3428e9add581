"""Hostile input: thousands of broken documents, each valid or one line; no traceback, no hang, no huge allocation, nothing written elsewhere."""
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings

from fxsim.cli.main import main
from fxsim.config import build_config, dump_config, load_config
from fxsim.errors import InputError
from fxsim.study.plan import parse_study, plan
from fxsim.training.loop import Training
from fxsim.verify.golden_case import load_golden
from lava_backend.package import load_package, package_of_training, save_package
from quant import load_spec
from quant.errors import InputError as QuantError
from quant.files import parse_yaml
from quant.spec import spec_from_dict

from mutations import damaged, mutated
from places import ROOT
from tiny import SHORT, tiny

CONFIG = yaml.safe_load(dump_config(load_config("cue_accumulation", ["precision=q16", "formats.membrane.word_bits=12"])))
STUDY = yaml.safe_load((ROOT / "reports/precision/onchip.yaml").read_text())
MANY = settings(max_examples=600, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
SOME = settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def accepts_or_refuses(load, *arguments):
    """``load`` gives a result or one line that is not endless."""
    try:
        load(*arguments)
    except (InputError, QuantError) as error:
        assert "\n" not in str(error) and "allowed: " in str(error) and len(str(error)) < 2000


@MANY
@given(data=mutated(CONFIG))
def test_configurations(data):
    accepts_or_refuses(build_config, data, "mutated.yaml")


@MANY
@given(data=mutated(load_spec("loihi2").to_dict()))
def test_precisions(data):
    accepts_or_refuses(spec_from_dict, data, "mutated.yaml")


@pytest.mark.long
@SOME
@given(data=mutated(STUDY))
def test_studies(data):
    accepts_or_refuses(lambda: plan(parse_study(data, "mutated.yaml"), "mutated.yaml"))


@pytest.mark.long
@MANY
@given(data=damaged((ROOT / "reports/precision/onchip.yaml").read_bytes()))
def test_damaged_yaml(data):
    accepts_or_refuses(lambda: parse_study(parse_yaml(data.decode(errors="replace"), "damaged.yaml"), "damaged.yaml"))


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("package")
    save_package(package_of_training(Training(tiny(*SHORT, "precision=q16"))), folder)
    return folder


@pytest.mark.long
def test_packages(package, tmp_path):
    meta, arrays = yaml.safe_load((package / "package.yaml").read_text()), (package / "arrays.npz").read_bytes()
    shutil.copytree(package, tmp_path, dirs_exist_ok=True)

    @SOME
    @given(data=mutated(meta))
    def described(data):
        (tmp_path / "package.yaml").write_text(yaml.safe_dump(data))
        accepts_or_refuses(load_package, tmp_path)

    @SOME
    @given(data=damaged(arrays))
    def stored(data):
        (tmp_path / "arrays.npz").write_bytes(data)
        accepts_or_refuses(load_package, tmp_path)
    described()
    (tmp_path / "package.yaml").write_bytes((package / "package.yaml").read_bytes())
    stored()


def test_golden_files(tmp_path):
    data = (ROOT / "tests/golden/match_small_a_f64.npz").read_bytes()

    @SOME
    @given(data=damaged(data))
    def stored(data):
        (tmp_path / "case.npz").write_bytes(data)
        accepts_or_refuses(load_golden, tmp_path / "case.npz")
    stored()


def test_arrays_that_claim_petabytes_or_hold_objects_are_refused_within_a_gigabyte(tmp_path):
    """In a process of its own with little address space: nothing is allocated before it is checked."""
    header = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little")
    claim = header + f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({2**47},), }}".encode().ljust(117) + b"\n"
    import zipfile
    names = np.load(ROOT / "tests/golden/match_small_a_f64.npz", allow_pickle=False).files
    with zipfile.ZipFile(tmp_path / "claim.npz", "w") as archive:
        for name in names:
            archive.writestr(f"{name}.npy", claim)
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(f"{name}.npy", claim + bytes(1 << 22))
    np.savez(tmp_path / "objects.npz", **{name: np.array([os.system], object) for name in names})
    for name in ("claim", "bomb", "objects"):
        done = subprocess.run([sys.executable, "-c", "from fxsim.cli.main import main; main()", "verify", "golden", tmp_path / f"{name}.npz"],
                              capture_output=True, text=True, timeout=100, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30)))
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and "Traceback" not in done.stderr, (name, done.stderr)


@pytest.mark.parametrize("command", [["train", "{}"], ["train", "delayed_match", "--set", "precision={}"], ["sweep", "{}", "--out", "out"],
                                     ["export", "lava", "{}", "out"], ["report", "{}"], ["verify", "golden", "{}"], ["fit", "{}"], ["cost", "{}"]])
@pytest.mark.parametrize("kind", ["missing", "directory", "fifo", "device", "binary", "endless", "loop"])
def test_things_that_are_no_files(command, kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "input.yaml"
    {"missing": lambda: None, "directory": path.mkdir, "fifo": lambda: os.mkfifo(path), "device": lambda: path.symlink_to("/dev/null"),
     "binary": lambda: path.write_bytes(bytes(range(256)) * 9), "endless": lambda: path.symlink_to("/dev/zero"), "loop": lambda: path.symlink_to(path)}[kind]()
    result = CliRunner().invoke(main, [argument.format(path) for argument in command])
    assert result.exit_code == 2 and result.stderr.count("\n") == 1 and "allowed: " in result.stderr, result.stderr
    assert not (tmp_path / "out").exists() and not (tmp_path / "runs").exists()


@pytest.mark.parametrize("changes", [["name=../../escaped"], ["name=/tmp/escaped"], ["name=a/b"], ["name=.."], ["name=."]])
def test_names_do_not_lead_out_of_the_default_directory(changes, tmp_path, monkeypatch):
    work = tmp_path / "a/b/work"
    work.mkdir(parents=True)
    monkeypatch.chdir(work)
    small = [x for change in (*SHORT, "iterations=0", "engine=oracle", "evaluation.telemetry=off", *changes) for x in ("--set", change)]
    assert CliRunner().invoke(main, ["train", "delayed_match", *small]).exit_code == 0
    outside = [p for p in tmp_path.rglob("*") if p.is_file() and not p.is_relative_to(work / "runs")]
    assert not outside and not list(Path("/tmp").glob("escaped-*")) and len(list((work / "runs").iterdir())) == 1


def test_what_needs_more_memory_than_there_is_is_refused_with_the_estimate():
    result = CliRunner().invoke(main, ["train", "delayed_match", "--set", "batch_size=1000000", "--set", "network.n_lif=100000", "--set", "network.grid=[400, 400]"])
    assert result.exit_code == 2 and "GiB" in result.stderr and result.stderr.count("\n") == 1

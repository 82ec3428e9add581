"""fxsim doctor: every finding has a status and, unless all is well, something to do."""
import os

import pytest
from click.testing import CliRunner

from fxsim.cli.main import main
from fxsim.files.cache import Cache
from fxsim.verify import doctor
from fxsim.verify.doctor import FAULT, NOTE, OK, Finding

pytestmark = pytest.mark.core


def run(monkeypatch, finding):
    monkeypatch.setattr(doctor, "self_test", lambda: finding)       # compiling is what tests of engines do
    return CliRunner().invoke(main, ["doctor"], catch_exceptions=False)


def test_it_looks_at_everything(monkeypatch):
    result = run(monkeypatch, Finding("self-test", OK, "equal"))
    lines = [line for line in result.output.splitlines() if not line.startswith(" ")]
    assert [line[7:24].strip() for line in lines] == ["fxsim", "Python", "packages", "reference", "nir", "cluster", "tested versions", "cores", "SIMD", "cache", "GPU", "Lava",
                                                      "self-test"]
    assert result.exit_code == any(line.startswith(FAULT) for line in lines)


def test_a_fault_is_exit_status_1_and_has_an_advice(monkeypatch):
    result = run(monkeypatch, Finding("self-test", FAULT, "differs", "report it"))
    assert result.exit_code == 1 and result.output.endswith("FAULT  self-test        differs\n" + 24 * " " + "-> report it\n")


@pytest.mark.parametrize("difference, status, words", [(lambda: None, OK, "equals the oracle"), (lambda: "V, step 3", FAULT, "V, step 3"),
                                                       (lambda: 1 / 0, FAULT, "ZeroDivisionError")])
def test_the_self_test_says_what_it_found(difference, status, words):
    finding = doctor.self_test(difference)
    assert finding.status == status and words in finding.found and bool(finding.advice) == (status == FAULT)


def test_packages_that_do_not_fit_are_faults(monkeypatch):
    monkeypatch.setattr(doctor, "_version", {"numpy": "1.0", "rich": None}.get)
    finding, = doctor._packages()
    assert finding.status == FAULT and "numpy>=1.26 (found 1.0)" in finding.found and "rich>=13 (found None)" in finding.found


def test_a_cache_that_cannot_be_written_and_none_at_all(monkeypatch, tmp_path):
    monkeypatch.setattr("fxsim.files.cache._cache", lambda wanted: Cache(tmp_path))
    assert next(doctor._cache()).status == OK and os.listdir(tmp_path) == []
    monkeypatch.setattr("fxsim.files.cache._cache", lambda wanted: Cache(tmp_path / "gone"))
    (tmp_path / "gone").mkdir()
    monkeypatch.setattr("fxsim.files.cache.write_atomic", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    assert next(doctor._cache()).status == NOTE
    monkeypatch.setattr("fxsim.files.cache._cache", lambda wanted: Cache(None))
    assert next(doctor._cache()).status == FAULT

"""The mutation run: its list fits the code, and it tells a fault that is found from one that is not."""
import importlib.util
import json
import shlex

import pytest

from places import ROOT

spec = importlib.util.spec_from_file_location("mutants", ROOT / "tests/mutants/mutants.py")
mutants = importlib.util.module_from_spec(spec)
spec.loader.exec_module(mutants)

pytestmark = pytest.mark.core


def test_every_fault_can_be_made_and_names_tests_that_are_there():
    faults = mutants.load()
    for fault in faults:
        assert mutants.applied(fault) and fault["new"] != fault["old"]
        assert all((ROOT / word).exists() for word in shlex.split(fault["tests"]) if word.startswith("tests/"))
    assert len({json.dumps(fault) for fault in faults}) == len(faults) > 50


@pytest.fixture
def project(tmp_path):
    (tmp_path / "code_.py").write_text("def double(x):\n    return x + x\n")
    (tmp_path / "test_it.py").write_text("from code_ import double\n\n\ndef test_two():\n    assert double(2) == 4\n\n\ndef test_false():\n    assert not double(1)\n")
    (tmp_path / "conftest.py").write_text("from hypothesis import settings\nsettings.register_profile('mutants')\n")
    return tmp_path


@pytest.mark.parametrize("new, found", [("x * x", "survived"), ("x + 1", "killed")])
def test_a_fault_is_found_or_not_and_undone(new, found, project):
    fault = {"file": "code_.py", "old": "x + x", "new": new, "tests": "test_it.py -k two"}
    assert mutants.outcome(fault, project) == found
    assert "x + x" in (project / "code_.py").read_text()


def test_tests_that_fail_without_a_fault_or_are_none_are_errors(project):
    assert not mutants.tests_pass("test_it.py -k false", project)
    with pytest.raises(ValueError, match="pytest ended with"):
        mutants.tests_pass("test_it.py -k nothing", project)

"""The checks of a GPU, without one: what they say when something is wrong, and the report."""
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fxsim.engine.cuda.device as device
from fxsim.engine.cuda.device import H100, driver_found
from fxsim.verify.card.checks import compare_trainings
from fxsim.verify.card.report import write_report
from fxsim.verify.card.run import Check, attempt
from fxsim.verify.card.timing import Timing

TIMING = Timing("cue_accumulation", "q16", 64, "256 threads", 80, 0.02, 0.019, 0.03, 0.05, 9e9, 0.01, "latency")


@pytest.mark.skipif(driver_found(), reason="this machine has an NVIDIA driver")
def test_without_a_gpu_the_command_ends_in_one_line(tmp_path):
    done = subprocess.run([sys.executable, "-c", "from fxsim.cli.main import main; main()", "verify", "gpu", "--out", str(tmp_path / "gpu")],
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 2 and not (tmp_path / "gpu").exists()
    assert done.stderr.strip().splitlines() == ["engine cuda: device: found no CUDA driver on this machine, allowed: an NVIDIA GPU with its driver; "
                                                "or engine cpu"]


def test_the_driver_knows_every_attribute_that_a_device_is_asked_for():
    driver = pytest.importorskip("cuda.bindings.driver", reason="needs fxsim[cuda]")
    asked = set(re.findall(r"device\.([A-Z][A-Z_]+)", Path(device.__file__).read_text()))
    assert len(asked) > 5
    assert [name for name in asked if not hasattr(driver.CUdevice_attribute, f"CU_DEVICE_ATTRIBUTE_{name}")] == []


def test_a_check_that_fails_is_one_failed_check():
    def broken(x):
        raise RuntimeError(f"illegal\naddress {x}")

    check, found = attempt("random", "0", broken, 7)
    assert check.difference == "RuntimeError: illegal address 7" and "in broken" in check.trace and found is None
    assert attempt("random", "1", lambda: "gradient_in differs")[0].difference == "gradient_in differs"
    assert attempt("random", "2", lambda: None)[0].difference is None


def test_trainings_are_compared_row_by_row_and_by_their_weights():
    def curve(loss, weights="a"):
        return {"curves": [{"iteration": i, "split": "train", "loss": value} for i, value in enumerate(loss)], "weights": weights}

    assert compare_trainings(curve([1, 2]), curve([1, 2])) is None
    assert compare_trainings(curve([1, 2]), curve([1, 3])).startswith("iteration 1, train: cpu")
    assert compare_trainings(curve([1]), curve([1], "b")) == "stored weights differ after the last update"


def test_the_report_tells_the_card_the_times_and_every_difference(tmp_path):
    checks = [Check("random", "0: q16", 1.0, None), Check("random", "1: w4s8", 1.0, "gradient_in, index (3,): oracle 1, here 2")]
    write_report(tmp_path, H100, checks, [TIMING], 12.0)
    text, data = (tmp_path / "README.md").read_text(), json.loads((tmp_path / "results.json").read_text())
    assert "H100" in text and "| random | 2 | 1 |" in text and "* random, 1: w4s8: gradient_in, index (3,)" in text
    assert "| cue_accumulation | q16 | 64 | 256 threads | 80 | 0.02 | 9 | 0.03 | 0.05 | 0.01 | latency | 2.00 |" in text
    assert data["timings"][0]["kernel"] == 0.02 and data["checks"][1]["difference"] and data["card"]["multiprocessors"] == 132
    write_report(tmp_path, H100, checks[:1], [TIMING], 12.0)
    assert "Everything that was compared is equal, bit for bit." in (tmp_path / "README.md").read_text()

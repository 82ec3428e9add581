"""No run ends with a NaN or an infinity in what it writes: a configuration is refused by field, a training that leaves the numbers where it does."""
import csv
import json
import math
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st

from fxsim import load_config
from fxsim.errors import InputError
from fxsim.training.loop import Training
from fxsim.training.metrics import require_finite
from fxsim.training.runs import train_in

from tiny import SHORT, TINY

pytestmark = pytest.mark.core
SMALL = [*TINY, *SHORT, "engine=oracle", "task.cue=3", "task.decision=3", "task.window=3", "batch_size=1", "evaluation.batch_size=1", "task.cue_rate=500",
         "network.gains={input: 10}"]
FIELDS = ("network.tau_m", "network.tau_out", "network.tau_adaptation", "network.threshold", "network.beta", "network.gamma", "network.gains.input",
          "network.gains.recurrent", "network.gains.readout", "network.sigma", "learning.k", "learning.c_reg", "learning.f_target_hz", "learning.optimizer.rate",
          "learning.optimizer.beta1", "learning.optimizer.beta2", "learning.optimizer.epsilon")
NUMBERS = st.one_of(st.floats(), st.sampled_from([1e-320, 1e-30, 1e-12, 0.9999999999999999, 1e9, 1e16, 1e17, 1e30, 1e300]))


def all_finite(directory):
    for name in ("curves.csv", "telemetry.csv"):
        with open(directory / name) as file:
            for row in csv.DictReader(file):
                assert not {value.lower() for value in row.values()} & {"nan", "inf", "-inf"}, row
    for name in ("weights.npz", "snapshot.npz"):
        with np.load(directory / name) as arrays:
            assert all(np.isfinite(arrays[key]).all() for key in arrays), name
    return json.loads((directory / "manifest.json").read_text())["finished"]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(precision=st.sampled_from(["float32", "float64", "q16"]), changes=st.dictionaries(st.sampled_from(FIELDS), NUMBERS, min_size=1, max_size=3))
@example(precision="float64", changes={"network.tau_out": 1e17})
@example(precision="float32", changes={"network.tau_m": 1e16})
@example(precision="float32", changes={"learning.optimizer.rate": 1e30})
@example(precision="float32", changes={"network.threshold": 1e30, "network.gains.readout": 1e30})
@example(precision="float32", changes={"network.threshold": 1e-30, "network.gains.recurrent": 11887514592.0})
def test_extreme_numbers_end_in_finite_ones_or_in_one_line(precision, changes, tmp_path_factory):
    out = tmp_path_factory.mktemp("extreme")
    with warnings.catch_warnings():
        warnings.simplefilter("error")      # a warning would stand beside the one line
        try:
            config = load_config("delayed_match", SMALL).changed({"precision": precision, **changes})
            train_in(out / "run", config)
        except InputError as error:
            assert "\n" not in str(error) and not (out / "run/manifest.json").exists()
            return
    assert all_finite(out / "run")


@pytest.mark.parametrize("field", ["network.tau_m", "network.tau_out", "network.tau_adaptation"])
def test_time_constants_that_lose_nothing_are_refused_by_field(field):
    with pytest.raises(InputError, match=f"{field}: found 1e.16, allowed: greater than 0"):
        load_config("delayed_match", [f"{field}=1e16"])


def test_a_pattern_of_one_step_has_no_error_and_is_refused():
    with pytest.raises(InputError, match="task.duration: found 1, allowed: greater than or equal to 2"):
        load_config("pattern_generation", ["task.duration=1"])


def test_a_training_that_leaves_the_numbers_stops_there(tmp_path, monkeypatch):
    config = load_config("delayed_match", [*SMALL, "iterations=9"])
    step = type(Training(config).optimizer).step

    def diverging(self, gradients, batch):
        return step(self, {layer: g * math.nan if self.updates == 4 else g for layer, g in gradients.items()}, batch)
    monkeypatch.setattr(type(Training(config).optimizer), "step", diverging)
    with pytest.raises(InputError, match=r"delayed_match: weights\.in: found nan after 5 updates, allowed: finite numbers"):
        train_in(tmp_path / "run", config)
    assert not (tmp_path / "run/manifest.json").exists()


def test_text_and_what_is_not_measured_need_not_be_finite():
    require_finite("x", {"task": "nan", "nmse": None, "loss": 1.0, "weights": np.zeros(0)}, "")
    with pytest.raises(InputError, match="x: b: found -inf here"):
        require_finite("x", {"a": 1, "b": np.array([0.0, -np.inf])}, "here")

"""Golden files: what is read, what is refused and how it is said, and what verification makes of a wrong result."""
import json
from dataclasses import replace

import numpy as np
import pytest

from fxsim.errors import InputError
from fxsim.verify.golden import IMPLEMENTATIONS, golden_table, relative_error, verify_case, verify_golden
from fxsim.verify.golden_case import load_golden

from places import GOLDEN

SOURCE = GOLDEN / "match_small_a_f64.npz"


@pytest.fixture(scope="module")
def arrays():
    with np.load(SOURCE, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _write(path, arrays, drop=(), config=None, **changes):
    """A golden file with some arrays replaced or dropped; ``config`` maps "part.field" to a value."""
    found = {name: values for name, values in {**arrays, **changes}.items() if name not in drop}
    if config:
        parameters = json.loads(str(arrays["config_json"]))
        for field, value in config.items():
            *parts, last = field.split(".")
            node = parameters
            for part in parts:
                node = node[part]
            node[last] = value
        found["config_json"] = np.array(json.dumps(parameters))
    np.savez(path, **found)
    return path


def _edited(values, index, value):
    values = values.copy()
    values[index] = value
    return values


def test_a_case_holds_what_the_file_says(arrays):
    case = load_golden(SOURCE)
    assert (case.dtype, case.rate, case.learning.window, case.learning.k) == ("float64", 0.005, 50, 0.75)
    assert case.learning.f_target == 0.01 and case.learning.c_reg == 0.01 and case.learning.classification
    topology = case.network.topology
    assert (topology.grid, topology.n, topology.n_in, topology.n_out) == ((5, 5), 20, 40, 2)
    for layer in ("in", "rec", "out"):
        np.testing.assert_array_equal(topology.synapses(layer).dense(case.network.weights[layer]), arrays[f"w_{layer}"])
    assert case.trials.target.shape == (4, 50, 2) and set(case.gradients) == {"eprop", "diffusion", "diffusion_shuffled_fixed", "bptt"}


def test_what_may_be_left_out_may_be_left_out(tmp_path, arrays):
    optional = [name for name in arrays if "shuffled_fixed" in name or "bptt" in name]
    case = load_golden(_write(tmp_path / "few.npz", arrays, drop=["a", "A", *optional]))
    assert set(case.trajectories) == {"v", "r", "z", "y"} and set(case.gradients) == {"eprop", "diffusion"}


def test_constants_may_be_stored_per_neuron(tmp_path, arrays):
    per_neuron = {name: np.full(20, arrays[name]) for name in ("thr", "gamma", "alpha", "rho", "kappa")}
    case = load_golden(_write(tmp_path / "n.npz", arrays, **per_neuron, betas=np.array(1.8)))
    expected = load_golden(SOURCE).network.constants
    assert replace(case.network.constants, beta=None) == replace(expected, beta=None)
    np.testing.assert_array_equal(case.network.constants.beta, expected.beta)


def test_heterogeneous_betas_windows_and_durations_are_read(tmp_path, arrays):
    betas = np.where(arrays["betas"] > 0, np.linspace(1, 2, 20), 0)
    label = _edited(arrays["label"], (0, slice(300, None)), [0.0, 1.0])
    case = load_golden(_write(tmp_path / "h.npz", arrays, config={"task.LS_avail": 0}, betas=betas, label=label,
                              trial_duration=np.array([320, 300, 200, 1], np.int32)))
    np.testing.assert_array_equal(case.network.constants.beta, betas)
    assert case.learning.window == 320 and case.trials.duration.tolist() == [320, 300, 200, 1]
    np.testing.assert_array_equal(case.trials.target, label)


NOT_NPZ = {
    "empty": b"", "text": b"not an archive", "truncated": SOURCE.read_bytes()[:5000], "cut": SOURCE.read_bytes()[:-200],
}


@pytest.mark.parametrize("kind", NOT_NPZ)
def test_a_file_that_is_no_archive_is_refused(tmp_path, kind):
    path = tmp_path / "bad.npz"
    path.write_bytes(NOT_NPZ[kind])
    _refused(path, "")


def test_a_missing_file_a_directory_and_a_single_array_are_refused(tmp_path):
    np.save(tmp_path / "one.npy", np.zeros(3))
    for name in ("missing.npz", ".", "one.npy"):
        _refused(tmp_path / name, "")


def test_a_corrupted_member_is_refused(tmp_path, arrays):
    content = bytearray(_write(tmp_path / "bad.npz", arrays).read_bytes())
    at = content.index(arrays["v"].tobytes()[2000:2032])
    content[at:at + 8] = b"\xff" * 8
    (tmp_path / "bad.npz").write_bytes(content)
    _refused(tmp_path / "bad.npz", "v")


FIELDS = {      # field that must be named -> change of the file
    "w_rec": dict(drop=["w_rec"]),
    "grad_eprop_in": dict(drop=["grad_eprop_in"]),
    "grad_bptt_out": dict(drop=["grad_bptt_out"]),
    "adam3_eprop_rec": dict(drop=["adam3_eprop_rec"]),
    "x": lambda a: dict(x=a["x"] * 2),
    "v": lambda a: dict(v=a["v"].astype(np.float32)),
    "y": lambda a: dict(y=a["y"][:, :-1]),
    "z": lambda a: dict(z=a["z"].astype(float)),
    "r": lambda a: dict(r=a["r"][..., :-1]),
    "A": lambda a: dict(A=_edited(a["A"], (0, 0, 0), np.nan)),
    "thr": lambda a: dict(thr=np.linspace(0.02, 0.03, 20)),
    "rho": lambda a: dict(rho=np.float64(1.5)),
    "betas": lambda a: dict(betas=a["betas"][:-1]),
    "mask_in": lambda a: dict(mask_in=a["mask_in"] * 3),
    "w_in": lambda a: dict(mask_in=_edited(a["mask_in"], tuple(np.argwhere(a["mask_in"])[0]), 0)),
    "mask_rec": lambda a: dict(mask_rec=_edited(a["mask_rec"], (3, 3), 1)),
    "cell_row_col": lambda a: dict(cell_row_col=_edited(a["cell_row_col"], (2, 1), 5)),
    "cell_row_col ": lambda a: dict(cell_row_col=_edited(a["cell_row_col"], 2, a["cell_row_col"][1])),
    "shuffle_permutation": lambda a: dict(shuffle_permutation=_edited(a["shuffle_permutation"], 0, a["shuffle_permutation"][1])),
    "diffusion_kernel": lambda a: dict(diffusion_kernel=a["diffusion_kernel"] * 2),
    "feedback": lambda a: dict(feedback=np.array([{"an": "object"}])),
    "label": lambda a: dict(label=a["label"] * 0.5),
    "trial_duration": lambda a: dict(trial_duration=a["trial_duration"] + 1),
    "grad_surprise_in": lambda a: dict(grad_surprise_in=a["grad_eprop_in"]),
    "config_json": dict(config_json=np.array("{not json")),
    "config_json ": dict(config_json=np.array(3.0)),
    "config_json  ": dict(config_json=np.array("[]")),
    "config_json.dtype": dict(config={"dtype": "float16"}),
    "config_json.net_params.k": dict(config={"net_params.k": float("nan")}),
    "config_json.net_params.dt": dict(config={"net_params.dt": 0.5}),
    "config_json.net_params.refractory_period": dict(config={"net_params.refractory_period": -1}),
    "config_json.net_arch.gridshape": dict(config={"net_arch.gridshape": [4, 4]}),
    "config_json.train_params": dict(config={"train_params": None}),
    "config_json.task.LS_avail": dict(config={"task.LS_avail": 321}),
    "config_json.task.task_type": dict(config={"task.task_type": "guess"}),
}


@pytest.mark.parametrize("field", FIELDS)
def test_a_wrong_field_is_refused_by_name(tmp_path, arrays, field):
    change = FIELDS[field](arrays) if callable(FIELDS[field]) else FIELDS[field]
    _refused(_write(tmp_path / "bad.npz", arrays, **change), field.strip())


def _refused(path, field):
    with pytest.raises(InputError) as caught:
        load_golden(path)
    message = str(caught.value)
    assert caught.value.field == field and str(path) in message and "\n" not in message, message


class _Echo:
    """An implementation that answers with the golden results, changed as told."""

    def __init__(self, shift=0.0, flips=0):
        self.shift, self.flips = shift, flips

    def trajectories(self, case):
        found = {name: values.copy() for name, values in case.trajectories.items()}
        found["z"].flat[: self.flips] ^= 1
        return found

    def gradients(self, case, rule):
        if rule == "bptt":
            return None
        return {layer: values + self.shift * np.abs(values).max() for layer, values in case.gradients[rule].items()}

    def adam3(self, case, rule):
        return {layer: values + self.shift * case.rate for layer, values in case.adam3[rule].items()}


def test_a_perfect_implementation_passes_and_unknown_rules_are_left_out():
    rows = verify_case(load_golden(SOURCE), "echo", _Echo())
    assert all(row.ok and row.error == 0 for row in rows)
    assert not any("bptt" in row.quantity for row in rows) and len(rows) == 6 + 3 * 3 + 2 * 3


@pytest.mark.parametrize("name, shift, ok", [("match_small_a_f64", 5e-10, True), ("match_small_a_f64", 2e-9, False),
                                             ("cue_paper_f32", 5e-5, True), ("cue_paper_f32", 2e-3, False)])
def test_the_tolerance_follows_the_floating_point_type(name, shift, ok):
    rows = [row for row in verify_case(load_golden(GOLDEN / f"{name}.npz"), "echo", _Echo(shift)) if row.quantity.startswith("grad")]
    assert all(row.ok == ok for row in rows), golden_table(rows)


def test_differing_spikes_are_counted_and_fail():
    rows = {row.quantity: row for row in verify_case(load_golden(SOURCE), "echo", _Echo(flips=3))}
    assert not rows["z"].ok and rows["z"].note.startswith("3 differing spikes") and rows["v"].ok
    assert "FAIL" in golden_table([rows["z"]])


def test_relative_error_is_scaled_by_the_largest_golden_value():
    golden = np.array([0.0, -4.0, 1.0])
    assert relative_error(golden + [0.0, 0.0, 0.02], golden) == pytest.approx(0.005)
    assert relative_error(np.array([0.5]), np.array([0.0])) == 0.5
    assert relative_error(np.zeros(0), np.zeros(0)) == 0
    assert relative_error(np.array([np.nan]), np.array([1.0])) == relative_error(np.zeros(2), np.zeros(3)) == float("inf")


def test_an_unknown_implementation_is_refused():
    with pytest.raises(InputError, match="nobody"):
        verify_golden([SOURCE], ["nobody"])
    assert "reference" in IMPLEMENTATIONS


def test_steps_of_a_rule_without_its_gradients_are_refused(tmp_path, arrays):
    extra = {f"adam3_bptt_{layer}": arrays[f"adam3_eprop_{layer}"] for layer in ("in", "rec", "out")}
    with pytest.raises(InputError, match="grad_bptt_in"):
        load_golden(_write(tmp_path / "case.npz", arrays, drop=[f"grad_bptt_{layer}" for layer in ("in", "rec", "out")], **extra))

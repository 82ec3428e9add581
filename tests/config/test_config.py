"""Configurations: the shipped ones carry the paper's parameters; whatever is wrong is one line that says what and where."""
import copy

import pytest
import yaml
from hypothesis import given, settings, strategies as st

from fxsim.config import build_config, config_names, dump_config, load_config
from fxsim.errors import InputError
from fxsim.model.topology import learning_of

pytestmark = pytest.mark.core


def test_shipped_configurations_carry_the_papers_parameters():
    match, cue, pattern = (load_config(name) for name in ("delayed_match", "cue_accumulation", "pattern_generation"))
    assert (match.task.steps, cue.task.steps, pattern.task.steps) == (1100, 2050, 2000)
    assert (match.n_in, cue.n_in, pattern.n_in) == (80, 40, 100)
    assert (match.network.tau_adaptation, cue.network.tau_adaptation) == (1400, 2000)
    assert (match.task.window, cue.task.window, learning_of(pattern).window) == (50, 150, 2000)
    assert (match.learning.c_reg, cue.learning.c_reg, pattern.learning.c_reg) == (0.01, 0.005, 0.01)
    assert pattern.learning.optimizer.rate == 0.01 and not learning_of(pattern).classification
    assert match.network.gains.model_dump() == {"input": 0.5, "recurrent": 0.1, "readout": 0.5, "feedback": 0.5}
    for config in (match, cue, pattern):
        assert learning_of(config).f_target == pytest.approx(0.01) and config.iterations == 2000


@pytest.mark.parametrize("name", config_names())
def test_a_dumped_configuration_reads_back(name, tmp_path):
    config = load_config(name, ["seed=7", "learning.rule=eprop"])
    (tmp_path / "c.yaml").write_text(dump_config(config))
    assert load_config(tmp_path / "c.yaml") == config


def test_the_authors_variants_differ_from_the_papers_where_they_say():
    def differs(name):
        base = load_config("delayed_match" if name.startswith("delayed") else "cue_accumulation")
        config, found = load_config(name), {}
        for field, value in _leaves(config.model_dump()):
            if dict(_leaves(base.model_dump()))[field] != value and field != "name":
                found[field] = value
        return found
    hard = {"network.n_lif": 200, "network.n_alif": 200, "network.grid": (20, 20), "task.delay": 500, "task.decision_delay": 500}
    batch = {"batch_size": 8, "evaluation.batch_size": 8}
    assert {name: differs(name) for name in config_names() if name.count("_") > 1} == {
        "delayed_match_decision_delay": {"task.decision_delay": 500}, "delayed_match_hard": hard, "delayed_match_low_batch": batch,
        "delayed_match_long_signal": {"task.decision": 400, "task.window": 400}, "delayed_match_sparse": {"network.connectivity": "sparse"},
        "cue_accumulation_long_signal": {"task.window": 400}, "cue_accumulation_low_batch": batch, "cue_accumulation_modified": {"task.input": "modified"},
        "cue_accumulation_sparse": {"network.connectivity": "sparse"}}
    assert (load_config("delayed_match_hard").task.steps, load_config("delayed_match_long_signal").task.steps) == (1400, 1450)


def _leaves(data, path=""):
    for key, value in data.items():
        yield from _leaves(value, f"{path}{key}.") if isinstance(value, dict) and value else [(path + key, value)]


def test_a_file_says_only_what_differs_from_another(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "base.yaml").write_text("extends: delayed_match\nname: base\ntask: {delay: 300}\nlearning: {optimizer: {rate: 0.5}}\n")
    (tmp_path / "sub/mine.yaml").write_text("extends: ../base.yaml\ntask: {cue: 20}\nlearning: {rule: eprop}\nseed: 4\n")
    (tmp_path / "other.yaml").write_text("extends: base.yaml\ntask: {name: cue_accumulation, cues: 3}\nlearning: {optimizer: {name: sgd}}\n")
    mine, other = load_config(tmp_path / "sub/mine.yaml"), load_config(tmp_path / "other.yaml")
    assert (mine.name, mine.task.delay, mine.task.cue, mine.task.channels, mine.learning.rule, mine.learning.optimizer.rate, mine.seed) == ("base", 300, 20, 20, "eprop", 0.5, 4)
    assert other.task.cues == 3 and other.learning.optimizer.log2_rate == -10
    (tmp_path / "loop.yaml").write_text("extends: loop.yaml\nname: x")
    for text, word in (("extends: 3", "extends: found 3"), ("extends: gone.yaml", "No such file"), ("extends: [a]", "extends"), ("extends: loop.yaml", "each of which extends another")):
        (tmp_path / "bad.yaml").write_text(text)
        with pytest.raises(InputError, match=word.replace("[", ".")) as error:
            load_config(tmp_path / "bad.yaml")
        assert "\n" not in str(error.value)


BAD = [     # override, field in the message, what is allowed
    ("network.grid=[5,5]", "network.grid: found 5 x 5 = 25 cells", "n_lif + n_alif = 100"),
    ("network.grid=[5]", "network.grid", ""), ("network.grid=[0,200]", "network.grid.0", "1"),
    ("netwrk.grid=[5,5]", "netwrk", ""), ("network.gridd=[5,5]", "network.gridd: found an unknown key", "grid"), ("foo=1", "foo", "iterations"),
    ("task.cue_time=3", "task.cue_time", "delay"), ("task.name=matching", "task.name", "delayed_match"), ("task=5", "task", ""),
    ("network.tau_m=-20", "network.tau_m", "greater than 0"), ("network.tau_m=.nan", "network.tau_m", ""), ("network.tau_out=.inf", "network.tau_out", ""),
    ("network.tau_m=abc", "network.tau_m", "number"), ("learning.k=1.0", "learning.k", "less than 1"), ("learning.k=-0.1", "learning.k", "0"),
    ("iterations=-1", "iterations", ""), ("iterations=1.5", "iterations", "integer"), ("batch_size=0", "batch_size", "1"), ("batch_size=[1]", "batch_size", ""),
    ("task.window=1101", "task.window: found 1101 ms", "1100"), ("task.p=1.5", "task.p", "1"), ("task.cue_rate=2000", "task.cue_rate", "1000"),
    ("network.n_lif=-1", "network.n_lif", ""), ("network.connectivity=small_world", "network.connectivity", "local"),
    ("network.feedback=symmetric", "network.feedback", "Symmetric"), ("network.sigma=0", "network.sigma", "greater than 0"),
    ("network.input_sparsity=0", "network.input_sparsity", ""), ("learning.rule=backprop", "learning.rule", "bptt"),
    ("learning.optimizer.name=adamw", "learning.optimizer.name", "adam"), ("learning.optimizer.log2_rate=3", "learning.optimizer.log2_rate", "rate"),
    ("learning.optimizer.rate=0", "learning.optimizer.rate", "greater than 0"), ("engine=gpu", "engine", "auto"),
    ("seed=4294967296", "seed", "4294967296"), ("seed=-1", "seed", "0"), ("threads=-1", "threads", "0"), ("precision=''", "precision", ""),
    ("batch_size=yes", "batch_size", "a number"), ("batch_size=true", "batch_size", "a number"), ("network.refractory=no", "network.refractory", "a number"),
    ("network.tau_m=on", "network.tau_m", "a number"), ("network.tau_m='20'", "network.tau_m", "a number"), ("evaluation.stop=on", "evaluation.stop", "true or false"),
    ("evaluation.stop=1", "evaluation.stop", "true or false"), ("formats.membrane.signed=yes", "formats.membrane.signed", "true or false"),
    ("batch_size=900000", "network, task, batch_size", "memory" if False else "GiB"), ("evaluation.every=0", "evaluation.every", "1"),
]


@pytest.mark.parametrize("override, field, allowed", BAD)
def test_a_bad_value_is_one_line_with_file_field_found_and_allowed(override, field, allowed):
    with pytest.raises(InputError) as error:
        load_config("delayed_match", [override])
    line = str(error.value)
    assert line.startswith("delayed_match.yaml: ") and field in line and allowed in line.split("allowed:")[1] and "\n" not in line


@pytest.mark.parametrize("overrides, field", [
    (["learning.rule=bptt", "precision=q16", "engine=reference"], "precision"), (["learning.memory_mib=0"], "learning.memory_mib"),
    (["learning.rule=bptt", "learning.memory_mib=9", "engine=reference"], "learning.memory_mib"), (["learning.rule=bptt", "engine=oracle"], "engine"),
    (["learning.rule=bptt", "learning.optimizer={name: sgd}"], "learning.optimizer.name"),
    (["learning.optimizer={name: adamax, beta1_shift: 5, beta2_shift: 4}"], "learning.optimizer.beta2_shift"), (["engine=reference", "precision=q16"], "precision"),
    (["precision"], "precision"), (["task.delay={"], "")])
def test_combinations_that_do_not_exist_are_refused(overrides, field):
    with pytest.raises(InputError) as error:
        load_config("delayed_match", overrides)
    assert field in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("text", [
    "", "- 1\n- 2", "name: [", "a: &x [1]\nb: *x", "name: a\nname: b", "!!python/object/apply:os.system ['true']", "? {a: 1}\n: 2",
    "{" * 500, "name: \u0000", "a: &a [x]\nb: &b [*a,*a]\nc: [*b,*b]", "name: 2020-13-45", "1: 2", "task: {name: delayed_match, name: x}"])
def test_files_that_are_not_plain_configurations_are_refused(text, tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        load_config(path)
    assert "bad.yaml" in str(error.value) and "\n" not in str(error.value)


def test_missing_binary_and_huge_files_are_refused(tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x80" * 10)
    (tmp_path / "huge").write_bytes(b"a" * (2 << 20))
    for name, word in ((tmp_path / "binary", "text"), (tmp_path / "huge", "bytes"), (tmp_path / "none", "delayed_match"), (tmp_path, "delayed_match")):
        with pytest.raises(InputError, match=word):
            load_config(name)
    with pytest.raises(InputError, match="did you mean delayed_match"):
        load_config("delayed_mach")


def _places(data, path=()):
    yield path
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from _places(value, (*path, key))


PLAIN = yaml.safe_load(dump_config(load_config("cue_accumulation")))
VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.lists(st.integers(), max_size=3),
                   st.dictionaries(st.text(max_size=5), st.integers(), max_size=2))


@settings(max_examples=400, deadline=None)
@given(place=st.sampled_from([p for p in _places(PLAIN) if p]), value=VALUES, remove=st.booleans())
def test_any_mutation_is_either_valid_or_one_line(place, value, remove):
    data = copy.deepcopy(PLAIN)
    parent = data
    for key in place[:-1]:
        parent = parent[key]
    if remove and isinstance(parent, dict):
        del parent[place[-1]]
    else:
        parent[place[-1]] = value
    try:
        build_config(data, "mutated.yaml")
    except InputError as error:
        assert str(error).startswith("mutated.yaml: ") and "\n" not in str(error)

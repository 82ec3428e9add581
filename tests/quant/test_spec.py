"""Precision files: presets are complete, and whatever is wrong is one line that says what and where."""
import pytest
import yaml

from quant import QUANTITIES, InputError, load_spec, preset_names
from quant.spec import spec_from_dict

pytestmark = pytest.mark.core


def test_all_presets_load_and_give_every_quantity_a_format():
    assert preset_names() == ["q32", "q24", "q16", "w8s16", "w4s8", "loihi2", "loihi_engine", "reckon", "spinnaker2", "xylo"]
    for name in preset_names():
        spec = load_spec(name)
        assert spec.name == name and list(spec.formats) == list(QUANTITIES) and spec.description


def test_presets_have_the_word_lengths_they_are_named_for():
    q16, w8s16, loihi2, engine = (load_spec(n) for n in ("q16", "w8s16", "loihi2", "loihi_engine"))
    assert all(q16[q].word_bits <= 16 for q in QUANTITIES if QUANTITIES[q].kind in ("weight", "neuron", "readout", "signal") or q.endswith("eligibility"))
    assert [w8s16[f"weight_{layer}"].word_bits for layer in ("in", "rec", "out")] == [8, 8, 8] and w8s16["membrane"] == q16["membrane"]
    assert (loihi2["weight_rec"].word_bits, loihi2["membrane"].word_bits, loihi2["decay"].word_bits) == (8, 24, 12)
    assert loihi2["eligibility"].rounding == "stochastic" and loihi2["membrane"].rounding == "toward_zero"
    assert (engine["trace"].word_bits, engine["filtered_eligibility"].word_bits, engine["adaptation_eligibility"].word_bits,
            engine["weight_in"].word_bits, engine["modulator"].word_bits) == (7, 9, 8, 9, 8)


def test_presets_of_hardware_have_its_words_and_say_where_they_come_from():
    reckon, spinnaker2, xylo = (load_spec(n) for n in ("reckon", "spinnaker2", "xylo"))
    assert [reckon[q].word_bits for q in ("weight_rec", "membrane", "trace", "readout_trace", "pseudo_derivative")] == [8, 16, 12, 10, 5]
    assert reckon["weight_in"].rounding == reckon["trace"].rounding == "stochastic"
    assert str(spinnaker2["membrane"]) == "s32.15 stochastic" and spinnaker2["weight_in"].word_bits == 16
    assert [xylo[q].word_bits for q in ("weight_in", "weight_out", "membrane", "readout")] == [8, 8, 16, 16] and not xylo.learns
    assert all(load_spec(name).sources and load_spec(name).leaves_out for name in ("loihi2", "loihi_engine", "reckon", "spinnaker2", "xylo"))
    assert all(load_spec(name).learns for name in preset_names() if name != "xylo")


@pytest.mark.parametrize("name", ["w4s8", "reckon", "xylo"])
def test_a_spec_round_trips_through_yaml(name, tmp_path):
    spec = load_spec(name)
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(spec.to_dict()))
    assert load_spec(tmp_path / "mine.yaml") == spec


def test_a_file_may_extend_a_preset_or_another_file(tmp_path):
    (tmp_path / "a.yaml").write_text("name: a\nextends: q16\ndefaults: {rounding: floor}\nquantities:\n  membrane: {word_bits: 24, frac_bits: 18}\n")
    (tmp_path / "b.yaml").write_text("name: b\nextends: a.yaml\nquantities:\n  shadow_in: {word_bits: 24, frac_bits: 20}\n")
    b = load_spec(tmp_path / "b.yaml")
    assert str(b["membrane"]) == "s24.18 floor" and b["trace"] == load_spec("q16")["trace"] and "shadow_in" in b.formats


BAD = {
    "quantities: {membrane: {word_bits: 16, frac_bits: 4}}": "quantities.weight_in: found nothing",
    "extends: q16\nquantities: {membran: {word_bits: 16, frac_bits: 4}}": "quantities.membran: found an unknown key",
    "extends: q16\nquantities: {membrane: {word_bits: 0, frac_bits: 4}}": "quantities.membrane.word_bits: found 0",
    "extends: q16\nquantities: {membrane: {word_bits: 16}}": "quantities.membrane.frac_bits: found nothing",
    "extends: q16\nquantities: {membrane: {word_bits: 16, frac_bits: 4, round: up}}": "quantities.membrane.round",
    "extends: q16\nquantities: {membrane: {word_bits: 16, frac_bits: 4, rounding: up}}": "quantities.membrane.rounding: found 'up'",
    "extends: q16\nquantities: {membrane: 16}": "quantities.membrane: found 16",
    "extends: q16\nquantities: [1]": "quantities: found [1]", "extends: 7": "extends: found 7", "extends: q17": "q17",
    "extends: q16\nlearns: maybe": "learns: found 'maybe'", "extends: q16\nsources: a paper": "sources: found 'a paper'", "extends: q16\nleaves_out: [1]": "leaves_out",
    "extends: q16\ndefaults: {word_bits: 3}": "defaults.word_bits", "extends: q16\nname: 5": "name: found 5", "extra: 1": "extra",
    "[1, 2]": "found [1, 2]", "a: [": "invalid YAML", "!!python/object/apply:os.system ['true']": "invalid YAML", "extends: self.yaml": "extends",
}


@pytest.mark.parametrize("text, message", BAD.items())
def test_a_broken_file_is_one_line(text, message, tmp_path):
    path = tmp_path / "self.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        load_spec(path)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_missing_binary_and_huge_files_are_one_line(tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x80")
    (tmp_path / "huge").write_bytes(b" " * (2 << 20))
    for path in (tmp_path / "none", tmp_path / "binary", tmp_path / "huge", tmp_path):
        with pytest.raises(InputError) as error:
            load_spec(path)
        assert "\n" not in str(error.value)


def test_data_that_is_no_mapping_is_refused():
    with pytest.raises(InputError):
        spec_from_dict("text", "here")


def _refusal(path) -> str:
    with pytest.raises(InputError) as error:
        load_spec(path)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("text, message", [
    ("extends: q16\nquantities: {membrane: {word_bits: 8, frac_bits: 4, rounding: [floor]}}", "quantities.membrane.rounding"),
    ("extends: q16\ndescription: [a, b]", "description"), ('extends: "a\\0b"', "null byte"),
    ("extends: q16\nname: !!python/object/apply:builtins.str [harmless]", "invalid YAML"), ("[" * 5000, "invalid YAML")])
def test_odd_values_are_refused(text, message, tmp_path):
    (tmp_path / "mine.yaml").write_text(text)
    assert message in _refusal(tmp_path / "mine.yaml")


@pytest.mark.parametrize("use", ["quantities: *a7", "extends: *a7", "name: *a7\nextends: q16",
                                 "extends: q16\nquantities: {trace: {word_bits: *a7, frac_bits: 1}}"])
def test_nested_aliases_are_refused_without_unfolding_them(use, tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 8)]
    (tmp_path / "mine.yaml").write_text("description:\n" + "".join(f"  {line}\n" for line in lines) + use)
    assert len(_refusal(tmp_path / "mine.yaml")) < 1000


def test_a_file_may_bear_the_name_of_the_preset_it_extends(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "q16.yaml").write_text("extends: q16\nquantities: {membrane: {word_bits: 20, frac_bits: 15}}")
    assert load_spec("q16.yaml")["membrane"].word_bits == 20


def test_a_cycle_of_two_files_is_refused(tmp_path):
    (tmp_path / "a.yaml").write_text("extends: b.yaml")
    (tmp_path / "b.yaml").write_text("extends: ./a.yaml")
    assert "cycle" in _refusal(tmp_path / "a.yaml")


def test_an_endless_file_is_refused():
    assert "no regular file" in _refusal("/dev/zero")


def test_other_word_bits_alone_keep_the_range():
    """Fraction bits go along; where they are named, they are as named. A shadow begins as its weight."""
    before = load_spec("q16")
    spec = before.changed({"membrane": {"word_bits": 12}, "trace": {"word_bits": 12, "frac_bits": 4}, "shadow_in": {"word_bits": 24}})
    for name, source, bits in (("membrane", "membrane", 12), ("shadow_in", "weight_in", 24)):
        old, new = before[source], spec[name]
        assert (new.word_bits, new.frac_bits - old.frac_bits) == (bits, bits - old.word_bits) and new.min == old.min
        assert new.max == pytest.approx(old.max, rel=0.001)
    assert (spec["trace"].word_bits, spec["trace"].frac_bits) == (12, 4) and spec["readout"] == before["readout"]

"""Precision specs: the presets are complete, and every mistake in a YAML file ends in one line."""
import pytest
import yaml

from quant import QUANTITIES, SHADOWS, InputError, QFormat, load_spec, preset_names
from quant.spec import MAX_FILE_BYTES, spec_from_dict

PRESETS = ["q32", "q24", "q16", "w8s16", "w4s8", "loihi2", "loihi_engine"]


@pytest.fixture
def write(tmp_path):
    def write(text, name="mine.yaml"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path
    return write


def refusal(name_or_path) -> InputError:
    with pytest.raises(InputError) as error:
        load_spec(name_or_path)
    text = str(error.value)
    assert "\n" not in text and len(text) < 1000 and ": found " in text and ", allowed: " in text
    return error.value


def test_the_promised_presets_are_shipped():
    assert preset_names() == PRESETS


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_gives_every_quantity_a_format(preset):
    spec = load_spec(preset)
    assert spec.name == preset and spec.description and "\n" not in spec.description
    assert [q for q in spec.formats if q in QUANTITIES] == list(QUANTITIES)
    assert set(spec.formats) <= {*QUANTITIES, *SHADOWS}
    assert all(isinstance(f, QFormat) for f in spec.formats.values())


@pytest.mark.parametrize("preset", PRESETS)
def test_a_spec_survives_the_way_through_yaml(preset, write):
    spec = load_spec(preset)
    assert load_spec(write(yaml.safe_dump(spec.to_dict()))) == spec


def test_names_of_presets_tell_their_word_lengths():
    w8s16, w4s8, q32 = (load_spec(p) for p in ("w8s16", "w4s8", "q32"))
    assert w8s16["weight_rec"].word_bits == 8 and w8s16["membrane"].word_bits == 16
    assert w4s8["weight_rec"].word_bits == 4 and w4s8["membrane"].word_bits == 8
    assert q32["membrane"].word_bits == 32


def test_a_file_extends_a_preset_and_other_files(write):
    write("extends: q16\ndefaults: {rounding: floor}\nquantities: {membrane: {word_bits: 20, frac_bits: 15}}", "base.yaml")
    spec = load_spec(write("name: top\nextends: base.yaml\nquantities: {trace: {word_bits: 9, frac_bits: 3, signed: false, overflow: wrap}}"))
    assert spec.name == "top" and spec["membrane"] == QFormat(20, 15, rounding="floor")
    assert spec["trace"] == QFormat(9, 3, signed=False, overflow="wrap") and spec["error"] == load_spec("q16")["error"]


def test_a_file_is_named_after_itself_unless_it_says_otherwise(write):
    assert load_spec(write("extends: q16", "narrow.yaml")).name == "narrow"


def test_a_file_may_bear_the_name_of_the_preset_it_extends(write, monkeypatch):
    monkeypatch.chdir(write("extends: q16\nquantities: {membrane: {word_bits: 20, frac_bits: 15}}", "q16.yaml").parent)
    assert load_spec("q16.yaml")["membrane"].word_bits == 20


def test_replace_exchanges_formats_and_leaves_the_original_alone():
    spec = load_spec("q16")
    wider = spec.replace("wider", membrane=QFormat(24, 20))
    assert wider.name == "wider" and wider["membrane"] == QFormat(24, 20) and spec["membrane"] == load_spec("q16")["membrane"]
    assert hash(spec) == hash(load_spec("q16"))


@pytest.mark.parametrize("text, field, found", [
    ("extends: q16\nquantities: {membran: {word_bits: 8, frac_bits: 4}}", "quantities.membran", "unknown"),
    ("extends: q16\nquantities: {membrane: {word_bits: 8, frac_bits: 4, bits: 3}}", "quantities.membrane.bits", "unknown"),
    ("extends: q16\nquantity: {}", "quantity", "unknown"),
    ("extends: q16\ndefaults: {word_bits: 8}", "defaults.word_bits", "unknown"),
    ("extends: q16\nquantities: {membrane: {frac_bits: 4}}", "quantities.membrane.word_bits", "nothing"),
    ("extends: q16\nquantities: {membrane: {word_bits: 8}}", "quantities.membrane.frac_bits", "nothing"),
    ("extends: q16\nquantities: {membrane: {word_bits: 0, frac_bits: 4}}", "quantities.membrane.word_bits", "0"),
    ("extends: q16\nquantities: {membrane: {word_bits: eight, frac_bits: 4}}", "quantities.membrane.word_bits", "eight"),
    ("extends: q16\nquantities: {membrane: {word_bits: 8, frac_bits: 4.5}}", "quantities.membrane.frac_bits", "4.5"),
    ("extends: q16\nquantities: {membrane: {word_bits: 8, frac_bits: 4, rounding: [floor]}}", "quantities.membrane.rounding", "floor"),
    ("extends: q16\nquantities: {membrane: {word_bits: 8, frac_bits: 4, overflow: {a: b}}}", "quantities.membrane.overflow", "a"),
    ("extends: q16\nquantities: {membrane: {word_bits: 8, frac_bits: 4, signed: 1}}", "quantities.membrane.signed", "1"),
    ("extends: q16\ndefaults: {rounding: sideways}\nquantities: {trace: {word_bits: 8, frac_bits: 4}}", "quantities.trace.rounding", "sideways"),
    ("extends: q16\nquantities: {membrane: 8}", "quantities.membrane", "8"),
    ("extends: q16\nquantities: [membrane]", "quantities", "membrane"),
    ("extends: 16", "extends", "16"),
    ("extends: q16\nname: [a]", "name", "a"),
    ("extends: q16\nname: ''", "name", "''"),
    ("extends: q16\n1: 2", "1", "unknown"),
    ("quantities: {membrane: {word_bits: 8, frac_bits: 4}}", "quantities.weight_in", "nothing"),
    ("", "quantities.weight_in", "nothing"),
    ("just a text", "", "just a text"),
    ("- a\n- list", "", "a"),
])
def test_mistakes_in_a_file_are_refused_in_one_line_that_names_the_field(write, text, field, found):
    path = write(text)
    error = refusal(path)
    assert error.field == field and found in error.found and error.source == str(path)


@pytest.mark.parametrize("text", [
    b"extends: !!python/object/apply:os.getcwd []", b"a: [1, 2", b"a: b: c", b"\xff\xfe\x00\x01", bytes(range(256)), b"\x00" * 64,
    b"[" * 5000, b"extends: *nowhere", b"a: &x 1\n<<: *x", b"%YAML 9.9", b"2020-99-99: 1", b"--- 1\n--- 2"])
def test_what_is_not_plain_yaml_is_refused_in_one_line(write, text):
    refusal(write(text))


def test_nested_aliases_are_refused_without_unfolding_them(write):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    for use in ("quantities: *a11", "extends: *a11", "name: *a11\nextends: q16", "extends: q16\nquantities: {trace: {word_bits: *a11, frac_bits: 1}}"):
        bomb = "description:\n" + "\n".join("  " + line for line in lines) + "\n" + use
        refusal(write(bomb))


def test_a_description_is_one_text(write):
    assert refusal(write("extends: q16\ndescription: [a, b]")).field == "description"


def test_a_huge_file_is_refused_before_it_is_parsed(write):
    assert "bytes" in str(refusal(write(b"#" * (MAX_FILE_BYTES + 1))))
    load_spec(write(b"extends: q16\n" + b"#" * (MAX_FILE_BYTES - 14)))


def test_an_endless_file_is_refused():
    assert "bytes" in str(refusal("/dev/zero"))


def test_a_missing_file_is_refused_with_the_names_that_exist(tmp_path):
    error = refusal(tmp_path / "nothing.yaml")
    assert "No such file" in error.found and "q16" in error.allowed
    refusal(tmp_path)
    refusal("x" * 5000)


def test_a_missing_base_is_refused(write):
    refusal(write("extends: elsewhere.yaml"))
    refusal(write('extends: "a\\0b"'))


@pytest.mark.parametrize("files", [{"mine.yaml": "mine.yaml"}, {"mine.yaml": "other.yaml", "other.yaml": "mine.yaml"},
                                   {"mine.yaml": "./other.yaml", "other.yaml": "./mine.yaml"}])
def test_a_cycle_of_extends_is_refused(write, files):
    paths = [write(f"extends: {base}", name) for name, base in files.items()]
    error = refusal(paths[0])
    assert error.field == "extends" and "cycle" in error.allowed


def test_a_spec_from_parsed_data_names_its_source():
    with pytest.raises(InputError, match="here: quantities.membrane.word_bits: found 99, allowed: an integer from 2 to 32"):
        spec_from_dict({"extends": "q16", "quantities": {"membrane": {"word_bits": 99, "frac_bits": 1}}}, "here")

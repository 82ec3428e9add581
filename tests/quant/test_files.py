"""YAML: what is written is read back, and nothing is read as something that its author did not mean."""
import math

import pytest
import yaml
from hypothesis import example, given, strategies as st

from quant.errors import InputError
from quant.files import dump_yaml, parse_yaml

pytestmark = pytest.mark.core

WORDS = st.one_of(st.text(), st.from_regex(r"[-+]?[0-9_:.eExbo]{1,8}", fullmatch=True),
                  st.sampled_from(["yes", "off", "NO", "~", "null", "2026-01-31", "<<", "=", "1e3", "08", ".inf", "12:99", "0x_1", "true"]))
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), WORDS.filter(lambda text: text.isprintable()))
DATA = st.recursive(SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(WORDS.filter(str.isprintable), inner, max_size=4)), max_leaves=12)


@given(data=DATA)
@example(data=["1e3", "08", "0o7", {"off": "no"}])
def test_what_is_written_is_read_back_here_and_by_readers_of_yaml_1_1(data):
    text = dump_yaml(data)
    assert parse_yaml(text, "x") == data and yaml.safe_load(text) == data


@given(text=st.from_regex(r"[-+]?[0-9.][0-9_:.eExob+-]{0,8}", fullmatch=True))
def test_a_plain_number_is_what_every_reader_takes_it_for_or_it_is_refused(text):
    """PyYAML itself reads YAML 1.1: where it finds a number, the same one is found here, or none."""
    try:
        found = parse_yaml(text, "x")
    except InputError as error:
        assert "in quotes for text" in str(error) or "invalid YAML" in str(error)
        return
    try:
        other = yaml.safe_load(text)
    except ValueError:                  # 2026-13-45, a date there
        other = None
    if isinstance(found, (int, float)):
        assert isinstance(other, str) or (found, type(found)) == (other, type(other))
        assert found == (int(text, 16) if "x" in text else float(text))
    else:
        assert not isinstance(other, (int, float)), other


@pytest.mark.parametrize("text, meant", [("010", "10 or 8"), ("08", "8"), ("1:20", "80"), ("1:20:30.5", "4830.5"), ("1_000", "1000"), ("0b101", "5"), ("0o17", "15"),
                                         ("-0x10", "-16"), ("0b2", "a plain number")])
def test_an_ambiguous_number_is_refused_with_what_it_may_have_meant(text, meant):
    with pytest.raises(InputError) as refused:
        parse_yaml(f"a: 1\nb: [{text}]", "x")
    assert str(refused.value) == f"x: line 2: found {text}, allowed: {meant}, or '{text}' in quotes for text"


@pytest.mark.parametrize("word", ["yes", "No", "ON", "off", "y", "2026-01-31", "12:99", "=", "<<"])
def test_words_are_text(word):
    assert parse_yaml(word, "x") == word


@pytest.mark.parametrize("text, value", [("1e3", 1000.0), ("2.5E-3", 0.0025), (".5", 0.5), ("-.inf", -math.inf), ("0x1F", 31), ("TRUE", True), ("~", None)])
def test_numbers_are_those_of_yaml_1_2(text, value):
    assert parse_yaml(text, "x") == value

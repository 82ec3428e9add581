"""Tables and numbers of README.md and reports/*/README.md are those of the data."""
import re
from functools import cache

import pytest

import pages
from places import ROOT

ALL = sorted({*pages.TABLES, *pages.SENTENCES, *pages.WHOLE})
FIGURE = re.compile(r"(?<![\w.\-\[])[+-]?\d[\d.]*(?![\w-])")
NAMES = re.compile(r"arXiv \[?\d+\.\d+|et al\. \d{4}|(?:Python|numba|Lava\] ~|Lava) [\d.]+(?:, [\d.]+)*(?: and [\d.]+)?|exit status \d\b|[Ff]igure \d|Zen \d|L2|\d{4}-\d\d-\d\d")
WITHOUT_DATA = "| you want | take |\n"       # tables of words


def without_code(text):
    return " ".join(re.sub(r"`[^`\n]*`", " ~ ", text).split())


@cache
def sentences(page):
    return sorted(map(without_code, pages.SENTENCES[page]()), key=len, reverse=True) if page in pages.SENTENCES else []


@cache
def table(page, name):
    return pages.TABLES[page][name]()


def faults(page, text):
    """What is not as the data have it: tables, tables without a source, sentences that are not there, numbers in none of them."""
    if page in pages.WHOLE:
        return [] if text == pages.WHOLE[page]() else ["the whole page"]
    found = [mark[1] for mark in pages.MARK.finditer(text) if mark[0] != pages.laid_out(mark[1], table(page, mark[1]))]
    rest = pages.MARK.sub("", pages.BY_HAND.sub("", text)).replace(WITHOUT_DATA, "")
    found += re.findall(r"^\|.*\n(?=\| ?-)", rest, re.M)
    prose = pages.prose(text)
    found += [sentence for sentence in sentences(page) if sentence not in prose]
    for sentence in sentences(page):
        prose = prose.replace(sentence, " ~ ")
    prose = NAMES.sub("~", prose)
    return found + [prose[max(0, number.start() - 40):number.end() + 20] for number in FIGURE.finditer(prose)]


@pytest.mark.parametrize("page", ALL)
def test_tables_and_numbers_are_those_of_the_data(page):
    assert faults(page, (ROOT / page).read_text()) == [], "after new data: make pages"


def test_no_page_is_left_out():
    assert {str(path.relative_to(ROOT)) for path in (ROOT / "README.md", *(ROOT / "reports").glob("*/README.md"))} == set(ALL)


@pytest.mark.parametrize("page, old, new", [
    ("README.md", "| bits of weights | of neuron state |", "| bits of neuron state | of weights |"), ("README.md", "284 to 430 G", "284 to 460 G"),
    ("README.md", "error below 2e-7", "error below 2e-8"), ("reports/precision/README.md", "| q24 | q16 |", "| q16 | q24 |"),
    ("reports/precision/README.md", "| cue accumulation, e-prop |", "| cue accumulation, eprop |"), ("reports/precision/README.md", "74.5 +- 4.5", "75.4 +- 4.5"),
    ("reports/precision/README.md", "84.5 +- 2.3", "85.4 +- 2.3"), ("reports/precision/README.md", "network KiB        2.0", "network KiB        1.9"),
    ("reports/precision/README.md", "p = 0.011", "p = 0.010"), ("reports/first_curves/README.md", "74.8 ± 7.1 %", "74.8 ± 1.7 %"),
    ("reports/lava/README.md", "| 0.127 |", "| 0.117 |"), ("reports/performance/README.md", "| 313 | 357 |", "| 331 | 357 |"),
    ("reports/gpu/README.md", "| training | 1 | 0 |", "| training | 2 | 0 |"), ("reports/scaling/README.md", "| q16 | 2 | 1.07 |", "| q16 | 2 | 1.01 |"),
    ("reports/precision/README.md", "Neither more nor fewer,", "In 19 of 20 cases,"), ("reports/performance/README.md", "\nBPTT on the PyTorch", "\n| a | b |\n| --- | --- |\n\nBPTT on the PyTorch")])
def test_what_is_changed_is_seen(page, old, new):
    text = (ROOT / page).read_text()
    assert text.count(old) >= 1 and faults(page, text.replace(old, new, 1))


@pytest.mark.parametrize("page", ALL)
def test_headings_name_what_is_shown_below_them(page):
    """A folder in a heading is there, and so is each picture, in one of these folders."""
    folder, text = (ROOT / page).parent, (ROOT / page).read_text()
    for section in re.split(r"^(?=## )", text, flags=re.M)[1:]:
        named = re.findall(r"`([a-z_]+)`", section.splitlines()[0])
        assert all((folder / name).is_dir() for name in named), section.splitlines()[0]
        shown = re.findall(r"!\[[^]]*\]\(([^)]*)\)", section)
        assert all((folder / path).is_file() and (not named or path.split("/")[0] in named) for path in shown), section.splitlines()[0]

"""Tables of README.md and reports/*/README.md, from the data beside them: python reports/pages/pages.py writes them anew.

A page says before a table what it is made from:

    <!-- table: curves -->
    | task, rule | float32 |
    ...

The name is a key of the page's entry in TABLES, whose functions give lines of Markdown. A table ends where its lines end: those that begin with
a stroke, or, of what a command prints, indented ones. What the text says in numbers is yielded by the page's function in SENTENCES: a test
(tests/docs/test_pages.py) wants each in the page, and every number of the page in one of them; SENTENCES are not written, because the text
around them says what they mean. What nothing here can hold, a speed that was seen on one day, stands between

    <!-- by hand: why -->
    <!-- end by hand -->
"""
from __future__ import annotations

import re
from pathlib import Path
from typing import Callable, Iterator

import alignment_page
import data_page

import first_curves_page
import measured_pages
import paper_page
import precision_page
import project_page

ROOT = Path(__file__).parents[2]
TABLES: dict[str, dict[str, Callable[[], list[str]]]] = {
    "README.md": project_page.TABLES, "reports/precision/README.md": precision_page.TABLES, "reports/first_curves/README.md": first_curves_page.TABLES,
    "reports/performance/README.md": measured_pages.PERFORMANCE, "reports/cuda_model/README.md": measured_pages.MODEL,
    "reports/lava/README.md": measured_pages.LAVA, "reports/paper/README.md": paper_page.TABLES, "reports/data/README.md": data_page.TABLES, "reports/alignment/README.md": alignment_page.TABLES}
SENTENCES: dict[str, Callable[[], Iterator[str]]] = {
    "README.md": project_page.sentences, "reports/precision/README.md": precision_page.sentences,
    "reports/first_curves/README.md": first_curves_page.sentences, "reports/performance/README.md": measured_pages.speeds,
    "reports/cuda_model/README.md": measured_pages.modelled, "reports/lava/README.md": measured_pages.on_lava, "reports/paper/README.md": paper_page.sentences,
    "reports/data/README.md": data_page.sentences, "reports/alignment/README.md": alignment_page.sentences}
WHOLE: dict[str, Callable[[], str]] = {"reports/gpu/README.md": measured_pages.gpu, "reports/scaling/README.md": measured_pages.scaling}     # written by commands
MARK = re.compile(r"<!-- table: (.+) -->\n(?:(?:\|.*\n)+|(?:\n* {4,}.*\n)+|)")
BY_HAND = re.compile(r"<!-- by hand: .+? -->.*?<!-- end by hand -->", re.S)


def laid_out(name: str, lines: list[str]) -> str:
    """A mark and its table, as they stand in a page."""
    gap = [""] if lines[0].startswith(" ") else []      # what is indented needs an empty line before it
    return "\n".join([f"<!-- table: {name} -->", *gap, *lines, ""])


def current(page: str) -> str:
    """The page with its tables made anew. KeyError for a table that has no source."""
    return WHOLE[page]() if page in WHOLE else MARK.sub(lambda mark: laid_out(mark[1], TABLES[page][mark[1]]()), (ROOT / page).read_text())


def prose(text: str) -> str:
    """What is neither table nor code nor by hand, in one line."""
    for pattern in (MARK, BY_HAND, re.compile(r"^```.*?^```", re.S | re.M), re.compile(r"^ {4,}\S.*$", re.M), re.compile(r"`[^`\n]*`"),
                    re.compile(r"(?<=\])\([^)]*\)")):
        text = pattern.sub(" ~ ", text)
    return " ".join(text.split())


if __name__ == "__main__":
    for name in [*TABLES, *WHOLE]:
        before, after = (ROOT / name).read_text(), current(name)
        if before != after:
            (ROOT / name).write_text(after)
            print(f"written: {name}")

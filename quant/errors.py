"""The one error that bad input ends in: which file or object, which field, what was found, what is allowed."""
from __future__ import annotations

import reprlib
from difflib import get_close_matches
from typing import Iterable

LONGEST = 500       # characters that an error shows of a field and of what was found
_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 2, 80, 80


def shown(value: object) -> str:
    """``repr`` of a refused value, short however large the value is: a few lines of YAML aliases can unfold to terabytes."""
    return _SHORT.repr(value)


def or_one_of(name: str, names: Iterable[str]) -> str:
    """``or one of a, b, c``, with the nearest of them where ``name`` (or the file name in it) looks like a slip."""
    names = list(names)
    near = get_close_matches(name, names, 1) or get_close_matches(name.rpartition("/")[2].removesuffix(".yaml"), names, 1)
    return f"or one of {', '.join(names)}" + (f" (did you mean {near[0]}?)" if near else "")


class InputError(ValueError):
    """Refused input. ``str()`` is one line: ``source: field: found X, allowed: Y``."""

    def __init__(self, source: object, field: str, found: object, allowed: str):
        field, found = (text if len(text) <= LONGEST else text[:LONGEST - 3] + "..." for text in (field, str(found)))
        self.source, self.field, self.found, self.allowed = str(source), field, found, allowed
        where = f"{source}: {field}" if field else f"{source}"
        super().__init__(" ".join(f"{where}: found {found}, allowed: {allowed}".split()))

    def __reduce__(self) -> tuple[type[InputError], tuple[str, str, str, str]]:
        return type(self), (self.source, self.field, self.found, self.allowed)

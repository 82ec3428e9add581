"""Reading small files that somebody gave, and YAML, which is read and written so that nobody is surprised."""
from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable, Hashable, NoReturn

import yaml

from .errors import InputError

MAX_FILE_BYTES = 1 << 18        # YAML is read at some 30 kB a second
MAX_DIGITS = 500                # of a whole number; longer ones take long to read and Python does not print them


# Plain words as YAML 1.2 reads them: PyYAML follows YAML 1.1, where yes is true, 1e-3 is text and 2026-01-31 a date.
PLAIN = {
    "null": (r"~|null|Null|NULL|", "~nN"),
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "float": (r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
              "-+0123456789."),
    "int": (r"[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+", "-+0123456789"),
}
"""Kind -> (what is of this kind, how it begins)."""
SURPRISES: dict[str, Callable[[str], list[str]]] = {
    # numbers that readers of YAML 1.1 and 1.2 take for different ones -> what they may have been meant to be
    r"[-+]?0[0-9]+": lambda text: [str(int(text)), *([str(int(text, 8))] if not set(text) & {"8", "9"} else [])],
    r"[-+]?0[bo][0-9_]+": lambda text: [str(int(text, 0))],
    r"[-+]0x[0-9a-fA-F_]+": lambda text: [str(int(text, 0))],
    r"(?=[^_]*_)[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?|\.[0-9][0-9_]*|0x[0-9a-fA-F_]+)": lambda text: [text.replace("_", "")],
    r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?": lambda text: [str(_in_sixties(text))],
}
_SURPRISE = "!ambiguous"


class _PlainLoader(yaml.SafeLoader):
    """Safe YAML without aliases (they can blow up), repeated keys (one of them would be lost), endless or ambiguous numbers and half characters."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("an alias (*name), which is not supported")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)
            if name in seen:
                raise yaml.YAMLError(f"the key {name!r} twice")
            seen.add(name)
        return super().construct_mapping(node, deep)

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> str:
        value = super().construct_scalar(node)
        value.encode()          # an escape can write half of a surrogate pair, which no file could hold
        return value

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        if len(node.value) > MAX_DIGITS:
            raise yaml.YAMLError(f"a number of {len(node.value)} characters")
        return super().construct_yaml_int(node)

    def construct_surprise(self, node: yaml.ScalarNode) -> NoReturn:
        text, meant = node.value, ["a plain number"]
        if len(text) <= 60:
            with suppress(ValueError):      # 0b2
                meant = next((list(dict.fromkeys(read(text))) for pattern, read in SURPRISES.items() if re.fullmatch(pattern, text)), meant)
        raise _Ambiguous(node.start_mark.line + 1, text, f"{' or '.join(meant)}, or {text[:60]!r} in quotes for text")


def _in_sixties(text: str) -> int | float:
    """1:20 as YAML 1.1 reads it."""
    *whole, last = text.lstrip("-+").replace("_", "").split(":")
    value = sum(int(part) * 60 ** (len(whole) - i) for i, part in enumerate(whole)) + (float(last) if "." in last else int(last))
    return -value if text.startswith("-") else value


class _Ambiguous(yaml.YAMLError):
    """``args``: line, what was found, what is allowed."""


class _PlainDumper(yaml.SafeDumper):
    """YAML that readers of 1.1 and of 1.2 take for the same: text that either takes for something else is quoted."""


for _kind, (_pattern, _first) in PLAIN.items():
    for _class in (_PlainLoader, _PlainDumper):
        _class.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(f"(?:{_pattern})$"), [*_first, *([""] if _kind == "null" else [])])
for _class in (_PlainLoader, _PlainDumper):
    _class.add_implicit_resolver(_SURPRISE, re.compile(f"(?:{'|'.join(SURPRISES)})$"), [*"-+0123456789."])
_PlainLoader.add_constructor("tag:yaml.org,2002:int", _PlainLoader.construct_yaml_int)
_PlainLoader.add_constructor(_SURPRISE, _PlainLoader.construct_surprise)


def parse_yaml(text: str, source: str) -> Any:
    """Plain YAML 1.2 as data. Raises InputError on anything else."""
    try:
        return yaml.load(text, Loader=_PlainLoader)     # noqa: S506  (a SafeLoader)
    except _Ambiguous as error:
        line, found, allowed = error.args
        raise InputError(source, f"line {line}" if "\n" in text.strip() else "", found, allowed) from None
    except (yaml.YAMLError, RecursionError, ValueError, TypeError, OverflowError, LookupError, AttributeError) as error:    # SafeLoader's
        raise InputError(source, "", f"invalid YAML: {error}"[:300], "plain YAML: mappings, lists, numbers and text") from None


def dump_yaml(data: Any) -> str:
    """Plain data as YAML that :func:`parse_yaml` reads back."""
    text: str = yaml.dump(data, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, width=140)
    return text


def read_text(path: str | Path, field: str = "", allowed: str = "a readable YAML file", limit: int = MAX_FILE_BYTES) -> str:
    """The text of a small YAML file. Raises InputError for a file that cannot be read or is none."""
    try:
        return read_regular(path, limit, field, allowed).decode()
    except UnicodeDecodeError:
        raise InputError(path, field, "bytes that are not text", "a YAML file") from None


def read_regular(path: str | Path, limit: int, field: str = "", allowed: str = "a readable file") -> bytes:
    """The bytes of a regular file. InputError for what is missing, larger than ``limit``, or a pipe or device, which might never end."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise InputError(path, field, "a directory" if stat.S_ISDIR(status.st_mode) else "no regular file", allowed)
        if status.st_size > limit:
            raise InputError(path, field, f"{status.st_size} bytes", f"at most {limit}")
        with open(path, "rb") as file:
            return file.read(limit)
    except InputError:
        raise
    except (OSError, ValueError) as error:              # ValueError: a null byte in the name
        raise InputError(path, field, getattr(error, "strerror", None) or error, allowed) from None

"""Reading small files that somebody gave, and the YAML in them."""
from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, Hashable

import yaml

from .errors import InputError

MAX_FILE_BYTES = 1 << 18        # YAML is read at some 30 kB a second
MAX_DIGITS = 500                # of a whole number; longer ones take long to read and Python does not print them


class _PlainLoader(yaml.SafeLoader):
    """Safe YAML without aliases (they can blow up), repeated keys (one of them would be lost), endless numbers and half characters."""

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


_PlainLoader.add_constructor("tag:yaml.org,2002:int", _PlainLoader.construct_yaml_int)


def parse_yaml(text: str, source: str) -> Any:
    """Plain YAML as data. Raises InputError on anything else."""
    try:
        return yaml.load(text, Loader=_PlainLoader)     # noqa: S506  (a SafeLoader)
    except (yaml.YAMLError, RecursionError, ValueError, TypeError, OverflowError, LookupError, AttributeError) as error:    # SafeLoader's
        raise InputError(source, "", f"invalid YAML: {error}"[:300], "plain YAML: mappings, lists, numbers and text") from None


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

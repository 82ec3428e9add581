"""Documents whose fenced blocks are run, and whose indented commands are at least understood: ``sh`` (commands of fxsim), ``python``, and ``yaml`` that names its file in the first line; ``text`` is only read."""
import re
import shlex
from pathlib import Path

import click
from click.testing import CliRunner

from fxsim.cli.main import main

from places import ROOT

KINDS = ("sh", "python", "yaml", "text")


def blocks(path):
    """(language, text) of each fenced block, in order."""
    return re.findall(r"^```(\w*)\n(.*?)^```", (ROOT / path).read_text(), re.M | re.S)


def run_blocks(path):
    """Run all blocks in the current directory, Python in one namespace; returns how many there were of each kind."""
    namespace: dict = {}
    for kind, text in blocks(path):
        assert kind in KINDS, f"{path}: a block of {kind or 'no language'}: indent what is not run"
        if kind == "sh":
            for line in filter(None, map(str.strip, text.splitlines())):
                run_command(line)
        elif kind == "python":
            exec(compile(text, path, "exec"), namespace)
        elif kind == "yaml":
            name = re.match(r"# file: (\S+)\n", text)
            assert name, f"{path}: yaml without '# file: NAME'"
            Path(name[1]).write_text(text)
    return {kind: sum(k == kind for k, _ in blocks(path)) for kind in KINDS if kind != "text"}


def indented_commands(path):
    """Commands of fxsim that are indented, outside of fenced blocks; what the shell would make of the rest of the line is left out."""
    text = re.sub(r"^```.*?^```", "", (ROOT / path).read_text(), flags=re.M | re.S)
    return re.findall(r"^ {4,}(fxsim [^|>\n]*)", text, re.M)


def understand(line):
    """Parse a command as it would be run: it and its options are there, and their values are of the right kind."""
    program, *arguments = shlex.split(line, comments=True)
    assert program == "fxsim", line
    command, context = main, None
    while True:
        context = command.make_context(command.name, arguments, parent=context)
        if not isinstance(command, click.Group):
            return
        held = vars(context).get("_protected_args", vars(context).get("protected_args", []))       # click 8.2, click 8.1
        _, command, arguments = command.resolve_command(context, [*held, *context.args])


def run_command(line, status=0):
    program, *arguments = shlex.split(line, comments=True)
    assert program == "fxsim", line
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == status, f"{line}\n{result.output}\n{result.stderr}"

"""A study whose runs take the oracle a second each."""
import yaml
from click.testing import CliRunner

from fxsim.cli.main import main

from tiny import SHORT, TINY

SMALL = {field: yaml.safe_load(value) for field, value in (change.split("=", 1) for change in (*TINY, *SHORT, "evaluation.every=5", "engine=oracle"))}
BAD = {"name": "bad", "set": {"precision": "q16", "engine": "cpu"}, "runs": [{"formats.gradient": {"word_bits": 32, "frac_bits": 60}}]}   # fails
STUDY = {"name": "tiny", "base": "delayed_match", "set": {**SMALL, "iterations": 10}, "seeds": [3, 4],
         "axes": {"state bits": ["formats.membrane.word_bits", "formats.readout.word_bits"]},
         "blocks": [{"name": "float", "grid": {"precision": ["float64"], "learning.rule": ["eprop", "diffusion"]}},
                    {"name": "bits", "set": {"precision": "q16"}, "grid": {"state bits": [10, 12]}}]}


def study(path, **changes):
    path.write_text(yaml.safe_dump({**STUDY, **changes}))
    return path


def swept(*arguments):
    return CliRunner().invoke(main, ["sweep", *map(str, arguments)])

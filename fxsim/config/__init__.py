"""The configuration of a run, and the YAML that it is read from.

base         kinds of numbers, refusals that name a field
task, network, learning, evaluation, formats        a file a section; tasks, dataset, registry: which tasks there are
schema       the whole: Config, and errors of pydantic as one line
io           files, shipped names, ``a.b=value`` changes; shipped/: a YAML file for each task

Read schema first.
"""
from .io import config_names, dump_config, load_config
from .registry import load_plugin
from .schema import Config, build_config

__all__ = ["Config", "build_config", "config_names", "dump_config", "load_config", "load_plugin"]

"""A study: a YAML file that says which runs to compare.

    name: bits                          # DIR's page is headed with it
    description: one line
    base: delayed_match                 # a shipped configuration, or the path of one
    set: {iterations: 500}              # changes of every run, dotted fields
    seeds: [0, 1, 2]
    axes:                               # names for several fields that change together
      weight_bits: [formats.weight_in.word_bits, formats.weight_rec.word_bits, formats.weight_out.word_bits]
    blocks:
      - name: reference
        grid: {precision: [float32], learning.rule: [eprop, diffusion]}
      - name: bits
        set: {precision: q16}
        grid: {learning.rule: [eprop, diffusion], weight_bits: [4, 6, 8, 12]}      # every combination
      - name: deployed                  # nothing is trained: the trained weights of every run of that block in other precisions
        evaluate: reference             # (its other fields may change, too: the trials, the formats); see fxsim.training.evaluation
        grid: {precision: [q16, w8s16]}
      - name: drawn                     # 60 sets of values drawn at random, see fxsim.study.drawn; tables have their number, draw
        set: {precision: q16}
        random: {count: 60, seed: 1, values: {weight_bits: [4, 6, 8], formats.membrane.word_bits: [8, 12]}}
      - name: drawn_deployed
        evaluate: reference
        draws: drawn                    # the same sets as that block before it
      - name: fine-tuned                # trainings again, each of which begins with the trained network of a run of that block, whose
        begin: reference                # configuration it has but for what is set here
        set: {precision: loihi2, learning.rule: diffusion, task.cue_rate: 20}
      - name: pairs
        base: cue_accumulation          # block's own base, set and seeds go before the study's
        runs: [{precision: q16, weight_bits: 8}, {precision: w8s16}]                # just these
        axes: {bits: [formats.membrane.word_bits]}                  # names for this block alone
    statistics: {margin: 0.02}          # what is asked of paired runs, see fxsim.study.statistics.contrasts
    training_every: 1                   # of the rows of training, tables keep those after every so many updates
    figures:                            # what fxsim report DIR draws; columns are those of the tables, see fxsim.study.store
      - {kind: curves, title: Learning, panels: [task, rule], lines: precision}
      - {kind: lines, title: Bits, where: {block: bits}, x: weight_bits, lines: rule, levels: {float32: {block: reference}}}
      - {kind: heatmap, title: Two at once, where: {block: both}, x: weight_bits, y: bits}
      - {kind: pareto, title: What it costs, where: {block: reference}, panels: [rule], lines: precision}

Every run of a block is made with every seed, which gives the same initial weights and trials whatever the precision. Paths in a
study are relative to its file. Beside a study that a sweep has kept, in study.files, lies all that it names: see :class:`Places`. In the
paths of ``initial`` and ``network.from``, "{seed}" stands for the run's seed.
"""
from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Iterable, Iterator, Optional

from pydantic import Field, ValidationError

from fxsim.config import Config, config_names, load_config
from fxsim.config.base import Integer, Name, Positive, Section
from fxsim.config.io import portable
from fxsim.config.network import GivenNetwork
from fxsim.config.schema import one_line
from fxsim.config.tasks import ADDED
from fxsim.errors import InputError
from fxsim.training.checkpoints import FREE as NO_BITS
from fxsim.training.evaluation import plain
from fxsim.training.initial import pinned
from quant import FLOATS, PrecisionSpec, load_spec
from quant.errors import shown
from quant.files import dump_yaml, parse_yaml, read_text
from quant.spec import is_file, preset_names

from .columns import OWN_COLUMNS, RESERVED
from .drawn import DRAW, Random, Value
from .figure import Figure
from .statistics.contrasts import Contrast, Statistics

MAX_RUNS = 100_000
FREE = ("name", "iterations", "engine", "checkpoint")      # not part of a run's identity, nor are fields that change no bit
SEED = "{seed}"         # in the path of a given network
GIVEN = {"initial": "path", "network": "from"}        # sections that may name a file -> the field that does


class Block(Section):
    """Runs that belong together: all combinations of ``grid``, the entries of ``runs``, or ``random`` sets of values."""

    name: Name = Field(max_length=100)
    base: str = ""
    evaluate: str = Field("", description="a block before this one: its trained weights are evaluated instead of training")
    begin: str = Field("", description="a block before this one: trainings begin with its trained networks")
    set: dict[str, Any] = {}
    seeds: tuple[Integer, ...] = ()
    grid: dict[str, list[Value]] = {}
    runs: list[dict[str, Value]] = []
    random: Optional[Random] = None
    draws: str = Field("", description="a block before this one: its random sets")
    axes: dict[Name, list[str]] = {}


class Study(Section):
    """The content of a study file."""

    name: Name
    description: str = ""
    base: str = ""
    set: dict[str, Any] = {}
    seeds: tuple[Integer, ...] = Field((0, 1, 2), min_length=1)
    axes: dict[Name, list[str]] = {}
    blocks: list[Block] = Field(min_length=1)
    statistics: Statistics = Statistics()
    training_every: Positive = 1
    figures: list[Figure] = []


@dataclass(frozen=True)
class Planned:
    """One run of a study, which may stand in several blocks.

    axes        what its block varies, name -> value, or the number of its random set; after what the block of ``source`` or ``begins`` varies
    source      the run whose trained weights are evaluated; None: this one is trained
    begins      the run whose trained network this training begins with, if it is one of the study
    """

    block: str
    axes: dict[str, Value]
    config: Config
    source: Planned | None = None
    begins: Planned | None = None

    @property
    def before(self) -> Planned | None:
        """The run that must be finished first."""
        return self.source or self.begins

    @property
    def stage(self) -> int:
        """How many runs of the study go before this one."""
        return 1 + self.before.stage if self.before else 0

    @property
    def rule(self) -> str:
        """The rule that the weights were learned by."""
        return self.source.rule if self.source else self.config.learning.rule

    @property
    def precision(self) -> str:
        """What tables call the precision: of a file, the file's name."""
        return self.config.precision if self.config.precision in FLOATS else Path(self.config.precision).stem

    @cached_property
    def folder(self) -> str:
        """Name of the run's directory: for people, and a digest of all that its bits depend on."""
        c = self.config
        data = {key: value for key, value in c.model_dump(mode="json").items() if key not in (*FREE, "precision", "formats")}
        if c.initial is None:
            del data["initial"]
        if c.evaluation.alignment is None:
            del data["evaluation"]["alignment"]
        for *sections, field in (name.split(".") for name in NO_BITS):
            place = data
            for section in sections:
                place = place.get(section, {})
            place.pop(field, None)
        data["task"] = {field: value for field, value in data["task"].items() if field not in ADDED or value != ADDED[field]}
        numbers = c.resolved_precision()
        data["numbers"] = numbers if isinstance(numbers, str) else numbers.to_dict()["quantities"]
        if self.source:
            data["source"] = self.source.folder
        if self.begins:
            data["begins"] = [self.begins.folder, self.begins.config.updates]
        digest = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:10]
        precision = re.sub(r"[^A-Za-z0-9]+", "_", Path(c.precision).stem)
        return f"{c.task.name}-{self.rule}-{precision}-s{c.seed}-{digest}"


def load_study(path: Path) -> tuple[Study, str]:
    """The study in a YAML file, and the file's text. Raises InputError."""
    text = read_text(path)
    return parse_study(parse_yaml(text, str(path)), str(path)), text


def parse_study(data: object, source: str) -> Study:
    """Check parsed data. Raises InputError for the first thing that is wrong."""
    if not isinstance(data, dict):
        raise InputError(source, "", "nothing in it" if data is None else shown(data), "a mapping with the keys " + ", ".join(Study.model_fields))
    try:
        study = Study.model_validate(data)
    except ValidationError as error:
        raise one_line(error.errors(include_url=False)[0], source, Study, {"blocks": Block, "figures": Figure, "contrasts": Contrast}) from None
    for i, figure in enumerate(study.figures):
        figure.check(source, f"figures.{i}", [block.name for block in study.blocks])
    for field, axes in (("axes", study.axes), *((f"blocks.{i}.axes", block.axes) for i, block in enumerate(study.blocks))):
        for axis, fields in axes.items():
            _require_free(source, f"{field}.{axis}", axis)
            if not fields:
                raise InputError(source, f"{field}.{axis}", "no fields", "the fields that change together")
    names = [block.name for block in study.blocks]
    for i, block in enumerate(study.blocks):
        if block.name in names[:i]:
            raise InputError(source, f"blocks.{i}.name", block.name, "a name of its own")
        varied_by = [name for name in ("grid", "runs", "random", "draws") if getattr(block, name)]
        if len(varied_by) > 1:
            raise InputError(source, f"blocks.{i}", " and ".join(varied_by), "one of them")
        if block.draws and (block.draws not in names[:i] or not study.blocks[names.index(block.draws)].random):
            raise InputError(source, f"blocks.{i}.draws", block.draws, "the name of a block with random sets before this one")
        if block.evaluate and block.begin:
            raise InputError(source, f"blocks.{i}", "evaluate and begin", "one of them")
        for field, other in (("evaluate", block.evaluate), ("begin", block.begin)):
            if other and (other not in names[:i] or study.blocks[names.index(other)].evaluate):
                raise InputError(source, f"blocks.{i}.{field}", other, "the name of a block of trainings before this one")
            if other and (block.base or block.seeds):
                raise InputError(source, f"blocks.{i}", f"{field} with base or seeds", f"neither: they are those of block {other}")
        if not (block.base or study.base or block.evaluate or block.begin):
            raise InputError(source, f"blocks.{i}.base", "nothing", "a configuration (or base of the study)")
        variations: list[tuple[str, Iterable[str]]] = [("grid", block.grid), *((f"runs.{j}", run) for j, run in enumerate(block.runs)),
                                                       ("random.values", block.random.values if block.random else {})]
        for kind, varied in variations:
            own = {**study.axes, **block.axes}
            for axis in varied:
                _require_free(source, f"blocks.{i}.{kind}.{axis}", axis)
            fields = [field for axis in varied for field in own.get(axis, [axis])]
            twice = [field for field in fields if fields.count(field) > 1]
            if twice:
                raise InputError(source, f"blocks.{i}.{kind}", f"{twice[0]} more than once", "each field in one axis: the last would win")
        for axis, values in block.grid.items():
            if not values:
                raise InputError(source, f"blocks.{i}.grid.{axis}", "no values", "at least one")
    return study


def _require_free(source: str, field: str, axis: str) -> None:
    if axis in RESERVED and axis not in OWN_COLUMNS:
        raise InputError(source, field, axis, "another name: the tables have a column of this one")


def require_distinct(source: str, precisions: Iterable[tuple[str, str | PrecisionSpec]]) -> None:
    """InputError where two precisions have one name in tables, or one has that of a float or a preset with other formats."""
    known: dict[str, object] = {name: name for name in FLOATS}
    for name, numbers in precisions:
        formats = numbers if isinstance(numbers, str) else numbers.formats
        if name not in known:
            known[name] = load_spec(name).formats if name in preset_names() else formats
        if known[name] != formats:
            raise InputError(source, "precision", f"two precisions called {name}", "a name of its own for each: tables and figures go by it")


class Places:
    """Where the files are that a study names: beside it, or where a sweep has kept them. ``kept``: path below the study's folder -> text."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.kept: dict[str, str] = {}

    def base(self, name: str) -> Config:
        """A configuration by the name that the study gives it."""
        config = load_config(self._found(name) if name not in config_names() else name)
        if name not in config_names():
            where = Path(_kept(name))
            self.kept |= {str(where.parent / (path or where.name)): text for path, text in portable(config, f"{where.name}.files").items()}
        return config

    def precision(self, name: str) -> str:
        """The path of a precision file by the name that the study gives it; shipped names stay."""
        if not is_file(name):
            return name
        path = self._found(name)
        self.kept[_kept(name)] = dump_yaml(load_spec(path).to_dict())
        return path

    def _found(self, name: str) -> str:
        kept = self.folder / _kept(name)
        return str(kept if kept.is_file() else self.folder / name)


def _kept(name: str) -> str:
    """Where a sweep keeps a file that its study names, below its directory."""
    path = Path(name)
    where = "" if path.parent == Path() else hashlib.sha256(str(path.parent).encode()).hexdigest()[:10] + "/"
    return f"study.files/{where}{path.name}"


def plan(study: Study, source: str, places: Places | None = None, given: bool = True) -> list[Planned]:
    """All runs, seeds outermost, so that what is done at any time is paired. Raises InputError for the first run that cannot be.

    ``places`` has then found, and holds, the files that the study names. ``given``: whether networks that runs begin with are there; without
    them such runs have no checksum, and so not the name of their directory.
    """
    counts: dict[str, int] = {}
    for b in study.blocks:
        sets = _random(study, b)
        combinations = sets.count if sets else max(1, len(b.runs)) * math.prod(len(values) for values in b.grid.values())
        counts[b.name] = combinations * (counts[b.evaluate or b.begin] if b.evaluate or b.begin else len(b.seeds or study.seeds))
    count = sum(counts.values())
    if count > MAX_RUNS:
        raise InputError(source, "blocks", f"{count} runs", f"at most {MAX_RUNS}")
    places, loaded = places or Places(Path(source).parent), {}
    runs: list[tuple[int, Planned]] = []
    for block in study.blocks:
        if block.evaluate or block.begin:
            trained = [(seed, p) for seed, p in runs if p.block == (block.evaluate or block.begin)]
            after = _evaluations if block.evaluate else _trainings
            runs += [(seed, p) for seed, source_run in trained for p in after(study, block, source_run, places, source)]
            continue
        base = block.base or study.base
        if base not in loaded:
            loaded[base] = places.base(base)
        for axes, changes, where in _varied(study, block, study.set, places, source):
            if "seed" in changes:
                raise InputError(where, "seed", changes["seed"], "seeds of the study or of the block: every run is made with each of them")
            config = loaded[base].changed(changes, where)
            config.resolved_precision()     # refused here if it cannot be read
            runs += [(seed, Planned(block.name, axes, _seeded(config, seed, where, given))) for seed in block.seeds or study.seeds]
    require_distinct(source, {p.config.precision: (p.precision, load_spec(p.config.precision)) for _, p in runs
                              if p.config.precision not in FLOATS}.values())
    order = {seed: i for i, seed in enumerate(dict.fromkeys(seed for seed, _ in runs))}
    return [planned for _, planned in sorted(runs, key=lambda run: order[run[0]])]


def _evaluations(study: Study, block: Block, source: Planned, places: Places, file: str) -> Iterator[Planned]:
    """The runs of a block that evaluates, for one trained run."""
    for varied, changes, where in _varied(study, block, {}, places, file):
        for field in changes:
            if field == "seed" or field.partition(".")[0] in ("network", "initial", "learning"):
                raise InputError(where, field, changes[field], "what an evaluation depends on: precision, formats, task, evaluation")
        config = plain(source.config)
        if "precision" not in changes:      # the run's own
            config = config.changed({"precision": source.config.precision, "formats": source.config.model_dump(mode="json")["formats"]})
        config = config.changed({"initial": None, "iterations": 0, **changes}, where)
        config.resolved_precision()
        yield Planned(block.name, {**source.axes, **varied}, config, source)


def _trainings(study: Study, block: Block, begins: Planned, places: Places, file: str) -> Iterator[Planned]:
    """The runs of a block that goes on from one trained network."""
    for varied, changes, where in _varied(study, block, {}, places, file):
        for field in changes:
            if field in ("seed", "initial", "initial.path"):
                raise InputError(where, field, changes[field], f"nothing: it is that of block {begins.block}")
        if "precision" in changes:
            changes = {"formats": {}, **changes}        # those of the block before belong to its precision
        config = begins.config.changed({"initial": {"path": begins.block}, **changes}, where)       # its place is known once the sweep's directory is
        config.resolved_precision()
        yield Planned(block.name, {**begins.axes, **varied}, config, begins=begins)


def _seeded(config: Config, seed: int, where: str, given: bool) -> Config:
    """The run with this seed."""
    changes: dict[str, Any] = {"seed": seed}
    if config.initial is not None:
        changes["initial.path"] = config.initial.path.replace(SEED, str(seed))
    if isinstance(config.network, GivenNetwork):
        changes["network.from"] = config.network.path.replace(SEED, str(seed))
    seeded = config.changed(changes, where)
    return pinned(seeded) if given else seeded


def _random(study: Study, block: Block) -> Random | None:
    """A block's random sets, its own or another's."""
    return next((b.random for b in study.blocks if b.name == block.draws), block.random)


def _varied(study: Study, block: Block, before: dict[str, Any], places: Places, file: str) -> Iterator[tuple[dict[str, Any], dict[str, Any], str]]:
    """Of each run of a block its axes in tables, what it changes (``before``: what the block's own changes come after), and its name in errors."""
    drawn = next((b.axes for b in study.blocks if b.name == block.draws), {})
    names = {**drawn, **study.axes, **block.axes}
    for number, (axes, values) in enumerate(_combinations(study, block), 1):
        yield axes, _changes({**before, **block.set, **values}, names, places), f"{file}: block {block.name}, run {number}"


def _combinations(study: Study, block: Block) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Of each run of a block its axes in tables, and their values: of random sets the number, and what was drawn."""
    if sets := _random(study, block):
        yield from [({DRAW: number}, drawn) for number, drawn in enumerate(sets.sets(), 1)]
    else:
        yield from ((v, v) for v in block.runs or (dict(zip(block.grid, values)) for values in itertools.product(*block.grid.values())))


def _changes(given: dict[str, Value], axes: dict[str, list[str]], places: Places) -> dict[str, Any]:
    """Dotted fields with values; an axis of several fields gives its value to each."""
    changes = {field: value for name, value in given.items() for field in axes.get(name, [name])}
    precision = changes.get("precision")
    if isinstance(precision, str):
        changes["precision"] = places.precision(precision)
    for field, value in changes.items():
        path = GIVEN.get(field)
        if field in ("initial", "initial.path", "network.from") and isinstance(value, str):
            changes[field] = str(places.folder / value)
        elif path and isinstance(value, dict) and isinstance(value.get(path), str):
            changes[field] = {**value, path: str(places.folder / value[path])}
    return changes


def is_paper_size(config: Config) -> bool:
    """True for the network, trials and batch of the shipped configuration of its task."""
    if config.task.name not in config_names():
        return False
    shipped = load_config(config.task.name)
    return (config.task, config.network, config.batch_size) == (shipped.task, shipped.network, shipped.batch_size)

"""``PrecisionSpec``: one YAML file gives every quantity its format.

    name: mine
    description: one line
    sources: [where it comes from]    # optional, as are leaves_out: texts for whoever reads it
    leaves_out: [what it does not say of the hardware]
    learns: false                     # optional: for hardware that only infers; training is refused but for rule bptt, which happens off the chip
    extends: q16                      # optional: start from a preset or another file
    defaults: {rounding: floor}       # optional: signed, rounding, overflow for the formats written below
    quantities:
      membrane: {word_bits: 24, frac_bits: 20}
      ...
"""
from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Mapping

from .errors import InputError, or_one_of, shown
from .files import parse_yaml, read_text
from .formats import FLOATS, QFormat
from .quantities import QUANTITIES, SHADOWS

FORMULA = "=+-@ "
_TOP = ("name", "description", "sources", "leaves_out", "learns", "extends", "defaults", "quantities")
_FIELDS = ("word_bits", "frac_bits", "signed", "rounding", "overflow")


@dataclass(frozen=True)
class PrecisionSpec:
    """Formats of all quantities; ``shadow_*`` entries are optional.

    sources     where the word lengths come from;  leaves_out  what of the hardware they do not say
    learns      False: for hardware that only infers
    """

    name: str
    formats: dict[str, QFormat]
    description: str = ""
    sources: tuple[str, ...] = ()
    leaves_out: tuple[str, ...] = ()
    learns: bool = True

    def __hash__(self) -> int:
        return hash((self.name, tuple(self.formats.items())))

    def __getitem__(self, quantity: str) -> QFormat:
        return self.formats[quantity]

    def replace(self, name: str | None = None, **formats: QFormat) -> PrecisionSpec:
        """A copy with some formats exchanged."""
        return replace(self, name=name or self.name, formats={**self.formats, **formats})

    def changed(self, changes: Mapping[str, Mapping[str, Any]]) -> PrecisionSpec:
        """A copy with fields of some formats changed, ``{"membrane": {"word_bits": 12}}``; the name tells the changed formats.

        ``word_bits`` without ``frac_bits`` keeps the range of the format: the fraction bits go along. A shadow weight that
        the precision has not yet starts from the format of its weight.
        Raises InputError, ``field`` being quantity.field.
        """
        formats = {}
        for quantity, fields in changes.items():
            source = quantity if quantity in self.formats else SHADOWS.get(quantity)
            if source is None:
                raise InputError(self.name, quantity, "an unknown quantity", "one of " + ", ".join((*QUANTITIES, *SHADOWS)))
            old = self.formats[source]
            new = {**asdict(old), **fields}
            if "word_bits" in fields and "frac_bits" not in fields:
                new["frac_bits"] = old.frac_bits + fields["word_bits"] - old.word_bits
            try:
                formats[quantity] = QFormat(**new)
            except InputError as error:
                raise InputError(self.name, f"{quantity}.{error.field}", error.found, error.allowed) from None
        described = "".join(f" {quantity}:{str(fmt).replace(' ', '-')}" for quantity, fmt in formats.items())
        return self.replace(f"{self.name}{described}", **formats)

    def to_dict(self) -> dict:
        """Plain data that :func:`spec_from_dict` reads back."""
        told = {"sources": list(self.sources), "leaves_out": list(self.leaves_out)}
        return {"name": self.name, "description": self.description, **{field: texts for field, texts in told.items() if texts},
                **({} if self.learns else {"learns": False}), "quantities": {q: asdict(f) for q, f in self.formats.items()}}


def preset_names() -> list[str]:
    """Names of the shipped presets, widest first, then those that are named after hardware."""
    order = ["q32", "q24", "q16", "w8s16", "w4s8", "loihi2", "loihi_engine", "reckon", "spinnaker2", "xylo"]
    shipped = {p.name.removesuffix(".yaml") for p in resources.files("quant.presets").iterdir() if p.name.endswith(".yaml")}
    return sorted(shipped, key=lambda n: (order.index(n) if n in order else len(order), n))


def is_shipped(spec: PrecisionSpec) -> bool:
    """Whether the formats are those of a shipped preset, but for what only weights and coefficients see: their rounding, and shadow weights."""
    def seen(which: PrecisionSpec) -> list[QFormat]:
        written = ("weight", "coefficient")
        return [replace(which[q], rounding="floor", overflow="saturate") if row.kind in written else which[q] for q, row in QUANTITIES.items()]
    return any(seen(spec) == seen(_preset(name)) for name in preset_names())


def is_file(name: str) -> bool:
    """True for a precision that is the path of a file, not a shipped name or a float."""
    return name not in FLOATS and name not in preset_names()


def load_spec(name_or_path: str | Path) -> PrecisionSpec:
    """A preset by name or a YAML file by path. Raises InputError, one line, on anything it does not understand."""
    return _load(str(name_or_path), ())


@cache
def _preset(name: str) -> PrecisionSpec:
    """A shipped precision; parsed once, because studies ask for it with every run."""
    text = resources.files("quant.presets").joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    return spec_from_dict(parse_yaml(text, f"preset {name}"), f"preset {name}")


def _load(name_or_path: str, seen: tuple[str, ...]) -> PrecisionSpec:
    if name_or_path in preset_names():
        return _preset(name_or_path)
    source = name_or_path
    text = read_text(name_or_path, "precision", "a readable YAML file, " + or_one_of(name_or_path, [*FLOATS, *preset_names()]))
    if source in seen or len(seen) > 8:
        raise InputError(source, "extends", " -> ".join((*seen, source)), "a chain without a cycle")
    return spec_from_dict(parse_yaml(text, source), source, seen)


def spec_from_dict(data: object, source: str, seen: tuple[str, ...] = ()) -> PrecisionSpec:
    """Check and build a spec from parsed YAML. ``source`` names the file in errors."""
    data = _mapping(data, source, "", _TOP)
    quantities = _mapping(data.get("quantities", {}), source, "quantities", (*QUANTITIES, *SHADOWS))
    defaults = _mapping(data.get("defaults", {}), source, "defaults", _FIELDS[2:])
    formats: dict[str, QFormat] = {}
    learns = True
    if "extends" in data:
        if not isinstance(data["extends"], str):
            raise InputError(source, "extends", shown(data["extends"]), "a preset's name or a path")
        base = data["extends"]
        if base not in preset_names() and not Path(base).is_absolute():
            base = str(Path(source).parent / base)
        extended = _load(base, (*seen, source))
        formats.update(extended.formats)
        learns = extended.learns
    for name, fields in quantities.items():
        fields = _mapping(fields, source, f"quantities.{name}", _FIELDS)
        for need in ("word_bits", "frac_bits"):
            if need not in fields:
                raise InputError(source, f"quantities.{name}.{need}", "nothing", "an integer: a format is written whole, also with extends")
        try:
            formats[name] = QFormat(**{**defaults, **fields})
        except InputError as error:
            raise InputError(source, f"quantities.{name}.{error.field}", error.found, error.allowed) from None
    missing = [q for q in QUANTITIES if q not in formats]
    if missing:
        raise InputError(source, f"quantities.{missing[0]}", "nothing", "a format for every quantity (or extends: a preset)")
    label = data.get("name", Path(source).stem)
    if not isinstance(label, str) or not label or not label.isprintable() or label[0] in FORMULA or label in FLOATS:
        raise InputError(source, "name", shown(label), "a non-empty text that is printed as it is, begins with none of = + - @ "
                                                       "(spreadsheets take these for formulas), and is no float's name")
    description = data.get("description", "")
    if not isinstance(description, str):
        raise InputError(source, "description", shown(description), "a text")
    learns = data.get("learns", learns)
    if not isinstance(learns, bool):
        raise InputError(source, "learns", shown(learns), "true or false")
    ordered = {q: formats[q] for q in (*QUANTITIES, *SHADOWS) if q in formats}
    return PrecisionSpec(label, ordered, description, _texts(data, source, "sources"), _texts(data, source, "leaves_out"), learns)


def _texts(data: dict, source: str, field: str) -> tuple[str, ...]:
    texts = data.get(field, [])
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise InputError(source, field, shown(texts), "a list of texts")
    return tuple(texts)


def _mapping(value: object, source: str, field: str, allowed: tuple[str, ...]) -> dict:
    if value is None:
        if not field:
            raise InputError(source, "", "nothing in it", "a mapping with keys " + ", ".join(allowed))
        value = {}
    if not isinstance(value, dict):
        raise InputError(source, field, shown(value), "a mapping with keys " + ", ".join(allowed))
    for key in value:
        if key not in allowed:
            label = key if isinstance(key, str) else shown(key)
            raise InputError(source, f"{field}.{label}" if field else label, "an unknown key", "one of " + ", ".join(allowed))
    return value

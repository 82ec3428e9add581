"""report.html: one self-contained page, no request leaves it."""
from __future__ import annotations

import base64
import io
import json
import math
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from fxsim.files.writing import write_atomic

from . import published as paper
from .data import Comparison, section
from .figures import LABELS, PUBLISHED, styles, title
from .tables import KINDS, final_table, learning_curve, losses

MAX_FRAMES = 100            # of an animation, one a step: the modulator spreads within milliseconds
ANIMATION_BYTES = 500_000   # of all animations together
MAX_SPIKES = 3000           # of a raster beside it
WORST = 8                   # rows of a loss table that are shown unasked


def write_page(comparison: Comparison, figures: dict[str, Path], path: Path) -> Path:
    """Render the template with the data and write it atomically."""
    return render("page.html.j2", path, charts(comparison), fields(comparison), header=header(comparison), notes=notes(comparison), figures=figures,
                  tasks=comparison.tasks, finals=final_rows(comparison), loss_tables=loss_tables(comparison), kinds=KINDS)


def render(template: str, path: Path, charts: list[dict], fields: list[dict], **values: object) -> Path:
    """A page from a template with style, scripts and their data inside."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    environment = Environment(loader=PackageLoader("fxsim.report", "templates"), undefined=StrictUndefined, autoescape=True)
    environment.filters |= {"percent": percent, "embedded": embedded, "title": title}
    folder = resources.files("fxsim.report").joinpath("templates")
    html = environment.get_template(template).render(
        **values, style=folder.joinpath("page.css").read_text(), charts=script_json(charts), fields=script_json(fields), source=paper.SOURCE,
        scripts=[folder.joinpath(name).read_text() for name in ("chart.js", "field.js")], published=script_json(PUBLISHED))
    write_atomic(path, html.encode())
    return path


# ---- values as text ------------------------------------------------------------------------------------------------
def percent(value: float, digits: int = 1) -> str:
    """A share in percent; an en dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"< {10 ** -digits:.{digits}f} %" if 0 < value < 0.5 * 10 ** (-digits - 2) else f"{100 * value:.{digits}f} %"


def embedded(path: Path) -> str:
    """A PNG as a data URI, with a palette: a third of the size, and no eye tells."""
    from PIL import Image
    small = io.BytesIO()
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(small, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(small.getvalue()).decode()


def script_json(data: object) -> str:
    """JSON that may stand inside a script element; NaN becomes null."""
    return json.dumps(_plain(data), separators=(",", ":")).replace("</", "<\\/").replace("<!--", "<\\u0021--")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value


# ---- header --------------------------------------------------------------------------------------------------------
def header(comparison: Comparison) -> list[tuple[str, str]]:
    """What was run, on what: (name, text). What the manifest does not say is left out, but for the command and the date."""
    manifest, rows = comparison.manifest, []
    sizes = {"n": "{} neurons", "steps": "{} steps a trial", "batch_size": "batch {}", "iterations": "{} updates", "c_reg": "c_reg {}"}
    for task in comparison.tasks:
        facts = comparison.facts(task)
        parts = [text.format(facts[key]) for key, text in sizes.items() if facts.get(key) is not None]
        parts += [f"{key} {', '.join(map(str, facts[key]))}" for key in ("seeds",) if isinstance(facts.get(key), list)]
        if "paper_size" in facts:
            parts.append("the paper's network and trial size" if facts["paper_size"] else "reduced: not the paper's size")
        rows.append((title(task), ", ".join(parts)))
    return provenance(manifest, rows)


def provenance(manifest: dict, facts: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The command, what was run, and on what."""
    rows = [("Command", str(manifest.get("command") or "unknown")), *facts]
    for name, key in (("Machine", "machine"), ("Versions", "versions")):
        known = [f"{k} {v}" for k, v in section(manifest, key).items() if v is not None]
        rows += [(name, ", ".join(known))] if known else []
    return [*rows, ("Date", str(manifest.get("date") or "unknown"))]


def notes(comparison: Comparison) -> list[str]:
    """The manifest's notes, and which published curves are not drawn and why."""
    found = comparison.manifest.get("notes")
    out = [str(note) for note in found] if isinstance(found, list) else []
    for task in comparison.tasks:
        reasons: dict[str, list[str]] = {}
        for rule in comparison.rules(task):
            reason = paper.obstacle(task, rule, comparison.facts(task))
            if reason and (task, rule) in paper.ACCURACY:
                reasons.setdefault(reason, []).append(title(rule))
        out += [f"{title(task)}, {' and '.join(rules)}: published results are not drawn beside these runs ({reason})."
                for reason, rules in reasons.items()]
    return out


# ---- data of the scripts -------------------------------------------------------------------------------------------
def charts(comparison: Comparison) -> list[dict]:
    """Interactive charts: one per task, rule and measure, with a series per precision."""
    out = []
    for task in comparison.tasks:
        facts = comparison.facts(task)
        for rule in comparison.rules(task):
            for column in comparison.measures(task):
                series = []
                for precision, (colour, dashes) in styles(comparison).items():
                    curve = learning_curve(comparison, task, rule, precision, column)
                    if len(curve):
                        series.append({"label": precision, "colour": colour, "dash": list(dashes), "x": curve["iteration"].tolist(),
                                       "mean": curve["mean"].tolist(), "sem": curve["sem"].tolist(), "n": curve["n"].tolist()})
                band = paper.spread(comparison.published[task], task, rule, facts, column) if task in comparison.published else None
                out.append({"root": "charts", "lines": "precision", "origin": True, "id": f"chart-{task}-{rule}-{column}",
                            "group": f"{task}-{column}", "title": f"{title(task)}, {title(rule)}",
                            "y": LABELS[column], "x": "weight updates", "log": column == "nmse", "percent": column == "accuracy", "series": series,
                            "points": paper.points(task, rule, facts) if column == "accuracy" else [], "band": band})
    return out


def fields(comparison: Comparison) -> list[dict]:
    """Animations: per task and rule that diffuses, each precision's modulator and spikes."""
    return animations({f"{title(task)}, {title(rule)}": comparison.shown(task, rule) for task in comparison.tasks for rule in comparison.rules(task)})


def animations(trials: dict[str, dict[str, dict[str, np.ndarray]]]) -> list[dict]:
    """label -> precision -> snapshot, as what field.js shows: the modulator (8 bits, one scale) and spikes, step by step. What does not diffuse is
    left out."""
    groups = {label: {p: s for p, s in shown.items() if s["modulator"].size} for label, shown in trials.items()}
    groups = {label: shown for label, shown in groups.items() if shown}
    cells = sum(s["modulator"].shape[1] for shown in groups.values() for s in shown.values())
    affordable = max(10, ANIMATION_BYTES // cells) if cells else 0
    out = []
    for label, shown in groups.items():
        first = next(iter(shown.values()))
        count = min(MAX_FRAMES, affordable, *(len(s["modulator"]) for s in shown.values()))
        limit = max(float(np.abs(s["modulator"][:count]).max()) for s in shown.values()) or 1.0
        runs = []
        for precision, s in shown.items():
            levels = np.round(127 * s["modulator"][:count] / limit).astype(np.int8)
            start = len(s["spikes"]) - len(s["modulator"])
            t, neuron = np.nonzero(s["spikes"][start:start + count])
            keep = np.linspace(0, len(t) - 1, min(len(t), MAX_SPIKES)).astype(int)
            runs.append({"label": precision, "levels": base64.b64encode(levels.tobytes()).decode(),
                         "spikes": [t[keep].tolist(), neuron[keep].tolist()]})
        out.append({"label": label, "grid": first["grid"].tolist(), "frames": count, "limit": limit,
                    "window": len(first["modulator"]), "neurons": first["spikes"].shape[1], "runs": runs})
    return out


# ---- rows of the tables --------------------------------------------------------------------------------------------
def final_rows(comparison: Comparison) -> list[dict]:
    """Rows of the result table, formatted: accuracy in percent, its differences in percentage points."""
    rows = []
    for r in final_table(comparison).to_dict("records"):
        share = r["measure"] == "accuracy"
        rows.append({**r, "result": with_error(r["mean"], r["half"], share), "measure": title(r["measure"]) if share else "nMSE",
                     "change": with_error(r["difference"], r["difference_half"], share, "+", " points"),
                     "detectable": with_error(r["detectable"], math.nan, share, "", " points"),
                     "p": f"{r['p']:.2f}" if math.isfinite(r["p"]) else "–"})
    return rows


def with_error(value: float, half: float, share: bool, sign: str = "", unit: str = " %") -> str:
    """Mean ± half of its interval as text, a share in percent (with ``unit``); an en dash where there is none."""
    if not math.isfinite(value):
        return "–"
    scale, digits = (100, 1) if share else (1, 4)
    text = f"{scale * value:{sign}.{digits}f}" + (f" ± {scale * half:.{digits}f}" if math.isfinite(half) else "")
    return text.replace("-", "−") + (unit if share else "")


def loss_tables(comparison: Comparison) -> list[dict]:
    """Where precision was lost, per task and rule: all rows, and the worst of them first."""
    out = []
    for task in comparison.tasks:
        for rule in comparison.rules(task):
            table = losses(comparison, task, rule)
            if len(table):
                worst = np.max([table[column] / limit for column, (_, limit) in KINDS.items()], axis=0)      # 1: as much as is marked
                marked = table.assign(worst=worst).query("worst >= 1").sort_values("worst", ascending=False, kind="stable").head(WORST)
                out.append({"task": task, "rule": rule, "rows": table.to_dict("records"), "worst": marked.to_dict("records")})
    return out

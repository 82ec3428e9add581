"""report.html: one self-contained page, no request leaves it."""
from __future__ import annotations

import base64
import json
import math
from importlib import resources
from pathlib import Path

import numpy as np

from ..runs import write_atomic
from . import published as paper
from .data import Comparison
from .figures import LABELS, frames, styles, title
from .tables import final_table, learning_curve, losses

FRAMES = 30         # of the modulator's animation
MAX_SPIKES = 4000   # of the raster beside it


def write_page(comparison: Comparison, figures: dict[str, Path], path: Path) -> Path:
    """Render the template with the data and write it atomically."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    environment = Environment(loader=PackageLoader("fxsim.report", "."), undefined=StrictUndefined, autoescape=True)
    environment.filters |= {"percent": percent, "embedded": embedded, "title": title}
    folder = resources.files("fxsim.report")
    html = environment.get_template("page.html.j2").render(
        manifest=comparison.manifest, tasks=comparison.tasks, figures=figures, finals=final_rows(comparison),
        loss_tables=loss_tables(comparison), style=folder.joinpath("page.css").read_text(),
        scripts=[folder.joinpath(name).read_text() for name in ("chart.js", "field.js")],
        charts=script_json(charts(comparison)), fields=script_json(fields(comparison)), source=paper.SOURCE,
        rules={task: comparison.rules(task) for task in comparison.tasks})
    write_atomic(path, html.encode())
    return path


def percent(value: float, digits: int = 1) -> str:
    """A share in percent; an en dash where there is none."""
    return "–" if value is None or not math.isfinite(value) else f"{100 * value:.{digits}f} %"


def embedded(path: Path) -> str:
    """A PNG as a data URI."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def script_json(data: object) -> str:
    """JSON that may stand inside a script element; NaN becomes null."""
    return json.dumps(_plain(data), separators=(",", ":")).replace("</", "<\\/")


def _plain(value):
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, (float, np.floating)):
        return round(float(value), 6) if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value


def charts(comparison: Comparison) -> list[dict]:
    """Interactive charts: one per task, rule and measure, with a series per precision."""
    out = []
    for task in comparison.tasks:
        description = comparison.manifest.get("tasks", {}).get(task, {})
        for rule in comparison.rules(task):
            for column in (comparison.measure(task), "loss"):
                series = []
                for precision, (colour, dashes) in styles(comparison).items():
                    curve = learning_curve(comparison, task, rule, precision, column)
                    if len(curve):
                        series.append({"label": precision, "colour": colour, "dash": list(dashes), "x": curve["iteration"].tolist(),
                                       "mean": curve["mean"].tolist(), "sem": curve["sem"].tolist()})
                points = paper.points(task, rule, description) if column == "accuracy" else []
                out.append({"id": f"chart-{task}-{rule}-{column}", "title": f"{title(task)}, {title(rule)}", "y": LABELS[column],
                            "x": "weight updates", "log": column == "nmse", "series": series, "points": points})
    return out


def fields(comparison: Comparison) -> list[dict]:
    """Animation data: frames of the modulator (8-bit) and the spikes of the window beside them."""
    out = []
    for (task, rule, precision), s in comparison.snapshots.items():
        if not s["modulator"].size:
            continue
        steps, limit = frames(s, FRAMES), float(np.abs(s["modulator"]).max()) or 1.0
        levels = np.round(127 * s["modulator"][steps] / limit).astype(np.int8)
        t, neuron = np.nonzero(s["spikes"][-len(s["modulator"]):])
        keep = np.linspace(0, len(t) - 1, min(len(t), MAX_SPIKES)).astype(int) if len(t) else []
        out.append({"label": f"{title(task)}, {title(rule)}, {precision}", "grid": s["grid"].tolist(), "steps": (steps + 1).tolist(),
                    "limit": limit, "levels": base64.b64encode(levels.tobytes()).decode(), "window": len(s["modulator"]),
                    "neurons": s["spikes"].shape[1], "spikes": [t[keep].tolist(), neuron[keep].tolist()]})
    return out


def final_rows(comparison: Comparison) -> list[dict]:
    """Rows of the result table, formatted."""
    rows = []
    for r in final_table(comparison).to_dict("records"):
        share = r["measure"] == "accuracy"

        def show(value: float, sem: float, sign: str = "", share=share) -> str:
            if not math.isfinite(value):
                return "–"
            text = f"{100 * value:{sign}.1f}" if share else f"{value:{sign}.4f}"
            return text + ((f" ± {100 * sem:.1f}" if share else f" ± {sem:.4f}") if math.isfinite(sem) else "") + (" %" if share else "")

        rows.append({**r, "result": show(r["mean"], r["sem"]), "change": show(r["difference"], r["difference_sem"], "+")})
    return rows


def loss_tables(comparison: Comparison) -> list[dict]:
    """Where precision was lost, per task and rule: quantities with any loss, worst first."""
    out = []
    for task in comparison.tasks:
        for rule in comparison.rules(task):
            table = losses(comparison, task, rule)
            if len(table):
                table["worst"] = table[["saturated", "underflowed", "stalled"]].max(axis=1)
                rows = table[table["worst"] > 1e-6].sort_values("worst", ascending=False)
                out.append({"task": task, "rule": rule, "rows": rows.to_dict("records")})
    return out

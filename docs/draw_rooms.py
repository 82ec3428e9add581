"""Draws docs/rooms.svg, the rooms of the code and the way of the data, from the imports and the contract of layers: python docs/draw_rooms.py"""
from __future__ import annotations

import ast
from html import escape
from pathlib import Path

import grimp

try:
    import tomllib
except ModuleNotFoundError:         # Python 3.10
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
DATA = {"fxsim.cli": "command", "fxsim.config": "YAML → Config", "fxsim.model": "Config → Network", "fxsim.tasks": "Config → Trials",
        "fxsim.engine": "Network, Trials → gradients", "fxsim.training": "gradients → weights, curves", "fxsim.study": "curves → tables",
        "fxsim.report": "tables → page", "lava_backend": "run → package → Lava", "quant": "YAML → formats"}
ROW, GAP, LEFT, WIDTH, RIGHT = 46, 14, 20, 760, 190       # pixels


def rooms() -> list[list[str]]:
    """Levels from the top, each with its rooms: the contract in pyproject.toml."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    return [[room.strip() for room in level.split("|")] for level in contracts[0]["layers"]]


def imports(names: list[str]) -> set[tuple[str, str]]:
    """(importing room, imported room) wherever a module of the one imports a module of the other."""
    graph = grimp.build_graph("fxsim", "lava_backend", "quant", cache_dir=None)
    home = {module: next((name for name in names if f"{module}.".startswith(f"{name}.")), None) for module in graph.modules}
    pairs = {(home[module], home[other]) for module in graph.modules for other in graph.find_modules_directly_imported_by(module)}
    return {(above, below) for above, below in pairs if above and below and above != below}


def about(room: str) -> str:
    """The first sentence of a room."""
    path = ROOT / room.replace(".", "/")
    first = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    sentence = (ast.get_docstring(ast.parse(first.read_text())) or "").split("\n\n")[0].replace("\n", " ").replace("`", "").split(": ", 1)[-1]
    return sentence[:1].upper() + sentence[1:]


def picture() -> str:
    """The SVG."""
    levels = rooms()
    names = [room for level in levels for room in level]
    place: dict[str, tuple[float, float, float]] = {}       # room -> x, y, width
    for number, level in enumerate(levels):
        width = (WIDTH - GAP * (len(level) - 1)) / len(level)
        for i, room in enumerate(level):
            place[room] = LEFT + i * (width + GAP), 20 + number * (ROW + GAP), width
    height = 20 + len(levels) * (ROW + GAP) + 26
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + RIGHT} {height}" font-family="sans-serif">',
             '<rect width="100%" height="100%" fill="#fff"/>']
    for above, below in sorted(imports(names)):
        y0, y1 = place[above][1] + ROW / 2, place[below][1] + ROW / 2
        reach = LEFT + WIDTH + 12 + (y1 - y0) * 0.26
        parts.append(f'<path d="M{LEFT + WIDTH} {y0:g}C{reach:.1f} {y0:g} {reach:.1f} {y1:g} {LEFT + WIDTH} {y1:g}" fill="none" stroke="#456" '
                     f'stroke-opacity=".45"><title>{above} imports {below}</title></path>')
    for room, (x, y, width) in place.items():
        sentence = about(room)
        fits = int((width - 20) / 6.1)
        sentence = sentence if len(sentence) <= fits else sentence[:fits - 1].rsplit(" ", 1)[0] + " …"
        parts += [f'<rect x="{x:g}" y="{y}" width="{width:g}" height="{ROW}" rx="6" fill="#f3f6f9" stroke="#789"/>',
                  f'<text x="{x + 10:g}" y="{y + 18}" font-size="14" font-weight="bold">{room.removeprefix("fxsim.")}</text>',
                  f'<text x="{x + width - 10:g}" y="{y + 18}" font-size="11" text-anchor="end" fill="#0a58a8">{escape(DATA.get(room, ""))}</text>',
                  f'<text x="{x + 10:g}" y="{y + 36}" font-size="11" fill="#333">{escape(sentence)}</text>']
    parts += [f'<text x="{LEFT}" y="{height - 12}" font-size="11" fill="#333">Imports run down; lines at the right are rooms that import '
              'rooms. Blue: what becomes of the data there.</text>', "</svg>"]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    (ROOT / "docs/rooms.svg").write_text(picture())

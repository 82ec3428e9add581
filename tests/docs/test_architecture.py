"""The picture of the rooms is that of the imports."""
import importlib.util

import pytest

from places import ROOT


def script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / f"docs/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_picture_of_the_roundings_is_current():
    assert (ROOT / "docs/rounding.svg").read_text() == script("draw_rounding").picture(), "python docs/draw_rounding.py"


def test_the_picture_is_current():
    pytest.importorskip("grimp", reason="needs import-linter (extra dev)")
    draw_rooms = script("draw_rooms")
    pairs = draw_rooms.imports([room for level in draw_rooms.rooms() for room in level])
    order = {room: number for number, level in enumerate(draw_rooms.rooms()) for room in level}
    assert pairs and all(order[above] < order[below] for above, below in pairs)
    assert (ROOT / "docs/rooms.svg").read_text() == draw_rooms.picture(), "python docs/draw_rooms.py"


def test_a_room_is_taken_in_at_a_glance():
    """At most 12 files in a folder and 400 lines in a file, but for the templates of kernels, which are one text."""
    for folder in ("fxsim", "quant", "lava_backend", "tests"):
        for room in [ROOT / folder, *(path for path in (ROOT / folder).rglob("*") if path.is_dir() and path.name != "__pycache__")]:
            assert sum(path.suffix == ".py" for path in room.iterdir()) <= 12, room
        for path in (ROOT / folder).rglob("*.py"):
            assert path.name == "kernels.py" or len(path.read_text().splitlines()) <= 400, path

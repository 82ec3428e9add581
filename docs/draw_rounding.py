"""Draws docs/rounding.svg, what each rounding makes of a number, from quant/rounding.py itself: python docs/draw_rounding.py"""
from __future__ import annotations

from pathlib import Path

from quant.rounding import ROUNDINGS

ROOT = Path(__file__).parents[1]
DROPPED, REACH = 4, 2           # bits; units to both sides of zero
UNIT, GAP, TOP = 36, 30, 34     # pixels


def picture() -> str:
    """The picture's text."""
    side, panels = 2 * REACH * UNIT, []
    for i, name in enumerate(ROUNDINGS):
        left = GAP + i * (side + GAP)
        panels.append(f'<g transform="translate({left + side // 2},{TOP + side // 2})">'
                      f'<text y="{-side // 2 - 10}" text-anchor="middle" font-size="13">{name}</text>'
                      f'<path d="M{-side // 2} 0H{side // 2}M0 {-side // 2}V{side // 2}" stroke="#bbb"/>'
                      f'<path d="M{-side // 2} {side // 2}L{side // 2} {-side // 2}" stroke="#bbb" stroke-dasharray="3 3"/>{_points(name)}</g>')
    width, height = GAP + len(ROUNDINGS) * (side + GAP), TOP + side + 20
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="sans-serif">'
            f'<rect width="{width}" height="{height}" fill="white"/>{"".join(panels)}</svg>\n')


def _points(name: str) -> str:
    """A point for each number; of a stochastic rounding both of its results, as dark as they are likely."""
    found = []
    for y in range(-REACH << DROPPED, (REACH << DROPPED) + 1):
        share = (y & (1 << DROPPED) - 1) / (1 << DROPPED)
        results = {int(ROUNDINGS[name](y, DROPPED, r)): chance for r, chance in ((0, 1 - share), ((1 << 31) - 1, share))}
        for result, chance in results.items():
            if abs(result) <= REACH:
                opacity = chance if name == "stochastic" else 1
                found.append(f'<circle cx="{y * UNIT / (1 << DROPPED):g}" cy="{-result * UNIT}" r="1.8" fill="#0072B2" opacity="{opacity:g}"/>')
    return "".join(found)


if __name__ == "__main__":
    (ROOT / "docs" / "rounding.svg").write_text(picture())

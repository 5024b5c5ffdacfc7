"""A plain picture, as SVG: for each name a small curve through the year 2013, all to one scale."""

from collections.abc import Iterator, Mapping
from datetime import date
from html import escape
from pathlib import Path

Curve = Mapping[date, float]

WIDTH, HEIGHT = 240, 110  # of one panel
COLUMNS, GAP, TOP = 4, 40, 60
NEW_YEAR = date(2013, 1, 1)


def draw(path: Path, title: str, curves: Mapping[str, Curve]) -> None:
    path.write_text("\n".join(elements(title, curves)) + "\n", encoding="utf-8")


def elements(title: str, curves: Mapping[str, Curve]) -> Iterator[str]:
    values = [0.0, *(value for curve in curves.values() for value in curve.values())]
    low, high = min(values), max(values)
    rows = -(-len(curves) // COLUMNS)
    size = f"{COLUMNS * (WIDTH + GAP) + GAP} {TOP + rows * (HEIGHT + GAP)}"
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" font-family="sans-serif">'
    yield f'<text x="{GAP}" y="24" font-size="16">{escape(title)}</text>'
    for place, (name, curve) in enumerate(curves.items()):
        row, column = divmod(place, COLUMNS)
        x, y = GAP + column * (WIDTH + GAP), TOP + row * (HEIGHT + GAP)
        yield f'<g transform="translate({x} {y})" font-size="11">'
        yield from panel(name, curve, low, high)
        yield "</g>"
    yield "</svg>"


def panel(name: str, curve: Curve, low: float, high: float) -> Iterator[str]:
    def x(day: date) -> float:
        return (day - NEW_YEAR).days / 365 * WIDTH

    def y(value: float) -> float:
        return (high - value) / (high - low or 1) * HEIGHT

    yield f'<text y="-6">{escape(name)}</text>'
    for value in range(0, int(high) + 1, 20):
        yield f'<path d="M0 {y(value):.1f}h{WIDTH}" stroke="#ddd"/>'
        yield f'<text x="-4" y="{y(value) + 4:.1f}" text-anchor="end">{value}</text>'
    for month in (1, 4, 7, 10):
        first = date(2013, month, 1)
        yield f'<text x="{x(first):.0f}" y="{HEIGHT + 12}">{first:%b}</text>'
    points = " ".join(f"{x(day):.1f},{y(value):.1f}" for day, value in curve.items())
    yield f'<polyline points="{points}" fill="none" stroke="#1565c0"/>'

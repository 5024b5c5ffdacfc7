"""The picture of a topology as SVG: components in columns, each right of all it takes from."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, NamedTuple

from typhoon.cli._labels import label, size

if TYPE_CHECKING:
    from typhoon.topology import TopologySpec

BOX = (140, 44)
GAP = (170, 36)
MARGIN = 30
TITLE = 30

HEAD = """<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" \
viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">
<title>{title}</title>
<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" \
orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="#555"/></marker></defs>
<rect width="100%" height="100%" fill="white"/>
<text x="{margin}" y="24" font-weight="bold">{title}</text>"""


class Place(NamedTuple):
    """The top left corner of a component's box, in pixels, and the column that it is in."""

    x: int
    y: int
    column: int

    @property
    def middle(self) -> int:
        return self.y + BOX[1] // 2


def svg(spec: TopologySpec, title: str) -> str:
    """A whole SVG document."""
    places = _places(spec)
    below = max((place.y for place in places.values()), default=0) + BOX[1] + MARGIN
    width = max((place.x for place in places.values()), default=0) + BOX[0] + MARGIN
    back_arrows = any(
        places[bolt].column <= places[name].column
        for name in places
        for bolt, _ in spec.subscribers(name)
    )
    height = below + (2 * MARGIN if back_arrows else 0)
    parts = [HEAD.format(width=width, height=height, title=escape(title), margin=MARGIN)]
    parts += _arrows(spec, places, below)
    parts += [_box(spec, name, place) for name, place in places.items()]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _places(spec: TopologySpec) -> dict[str, Place]:
    columns = _columns(spec)
    rows: dict[int, int] = {}
    places = {}
    for name, column in columns.items():
        row = rows.get(column, 0)
        rows[column] = row + 1
        x = MARGIN + column * (BOX[0] + GAP[0])
        y = TITLE + MARGIN + row * (BOX[1] + GAP[1])
        places[name] = Place(x, y, column)
    return places


def _columns(spec: TopologySpec) -> dict[str, int]:
    """Spouts in column 0; a bolt one right of the last of those before it that it takes from."""
    columns: dict[str, int] = {}
    for name in spec.topological_order():
        before = [
            columns[one.component]
            for one in spec.components[name].inputs
            if one.component in columns
        ]
        is_bolt = spec.components[name].kind == "bolt"
        columns[name] = max(before, default=0) + 1 if is_bolt else 0
    return columns


def _box(spec: TopologySpec, name: str, place: Place) -> str:
    component = spec.components[name]
    radius, fill = (BOX[1] // 2, "#dceefb") if component.kind == "spout" else (6, "#eef7e6")
    words = escape(" ".join(filter(None, [name, size(component)])))
    return (
        f'<rect x="{place.x}" y="{place.y}" width="{BOX[0]}" height="{BOX[1]}" rx="{radius}" '
        f'fill="{fill}" stroke="#555"/>'
        f'<text x="{place.x + BOX[0] // 2}" y="{place.middle + 5}" text-anchor="middle">'
        f"{words}</text>"
    )


def _arrows(spec: TopologySpec, places: dict[str, Place], below: int) -> list[str]:
    """One arrow for each pair of components; several subscriptions share its words."""
    words: dict[tuple[str, str], list[str]] = {}
    for name in places:
        for bolt, subscription in spec.subscribers(name):
            words.setdefault((name, bolt), []).append(label(subscription))
    return [
        _arrow(places[name], places[bolt], "; ".join(labels), below)
        for (name, bolt), labels in words.items()
    ]


def _arrow(start: Place, end: Place, words: str, below: int) -> str:
    x1, y1, x2, y2 = start.x + BOX[0], start.middle, end.x, end.middle
    if end.column > start.column:
        bend = (x2 - x1) // 2
        path = f"M{x1} {y1} C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"
        at = (x1 + x2) // 2, (y1 + y2) // 2 - 6
    else:
        path = f"M{x1} {y1} C{x1 + 60} {below + MARGIN} {x2 - 60} {below + MARGIN} {x2} {y2}"
        at = (x1 + x2) // 2, below + MARGIN // 2
    return (
        f'<path d="{path}" fill="none" stroke="#555" marker-end="url(#tip)"/>'
        f'<text x="{at[0]}" y="{at[1]}" text-anchor="middle" font-size="11" fill="#333">'
        f"{escape(words)}</text>"
    )

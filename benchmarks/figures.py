"""What the scripts of this folder found: a small table for people, one JSON object for programs."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line: the median of ``values``, one value per round, held against the highest that
    will do. ``beside`` is what else was measured in the same rounds, already with its unit."""

    what: str
    values: Sequence[float]
    unit: str
    goal: float | None = None
    beside: Mapping[str, str] | None = None

    @property
    def value(self) -> float:
        return statistics.median(self.values)

    @property
    def verdict(self) -> str:
        if self.goal is None:
            return ""
        return "met" if self.value <= self.goal else "missed"

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "what": self.what,
            "value": self.value,
            "unit": self.unit,
            "values": list(self.values),
            "goal": self.goal,
            "verdict": self.verdict,
            "beside": dict(self.beside or {}),
        }

    def cells(self) -> list[str]:
        reach = f"{digits(min(self.values))} - {digits(max(self.values))}"
        return [
            self.what,
            f"{digits(self.value)} {self.unit}".strip(),
            reach if len(self.values) > 1 else "",
            "" if self.goal is None else f"≤ {digits(self.goal)}",
            self.verdict,
            ", ".join(f"{name} {value}" for name, value in (self.beside or {}).items()),
        ]


HEAD = ["what", "median", "range", "goal", "verdict", "beside"]


def digits(value: float) -> str:
    """As many digits as mean something: three, and never fewer than the whole number has."""
    if value == 0 or not math.isfinite(value):
        return f"{value:.0f}"
    places = 2 - math.floor(math.log10(abs(value)))
    return f"{value:,.{min(3, max(0, places))}f}"


def answer(name: str, figures: Sequence[Figure], settings: Mapping[str, Any], as_json: bool) -> str:
    """The whole answer of a script, as it asks for it."""
    if as_json:
        rows = [figure.to_dict() for figure in figures]
        return json.dumps({"name": name, "settings": dict(settings), "figures": rows})
    title = ", ".join(f"{key} {value}" for key, value in settings.items())
    return f"{name}, {title}\n\n{table([HEAD, *(figure.cells() for figure in figures)])}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)

"""Medians, ranges and ratios of what was measured, as text for people and as JSON."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from systems import Sample, System

Cells = Sequence[str]
NONE = "-"
NAMES = {"from_due": "due to last"}  # what Typhoon calls them: what the others do


@dataclass
class Result:
    """What the rounds said of one system: a sample, or None where it failed, for every round."""

    system: System
    samples: list[Sample | None] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def rates(self) -> list[float]:
        return [sample.rate for sample in self.samples if sample]

    def ratios(self, others: Sequence[float | None]) -> list[float]:
        """Its rate to another's, round by round; a round that lacks either is left out."""
        pairs = zip(self.samples, others, strict=False)
        return [sample.rate / other for sample, other in pairs if sample and other]

    def multiples(self, ours: "Result | None") -> list[float]:
        """Typhoon's rate to its own, round by round; none for Typhoon itself."""
        if ours is self:
            return []
        pairs = zip(ours.samples if ours else [], self.samples, strict=False)
        return [our.rate / own.rate for our, own in pairs if our and own]

    def figures(self, name: str) -> list[float]:
        return [
            sample.figures[name] for sample in self.samples if sample and name in sample.figures
        ]

    def starts(self) -> list[float]:
        found = (sample.start_seconds for sample in self.samples if sample)
        return [seconds for seconds in found if seconds is not None]

    def latencies(self) -> dict[str, dict[str, float]]:
        """The percentiles, by what they are of, of the first round that has any."""
        for sample in self.samples:
            found = sample.figures.get("latency_ms") if sample else None
            if found:
                return named(found)
        return {}


def named(found: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Percentiles by what they are of. Typhoon prints those from emit without a name."""
    unnamed = {name: value for name, value in found.items() if not isinstance(value, dict)}
    groups = {NAMES.get(name, name): value for name, value in found.items() if name not in unnamed}
    return {"emit to last": unnamed, **groups} if unnamed else groups


def spread(values: Sequence[float], digits: int = 2) -> str:
    """``median (lowest-highest)``; only the median where there is one value."""
    if not values:
        return NONE
    middle = f"{statistics.median(values):.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def ours(results: Iterable[Result], table: str) -> Result | None:
    of_table = (result for result in results if result.system.table == table)
    return next((result for result in of_table if result.system.group == "typhoon"), None)


def words_table(results: Sequence[Result], bare: Sequence[float]) -> str:
    """The word counts, each as a ratio to the bare loop of its own round."""
    head = (
        "system", "settings", "M words/s", "to the bare loop", "Typhoon to it",
        "under load p50 / p99 ms", "start s", "RSS MB",
    )  # fmt: skip
    loop = ("bare Python loop", "one core", millions(bare), "1", NONE, NONE, NONE, NONE)
    typhoon = ours(results, "words")
    rows = [
        (
            result.system.name,
            result.system.settings,
            millions(result.rates()),
            spread(result.ratios(bare), 3),
            spread(result.multiples(typhoon)),
            under_load(result),
            spread(result.starts(), 1),
            spread(result.figures("rss_mb"), 0),
        )
        for result in results
        if result.system.table == "words"
    ]
    return layout(head, [loop, *rows])


def const_table(results: Sequence[Result]) -> str:
    """Const → Id → Null: what a tuple through two hops costs where the work is nothing."""
    head = ("system", "settings", "M tuples/s", "ns per tuple", "Typhoon to it", "RSS MB")
    typhoon = ours(results, "const")
    rows = [
        (
            result.system.name,
            result.system.settings,
            millions(result.rates()),
            spread([1e9 / rate for rate in result.rates()], 0),
            spread(result.multiples(typhoon)),
            spread(result.figures("rss_mb"), 0),
        )
        for result in results
        if result.system.table == "const"
    ]
    return layout(head, rows)


def latency_table(results: Sequence[Result]) -> str:
    """Three stages at a fixed rate: how long an event takes, from what to what."""
    head = ("system", "settings", "from - to", "p50 ms", "p99 ms", "p99.9 ms", "max ms")
    rows = [
        (result.system.name, result.system.settings, name or NONE, *percentile_cells(found))
        for result in results
        if result.system.table == "latency"
        for name, found in result.latencies().items()
    ]
    return layout(head, rows)


def percentile_cells(found: dict[str, float]) -> Cells:
    names = ("p50", "p99", "p999", "max")
    return [f"{found[name]:.3f}" if name in found else NONE for name in names]


def under_load(result: Result) -> str:
    found = next(iter(result.latencies().values()), {})
    if "p50" not in found or "p99" not in found:
        return NONE
    return f"{found['p50']:.3g} / {found['p99']:.3g}"


def millions(rates: Sequence[float]) -> str:
    return spread([rate / 1e6 for rate in rates], 3)


def layout(head: Cells, rows: Iterable[Cells]) -> str:
    """A Markdown table whose columns also line up in a terminal."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    rule = ["-" * width for width in widths]
    return "\n".join(
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in (head, rule, *lines[1:])
    )


TITLES: dict[str, tuple[str, Callable[[Sequence[Result], Sequence[float]], str]]] = {
    "words": ("Word count", words_table),
    "const": ("Const → Id → Null, acked", lambda results, _bare: const_table(results)),
    "latency": ("Latency at a fixed rate", lambda results, _bare: latency_table(results)),
}


def report(results: Sequence[Result], bare: Sequence[float]) -> str:
    """Every table that has a row, and under them what went wrong."""
    parts: list[str] = []
    for table, (title, draw) in TITLES.items():
        if any(result.system.table == table for result in results):
            parts.append(f"{title}\n\n{draw(results, bare)}")
    errors = [
        f"{result.system.name} ({result.system.settings}): {error}"
        for result in results
        for error in result.errors
    ]
    if errors:
        parts.append("\n".join(["Failed", "", *errors]))
    return "\n\n".join(parts)


def as_json(result: Result, bare: Sequence[float]) -> dict[str, Any]:
    """All that was measured of one system, word for word, and its ratios."""
    system = result.system
    return {
        "table": system.table,
        "group": system.group,
        "name": system.name,
        "settings": system.settings,
        "command": list(system.command),
        "rates": result.rates(),
        "ratios_to_bare": result.ratios(bare) if system.table == "words" else [],
        "start_seconds": result.starts(),
        "errors": result.errors,
        "rounds": [sample.figures if sample else None for sample in result.samples],
    }

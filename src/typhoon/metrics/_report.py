"""``WorkerReport``: the figures of one worker as plain values, and how those of several add up."""

from __future__ import annotations

import math
from collections import Counter as Tally
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from typhoon.metrics._own import MetricsBook, OwnMetrics
from typhoon.metrics._stats import ComponentStats

SUMMED = (
    "emitted",
    "transferred",
    "executed",
    "acked",
    "failed",
    "timed_out",
    "failed_by_worker_death",
    "settled_again",
    "gave_up",
)
QUANTILES = {"p50": 0.5, "p99": 0.99, "p999": 0.999, "max": 1.0}


class ProcessFigures(NamedTuple):
    """A worker's process: its age and the processor time that it has used, in seconds."""

    pid: int
    seconds: float
    cpu_s: float
    rss_bytes: int


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """Everything by component. It can be pickled.

    ``counts`` are since the start, by name; what is counted by stream has a tuple for a name.
    ``waiting`` has trees that are pending and tuples that are queued now. ``capacity`` is that of
    the busiest executor. ``errors`` has how many there were, and the last. ``latencies`` says how
    many complete latencies there were of so many nanoseconds.
    """

    counts: Mapping[str, Mapping[Any, int]] = field(default_factory=dict)
    waiting: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    capacity: Mapping[str, float] = field(default_factory=dict)
    errors: Mapping[str, tuple[int, str | None]] = field(default_factory=dict)
    own: Mapping[str, OwnMetrics] = field(default_factory=dict)
    latencies: Mapping[int, int] = field(default_factory=dict)
    process: ProcessFigures | None = None

    def of_the_past(self) -> WorkerReport:
        """What remains of it when the worker is gone."""
        return replace(self, waiting={}, capacity={}, process=None)

    def replayed(self) -> int:
        return sum(counts.get("replayed", 0) for counts in self.counts.values())

    def emitted(self, components: Iterable[str]) -> int:
        return sum(self.counts.get(name, {}).get("emitted", 0) for name in components)

    def latency_ms(self) -> dict[str, float]:
        """Complete latency of all spouts: p50, p99, p999 and max; empty before the first ack."""
        total = sum(self.latencies.values())
        found: dict[str, float] = {}
        seen, wanted = 0, list(QUANTILES.items())
        for nanoseconds in sorted(self.latencies):
            seen += self.latencies[nanoseconds]
            while wanted and seen >= math.ceil(wanted[0][1] * total):
                found[wanted.pop(0)[0]] = nanoseconds / 1e6
        return found

    def component(self, name: str, kind: str, executors: int, tasks: int) -> ComponentStats:
        counts = self.counts.get(name, {})
        pending, queued = self.waiting.get(name, (0, 0))
        errors, last_error = self.errors.get(name, (0, None))
        book = MetricsBook(name)
        book.absorb(self.own.get(name, {}))
        return ComponentStats(
            id=name,
            kind=kind,
            executors=executors,
            tasks=tasks,
            pending=pending,
            queued=queued,
            busy_s=counts.get("busy", 0) / 1e9,
            errors=errors,
            last_error=last_error,
            capacity=round(self.capacity.get(name, 0.0), 4),
            execute_latency_ms=_mean_ms(counts.get("busy", 0), counts.get("executed", 0)),
            process_latency_ms=_mean_ms(counts.get("timed_ns", 0), counts.get("timed", 0)),
            inputs=_nested(counts, "in"),
            outputs=_nested(counts, "out"),
            metrics=book.values(),
            **{name: counts.get(name, 0) for name in SUMMED},
        )


def merged(reports: Iterable[WorkerReport]) -> WorkerReport:
    """All of them together."""
    counts: dict[str, Tally[Any]] = {}
    waiting: dict[str, tuple[int, int]] = {}
    capacity: dict[str, float] = {}
    errors: dict[str, tuple[int, str | None]] = {}
    books: dict[str, MetricsBook] = {}
    latencies: Tally[int] = Tally()
    for report in reports:
        for name, mine in report.counts.items():
            counts.setdefault(name, Tally()).update(mine)
        for name, (pending, queued) in report.waiting.items():
            before = waiting.get(name, (0, 0))
            waiting[name] = (before[0] + pending, before[1] + queued)
        for name, share in report.capacity.items():
            capacity[name] = max(capacity.get(name, 0.0), share)
        for name, (number, last) in report.errors.items():
            known = errors.get(name, (0, None))
            errors[name] = (known[0] + number, last if last is not None else known[1])
        for name, metrics in report.own.items():
            books.setdefault(name, MetricsBook(name)).absorb(metrics)
        latencies.update(report.latencies)
    own = {name: book.snapshot() for name, book in books.items()}
    return WorkerReport(counts, waiting, capacity, errors, own, latencies)


def _mean_ms(nanoseconds: int, count: int) -> float | None:
    return nanoseconds / count / 1e6 if count else None


def _nested(counts: Mapping[Any, int], kind: str) -> dict[str, dict[str, int]]:
    """(kind, a, b) → count, as a → b → count."""
    found: dict[str, dict[str, int]] = {}
    for name, count in counts.items():
        if isinstance(name, tuple) and name[0] == kind:
            found.setdefault(name[1], {})[name[2]] = count
    return found

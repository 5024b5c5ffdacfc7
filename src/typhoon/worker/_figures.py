"""``Figures``: what one worker has counted since it began, over all its engines."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from typhoon._core import Engine
from typhoon.metrics import BusyWindow, MetricsBook, WorkerReport
from typhoon.worker._errors import ErrorBook
from typhoon.worker._plan import TICK, EnginePlan

COPIED = ("acked", "failed", "timed_out", "busy", "timed", "timed_ns")
"""What an executor of the engine counts under the same name."""


class Counts(NamedTuple):
    """Per component, and complete latencies: so many of so many nanoseconds."""

    components: dict[str, Counter[Any]]
    latencies: Counter[int]


class Figures:
    """Told of each engine of a worker by ``begin``, and by ``remember`` that it has ended.

    ``books`` and ``own`` have errors and metrics by component; they outlive an engine.
    """

    def __init__(self, books: Mapping[str, ErrorBook], own: Mapping[str, MetricsBook]) -> None:
        self._books = books
        self._own = own
        self._earlier = Counts({}, Counter())
        self._running: tuple[Engine, EnginePlan] | None = None
        self._window = BusyWindow(time.monotonic())

    def begin(self, engine: Engine, plan: EnginePlan) -> None:
        self._window = BusyWindow(time.monotonic())
        self._running = engine, plan

    def remember(self) -> None:
        """Keep the counts of the engine that ended."""
        self._earlier, self._running = self._counted(), None

    def look(self) -> None:
        """To be called now and then, so that it is known how busy executors were of late."""
        if self._running is not None:
            busy = [one["busy"] for one in self._running[0].figures()]
            self._window.look(time.monotonic(), busy)

    def report(self) -> WorkerReport:
        """All of them."""
        counts, latencies = self._counted()
        waiting: dict[str, tuple[int, int]] = {}
        capacity: dict[str, float] = {}
        if self._running is not None:
            engine, plan = self._running
            every = engine.figures()
            shares = self._window.shares(time.monotonic(), [one["busy"] for one in every])
            for planned, figures, share in zip(plan.executors, every, shares, strict=True):
                name = planned.spec.id
                pending, queued = waiting.get(name, (0, 0))
                waiting[name] = (pending + figures["pending"], queued + figures["queued"])
                capacity[name] = max(capacity.get(name, 0.0), share)
        errors = {name: (book.count, book.last) for name, book in self._books.items()}
        own = {name: book.snapshot() for name, book in self._own.items()}
        return WorkerReport(counts, waiting, capacity, errors, own, latencies)

    def emitted(self, components: Iterable[str]) -> int:
        """How many tuples ``components`` have emitted together; microseconds, from any thread."""
        wanted, running = set(components), self._running
        count = sum(self._earlier.components.get(name, Counter())["emitted"] for name in wanted)
        if running is None:
            return count
        engine, plan = running
        executors, streams = plan.executors, engine.streams()
        return count + sum(one[2] for one in streams if executors[one[0]].spec.id in wanted)

    def _counted(self) -> Counts:
        """By the engine, and by those before it."""
        counts = {name: Counter(kept) for name, kept in self._earlier.components.items()}
        latencies = Counter(self._earlier.latencies)
        if self._running is None:
            return Counts(counts, latencies)
        engine, plan = self._running
        for planned, figures in zip(plan.executors, engine.figures(), strict=True):
            mine = counts.setdefault(planned.spec.id, Counter())
            mine.update({key: figures[key] for key in COPIED})
            mine["failed_by_worker_death"] += figures["lost"]
            if planned.spec.kind == "bolt":
                mine["executed"] += figures["calls"]
            if planned.shell is not None:
                mine["replayed"] += sum(one.replayed for one in planned.shell.handles.values())
                mine.update(planned.shell.counts())
        for number, stream, emitted, transferred in engine.streams():
            mine = counts[plan.executors[number].spec.id]
            mine.update(emitted=emitted, transferred=transferred)
            if emitted or not stream.startswith("__"):
                mine.update({("out", stream, "emitted"): emitted})
                mine.update({("out", stream, "transferred"): transferred})
        for planned, inputs in zip(plan.executors, engine.inputs(), strict=True):
            if planned.spec.kind == "bolt":
                names = (*plan.streams, TICK[:2])
                taken = {("in", *name): n for name, n in zip(names, inputs, strict=True) if n}
                counts[planned.spec.id].update(taken)
        latencies.update(engine.latencies([one.number for one in plan.spouts]))
        return Counts(counts, latencies)

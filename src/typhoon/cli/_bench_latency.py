"""Latency at a fixed rate: how old an event is when the last of three stages has it."""

from __future__ import annotations

import time
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, replace
from time import perf_counter_ns
from typing import Any

from typhoon.cli import _bench_events
from typhoon.cli._bench_events import EVENTS, RATE, SAMPLES, TRACKED, Stage
from typhoon.cli._bench_processes import result_folder, results, run_workers
from typhoon.cli._bench_report import Report, check, percentiles
from typhoon.cli._bench_rounds import Stopwatch, run_timed
from typhoon.cli._bench_words import FOLDER
from typhoon.metrics import Stats
from typhoon.topology import Bolt, Spout, TopologyBuilder, Tuple


@dataclass(frozen=True, slots=True)
class LatencyOptions:
    """``rate`` events are due per second, for ``seconds``."""

    seconds: float
    rate: float
    acked: bool


@dataclass(slots=True)
class Samples:
    """Nanoseconds from the emit, and from when the event was due, to the last bolt."""

    from_emit: list[int]
    from_due: list[int]


def measure(options: LatencyOptions) -> Report:
    """A short warm-up, then one run; an event that is late counts from when it was due."""
    _run(LatencyOptions(min(1.0, options.seconds), options.rate, options.acked))
    cpu, began = time.process_time(), time.perf_counter()
    samples, seconds = _run(options)
    wall = time.perf_counter() - began
    share = (time.process_time() - cpu) / wall
    return _report(options, samples, seconds, {"cpu_share": round(share, 4)})


def measure_two(options: LatencyOptions, config: Mapping[str, Any]) -> Report:
    """As ``measure``, the first stage on one worker process and the others on another."""
    samples, seconds, stats = _run_two(options, config)
    shares = [round(one.cpu_s / one.seconds, 4) for one in stats.processes]
    report = _report(options, samples, seconds, {"cpu_shares": shares})
    settings = {**report.settings, "transport": config["worker.link.transport"]}
    return replace(report, settings=settings, workers=len(shares))


def _report(
    options: LatencyOptions, samples: Samples, seconds: float, extra: Mapping[str, Any]
) -> Report:
    return Report(
        name="latency",
        unit="events",
        acked=options.acked,
        rate=len(samples.from_emit) / seconds,
        bare_rate=None,
        rounds=[],
        latency_ms={
            **percentiles(samples.from_emit),
            "from_due": percentiles(samples.from_due),
        },
        settings={
            "rate": options.rate,
            "seconds": options.seconds,
            "acked": options.acked,
            "stages": 3,
            "events": len(samples.from_emit),
        },
        extra=extra,
    )


def _run_two(options: LatencyOptions, config: Mapping[str, Any]) -> tuple[Samples, float, Stats]:
    """The first second, but at most a fifth of all, warms up and counts for nothing."""
    warm = round(options.rate * min(1.0, options.seconds / 5))
    events = max(1, round(options.rate * options.seconds))
    with result_folder() as folder:
        wanted = {
            FOLDER: str(folder),
            RATE: options.rate,
            EVENTS: warm + events,
            TRACKED: options.acked,
        }
        stats = run_workers(_bench_events.topology(), 2, {**wanted, **config})
        (began,) = [one["began"] for one in results(folder, "event")]
        found = array("q")
        found.frombytes((folder / SAMPLES).read_bytes())
    placed = [set(process.components) for process in stats.processes]
    check("workers with the first stage alone", 1, placed.count({"event", "near"}))
    check("events", warm + events, len(found) // 3)
    check("acked", warm + events if options.acked else 0, stats.acked)
    kept = found[3 * warm :]
    due, emitted, here = kept[::3], kept[1::3], kept[2::3]
    samples = Samples(
        [last - first for first, last in zip(emitted, here, strict=True)],
        [last - first for first, last in zip(due, here, strict=True)],
    )
    return samples, (max(here) - began) / 1e9 * events / (warm + events), stats


def _run(options: LatencyOptions) -> tuple[Samples, float]:
    events = max(1, round(options.rate * options.seconds))
    samples, watch = Samples([], []), Stopwatch()
    builder = TopologyBuilder("latency")
    builder.set_spout("timed", _timed(events, options, watch))
    builder.set_bolt("stage1", Stage).shuffle_grouping("timed")
    builder.set_bolt("stage2", Stage).shuffle_grouping("stage1")
    builder.set_bolt("last", _last(samples)).shuffle_grouping("stage2")
    timed = run_timed(builder, watch, {})
    check("events", events, len(samples.from_emit))
    check("acked", events if options.acked else 0, timed.stats.acked)
    return samples, timed.seconds


def _timed(events: int, options: LatencyOptions, watch: Stopwatch) -> type[Spout]:
    """A spout that is polled, and emits what is due: one event each time it is asked."""
    interval_ns = 1e9 / options.rate

    class Timed(Spout):
        outputs = ("due", "emitted")

        def initialize(self, conf: Any, context: Any) -> None:
            self.number = 0
            self.began = 0
            self.due = 0

        def next_tuple(self) -> None:
            now = perf_counter_ns()
            if now < self.due:
                return
            if self.number == events:
                raise StopIteration
            if not self.began:
                next(watch.start(), None)
                self.began = self.due = now
            number = self.number
            self.emit([self.due, now], tup_id=number if options.acked else None)
            self.number = number + 1
            self.due = self.began + int(self.number * interval_ns)

        def close(self) -> None:
            watch.stop()

    return Timed


def _last(samples: Samples) -> type[Bolt]:
    from_emit, from_due = samples.from_emit, samples.from_due

    class Last(Bolt):
        def process(self, tup: Tuple) -> None:
            due, emitted = tup.values
            now = perf_counter_ns()
            from_emit.append(now - emitted)
            from_due.append(now - due)

    return Last

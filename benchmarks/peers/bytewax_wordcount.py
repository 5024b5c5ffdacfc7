"""Measures Bytewax; runs in a virtual environment of its own, where ``bytewax`` is installed.

    python bytewax_wordcount.py word-count --input TEXT --seconds 8 --workers 1 --batch 1000
    python bytewax_wordcount.py latency --rate 500 --seconds 60

Prints one JSON object once the result has been checked. A result that is wrong prints nothing on
stdout, says why on stderr and ends with status 1.
"""
# Bytewax is not there where the project is type-checked.
# mypy: disable-error-code="import-not-found, misc"

import argparse
import json
import sys
import time
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
from bare import read_lines
from bytewax.dataflow import Dataflow
from bytewax.inputs import DynamicSource, StatelessSourcePartition
from bytewax.operators import StatefulBatchLogic
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import cluster_main


class WrongResultError(Exception):
    """The flow's result is not what its input says it must be: the figures are worth nothing."""


# ------------------------------------------------------------------------------------ word count


class WordCountRun:
    """What the parts of the word count share: the input, when things happened, and the result."""

    def __init__(self, lines: Sequence[str], batch: int, seconds: float) -> None:
        self.lines = lines
        self.batch = batch
        self.seconds = seconds
        self.passes = 0
        self.started: list[float] = []
        self.first_tuple_at = 0.0
        self.finished = 0.0
        self.counts: dict[str, int] = {}

    def flow(self) -> Any:
        """lines → words → one count per word, all of them with the operators that take batches."""
        flow = Dataflow("word_count")
        lines = op.input("lines", flow, LineSource(self))
        words = op.flat_map_batch("split", lines, split)
        counted = op.stateful_batch("count", words, lambda _resumed: CountLogic())
        op.output("counts", counted, CountSink(self))
        return flow


class LineSource(DynamicSource):
    """The text once per worker, again and again."""

    def __init__(self, run: WordCountRun) -> None:
        self.run = run

    def build(self, _step_id: str, _worker_index: int, _worker_count: int) -> "LinePartition":
        return LinePartition(self.run)


class LinePartition(StatelessSourcePartition):
    """Whole passes over the text until the time is over, ``batch`` lines at a time."""

    def __init__(self, run: WordCountRun) -> None:
        self.run = run
        self.at = 0
        self.started = 0.0

    def next_batch(self) -> Sequence[str]:
        run = self.run
        if not self.started:
            self.started = time.perf_counter()
            run.started.append(self.started)
            run.first_tuple_at = time.time()
        if self.at >= len(run.lines):
            self.at = 0
            run.passes += 1
            if time.perf_counter() - self.started >= run.seconds:
                raise StopIteration
        batch = run.lines[self.at : self.at + run.batch]
        self.at += run.batch
        return batch


def split(lines: list[str]) -> list[tuple[str, int]]:
    """The words of some lines, each as the key of a pair."""
    return [(word, 1) for line in lines for word in line.split()]


class CountLogic(StatefulBatchLogic):
    """Counts one word; emits nothing before the input is over."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0

    def on_batch(self, values: list[int]) -> tuple[Iterable[int], bool]:
        self.count += len(values)
        return (), StatefulBatchLogic.RETAIN

    def on_eof(self) -> tuple[Iterable[int], bool]:
        return (self.count,), StatefulBatchLogic.DISCARD

    def snapshot(self) -> int:
        return self.count


class CountSink(DynamicSink):
    """Puts the final counts into the run."""

    def __init__(self, run: WordCountRun) -> None:
        self.run = run

    def build(self, _step_id: str, _worker_index: int, _worker_count: int) -> "CountSinkPartition":
        return CountSinkPartition(self.run)


class CountSinkPartition(StatelessSinkPartition):
    """One worker's share of the final counts; each word is counted by one worker only."""

    def __init__(self, run: WordCountRun) -> None:
        self.run = run

    def write_batch(self, items: list[tuple[str, int]]) -> None:
        self.run.counts.update(items)
        self.run.finished = time.perf_counter()


def word_count(arguments: argparse.Namespace) -> dict[str, Any]:
    """Runs whole passes for some seconds: words counted, from the first line to the last count."""
    lines = read_lines(arguments.input)
    run = WordCountRun(lines, arguments.batch, arguments.seconds)
    cluster_main(run.flow(), [], 0, worker_count_per_proc=arguments.workers)
    once = Counter(word for line in lines for word in line.split())
    if run.counts != {word: count * run.passes for word, count in once.items()}:
        raise WrongResultError(
            f"{run.passes} passes of {once.total()} words, but {sum(run.counts.values())} counted"
        )
    words = sum(run.counts.values())
    seconds = run.finished - min(run.started)
    return {
        "mode": "word-count",
        "unit": "words",
        "done": words,
        "seconds": seconds,
        "rate": words / seconds,
        "text_words": once.total(),
        "first_tuple_at": run.first_tuple_at,
        "settings": {"workers": arguments.workers, "batch": arguments.batch},
    }


# --------------------------------------------------------------------------------------- latency


class LatencyRun:
    """A schedule and what became of it. Times are nanoseconds of the monotonic clock.

    The schedule begins when the flow's source is built, so that starting up makes nothing late.
    """

    def __init__(self, rate: float, warm_up: float, seconds: float) -> None:
        self.period = int(1e9 / rate)
        self.warm_up = int(warm_up * 1e9)
        self.length = self.warm_up + int(seconds * 1e9)
        self.counted_from = 0
        self.end = 0
        self.emitted = 0
        self.arrived = 0
        self.from_due = array("q")
        self.from_emit = array("q")

    def begin(self) -> int:
        """Starts the schedule; returns when its first event is due."""
        start = time.perf_counter_ns() + self.period
        self.counted_from = start + self.warm_up
        self.end = start + self.length
        return start

    def flow(self) -> Any:
        """Three steps: emit, pass on, take the time."""
        flow = Dataflow("latency")
        events = op.input("paced", flow, PacedSource(self))
        passed = op.map("pass", events, lambda event: event)
        op.output("last", passed, LastSink(self))
        return flow

    def arrive(self, due: int, emitted: int) -> None:
        """Notes an event at the last step; one of the warm-up is counted but not timed."""
        now = time.perf_counter_ns()
        self.arrived += 1
        if due >= self.counted_from:
            self.from_due.append(now - due)
            self.from_emit.append(now - emitted)


class PacedSource(DynamicSource):
    """The schedule; for a flow of one worker."""

    def __init__(self, run: LatencyRun) -> None:
        self.run = run

    def build(self, _step_id: str, _worker_index: int, _worker_count: int) -> "PacedPartition":
        return PacedPartition(self.run)


class PacedPartition(StatelessSourcePartition):
    """Emits each event when it is due; those that come late do not move the ones after them."""

    def __init__(self, run: LatencyRun) -> None:
        self.run = run
        self.due = run.begin()

    def next_batch(self) -> Sequence[tuple[int, int]]:
        run, now = self.run, time.perf_counter_ns()
        if self.due >= run.end:
            raise StopIteration
        events = [(due, now) for due in range(self.due, now + 1, run.period)]
        self.due += len(events) * run.period
        run.emitted += len(events)
        return events

    def next_awake(self) -> datetime:
        wait = max(0, self.due - time.perf_counter_ns())
        return datetime.now(UTC) + timedelta(microseconds=wait / 1000)


class LastSink(DynamicSink):
    """The last step."""

    def __init__(self, run: LatencyRun) -> None:
        self.run = run

    def build(self, _step_id: str, _worker_index: int, _worker_count: int) -> "LastSinkPartition":
        return LastSinkPartition(self.run)


class LastSinkPartition(StatelessSinkPartition):
    """Takes the time of each event."""

    def __init__(self, run: LatencyRun) -> None:
        self.run = run

    def write_batch(self, items: list[tuple[int, int]]) -> None:
        for due, emitted in items:
            self.run.arrive(due, emitted)


def percentiles(nanoseconds: Iterable[int]) -> dict[str, float]:
    """Exact percentiles, in milliseconds."""
    ordered = sorted(nanoseconds)

    def at(share: float) -> float:
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] / 1e6

    return {
        "count": len(ordered),
        "p50": at(0.5),
        "p99": at(0.99),
        "p999": at(0.999),
        "max": at(1.0),
    }


def latency(arguments: argparse.Namespace) -> dict[str, Any]:
    """Events at a fixed rate through three steps in one worker."""
    run = LatencyRun(arguments.rate, arguments.warm_up, arguments.seconds)
    cluster_main(run.flow(), [], 0)
    if run.arrived != run.emitted:
        raise WrongResultError(f"{run.emitted} events emitted, {run.arrived} arrived")
    return {
        "mode": "latency",
        "unit": "events",
        "done": len(run.from_due),
        "seconds": arguments.seconds,
        "rate": len(run.from_due) / arguments.seconds,
        "latency_ms": {
            "due to last": percentiles(run.from_due),
            "emit to last": percentiles(run.from_emit),
        },
        "settings": {"workers": 1, "rate": arguments.rate},
    }


# ------------------------------------------------------------------------------------------ both


def resident_megabytes() -> float:
    """The resident memory of this process."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measures Bytewax.")
    parser.add_argument("mode", choices=["word-count", "latency"])
    parser.add_argument("--input", type=Path, help="the text of the word count")
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--warm-up", type=float, default=3, help="seconds, of the latency only")
    parser.add_argument("--workers", type=int, default=1, help="threads of one process")
    parser.add_argument("--batch", type=int, default=1000, help="lines at a time")
    parser.add_argument("--rate", type=float, default=500, help="events per second")
    return parser.parse_args()


def main() -> int:
    arguments = parse_arguments()
    try:
        figures = word_count(arguments) if arguments.mode == "word-count" else latency(arguments)
    except WrongResultError as wrong:
        print(f"wrong result: {wrong}", file=sys.stderr)
        return 1
    print(json.dumps({**figures, "rss_mb": resident_megabytes()}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Word count: lines → split → count, against the same in a bare Python loop."""

from __future__ import annotations

import sysconfig
import time
from collections import Counter
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any

from typhoon.cli._bench_report import Report, check
from typhoon.cli._bench_rounds import Stopwatch, Timed, run_timed
from typhoon.cli._bench_words import COUNTS, Split, SplitMany
from typhoon.cli._bench_words import passes as repeated
from typhoon.topology import Bolt, Spout, TopologyBuilder, native


@dataclass(frozen=True, slots=True)
class WordCountOptions:
    """``executors`` are spouts, splits, counts; ``text`` is the text and what to call it."""

    seconds: float
    rounds: int
    executors: tuple[int, int, int]
    emit_counts: bool
    acked: bool
    batch: bool
    native: bool
    text: tuple[str, str]

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "executors": "/".join(map(str, self.executors)),
            "emit_counts": self.emit_counts,
            "acked": self.acked,
            "batch": self.batch,
            "native": self.native,
            "input": self.text[1],
        }


def standard_library() -> str:
    """The modules at the top of the standard library, one after the other."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    return "".join(
        file.read_text(encoding="utf-8", errors="replace") for file in sorted(folder.glob("*.py"))
    )


def measure(options: WordCountOptions) -> Report:
    """Both sides over the same whole passes in each round, one after the other."""
    lines = options.text[0].splitlines(keepends=True)
    once = bare_loop(lines, 1)
    timed = _round(options, lines, 1, once)
    timed = _round(options, lines, _passes(options.seconds / 4, timed.seconds), once)  # warm-up
    executed = timed.stats.acked if options.acked else timed.stats.emitted["lines"]
    done = max(1, executed // (len(lines) * options.executors[0]))
    passes = _passes(options.seconds, timed.seconds / done)
    total = once.total() * passes * options.executors[0]
    ratios, rates, bare_rates = [], [], []
    for _ in range(options.rounds):
        began = time.perf_counter()
        bare_loop(lines, passes * options.executors[0])
        bare = time.perf_counter() - began
        timed = _round(options, lines, passes, once)
        ratios.append(bare / timed.seconds)
        rates.append(total / timed.seconds)
        bare_rates.append(total / bare)
    return Report(
        name="word-count",
        unit="words",
        acked=options.acked,
        rate=median(rates),
        bare_rate=median(bare_rates),
        rounds=ratios,
        latency_ms=timed.stats.complete_latency_ms,
        settings={**options.settings, "words_per_round": total},
    )


def _passes(seconds: float, one: float) -> int:
    return max(1, round(seconds / one))


def bare_loop(lines: list[str], passes: int) -> Counter[str]:
    """The other side: what a person would write without any system."""
    counts: dict[str, int] = {}
    for _ in range(passes):
        for line in lines:
            for word in line.split():
                counts[word] = counts.get(word, 0) + 1
    return Counter(counts)


def _round(options: WordCountOptions, lines: list[str], passes: int, once: Counter[str]) -> Timed:
    """One run of the topology, with its result checked."""
    watch, totals = Stopwatch(), Counter[str]()
    topology = _topology(options, lines, passes, watch, totals)
    timed = run_timed(topology, watch, {})
    stats, copies = timed.stats, passes * options.executors[0]
    check("lines emitted", len(lines) * copies, stats.emitted["lines"])
    check("words executed", once.total() * copies, stats.executed["count"])
    check("acked", stats.emitted["lines"] if options.acked else 0, stats.acked)
    if not options.native:
        check("different words", len(once), len(totals))
        wrong = sum(totals[word] != count * copies for word, count in once.items())
        check("words with a wrong count", 0, wrong)
    return timed


def _topology(
    options: WordCountOptions,
    lines: list[str],
    passes: int,
    watch: Stopwatch,
    totals: Counter[str],
) -> TopologyBuilder:
    spouts, splits, counts = options.executors
    split: Any = native.split() if options.native else SplitMany if options.batch else Split
    count: Any = native.count(by="word") if options.native else _count(options, totals)
    builder = TopologyBuilder("word-count")
    builder.set_spout("lines", _lines(lines, passes, watch, options.acked), spouts)
    builder.set_bolt("split", split, splits).shuffle_grouping("lines")
    builder.set_bolt("count", count, counts).fields_grouping("split", ["word"])
    return builder


def _lines(text: list[str], passes: int, watch: Stopwatch, acked: bool) -> type[Spout]:
    """The classes below are made anew for each round, closed over what they share."""

    class Lines(Spout):
        outputs = ("line",)

        def initialize(self, conf: Any, context: Any) -> None:
            self.lines = chain(watch.start(), enumerate(repeated(text, passes)))

        def close(self) -> None:
            watch.stop()

    class Tracked(Lines):
        def next_tuple(self) -> None:
            number, line = next(self.lines)
            self.emit([line], tup_id=number)

    class Untracked(Lines):
        def next_tuple(self) -> None:
            _, line = next(self.lines)
            self.emit([line])

    return Tracked if acked else Untracked


def _count(options: WordCountOptions, totals: Counter[str]) -> type[Bolt]:
    base: Any = COUNTS[options.batch, options.emit_counts]

    class Shared(base):  # type: ignore[misc]
        def close(self) -> None:
            totals.update(self.counts)

    return Shared

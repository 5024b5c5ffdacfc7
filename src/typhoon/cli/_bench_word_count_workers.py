"""Word count on several worker processes: the whole pipeline in each of them."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from typhoon.cli._bench_processes import result_folder, results, run_workers
from typhoon.cli._bench_report import Report, check
from typhoon.cli._bench_word_count import WordCountOptions, bare_loop
from typhoon.cli._bench_words import (
    FOLDER,
    MARK,
    PASSES,
    TEXT,
    WRITTEN_COUNTS,
    Split,
    SplitMany,
    TrackedLines,
    UntrackedLines,
)
from typhoon.metrics import Stats
from typhoon.topology import TopologyBuilder, native


@dataclass(frozen=True, slots=True)
class WorkersOptions:
    """``words.executors`` are those of all ``workers`` together; ``config`` is the topology's."""

    words: WordCountOptions
    workers: int
    config: dict[str, Any]


class Run(NamedTuple):
    """One run: words per second while all spouts had lines, and until the last of them was acked.

    Grouping by word gives one of the workers more to count, so they do not end together; then the
    second says what a finite text takes, and the first what an endless stream would get.
    """

    rate: float
    whole_rate: float
    words: int
    stats: Stats

    @property
    def cpu_ns_per_word(self) -> float:
        """Of all workers, their start included."""
        return sum(process.cpu_s for process in self.stats.processes) / self.words * 1e9


def measure(options: WorkersOptions) -> Report:
    """In each round a bare loop, one worker and all of them count, one after the other."""
    words = options.words
    lines = words.text[0].splitlines(keepends=True)
    with result_folder() as folder:
        text = folder / "text.txt"
        text.write_text(words.text[0], encoding="utf-8")
        bench = _Bench(options, text, len(lines), bare_loop(lines, 1))
        first = bench.run(options.workers, 1)
        warm = bench.run(options.workers, bench.passes(first.rate, words.seconds / 4))
        many = bench.passes(warm.rate, words.seconds)
        last = warm
        of_bare, of_one, whole_of_one = [], [], []
        rates, bare_rates, cpu, cpu_one = [], [], [], []
        for number in range(words.rounds):
            began = time.perf_counter()
            bare_loop(lines, many)
            bare = bench.once.total() * many / (time.perf_counter() - began)
            sides = (1, options.workers) if number % 2 == 0 else (options.workers, 1)
            runs = {side: bench.run(side, many) for side in sides}
            last = runs[options.workers]
            rates.append(last.rate)
            bare_rates.append(bare)
            of_bare.append(last.rate / bare)
            of_one.append(last.rate / runs[1].rate)
            whole_of_one.append(last.whole_rate / runs[1].whole_rate)
            cpu.append(last.cpu_ns_per_word)
            cpu_one.append(runs[1].cpu_ns_per_word)
    return Report(
        name="word-count",
        unit="words",
        acked=words.acked,
        rate=median(rates),
        bare_rate=median(bare_rates),
        rounds=of_bare,
        latency_ms=last.stats.complete_latency_ms,
        settings={
            **words.settings,
            "words_per_round": last.words,
            "transport": options.config["worker.link.transport"],
        },
        extra={
            "of_one_worker": round(median(of_one), 3),
            "of_one_worker_rounds": [round(ratio, 3) for ratio in of_one],
            "of_one_worker_to_the_end": round(median(whole_of_one), 3),
            "cpu_ns_per_word": round(median(cpu), 1),
            "cpu_ns_per_word_of_one": round(median(cpu_one), 1),
            "worker_rss_mb": [process.rss_mb for process in last.stats.processes],
        },
        workers=options.workers,
    )


class _Bench:
    """What all rounds share."""

    def __init__(self, options: WorkersOptions, text: Path, lines: int, once: Counter[str]) -> None:
        self.options = options
        self.text = text
        self.lines = lines
        self.once = once

    def passes(self, rate: float, seconds: float) -> int:
        """How often each spout has to emit the text, for so many seconds."""
        return max(1, round(seconds * rate / self.once.total() / self.options.words.executors[0]))

    def run(self, workers: int, passes: int) -> Run:
        """One run, with its result checked."""
        words = self.options.words
        executors = words.executors if workers > 1 else (1, 1, 1)
        config = {
            TEXT: str(self.text),
            FOLDER: str(self.text.parent),
            PASSES: passes,
            **self.options.config,
        }
        stats = run_workers(_topology(words, executors), workers, config)
        spouts = results(self.text.parent, "lines")
        copies = passes * executors[0]
        check("lines emitted", self.lines * copies, stats.emitted["lines"])
        check("words executed", self.once.total() * copies, stats.executed["count"])
        check("acked", stats.emitted["lines"] if words.acked else 0, stats.acked)
        if not words.native:
            self._check_counts(results(self.text.parent, "count"), copies)
        total = self.once.total() * copies
        per_line = self.once.total() / self.lines
        whole = total / _seconds(min(_each(spouts, "first")), max(_each(spouts, "last")))
        return Run(_common_rate(spouts) * per_line or whole, whole, total, stats)

    def _check_counts(self, found: list[dict[str, int]], copies: int) -> None:
        totals: Counter[str] = Counter()
        for counts in found:
            totals.update(counts)
        check("words that two tasks count", 0, sum(map(len, found)) - len(totals))
        check("different words", len(self.once), len(totals))
        wrong = sum(totals[word] != count * copies for word, count in self.once.items())
        check("words with a wrong count", 0, wrong)


def _common_rate(spouts: list[dict[str, Any]]) -> float:
    """Lines acked per second while all spouts had some; 0 where none are tracked, or too few."""
    begin, end = max(_each(spouts, "first")), min(_each(spouts, "last"))
    marks: int = sum(begin < mark <= end for one in spouts for mark in one["marks"])
    return MARK * marks / _seconds(begin, end)


def _each(spouts: list[dict[str, Any]], name: str) -> list[float]:
    return [one[name] for one in spouts]


def _seconds(begin: float, end: float) -> float:
    return max(end - begin, 1e-9)


def _topology(words: WordCountOptions, executors: tuple[int, int, int]) -> TopologyBuilder:
    spouts, splits, counts = executors
    split: Any = native.split() if words.native else SplitMany if words.batch else Split
    counting = WRITTEN_COUNTS[words.batch, words.emit_counts]
    count: Any = native.count(by="word") if words.native else counting
    builder = TopologyBuilder("word-count")
    builder.set_spout("lines", TrackedLines if words.acked else UntrackedLines, spouts)
    builder.set_bolt("split", split, splits).shuffle_grouping("lines")
    builder.set_bolt("count", count, counts).fields_grouping("split", ["word"])
    return builder

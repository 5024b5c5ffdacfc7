"""Components of the word count, which worker processes import, too: they measure themselves.

What they need stands in the topology's configuration, and what they find goes into files of a
folder, one for each task, which the one who measures reads when all have ended.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import chain, repeat
from pathlib import Path
from time import monotonic
from typing import Any

from typhoon.topology import Bolt, Spout, Tuple

TEXT = "bench.text"
PASSES = "bench.passes"
FOLDER = "bench.folder"
"""Keys of the configuration: the text's file, how often each spout emits it, where results go."""
MARK = 100
"""A tracking spout notes the time of each so many-th ack."""


class Lines(Spout):
    """Emits the whole text so many times, and notes when it began and when the last was acked."""

    outputs = ("line",)

    def initialize(self, conf: Any, context: Any) -> None:
        text = read_lines(Path(conf[TEXT]))
        self.lines = chain(self.start(), enumerate(passes(text, conf[PASSES])))
        self.left = len(text) * conf[PASSES]
        self.first = self.last = 0.0
        self.marks: list[float] = []
        self.file = result_file(conf, context, "lines")

    def start(self) -> Iterator[Any]:
        """Empty; notes when the first line is asked for."""
        self.first = monotonic()
        yield from ()

    def close(self) -> None:
        found = {"first": self.first, "last": self.last or monotonic(), "marks": self.marks}
        self.file.write_text(json.dumps(found), encoding="ascii")


class TrackedLines(Lines):
    """Every line is tracked."""

    def next_tuple(self) -> None:
        number, line = next(self.lines)
        self.emit([line], tup_id=number)

    def ack(self, tup_id: Any) -> None:
        self.left -= 1
        if not self.left % MARK:
            self.marks.append(monotonic())
            self.last = self.marks[-1]


class UntrackedLines(Lines):
    """No line is tracked: the end is when the topology has drained."""

    def next_tuple(self) -> None:
        _, line = next(self.lines)
        self.emit([line])


class Split(Bolt):
    """Emits words one by one."""

    outputs = ("word",)

    def process(self, tup: Tuple) -> None:
        for word in tup.values[0].split():
            self.emit([word])


class SplitMany(Bolt):
    """Emits all words of a line at once."""

    outputs = ("word",)

    def process(self, tup: Tuple) -> None:
        self.emit_many(zip(tup.values[0].split()))


class Counting(Bolt):
    """What all that count have."""

    def initialize(self, conf: Any, context: Any) -> None:
        self.counts: dict[str, int] = {}


class Count(Counting):
    """Counts, and emits nothing."""

    def process(self, tup: Tuple) -> None:
        word = tup.values[0]
        self.counts[word] = self.counts.get(word, 0) + 1


class EmittingCount(Counting):
    """Emits each word's count."""

    outputs = ("word", "count")

    def process(self, tup: Tuple) -> None:
        word = tup.values[0]
        self.counts[word] = n = self.counts.get(word, 0) + 1
        self.emit([word, n])


class CountMany(Counting):
    """Counts a batch of words at a time."""

    def process_many(self, tups: list[Tuple]) -> None:
        counts = self.counts
        for tup in tups:
            word = tup.values[0]
            counts[word] = counts.get(word, 0) + 1


class EmittingCountMany(Counting):
    """The same, and emits their counts at once."""

    outputs = ("word", "count")

    def process_many(self, tups: list[Tuple]) -> None:
        counts, out = self.counts, []
        for tup in tups:
            word = tup.values[0]
            counts[word] = n = counts.get(word, 0) + 1
            out.append([word, n])
        self.emit_many(out)


class Written(Counting):
    """Writes its counts down when it ends."""

    def initialize(self, conf: Any, context: Any) -> None:
        super().initialize(conf, context)
        self.file = result_file(conf, context, "count")

    def close(self) -> None:
        self.file.write_text(json.dumps(self.counts), encoding="utf-8")


class WrittenCount(Written, Count):
    """``Count``, written down."""


class WrittenEmittingCount(Written, EmittingCount):
    """``EmittingCount``, written down."""


class WrittenCountMany(Written, CountMany):
    """``CountMany``, written down."""


class WrittenEmittingCountMany(Written, EmittingCountMany):
    """``EmittingCountMany``, written down."""


COUNTS: dict[tuple[bool, bool], type[Counting]] = {
    (False, False): Count,
    (False, True): EmittingCount,
    (True, False): CountMany,
    (True, True): EmittingCountMany,
}
"""By whether in batches, and whether counts are emitted."""

WRITTEN_COUNTS: dict[tuple[bool, bool], type[Counting]] = {
    (False, False): WrittenCount,
    (False, True): WrittenEmittingCount,
    (True, False): WrittenCountMany,
    (True, True): WrittenEmittingCountMany,
}


def read_lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)


def passes(lines: list[str], number: int) -> Iterable[str]:
    """All lines so many times."""
    return chain.from_iterable(repeat(lines, number))


def result_file(conf: Any, context: Any, kind: str) -> Path:
    return Path(conf[FOLDER], f"{kind}-{context.task_id}.json")

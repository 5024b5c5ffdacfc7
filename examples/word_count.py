"""Counts the words of all text files below a folder, and prints the ten most frequent.

typhoon run examples/word_count.py                          the standard library's sources
typhoon run examples/word_count.py -c input.path=FOLDER     those of another folder, or one file
"""

import os
import sysconfig
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from typhoon import Bolt, Grouping, Spout, Topology, Tuple

LEFT_OUT = {"site-packages", "__pycache__", ".git"}


def text_files(start: Path) -> Iterator[Path]:
    """All files at or below `start` that look like text, in a fixed order."""
    if start.is_file():
        yield start
    for folder, below, names in os.walk(start):
        below[:] = sorted(set(below) - LEFT_OUT)
        for name in sorted(names):
            file = Path(folder, name)
            if file.is_file() and not is_binary(file):
                yield file


def is_binary(file: Path) -> bool:
    with file.open("rb") as start:
        return b"\0" in start.read(4096)


def lines(start: Path) -> Iterator[str]:
    for file in text_files(start):
        with file.open(encoding="utf-8", errors="replace") as text:
            yield from text


class Lines(Spout):
    outputs = ["line"]

    def initialize(self, conf: Mapping[str, Any], context: Any) -> None:
        start = Path(conf.get("input.path") or sysconfig.get_paths()["stdlib"])
        if not start.exists():
            raise FileNotFoundError(f"input.path: there is no {start}")
        self.lines = enumerate(lines(start))

    def next_tuple(self) -> None:
        number, line = next(self.lines)  # StopIteration: this task has no more data
        self.emit([line], tup_id=number)  # with an id: tracked until it is fully processed


class Split(Bolt):
    outputs = ["word"]

    def process(self, tup: Tuple) -> None:
        for word in tup["line"].split():
            self.emit([word])  # anchored to tup, so the line is done when all its words are


class Count(Bolt):
    outputs = ["word", "count"]

    def initialize(self, conf: Mapping[str, Any], context: Any) -> None:
        self.counts: Counter[str] = Counter()

    def process(self, tup: Tuple) -> None:
        word = tup["word"]
        self.counts[word] += 1
        self.emit([word, self.counts[word]])

    def close(self) -> None:
        print(f"{self.counts.total():,} words, {len(self.counts):,} different ones")
        for word, count in self.counts.most_common(10):
            print(f"{count:>9,}  {word}")


class WordCount(Topology):
    lines = Lines.spec()
    split = Split.spec(inputs=[lines])
    count = Count.spec(inputs={split: Grouping.fields("word")})

"""Counts the words of all text files below a folder, written as functions.

typhoon run examples/word_count_functions.py                          the standard library's sources
typhoon run examples/word_count_functions.py -c input.path=FOLDER     those of another folder
"""

import sysconfig
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from typhoon import Topology, bolt, spout

TEXT = {".md", ".py", ".txt"}


@spout(outputs=["line"])
def lines(conf: Mapping[str, Any]) -> Iterator[str]:
    """Each line of each file; a line is kept until all its words are counted."""
    start = Path(conf.get("input.path") or sysconfig.get_paths()["stdlib"])
    if not start.exists():
        raise FileNotFoundError(f"input.path: there is no {start}")
    for file in sorted(start.rglob("*")):
        if file.suffix in TEXT and file.is_file() and "site-packages" not in file.parts:
            with file.open(encoding="utf-8", errors="replace") as text:
                yield from text


@bolt(outputs=["word"])
def split(line: str) -> Iterator[str]:
    yield from line.split()


class Tally(Counter[str]):
    """What a task of `count` has counted; it is closed when the task ends."""

    def close(self) -> None:
        print(f"{self.total():,} words, {len(self):,} different ones")
        for word, n in self.most_common(10):
            print(f"{n:>9,}  {word}")


@bolt(outputs=["word", "n"], state=Tally, by="word")
def count(word: str, state: Tally) -> tuple[str, int]:
    state[word] += 1
    return word, state[word]


word_count = Topology.chain(lines, split, count)

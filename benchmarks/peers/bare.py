"""The bare Python loop: what every figure here is a ratio to; and the text."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


def read_lines(path: Path) -> list[str]:
    """The lines of a UTF-8 text, without their ends: what all hold in memory and loop over."""
    with path.open(encoding="utf-8") as text:
        return [line.rstrip("\n") for line in text]


@dataclass(frozen=True)
class Slice:
    """One stretch of the bare loop: whole passes over the text, and what they took."""

    words: int
    seconds: float


def count(lines: Sequence[str]) -> dict[str, int]:
    """One pass: the loop that everybody would write who needs no framework."""
    counts: dict[str, int] = {}
    for line in lines:
        for word in line.split():
            counts[word] = counts.get(word, 0) + 1
    return counts


def measure(lines: Sequence[str], seconds: float) -> Slice:
    """Counts whole passes until ``seconds`` are over; at least one."""
    words = 0
    start = time.perf_counter()
    while True:
        words += sum(count(lines).values())
        took = time.perf_counter() - start
        if took >= seconds:
            return Slice(words, took)

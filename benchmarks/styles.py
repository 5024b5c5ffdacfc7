"""What each style of writing costs: the same word count, emitting its counts, in all of them.

    python benchmarks/styles.py [ROUNDS]

The styles take turns within one run, and each round checks its counts. Printed are nanoseconds per
word (median and range) and the median of the ratios to the class style of the same round.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain
from statistics import median
from typing import Any

from typhoon import Bolt, Grouping, ReliableSpout, Spout, Topology, TopologyBuilder, bolt, spout
from typhoon.cli._bench_rounds import Stopwatch, run_timed
from typhoon.cli._bench_word_count import standard_library

TEXT = standard_library().splitlines()[:60_000]
EXPECTED = Counter(word for line in TEXT for word in line.split())
ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 7


def class_lines(watch: Stopwatch, base: type = Spout) -> type:
    class Lines(base):
        outputs = ["line"]

        def initialize(self, conf: Any, context: Any) -> None:
            self.lines = chain(watch.start(), enumerate(TEXT))

        def next_tuple(self) -> None:
            number, line = next(self.lines)
            self.emit([line], tup_id=number)

        def close(self) -> None:
            watch.stop()

    return Lines


class Split(Bolt):
    outputs = ["word"]

    def process(self, tup: Any) -> None:
        for word in tup.values[0].split():
            self.emit([word])


class SplitMany(Bolt):
    outputs = ["word"]

    def process_many(self, tups: list[Any]) -> None:
        self.emit_many([[word] for tup in tups for word in tup.values[0].split()])


def class_count(totals: dict[str, int]) -> type[Bolt]:
    class Count(Bolt):
        outputs = ["word", "n"]

        def initialize(self, conf: Any, context: Any) -> None:
            self.counts: dict[str, int] = {}

        def process(self, tup: Any) -> None:
            word = tup.values[0]
            self.counts[word] = n = self.counts.get(word, 0) + 1
            self.emit([word, n])

        def close(self) -> None:
            totals.update(self.counts)

    return Count


def class_count_many(totals: dict[str, int]) -> type[Bolt]:
    class Count(class_count(totals)):
        def process_many(self, tups: list[Any]) -> None:
            counts, out = self.counts, []
            for tup in tups:
                word = tup.values[0]
                counts[word] = n = counts.get(word, 0) + 1
                out.append([word, n])
            self.emit_many(out)

    return Count


class Sink(Bolt):
    """Takes the counts, so that they are sent and not only counted."""

    def process(self, tup: Any) -> None:
        pass


def function_lines(watch: Stopwatch, reliable: bool) -> Any:
    @spout(outputs=["line"], reliable=reliable)
    def lines() -> Iterator[str]:
        yield from watch.start()
        yield from TEXT

    class Stopped(type(lines)):  # the watch is stopped when all is done, as in the class
        __slots__ = ()

        def close(self) -> None:
            watch.stop()

    return Stopped()


@bolt(outputs=["word"])
def split(line: str) -> Iterator[str]:
    yield from line.split()


def function_count(totals: dict[str, int]) -> Any:
    @bolt(outputs=["word", "n"])
    def count(word: str) -> tuple[str, int]:
        totals[word] = n = totals.get(word, 0) + 1
        return word, n

    return count


def state_count(totals: dict[str, int]) -> Any:
    class Counts(dict[str, int]):
        def close(self) -> None:
            totals.update(self)

    @bolt(outputs=["word", "n"], state=Counts, by="word")
    def count(word: str, state: dict[str, int]) -> tuple[str, int]:
        state[word] = n = state.get(word, 0) + 1
        return word, n

    return count


def wired(lines: Any, split: Any, count: Any) -> TopologyBuilder:
    builder = TopologyBuilder("styles")
    builder.set_spout("lines", lines)
    builder.set_bolt("split", split).shuffle_grouping("lines")
    builder.set_bolt("count", count).grouping("split", Grouping.fields("word"))
    builder.set_bolt("sink", Sink).shuffle_grouping("count")
    return builder


Make = Callable[[Stopwatch, dict[str, int]], Any]

STYLES: dict[str, Make] = {
    "class": lambda w, t: wired(class_lines(w), Split, class_count(t)),
    "class, ReliableSpout": lambda w, t: wired(
        class_lines(w, ReliableSpout), Split, class_count(t)
    ),
    "class, process_many": lambda w, t: wired(class_lines(w), SplitMany, class_count_many(t)),
    "split a function": lambda w, t: wired(class_lines(w), split, class_count(t)),
    "count a function": lambda w, t: wired(class_lines(w), Split, function_count(t)),
    "count with state": lambda w, t: wired(class_lines(w), Split, state_count(t)),
    "functions": lambda w, t: wired(function_lines(w, True), split, function_count(t)),
    "chain with state": lambda w, t: Topology.chain(
        function_lines(w, True), split, state_count(t), Sink
    ),
    "chain, not reliable": lambda w, t: Topology.chain(
        function_lines(w, False), split, state_count(t), Sink
    ),
}


def ns_per_word(make: Make) -> float:
    watch = Stopwatch()
    totals: dict[str, int] = {}
    timed = run_timed(make(watch, totals), watch, {})
    assert totals == EXPECTED
    assert timed.stats.failed == 0
    return timed.seconds / EXPECTED.total() * 1e9


def main() -> None:
    rounds = [{name: ns_per_word(make) for name, make in STYLES.items()} for _ in range(ROUNDS + 1)]
    warm = rounds[1:]
    print(f"{EXPECTED.total():,} words, {ROUNDS} rounds, ns per word")
    for name in STYLES:
        times = [one[name] for one in warm]
        ratio = median(one[name] / one["class"] for one in warm)
        print(f"{name:22} {median(times):5.0f} ({min(times):.0f}-{max(times):.0f})  {ratio:.2f}")


if __name__ == "__main__":
    main()

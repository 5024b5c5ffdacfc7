"""How costs grow: ten times the components, a hundred times the tasks, a million distinct keys and
a million trees in flight, each against the small case beside it in the same round.

    python benchmarks/growth.py [--rounds 5] [--tuples 1000000] [--only trees] [--json]

`--tuples` is what one side of a round carries. A quick look: `--rounds 3 --tuples 200000`.
"""

from __future__ import annotations

import argparse
import gc
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, cycle, islice, zip_longest
from typing import Any, NamedTuple, Self

from figures import Figure, answer, digits

from typhoon import Bolt, Spout, TopologyBuilder, Tuple
from typhoon.cli._bench_report import check
from typhoon.cli._bench_rounds import Stopwatch, Timed, run_timed

CHAINS = 10
"""So many chains stand side by side, or so many times as many components in a row."""
TASKS = 100
KEYS = 1_000_000
FEW_KEYS = 10_000
TREES = 1_000_000
FEW_TREES = 1_000
RELEASED = 1_000
"""So many of the trees that are left at the end are acked at once."""
WORDS_A_LINE = 26
"""As many as a verse of the Bible has."""

Lines = Sequence[str]


class Cost(NamedTuple):
    """Nanoseconds per tuple, by the clock on the wall and of processor time."""

    wall: float
    processor: float


Side = Callable[[], Cost]
"""One run of one side."""


@dataclass(frozen=True, slots=True)
class Text:
    """Lines of synthetic words, and how often each word is in them."""

    lines: Lines
    counts: Counter[str]


def synthetic_text(words: int, keys: int, prefix: str = "word") -> Text:
    """``words`` words, ``keys`` of them distinct (fewer if there are fewer words), shuffled."""
    names = [f"{prefix}{number}" for number in range(keys)]
    flat = list(islice(cycle(names), words))
    random.Random(1).shuffle(flat)
    starts = range(0, words, WORDS_A_LINE)
    return Text([" ".join(flat[at : at + WORDS_A_LINE]) for at in starts], Counter(flat))


def mixed(texts: Sequence[Text]) -> Text:
    """One text of all their lines, one of each in turn."""
    turns = zip_longest(*(text.lines for text in texts))
    lines = [line for turn in turns for line in turn if line is not None]
    return Text(lines, sum((text.counts for text in texts), Counter()))


class Watch(Stopwatch):
    """Also stops the processor time of this process between the same two moments."""

    def __init__(self) -> None:
        super().__init__()
        self.began = 0.0
        self.spent = 0.0

    def start(self) -> Iterator[Any]:
        if self.first is None:
            self.began = time.process_time()
        yield from super().start()

    def stop(self) -> None:
        if self.last is None:
            self.spent = time.process_time() - self.began
        super().stop()

    def cost(self, timed: Timed, tuples: int) -> Cost:
        return Cost(timed.seconds / tuples * 1e9, self.spent / tuples * 1e9)


class Span:
    """Both clocks, for a loop within one function: ``with Span() as span: ...``."""

    def __enter__(self) -> Self:
        gc.collect()
        self.began = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended = time.perf_counter(), time.process_time()

    def cost(self, tuples: int) -> Cost:
        pairs = zip(self.began, self.ended, strict=True)
        return Cost(*((ended - began) / tuples * 1e9 for began, ended in pairs))


# The word count ------------------------------------------------------------------------------


def lines_of(lines: Lines, watch: Watch) -> type[Spout]:
    class Source(Spout):
        outputs = ("line",)

        def initialize(self, conf: Any, context: Any) -> None:
            self.lines = chain(watch.start(), enumerate(lines))

        def next_tuple(self) -> None:
            number, line = next(self.lines)
            self.emit([line], tup_id=number)

    return Source


class Split(Bolt):
    outputs = ("word",)

    def process(self, tup: Tuple) -> None:
        for word in tup.values[0].split():
            self.emit([word])


def counting(totals: Counter[str], watch: Watch) -> type[Bolt]:
    class Count(Bolt):
        def initialize(self, conf: Any, context: Any) -> None:
            self.counts: dict[str, int] = {}

        def process(self, tup: Tuple) -> None:
            word = tup.values[0]
            self.counts[word] = self.counts.get(word, 0) + 1

        def close(self) -> None:
            watch.stop()
            totals.update(self.counts)

    return Count


def word_count(texts: Sequence[Text], executors: int = 1, tasks: int = 1) -> Cost:
    """Per word: a chain of components for each text, side by side in one topology;
    each bolt has so many executors and tasks."""
    watch, totals = Watch(), Counter[str]()
    builder = TopologyBuilder("growth")
    for number, text in enumerate(texts):
        source, split, count = f"lines{number}", f"split{number}", f"count{number}"
        builder.set_spout(source, lines_of(text.lines, watch))
        splits = builder.set_bolt(split, Split, executors).set_num_tasks(tasks)
        splits.shuffle_grouping(source)
        counts = builder.set_bolt(count, counting(totals, watch), executors).set_num_tasks(tasks)
        counts.fields_grouping(split, ["word"])
    timed = run_timed(builder, watch, {})
    wanted = mixed(texts)
    check("acked", len(wanted.lines), timed.stats.acked)
    check("words", wanted.counts.total(), totals.total())
    check("words with a wrong count", 0, len(wanted.counts - totals))
    return watch.cost(timed, totals.total())


def bare_loop(text: Text) -> Cost:
    """Per word: what a person would write without any system."""
    counts: dict[str, int] = {}
    with Span() as span:
        for line in text.lines:
            for word in line.split():
                counts[word] = counts.get(word, 0) + 1
    check("different words", len(text.counts), len(counts))
    return span.cost(text.counts.total())


# Bolts in a row ------------------------------------------------------------------------------


class Pass(Bolt):
    outputs = ("value",)

    def process(self, tup: Tuple) -> None:
        self.emit(tup.values)


class End(Bolt):
    def process(self, tup: Tuple) -> None:
        pass


def in_a_row(tuples: int, hops: int) -> Cost:
    """Per tuple, from a spout through ``hops`` bolts that pass it on, to the last."""
    watch = Watch()

    class Source(Spout):
        outputs = ("value",)

        def initialize(self, conf: Any, context: Any) -> None:
            self.numbers = chain(watch.start(), range(tuples))

        def next_tuple(self) -> None:
            self.emit(["storm"], tup_id=next(self.numbers))

        def close(self) -> None:
            watch.stop()

    builder = TopologyBuilder("growth")
    builder.set_spout("source", Source)
    before = "source"
    for number in range(hops):
        builder.set_bolt(f"pass{number}", Pass).shuffle_grouping(before)
        before = f"pass{number}"
    builder.set_bolt("end", End).shuffle_grouping(before)
    timed = run_timed(builder, watch, {})
    check("acked", tuples, timed.stats.acked)
    check("executed", tuples, timed.stats.executed["end"])
    return watch.cost(timed, tuples)


def per_hop(tuples: int, hops: int) -> Cost:
    """What one of ``hops`` more bolts costs each tuple: the row with them less that without."""
    pairs = zip(in_a_row(tuples, 1 + hops), in_a_row(tuples, 1), strict=True)
    return Cost(*((long - short) / hops for long, short in pairs))


# Trees in flight -----------------------------------------------------------------------------


def order(tuples: int, trees: int, at_random: bool) -> list[int]:
    """Which of ``trees`` places gets each of ``tuples``: the oldest, or any."""
    if at_random:
        return random.Random(1).choices(range(trees), k=tuples)
    return list(islice(cycle(range(trees)), tuples))


def in_flight(tuples: int, trees: int, at_random: bool = False) -> Cost:
    """Per tuple while ``trees`` of them are held: one comes, the oldest (or any) is acked."""
    total = trees + tuples + trees // (RELEASED - 1) + 1
    places = order(tuples, trees, at_random)
    span = Span()

    class Source(Spout):
        outputs = ("value",)

        def initialize(self, conf: Any, context: Any) -> None:
            self.numbers = iter(range(total))

        def next_tuple(self) -> None:
            self.emit(["storm"], tup_id=next(self.numbers))

    class Hold(Bolt):
        auto_ack = False

        def initialize(self, conf: Any, context: Any) -> None:
            self.held: list[Tuple] = []
            self.places = iter(places)
            self.coming = trees
            self.left = tuples

        def process(self, tup: Tuple) -> None:
            held = self.held
            if self.coming:
                held.append(tup)
                self.coming -= 1
                if not self.coming:
                    span.__enter__()
            elif self.left:
                place = next(self.places)
                before, held[place] = held[place], tup
                self.ack(before)
                self.left -= 1
                if not self.left:
                    span.__exit__()
            else:
                held.append(tup)
                for _ in range(min(RELEASED, len(held))):
                    self.ack(held.pop())

    builder = TopologyBuilder("growth")
    builder.set_spout("source", Source)
    builder.set_bolt("hold", Hold).shuffle_grouping("source")
    timed = run_timed(builder, Stopwatch(), {"topology.message.timeout.secs": 600})
    check("acked", total, timed.stats.acked)
    return span.cost(tuples)


def bare_held(tuples: int, trees: int, at_random: bool = False) -> Cost:
    """The same in a bare list: what the processor's caches and the allocator alone make of it."""
    held = [(number, "storm") for number in range(trees)]
    places = order(tuples, trees, at_random)
    with Span() as span:
        for number, place in enumerate(places):
            held[place] = (number, "storm")
    return span.cost(tuples)


# Comparing -----------------------------------------------------------------------------------


def alternate(sides: Sequence[Side], rounds: int) -> list[list[Cost]]:
    """All sides in turn, once to warm up and then ``rounds`` times: what each gave, by side."""
    for side in sides:
        side()
    found = [[side() for side in sides] for _ in range(rounds)]
    return [list(column) for column in zip(*found, strict=True)]


def growth(small: Sequence[Cost], large: Sequence[Cost]) -> list[float]:
    return [after.wall / before.wall for before, after in zip(small, large, strict=True)]


def processor_growth(small: Sequence[Cost], large: Sequence[Cost]) -> str:
    pairs = zip(small, large, strict=True)
    return f"{digits(statistics.median(b.processor / a.processor for a, b in pairs))} ×"


def ns(costs: Sequence[Cost]) -> str:
    return f"{digits(statistics.median(cost.wall for cost in costs))} ns"


def compared(what: str, small: Side, large: Side, goal: float, rounds: int) -> Figure:
    """How many times as much the second costs as the first."""
    before, after = alternate([small, large], rounds)
    return Figure(
        what=what,
        values=growth(before, after),
        unit="×",
        goal=goal,
        beside=costs(before, after),
    )


def costs(before: Sequence[Cost], after: Sequence[Cost]) -> dict[str, str]:
    return {
        "before": ns(before),
        "after": ns(after),
        "by processor time": processor_growth(before, after),
    }


def components(tuples: int, rounds: int) -> list[Figure]:
    # Each chain has words of its own, so that the tables of counts are as large on both sides.
    texts = [
        synthetic_text(tuples // CHAINS, FEW_KEYS // CHAINS, f"word{number}-")
        for number in range(CHAINS)
    ]
    whole = [mixed(texts)]
    hops = max(2000, tuples // (3 * CHAINS))
    return [
        compared(
            f"{CHAINS} word counts side by side, per word",
            lambda: word_count(whole),
            lambda: word_count(texts),
            1.2,
            rounds,
        ),
        compared(
            f"{3 * CHAINS} components in a row, per hop (against 6)",
            lambda: per_hop(hops * (CHAINS - 1), 3),
            lambda: per_hop(hops, 3 * (CHAINS - 1)),
            1.2,
            rounds,
        ),
    ]


def tasks(tuples: int, rounds: int) -> list[Figure]:
    text = [synthetic_text(tuples, FEW_KEYS)]
    return [
        compared(
            f"1/{TASKS}/{TASKS} tasks on {what}, per word",
            lambda: word_count(text),
            lambda executors=executors: word_count(text, executors, TASKS),
            1.3,
            rounds,
        )
        for executors, what in ((1, "1 executor each"), (TASKS, "100 executors each"))
    ]


def keys(tuples: int, rounds: int) -> list[Figure]:
    """The bare loop's growth is the goal: a table of a million keys falls out of every cache."""
    words = max(tuples, 2 * KEYS)  # most words must be known already, as in any text
    few, many = synthetic_text(words, FEW_KEYS), synthetic_text(words, KEYS)
    bare_few, bare_many, ours_few, ours_many = alternate(
        [
            lambda: bare_loop(few),
            lambda: bare_loop(many),
            lambda: word_count([few]),
            lambda: word_count([many]),
        ],
        rounds,
    )
    bare = growth(bare_few, bare_many)
    return [
        Figure(
            what=f"{len(many.counts):,} distinct words, per word",
            values=growth(ours_few, ours_many),
            unit="×",
            goal=statistics.median(bare),
            beside={
                **costs(ours_few, ours_many),
                "bare before": ns(bare_few),
                "bare after": ns(bare_many),
                "bare by processor time": processor_growth(bare_few, bare_many),
            },
        )
    ]


def trees(tuples: int, rounds: int) -> list[Figure]:
    return [
        trees_that_end("the oldest", tuples, rounds, False, 1.2),
        trees_that_end("any", tuples, rounds, True, None),
    ]


def trees_that_end(
    which: str, tuples: int, rounds: int, at_random: bool, goal: float | None
) -> Figure:
    """Where any tree may be the next to end, no cache can know it: there is no goal for that."""
    before, after, bare_before, bare_after = alternate(
        [
            lambda: in_flight(tuples, FEW_TREES, at_random),
            lambda: in_flight(tuples, TREES, at_random),
            lambda: bare_held(tuples, FEW_TREES, at_random),
            lambda: bare_held(tuples, TREES, at_random),
        ],
        rounds,
    )
    return Figure(
        what=f"{TREES:,} trees in flight, {which} acked, per tuple",
        values=growth(before, after),
        unit="×",
        goal=goal,
        beside={
            **costs(before, after),
            "bare list": processor_growth(bare_before, bare_after),
        },
    )


CASES = {"components": components, "tasks": tasks, "keys": keys, "trees": trees}


def main() -> None:
    parser = argparse.ArgumentParser(description="How costs grow with a topology.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tuples", type=int, default=1_000_000, help="per side and round")
    parser.add_argument("--only", choices=CASES, help="one of the four")
    parser.add_argument("--json", action="store_true", dest="as_json")
    given = parser.parse_args()
    names = [given.only] if given.only else list(CASES)
    found = [figure for name in names for figure in CASES[name](given.tuples, given.rounds)]
    settings = {"rounds": given.rounds, "tuples": given.tuples}
    print(answer("growth", found, settings, given.as_json))


if __name__ == "__main__":
    main()

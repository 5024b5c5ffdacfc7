"""Const → Id → Null: what a tuple costs that nobody does anything with."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import chain
from statistics import median
from typing import Any

from typhoon.cli._bench_report import Report, check
from typhoon.cli._bench_rounds import Stopwatch, Timed, run_timed
from typhoon.topology import Bolt, Spout, TopologyBuilder, Tuple, native

VALUE = "storm"
FIELD = ("value",)


@dataclass(frozen=True, slots=True)
class ConstOptions:
    """``hops`` more ``Id`` bolts stand between the two in a second topology of each round."""

    seconds: float
    rounds: int
    acked: bool
    native: bool
    hops: int


def measure(options: ConstOptions) -> Report:
    """The bare loop, the topology and, with ``hops``, the longer one, in turn."""
    first = _round(options, 20_000, 0)
    tuples = max(20_000, int(20_000 * options.seconds / first.seconds / 4))
    warm = _round(options, tuples, 0)
    tuples = max(20_000, int(tuples * options.seconds / warm.seconds))
    bare, base, longer = [], [], []
    timed = warm
    for _ in range(options.rounds):
        bare.append(_bare_loop(tuples))
        timed = _round(options, tuples, 0)
        base.append(timed.seconds)
        if options.hops:
            longer.append(_round(options, tuples, options.hops).seconds)
    extra: dict[str, Any] = {"ns_per_tuple": round(median(base) / tuples * 1e9, 1)}
    if options.hops:
        pairs = zip(longer, base, strict=True)
        extra["ns_per_hop"] = round(
            median((long - short) / tuples / options.hops * 1e9 for long, short in pairs), 1
        )
    return Report(
        name="const",
        unit="tuples",
        acked=options.acked,
        rate=tuples / median(base),
        bare_rate=tuples / median(bare),
        rounds=[mine / theirs for mine, theirs in zip(bare, base, strict=True)],
        latency_ms=timed.stats.complete_latency_ms,
        settings={
            "acked": options.acked,
            "native": options.native,
            "hops": options.hops,
            "tuples_per_round": tuples,
        },
        extra=extra,
    )


def _bare_loop(tuples: int) -> float:
    """Seconds for as many plain calls: one value through one function into another."""

    def identity(values: list[Any]) -> list[Any]:
        return [values[0]]

    def null(values: list[Any]) -> None:
        pass

    began = time.perf_counter()
    for _ in range(tuples):
        null(identity([VALUE]))
    return time.perf_counter() - began


def _round(options: ConstOptions, tuples: int, hops: int) -> Timed:
    watch = Stopwatch()
    timed = run_timed(_topology(options, tuples, hops, watch), watch, {})
    check("emitted", tuples, timed.stats.emitted["const"])
    check("executed", tuples, timed.stats.executed["null"])
    check("acked", tuples if options.acked else 0, timed.stats.acked)
    return timed


def _topology(options: ConstOptions, tuples: int, hops: int, watch: Stopwatch) -> TopologyBuilder:
    passing: Any = native.id(FIELD) if options.native else Identity
    builder = TopologyBuilder("const")
    builder.set_spout("const", _const(tuples, watch, options.acked))
    before = "const"
    for number in range(hops + 1):
        name = f"id{number}"
        builder.set_bolt(name, passing).shuffle_grouping(before)
        before = name
    null: Any = native.null() if options.native else Null
    builder.set_bolt("null", null).shuffle_grouping(before)
    return builder


def _const(tuples: int, watch: Stopwatch, acked: bool) -> type[Spout]:
    class Const(Spout):
        outputs = FIELD

        def initialize(self, conf: Any, context: Any) -> None:
            self.numbers = chain(watch.start(), range(tuples))

        def close(self) -> None:
            watch.stop()

    class Tracked(Const):
        def next_tuple(self) -> None:
            self.emit([VALUE], tup_id=next(self.numbers))

    class Untracked(Const):
        def next_tuple(self) -> None:
            next(self.numbers)
            self.emit([VALUE])

    return Tracked if acked else Untracked


class Identity(Bolt):
    """Passes its input on."""

    outputs = FIELD

    def process(self, tup: Tuple) -> None:
        self.emit(tup.values)


class Null(Bolt):
    """Does nothing; the tuple is acked when ``process`` returns."""

    def process(self, tup: Tuple) -> None:
        pass

"""Components of the latency's measurement, which worker processes import, too.

Their names decide where they run: executors are dealt out in the order of names, so that ``event``
and ``near`` share one of two workers, ``far`` and ``sink`` the other.
"""

from __future__ import annotations

import json
from array import array
from pathlib import Path
from time import monotonic_ns
from typing import Any

from typhoon.cli._bench_words import FOLDER, result_file
from typhoon.topology import Bolt, Spout, TopologyBuilder, Tuple

RATE = "bench.rate"
EVENTS = "bench.events"
TRACKED = "bench.tracked"
SAMPLES = "samples.bin"


class Timed(Spout):
    """It is polled, and emits what is due: one event each time it is asked."""

    outputs = ("due", "emitted")

    def initialize(self, conf: Any, context: Any) -> None:
        self.interval_ns = 1e9 / conf[RATE]
        self.events = conf[EVENTS]
        self.tracked = conf[TRACKED]
        self.number = self.began = self.due = 0
        self.file = result_file(conf, context, "event")

    def next_tuple(self) -> None:
        now = monotonic_ns()
        if now < self.due:
            return
        number = self.number
        if number == self.events:
            raise StopIteration
        if not self.began:
            self.began = self.due = now
        self.emit([self.due, now], tup_id=number if self.tracked else None)
        self.number = number + 1
        self.due = self.began + int(self.number * self.interval_ns)

    def close(self) -> None:
        self.file.write_text(json.dumps({"began": self.began}), encoding="ascii")


class Stage(Bolt):
    """Passes an event on."""

    outputs = ("due", "emitted")

    def process(self, tup: Tuple) -> None:
        self.emit(tup.values)


class Last(Bolt):
    """Keeps for each event when it was due, emitted and here, and writes that down at the end."""

    def initialize(self, conf: Any, context: Any) -> None:
        self.samples = array("q")
        self.file = Path(conf[FOLDER], SAMPLES)

    def process(self, tup: Tuple) -> None:
        due, emitted = tup.values
        self.samples.extend((due, emitted, monotonic_ns()))

    def close(self) -> None:
        self.file.write_bytes(self.samples.tobytes())


def topology() -> TopologyBuilder:
    """Three hops; on two workers, the one in the middle crosses."""
    builder = TopologyBuilder("latency")
    builder.set_spout("event", Timed)
    builder.set_bolt("near", Stage).shuffle_grouping("event")
    builder.set_bolt("far", Stage).shuffle_grouping("near")
    builder.set_bolt("sink", Last).shuffle_grouping("far")
    return builder

"""How a topology is timed: from its spout's first tuple to the moment when all is processed."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from typhoon.local import LocalCluster
from typhoon.metrics import Stats

LOOK_S = 0.004
"""How often the end is looked for: seldom enough not to disturb, for rounds of seconds."""
TIMEOUT_S = 600.0


class Stopwatch:
    """Shared by the components of one round and the one who measures."""

    def __init__(self) -> None:
        self.first: float | None = None
        self.last: float | None = None

    def start(self) -> Iterator[Any]:
        """Empty; put before a spout's data, it notes when the first of it is asked for."""
        if self.first is None:
            self.first = time.perf_counter()
        yield from ()

    def stop(self) -> None:
        """A component is being closed: all was processed before."""
        if self.last is None:
            self.last = time.perf_counter()

    def __deepcopy__(self, memo: Mapping[int, Any]) -> Stopwatch:
        return self


class Timed(NamedTuple):
    """One run of a topology: the seconds of work, and its figures at the end."""

    seconds: float
    stats: Stats


def run_timed(topology: Any, watch: Stopwatch, config: Mapping[str, Any]) -> Timed:
    """Run ``topology`` to its end. Starting, closing and what the last round left take no time."""
    gc.collect()
    with LocalCluster() as cluster:
        running = cluster.submit("bench", topology, config)
        deadline = time.monotonic() + TIMEOUT_S
        while not running.wait(0):
            if time.monotonic() > deadline:
                running.wait_until_drained(0)
            time.sleep(LOOK_S)
        now = time.perf_counter()
        if running.failure is not None:
            raise running.failure
        last = now if watch.last is None else watch.last
        first = last if watch.first is None else watch.first
        return Timed(max(last - first, 1e-9), running.stats())

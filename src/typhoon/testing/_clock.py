"""``FakeClock``: time that stands still until a test moves it."""

from __future__ import annotations

import time
from typing import Any

from typhoon._core import Engine

STEP_S = 0.25


class FakeClock:
    """Give it to ``LocalCluster(clock=...)``: time-outs and ticks then go by it alone.

    Spouts are still polled in real time. One clock may drive any number of topologies.
    """

    def __init__(self) -> None:
        self._now_ns = 1_000_000_000
        self._engines: list[Engine] = []

    @property
    def now_ns(self) -> int:
        return self._now_ns

    def advance(self, seconds: float, timeout: float = 30.0) -> None:
        """Move on by ``seconds``; returns when all due time-outs and ticks, and what follows from
        them, are processed. Moves in steps of a quarter of a second, so that what is due earlier
        happens earlier. Raises ``TimeoutError`` if a topology does not come to rest in ``timeout``
        (real) seconds, ``ValueError`` for less than none."""
        given: Any = seconds
        if not isinstance(given, int | float) or not given >= 0:
            raise ValueError(f"time goes on by seconds from 0 up, not by {seconds!r}")
        deadline = time.monotonic() + timeout
        end = self._now_ns + round(seconds * 1e9)
        while self._now_ns < end:
            self._now_ns = min(end, self._now_ns + round(STEP_S * 1e9))
            for engine in list(self._engines):
                engine.set_time(self._now_ns)
            for engine in list(self._engines):
                _wait_for_rest(engine, deadline)

    def attach(self, engine: Engine) -> None:
        """An engine goes by this clock from now on."""
        self._engines.append(engine)

    def detach(self, engine: Engine) -> None:
        self._engines.remove(engine)


def _wait_for_rest(engine: Engine, deadline: float) -> None:
    before = None
    while True:
        stamp = engine.quiet()
        if stamp is not None and stamp == before:
            return
        before = stamp
        if time.monotonic() >= deadline:
            raise TimeoutError("a topology under this clock does not come to rest")
        time.sleep(0.0005)

"""``Draining``: the one place that decides whether a topology has come to rest, and how it ends."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

from typhoon.worker._progress import Progress

CLOSE_S = 2.0
"""How long components may take to close, at least."""


class Draining(ABC):
    """What runs a topology, in one worker or in many: all that is decided here is decided from
    looks at all of its workers."""

    @abstractmethod
    def look(self) -> Sequence[Progress] | None:
        """How far all workers are, if nothing has happened since the look before."""

    @property
    @abstractmethod
    def is_active(self) -> bool:
        """Whether spouts are asked for data."""

    @property
    @abstractmethod
    def is_done(self) -> bool:
        """It has ended, of itself or because it was closed."""

    @abstractmethod
    def hurry(self) -> None:
        """Nothing more will come: batches need not wait for their time."""

    @abstractmethod
    def ticking(self) -> Iterable[str]:
        """The components that may have a last tick, down-stream."""

    @abstractmethod
    def tick(self, component: str) -> None:
        """One last tick for the tasks of ``component``, if it has any."""

    @abstractmethod
    def close(self, timeout: float = CLOSE_S) -> bool:
        """Stop at once, without draining: every component's ``close`` is called. False if a
        component did not come back from a call within ``timeout`` seconds."""

    def is_drained(self) -> bool:
        """Nothing to do now, and no spout has more data."""
        look = self.look()
        if look is None:
            return False
        if all(one.ended for one in look):
            return True
        if all(one.exhausted for one in look):
            self.hurry()
        return False

    def is_idle(self) -> bool:
        """No tuple is queued and no tree is pending, whether or not spouts have more data."""
        look = self.look()
        if look is None:
            return False
        pending = sum(one.pending for one in look)
        if pending and not self.is_active:
            self.hurry()
        return pending == 0

    def finish(self, timeout: float) -> None:
        """After draining: one last tick for each component that has ticks, then close."""
        deadline = time.monotonic() + timeout
        for name in self.ticking():
            if self.is_done:
                break
            self.tick(name)
            while not self.is_idle() and time.monotonic() < deadline and not self.is_done:
                time.sleep(0.001)
        self.close(max(CLOSE_S, deadline - time.monotonic()))

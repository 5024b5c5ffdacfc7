"""``BusyWindow``: how busy each executor was of late."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

WINDOW_S = 600.0
"""Storm's shortest window."""
EVERY_S = 10.0


class BusyWindow:
    """The share of the last ten minutes, or of the time since the start, that each executor spent
    at work. Told of the sums now and then by ``look``; keeps one of them per ten seconds."""

    def __init__(self, began: float) -> None:
        self._looks: deque[tuple[float, Sequence[int]]] = deque([(began, ())])

    def look(self, now: float, busy_ns: Sequence[int]) -> None:
        """At ``now`` seconds the executors had been busy for so many nanoseconds in all."""
        if now - self._looks[-1][0] >= EVERY_S:
            self._looks.append((now, tuple(busy_ns)))
        while len(self._looks) > 1 and now - self._looks[1][0] >= WINDOW_S:
            self._looks.popleft()

    def shares(self, now: float, busy_ns: Sequence[int]) -> list[float]:
        """By executor, 0 to 1."""
        since, before = self._looks[0]
        span = max(now - since, 1e-9) * 1e9
        before = before or [0] * len(busy_ns)
        return [
            min(1.0, max(0.0, (new - old) / span)) for new, old in zip(busy_ns, before, strict=True)
        ]

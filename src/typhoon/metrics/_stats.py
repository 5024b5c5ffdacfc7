"""A topology's figures at one moment, as ``stats()`` gives and ``typhoon run --json`` prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentStats:
    """One component, all its tasks together. Counts are exact, and since the start.

    ``acked`` and ``failed`` are tuples of a bolt, trees of a spout. ``busy_s`` is the time that its
    executors spent in their turns, in seconds; over a second of wall time it is their capacity.
    """

    id: str
    kind: str
    executors: int
    tasks: int
    emitted: int
    transferred: int
    executed: int
    acked: int
    failed: int
    timed_out: int
    pending: int
    queued: int
    busy_s: float
    errors: int
    last_error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """A whole topology. ``complete_latency_ms`` has p50, p99, p999 and max, and is empty before
    the first ack; ``replayed`` counts trees that were emitted again under the name of one that had
    failed or timed out."""

    topology: str
    status: str
    seconds: float
    workers: int
    acked: int
    failed: int
    timed_out: int
    replayed: int
    emitted: Mapping[str, int]
    executed: Mapping[str, int]
    complete_latency_ms: Mapping[str, float]
    components: tuple[ComponentStats, ...]

    def to_dict(self) -> dict[str, Any]:
        """The summary as plain values, for JSON."""
        summary = asdict(self)
        del summary["components"]
        return summary

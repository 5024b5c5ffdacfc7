"""A topology's figures at one moment, as ``stats()`` gives and ``typhoon run --json`` prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from math import isfinite
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentStats:
    """One component, all its tasks together. Counts are exact, and since the start.

    ``acked`` and ``failed`` are tuples of a bolt, trees of a spout; those of a spout that failed
    because a worker died, or could not be reached, are counted apart. ``busy_s`` is the time that
    its executors spent in their turns, in seconds; ``capacity`` the share of the last ten minutes
    (or of the time since the start) that the busiest of them spent so, 0 to 1, as in Storm.

    Of a bolt, ``execute_latency_ms`` is the mean of ``busy_s`` over all that it executed,
    ``process_latency_ms`` that from taking a tuple to its ack, of the sampled ones; None before
    the first. ``inputs`` counts what was executed by source and stream (ticks are those of
    ``__system``), ``outputs`` what was emitted by stream: calls of emit, and copies that went to
    tasks. ``settled_again`` counts acks and fails of tuples that were settled before, ``gave_up``
    the tuples that a ``ReliableSpout`` did not emit again any more. ``metrics`` has the component's
    own, by name.
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
    failed_by_worker_death: int
    pending: int
    queued: int
    busy_s: float
    errors: int
    last_error: str | None
    capacity: float = 0.0
    execute_latency_ms: float | None = None
    process_latency_ms: float | None = None
    settled_again: int = 0
    gave_up: int = 0
    inputs: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    outputs: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStats:
    """One worker's process. ``starts`` is how often one was started, ``seconds`` the age of the
    present one, ``cpu_s`` the processor time that it has used, ``rss_mb`` what it holds in memory;
    ``pid`` is None while there is none. ``components`` are those of which it runs executors."""

    port: int
    pid: int | None
    starts: int
    seconds: float
    cpu_s: float
    rss_mb: float
    components: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats(Mapping[str, Any]):
    """A whole topology. ``complete_latency_ms`` has p50, p99, p999 and max, and is empty before
    the first ack; ``replayed`` counts trees that were emitted again under the name of one that had
    failed or timed out.

    It is also the mapping that ``typhoon run --json`` prints: ``stats["acked"]``,
    ``stats["components"]["count"]["emitted"]``.
    """

    topology: str
    status: str
    seconds: float
    workers: int
    acked: int
    failed: int
    timed_out: int
    failed_by_worker_death: int
    replayed: int
    emitted: Mapping[str, int]
    executed: Mapping[str, int]
    complete_latency_ms: Mapping[str, float]
    components: tuple[ComponentStats, ...]
    processes: tuple[WorkerStats, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The summary as plain values, for JSON; ``components`` by id. What JSON has no word for in
        a gauge is shown by its ``repr``."""
        return dict(self)

    def __getitem__(self, key: str) -> Any:
        if key not in self.__dataclass_fields__:
            raise KeyError(key)
        value = getattr(self, key)
        if key == "components":
            value = {one.id: _by_name(one) for one in value}
            for one in value.values():
                del one["id"]
        elif key == "processes":
            value = [_by_name(one) for one in value]
        return _plain(value)

    def __iter__(self) -> Iterator[str]:
        return iter(self.__dataclass_fields__)

    def __len__(self) -> int:
        return len(self.__dataclass_fields__)


def _by_name(row: ComponentStats | WorkerStats) -> dict[str, Any]:
    return {one.name: getattr(row, one.name) for one in fields(row)}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not isfinite(value):
        return repr(value)
    return value if isinstance(value, str | int | float | None) else repr(value)

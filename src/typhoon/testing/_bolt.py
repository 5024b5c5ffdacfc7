"""``run_bolt``: one bolt over some rows, without a topology around it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from typhoon.metrics import ComponentStats
from typhoon.testing._clock import FakeClock
from typhoon.testing._complete import CompletedTopology, complete_topology
from typhoon.testing._script import Row, ScriptedSpout
from typhoon.topology import DEFAULT_STREAM, Stream, TopologyBuilder, Tuple

SOURCE = "source"
BOLT = "bolt"


@dataclass(frozen=True)
class BoltRun:
    """What a bolt made of some rows. ``acked`` and ``failed`` are the rows that ended so, in the
    order in which they were given; one that timed out has failed."""

    result: CompletedTopology
    acked: list[Any]
    failed: list[Any]

    @property
    def emitted(self) -> list[tuple[Any, ...]]:
        """What it emitted on its default stream, in that order."""
        return self.result[BOLT]

    def stream(self, name: str) -> list[tuple[Any, ...]]:
        """What it emitted on a stream; ``KeyError`` if it has no such."""
        return self.result.stream(BOLT, name)

    @property
    def stats(self) -> ComponentStats:
        """Its figures: how often it was called, its errors and the last one of them."""
        return next(one for one in self.result.stats.components if one.id == BOLT)


def run_bolt(
    bolt: Any,
    tuples: Iterable[Any],
    conf: Mapping[str, Any] | None = None,
    *,
    fields: Sequence[str] | None = None,
    stream: str = DEFAULT_STREAM,
    timeout: float = 30.0,
) -> BoltRun:
    """Run ``bolt``, a class or an instance, over ``tuples`` one after the other, and close it.

    It is run by the engine, as in a topology: ``initialize`` gets ``conf`` over the defaults, what
    ``process`` raises fails its row, ticks come. Each of ``tuples`` is a list or tuple of values,
    a dict of fields, or a ``Tuple``. ``fields`` names the values; by default the fields of the
    first dict or ``Tuple``, else ``value0``, ``value1`` and so on. The rows come from component
    ``"source"`` on ``stream``, tasks are one.

    The clock is a fake one: a row that the bolt keeps open times out without waiting. Raises
    ``InvalidTopologyError`` and ``TopologyFailedError`` as a topology would, ``ValueError`` for
    rows that do not go together, ``TimeoutError`` after ``timeout`` seconds of real time.
    """
    given = list(tuples)
    names = tuple(fields) if fields is not None else _fields_of(given)
    rows = [_values(place, row, names) for place, row in enumerate(given)]
    builder = TopologyBuilder("run_bolt")
    source = ScriptedSpout([Row(row, stream) for row in rows], [Stream(names, stream)])
    builder.set_spout(SOURCE, source)
    builder.set_bolt(BOLT, bolt).shuffle_grouping(SOURCE, stream)
    result = complete_topology(builder, None, conf, timeout, clock=FakeClock())
    return BoltRun(
        result,
        [given[number] for number in sorted(source.acked)],
        [given[number] for number in sorted(source.failed)],
    )


def _fields_of(rows: Sequence[Any]) -> tuple[str, ...]:
    if not rows:
        return ("value0",)
    first = rows[0]
    if isinstance(first, Mapping):
        return tuple(first)
    if isinstance(first, Tuple) and first.fields:
        return first.fields
    count = len(first) if isinstance(first, list | tuple | Tuple) else 1
    return tuple(f"value{number}" for number in range(count))


def _values(place: int, row: Any, fields: Sequence[str]) -> Any:
    """One row as a list of values, or a ``ValueError`` that says why it cannot be."""
    values = row
    if isinstance(row, Mapping):
        if set(row) != set(fields):
            raise ValueError(f"row {place} has the fields {list(row)}, not {list(fields)}")
        values = [row[name] for name in fields]
    elif isinstance(row, Tuple):
        values = row.values
    if not isinstance(values, list | tuple):
        raise ValueError(f"row {place} is {row!r}, no list of values\nhint: [{row!r}]")
    if len(values) != len(fields):
        raise ValueError(f"row {place}, {row!r}, has {len(values)} values for {list(fields)}")
    return values

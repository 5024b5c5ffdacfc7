"""``ScriptedSpout``: a spout that does what a test wrote down, step by step."""

from __future__ import annotations

import copy
import time
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass, replace
from enum import Enum
from typing import Any, Protocol

from typhoon.errors import TopologyFailedError
from typhoon.topology import DEFAULT_STREAM, Spout, Stream


class Mark(Enum):
    """A step of a script that is no row."""

    EOF = "EOF"
    ABORT = "ABORT"

    def __repr__(self) -> str:
        return self.name


EOF = Mark.EOF
"""No more data: the steps after it are not reached. The end of a script is an ``EOF``, too."""
ABORT = Mark.ABORT
"""The topology fails at this step, once and for good: it stops where it is, nothing is drained,
and ``wait_until_drained``, ``run`` and ``complete_topology`` raise ``TopologyFailedError``."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A step that emits nothing: once, or until ``seconds`` of the clock have passed."""

    seconds: float = 0.0

    def __call__(self, seconds: float) -> Pause:
        return Pause(seconds)

    def __repr__(self) -> str:
        return f"PAUSE({self.seconds:g})" if self.seconds else "PAUSE"


PAUSE = Pause()
"""``next_tuple`` returns once without having emitted; ``PAUSE(5)``: for five seconds."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of which more must be said than its values.

    ``tup_id`` None: the row's number in the script, from 0, as for rows without a ``Row``.
    """

    values: Sequence[Any]
    stream: str = DEFAULT_STREAM
    tup_id: Hashable = None


class Time(Protocol):
    @property
    def now_ns(self) -> int: ...


class RealTime:
    """The computer's clock."""

    @property
    def now_ns(self) -> int:
        return time.monotonic_ns()


@dataclass
class Script:
    """The steps, and what became of them: shared by all tasks and restarts of one spout."""

    steps: tuple[Row | Pause | Mark, ...]
    clock: Time | None
    acked: list[Any] = field(default_factory=list)
    failed: list[Any] = field(default_factory=list)
    ended: set[int] = field(default_factory=set)
    aborted: str | None = None

    def part(self, task: int, tasks: int) -> list[Row | Pause | Mark]:
        """The steps of one task: rows are dealt out in turn, all else is for everyone."""
        part: list[Row | Pause | Mark] = []
        number = 0
        for step in self.steps:
            if isinstance(step, Row):
                number += 1
                if (number - 1) % tasks != task:
                    continue
            part.append(step)
        return part


class ScriptedSpout(Spout):
    """Emits the rows of a script, each tracked by its number, and notes what became of them.

        lines = ScriptedSpout([["a b"], PAUSE(5), ["c"]], outputs=["line"])

    A step of ``script`` is a row (a list, tuple or dataclass of values, or a ``Row``), ``PAUSE``,
    ``EOF`` or ``ABORT``. ``next_tuple`` takes one step per call. With several tasks the rows are
    dealt out in turn. Nothing is replayed; a task that a restart made anew starts over.

    ``clock`` is what ``PAUSE(seconds)`` goes by: the ``FakeClock`` of the cluster, where it has
    one. ``acked`` and ``failed`` are those of all tasks together, also while the topology runs.
    """

    on_error = "exit"
    _tells_of_failures = True

    def __init__(
        self,
        script: Iterable[Any] = (),
        outputs: Iterable[str | Stream] | type = ("value",),
        *,
        clock: Time | None = None,
    ) -> None:
        self.outputs = outputs  # type: ignore[misc]  # what a class says of all, one says here
        self.script = Script(tuple(_numbered(read_steps(script))), clock)

    @property
    def acked(self) -> list[Any]:
        """The ids of rows whose trees were completely processed, in that order."""
        return self.script.acked

    @property
    def failed(self) -> list[Any]:
        """The ids of rows that failed or timed out, in that order."""
        return self.script.failed

    def initialize(self, conf: Mapping[str, Any], context: Any) -> None:
        if self.script.aborted is not None:
            raise TopologyFailedError(self.script.aborted)
        self._name = context.component_id
        self._task = context.task_index
        self._clock: Time = self.script.clock or RealTime()
        tasks = len(context.tasks_of(context.component_id))
        self._steps = iter(self.script.part(self._task, tasks))
        self._until: int | None = None

    def next_tuple(self) -> None:
        if self._until is not None:
            if self._clock.now_ns < self._until:
                return
            self._until = None
        step = next(self._steps, EOF)
        if isinstance(step, Row):
            self._emit(step)
        elif isinstance(step, Pause):
            self._until = self._clock.now_ns + round(step.seconds * 1e9) if step.seconds else None
        elif step is ABORT:
            self._abort("its script says ABORT")
        else:
            self.script.ended.add(self._task)
            raise StopIteration

    def ack(self, tup_id: Hashable) -> None:
        self.script.acked.append(tup_id)

    def fail(self, tup_id: Hashable) -> None:
        self.script.failed.append(tup_id)

    def _emit(self, row: Row) -> None:
        try:
            self.emit(row.values, tup_id=row.tup_id, stream=row.stream)
        except Exception as error:
            self._abort(str(error))

    def _abort(self, reason: str) -> None:
        """The worker ends by this exception, and does not start again: see ``initialize``."""
        self.script.aborted = f"spout '{self._name}' ended the topology: {reason}"
        raise TopologyFailedError(self.script.aborted)

    def for_run(self, clock: Time | None) -> ScriptedSpout:
        """The same script from its beginning, whose ``acked`` and ``failed`` are those of this."""
        mine = self.script
        twin = copy.copy(self)
        twin.script = Script(mine.steps, mine.clock or clock, mine.acked, mine.failed)
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> ScriptedSpout:
        """Each task's own, but of one script: whoever wrote it sees what became of it."""
        return copy.copy(self)


def read_steps(script: Iterable[Any]) -> tuple[Row | Pause | Mark, ...]:
    """The steps of ``script``, with every row a ``Row``."""
    if isinstance(script, str | bytes | Mapping):
        raise TypeError(f"a script is a list of rows, not {script!r}\nhint: [[{script!r}]]")
    return tuple(
        step if isinstance(step, Row | Pause | Mark) else Row(_values(place, step))
        for place, step in enumerate(script)
    )


def _numbered(steps: Iterable[Row | Pause | Mark]) -> Iterator[Row | Pause | Mark]:
    """``steps`` with a ``tup_id`` for every row."""
    number = 0
    for step in steps:
        if not isinstance(step, Row):
            yield step
            continue
        yield step if step.tup_id is not None else replace(step, tup_id=number)
        number += 1


def _values(place: int, row: Any) -> Any:
    if isinstance(row, list | tuple) or (is_dataclass(row) and not isinstance(row, type)):
        return row
    raise TypeError(
        f"row {place} of the script is {row!r}, which is no list of values\nhint: [{row!r}]"
    )

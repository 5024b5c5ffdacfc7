"""``QueueSpout``: emits what an application of the same process puts in."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from typhoon.components._puts import Put, Puts, failed, lost
from typhoon.topology import DEAD_LETTER, Spout, Stream

if TYPE_CHECKING:
    from typhoon.topology import ComponentSpec


class _Refusal:
    """Why a ``QueueSpout``, a class or an instance, cannot run; None if it can."""

    def __get__(self, instance: object | None, owner: type) -> str | None:
        if getattr(owner if instance is None else instance, "outputs", None):
            return None
        return (
            "a QueueSpout without outputs, so that nothing can be put into it\n"
            'hint: name the fields: QueueSpout(["user", "page"])'
        )


class QueueSpout(Spout):
    """Emits what is put into it while the topology runs: ``await topology["clicks"].put(values)``.

        class Clicks(Topology):
            clicks = QueueSpout(["user", "page"], maxsize=100).spec()
            ...

    ``topology`` is what ``LocalCluster.submit`` returned, ``topology["clicks"]`` a ``Puts``.
    ``maxsize`` tuples may be under way at once, so that whoever puts is as slow as the topology.
    It replays nothing: whoever put is told by an exception. The spout ends when ``close`` was
    called and everything that was put has been sent; without that, the topology does not drain.

    A subclass may set ``outputs`` and ``maxsize`` in its body; if it has an ``initialize`` or
    ``close`` of its own, that calls ``super()``.
    """

    maxsize: int = 1000
    _tells_of_failures = True
    refusal = _Refusal()

    def __init__(
        self, outputs: Iterable[str | Stream] | type | None = None, *, maxsize: int | None = None
    ) -> None:
        if outputs is not None:
            self.outputs = outputs  # type: ignore[misc]  # what a class says of all, one says here
        if maxsize is not None:
            given: Any = maxsize
            if not isinstance(given, int) or isinstance(given, bool) or given < 1:
                raise ValueError(
                    f"maxsize must be a whole number of at least 1, not {maxsize!r}\n"
                    "hint: how many tuples may be under way, as in maxsize=100"
                )
            self.maxsize = maxsize

    @staticmethod
    def make_handle(spec: ComponentSpec) -> Puts:
        """Called once per running topology; ``topology[spec.id]`` gives what this returned."""
        return Puts(spec.id, spec.tasks, spec.component.maxsize)

    def initialize(self, conf: Mapping[str, Any], context: Any) -> None:
        self._puts: Puts = context.handle
        self._task: int = context.task_index
        self._sent: dict[Hashable, Put] = {}
        self._count = 0
        self._puts.join(self._task, self.wake)

    def next_tuple(self) -> None:
        put = self._puts.take(self._task)
        if put is None:
            if self._puts.has_ended(self._task):
                raise StopIteration
            return
        self._count += 1
        self._sent[self._count] = put  # before it is sent: without acking, emit itself acks
        try:
            self.emit(put.values, tup_id=self._count)
        except Exception as error:
            del self._sent[self._count]
            self._puts.settle(put, error)

    def emit(
        self,
        tup: Sequence[Any],
        tup_id: Hashable = None,
        stream: str | None = None,
        direct_task: int | None = None,
        need_task_ids: bool = False,
    ) -> list[int] | None:
        """As ``Spout.emit``. What the worker emits as a dead letter, under the name of a put, has
        failed for whoever put it, although the letter may be acked."""
        if stream == DEAD_LETTER.name and tup_id in self._sent:
            self.fail(tup_id)
        return super().emit(tup, tup_id, stream, direct_task, need_task_ids)

    def ack(self, tup_id: Any) -> None:
        put = self._sent.pop(tup_id, None)
        if put is not None:
            self._puts.settle(put)

    def fail(self, tup_id: Any) -> None:
        put = self._sent.pop(tup_id, None)
        if put is not None:
            self._puts.settle(put, failed(self._puts.component, put.values))

    def close(self) -> None:
        for put in self._sent.values():
            self._puts.settle(put, lost(self._puts.component, put.values))
        self._sent.clear()

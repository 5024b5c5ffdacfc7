"""What ``pystorm.spout`` has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any

from typhoon.compat.pystorm.component import Component


class Spout(Component):
    """A spout as pystorm has it. ``StopIteration`` out of ``next_tuple`` ends it, as in typhoon."""

    def ack(self, tup_id: Any) -> None:
        """The tuple emitted with ``tup_id`` is completely processed."""

    def fail(self, tup_id: Any) -> None:
        """The tuple emitted with ``tup_id`` failed or timed out."""

    def next_tuple(self) -> None:
        raise NotImplementedError

    def activate(self) -> None:
        """The topology asks for tuples (again)."""

    def deactivate(self) -> None:
        """The topology asks for no more tuples."""

    def emit(  # type: ignore[override]  # a spout's has no anchors
        self,
        tup: Sequence[Any],
        tup_id: Hashable = None,
        stream: str | None = None,
        direct_task: int | None = None,
        need_task_ids: bool = False,
    ) -> list[int] | None:
        return super().emit(
            tup,
            tup_id=tup_id,
            stream=stream,
            direct_task=direct_task,
            need_task_ids=need_task_ids,
        )


class ReliableSpout(Spout):
    """Keeps what it emitted and emits it again, up to ``max_fails`` times, when it fails."""

    max_fails = 3

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.failed_tuples: Counter[Hashable] = Counter()
        self.unacked_tuples: dict[Hashable, tuple[Any, ...]] = {}

    def ack(self, tup_id: Any) -> None:
        self.failed_tuples.pop(tup_id, None)
        if self.unacked_tuples.pop(tup_id, None) is None:
            self.logger.error("ack of %r, which was not emitted or is acked already", tup_id)

    def fail(self, tup_id: Any) -> None:
        if tup_id not in self.unacked_tuples:
            self.logger.error("fail of %r, which was not emitted or is acked already", tup_id)
        elif self.failed_tuples[tup_id] >= self.max_fails:
            self.logger.info("%r was replayed %d times: given up", tup_id, self.max_fails)
            self.ack(tup_id)
        else:
            tup, *rest = self.unacked_tuples[tup_id]
            names = ("stream", "direct_task", "need_task_ids")
            # By keyword, for subclasses that have an emit of their own.
            self.emit(tup, tup_id=tup_id, **dict(zip(names, rest, strict=True)))
            self.failed_tuples[tup_id] += 1

    def emit(  # type: ignore[override]  # as above
        self,
        tup: Sequence[Any],
        tup_id: Hashable = None,
        stream: str | None = None,
        direct_task: int | None = None,
        need_task_ids: bool = False,
    ) -> list[int] | None:
        if tup_id is None:
            raise ValueError("a ReliableSpout replays by tup_id: emit(values, tup_id=...)")
        # Kept before it is sent: with acking off, ack is called from inside emit.
        self.unacked_tuples[tup_id] = (tup, stream, direct_task, need_task_ids)
        return super().emit(
            tup,
            tup_id=tup_id,
            stream=stream,
            direct_task=direct_task,
            need_task_ids=need_task_ids,
        )

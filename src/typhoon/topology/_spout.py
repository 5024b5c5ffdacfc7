"""``Spout``, where tuples come from, and ``ReliableSpout``, which replays what failed."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from typhoon._core import SpoutBase
from typhoon.topology._component import Component, class_or_instance
from typhoon.topology._declaration import Declaration

if TYPE_CHECKING:
    from typhoon.topology._spec import OnError


class Spout(Component, SpoutBase):
    """Emits tuples into the topology when ``next_tuple()`` is called; write that method.

    ``next_tuple(self)`` emits what is there, usually one tuple, and returns; it must not wait for
    data. Raising ``StopIteration`` out of it says that this task has no more data: it is not called
    again, acks and fails of what it emitted still arrive. All methods run on one thread.

    From the engine every spout has ``emit(tup, tup_id=None, ...)``, ``emit_many``, ``wake()`` and
    ``wake_on(fd)``. A tuple with a ``tup_id`` is tracked: ``ack(tup_id)`` or ``fail(tup_id)`` will
    be called once its whole tree is processed, or a part of it failed or timed out.
    """

    __slots__ = ("_reporter",)

    _tells_of_failures: ClassVar[bool] = False
    """Whoever gave the data hears of a failure in another way than by a replay."""

    def activate(self) -> None:
        """Called when the topology starts to ask for tuples, or does so again."""

    def deactivate(self) -> None:
        """Called when the topology stops asking for tuples; acks and fails still arrive."""

    def ack(self, tup_id: Any) -> None:
        """The tree of ``tup_id`` is completely processed."""

    def fail(self, tup_id: Any) -> None:
        """The tree of ``tup_id`` failed or timed out. What this emits is sent, also after the task
        has had its last data; if it emits nothing then, a warning names the first such tuple."""

    def fail_by_worker_death(
        self, tup_id: Any, max_worker_deaths: int, death: Hashable = None
    ) -> None:
        """Called in place of ``fail`` when a worker died that may have held a part of the tree.

        ``max_worker_deaths`` is ``topology.max.worker.deaths``; only a spout that replays needs it.
        ``death`` says which: the same one may be told several times, after each replay. It is False
        where no tuple can be to blame: the worker had not begun to run, or was ended in order.
        """
        self.fail(tup_id)

    @class_or_instance
    def spec(
        component: Any,  # noqa: N805 - the class or an instance of it
        name: str | None = None,
        par: int | Mapping[str, int] | None = None,
        config: Mapping[str, Any] | None = None,
        *,
        threaded: bool | None = None,
        on_error: OnError | None = None,
        tasks: int | None = None,
    ) -> Declaration:
        """Declare this spout as a component of a topology.

        ``name`` is the component's id (default: the attribute it is assigned to), ``par`` the
        number of executors, or one number per environment. ``tasks`` (default: ``par``) never
        changes while the topology lives. Nothing is checked before the topology is.
        """
        return Declaration(
            "spout",
            component,
            name=component._component_name if name is None else name,
            par=par,
            config=config,
            threaded=threaded,
            on_error=on_error,
            tasks=tasks,
        )


def hears_of_failures(spout: Any) -> bool:
    """Whether somebody hears of what fails in ``spout``, even if it emits nothing again."""
    return bool(getattr(spout, "_tells_of_failures", False))


class Emitted(NamedTuple):
    """One tracked emit, as it must be repeated."""

    tup: Sequence[Any]
    stream: str | None = None
    direct_task: int | None = None


def _frozen(tup: Sequence[Any]) -> Sequence[Any]:
    """What ``tup`` holds now: a list may be filled anew before it must be replayed."""
    return tuple(tup) if isinstance(tup, list) else tup


class ReliableSpout(Spout):
    """A spout that keeps what it emitted with a ``tup_id`` and emits it again when it fails.

    A tuple is replayed up to ``max_fails`` times; the fail after that gives it up: it is
    forgotten, counted in ``gave_up`` and reported. A fail because a worker died does not count
    towards ``max_fails``, but after ``topology.max.worker.deaths`` of them it is given up too: a
    tuple that kills its worker must not do so for ever. Those that were beside it must not be given
    up with it, so for a last time they are replayed one by one.

    ``unacked_tuples`` and ``failed_tuples`` are keyed by ``tup_id``. A subclass that overrides
    ``ack`` or ``fail`` calls ``super()``.
    """

    __slots__ = (
        "_excused",
        "_suspects",
        "_told",
        "_tried",
        "failed_tuples",
        "gave_up",
        "unacked_tuples",
        "worker_deaths",
    )

    max_fails: ClassVar[int] = 3

    unacked_tuples: dict[Hashable, Emitted]
    failed_tuples: dict[Hashable, int]
    worker_deaths: dict[Hashable, set[Hashable]]
    gave_up: int
    _suspects: deque[Hashable]
    """They wait for their last replay."""
    _tried: Hashable
    """The one that has it now."""
    _told: dict[Hashable, int]
    """All deaths, numbered in the order in which this spout was told of them."""
    _excused: int
    """For deaths before this one the tuple that is tried is not to blame: it was emitted later."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        # Not in __init__, because an __init__ of a subclass need not call this class's.
        self = super().__new__(cls, *args, **kwargs)
        self.unacked_tuples = {}
        self.failed_tuples = {}
        self.worker_deaths = {}
        self.gave_up = 0
        self._suspects = deque()
        self._tried = None
        self._told = {}
        self._excused = 0
        return self

    def emit(
        self,
        tup: Sequence[Any],
        tup_id: Hashable = None,
        stream: str | None = None,
        direct_task: int | None = None,
        need_task_ids: bool = False,
    ) -> list[int] | None:
        """As ``Spout.emit``; with a ``tup_id`` the tuple is kept until it is acked or given up."""
        if tup_id is None:
            return super().emit(tup, None, stream, direct_task, need_task_ids)
        before = {tup_id: self.unacked_tuples.get(tup_id)}
        # Kept before it is sent: with acking off, ack is called from inside emit.
        self.unacked_tuples[tup_id] = Emitted(_frozen(tup), stream, direct_task)
        try:
            return super().emit(tup, tup_id, stream, direct_task, need_task_ids)
        except BaseException:
            self._restore(before)
            raise

    def emit_many(
        self,
        tuples: Iterable[Sequence[Any]],
        tup_ids: Iterable[Hashable] | None = None,
        stream: str | None = None,
    ) -> None:
        """As ``Spout.emit_many``; each tuple with a ``tup_id`` is kept until acked or given up."""
        if tup_ids is None:
            super().emit_many(tuples, None, stream)
            return
        ids, kept = list(tup_ids), [_frozen(tup) for tup in tuples]
        before = {i: self.unacked_tuples.get(i) for i in ids}
        try:
            for tup_id, tup in zip(ids, kept, strict=True):
                if tup_id is not None:
                    self.unacked_tuples[tup_id] = Emitted(tup, stream)
            super().emit_many(kept, ids, stream)
        except BaseException:
            self._restore(before)
            raise

    def ack(self, tup_id: Hashable) -> None:
        """Forget the tuple: its tree is complete."""
        self.unacked_tuples.pop(tup_id, None)
        if self.failed_tuples or self.worker_deaths:
            self._forget(tup_id)

    def fail(self, tup_id: Hashable) -> None:
        """Emit the tuple again, or give it up once it was replayed ``max_fails`` times."""
        if tup_id in self.unacked_tuples:  # else it is not ours, or acked or given up already
            count = self.failed_tuples[tup_id] = self.failed_tuples.get(tup_id, 0) + 1
            self._replay(tup_id, count, self.max_fails, f"failed {count} times")

    def fail_by_worker_death(
        self, tup_id: Hashable, max_worker_deaths: int, death: Hashable = None
    ) -> None:
        """Emit the tuple again, unless it took that many workers down with it. Each ``death``
        counts once, however often it is told of, and False does not count."""
        if tup_id not in self.unacked_tuples:
            return
        if death is False:
            self._replay(tup_id, 0, 0, "")
            return
        last = max_worker_deaths - 1  # the last death is not followed by a replay
        deaths = self.worker_deaths.setdefault(tup_id, set())
        if death is None:
            deaths.add((len(deaths),))
        elif (
            self._told.setdefault(death, len(self._told)) >= self._excused or tup_id != self._tried
        ):
            deaths.add(death)
        if len(deaths) == last and self._tried is None:
            self._try(tup_id)
        elif len(deaths) == last and self._tried != tup_id:
            self._suspects.append(tup_id)
            return
        self._replay(tup_id, len(deaths), last, f"was in {len(deaths)} workers that died")

    def _try(self, tup_id: Hashable) -> None:
        """It has its last replay, and no other beside it has."""
        self._tried, self._excused = tup_id, len(self._told)

    def _replay(self, tup_id: Hashable, count: int, limit: int, story: str) -> None:
        """Emit the tuple again, unless this was more than the ``limit``-th time that it failed."""
        emitted = self.unacked_tuples[tup_id]
        if count <= limit:
            self.emit(emitted.tup, tup_id, emitted.stream, emitted.direct_task)
            return
        self.gave_up += 1
        self.report_error(f"tup_id {tup_id!r} {story}: given up")
        self._forget(tup_id)

    def _restore(self, before: Mapping[Hashable, Emitted | None]) -> None:
        """Keep what was kept before an emit that sent nothing."""
        for tup_id, emitted in before.items():
            if emitted is None:
                self.unacked_tuples.pop(tup_id, None)
            else:
                self.unacked_tuples[tup_id] = emitted

    def _forget(self, tup_id: Hashable) -> None:
        for kept in (self.unacked_tuples, self.failed_tuples, self.worker_deaths):
            kept.pop(tup_id, None)
        if tup_id == self._tried:
            self._tried = None
            if self._suspects:
                self._try(self._suspects.popleft())
                tup, stream, direct_task = self.unacked_tuples[self._tried]
                self.emit(tup, self._tried, stream, direct_task)

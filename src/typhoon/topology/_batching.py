"""``BatchingBolt`` and ``TicklessBatchingBolt``: bolts that process tuples together."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from typhoon._core import must_have_run
from typhoon.topology._bolt import Bolt
from typhoon.topology._component import class_or_instance

if TYPE_CHECKING:
    from typhoon._core import Tuple

DEFAULT_TICK_S = 1.0


class BatchingBolt(Bolt):
    """Collects tuples by ``group_key(tup)``; ``process_batch(key, tups)`` gets those of one key.

    Batches are processed at every ``ticks_between_batches``-th tick, a last time when the topology
    drains or is deactivated. Without a tick frequency (``tick_freq_secs``, or the configuration's
    ``topology.tick.tuple.freq.secs``) it is ticked once a second, and the log says so. A tuple
    waits unacked until its batch is processed, so keep that time well below
    ``topology.message.timeout.secs``.

    What ``process_batch`` emits is anchored to all tuples of its batch. With ``auto_ack`` those are
    acked when it returns; when it raises, ``on_error`` decides about all of them that are not
    settled yet, and the batches of other keys go on.
    """

    ticks_between_batches: ClassVar[int] = 1

    _batches: dict[Hashable, list[Tuple]]
    _open: dict[int, Tuple] | None
    _ticks: int
    _hurried: bool

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        # Not in __init__, because an __init__ of a subclass need not call this class's.
        self = super().__new__(cls, *args, **kwargs)
        self._batches = {}
        self._open = None
        self._ticks = 0
        self._hurried = False
        return self

    def group_key(self, tup: Tuple) -> Hashable:
        """The key of the batch that ``tup`` belongs to; by default all are of one, None."""
        return None

    def process_batch(self, key: Hashable, tups: list[Tuple]) -> None:
        """Write this one: called with each key and its tuples, in the order of their arrival."""
        raise NotImplementedError(f"{type(self).__name__} has no process_batch(key, tups)")

    def process_batches(self) -> None:
        """Process what has been collected. May be called at any time on the executor's thread."""
        waiting, self._batches = self._batches, {}
        while waiting:
            key = next(iter(waiting))
            batch = waiting.pop(key)
            self._open = {id(tup): tup for tup in batch}
            try:
                given: Any = self.process_batch(key, batch)  # type: ignore[func-returns-value]
                must_have_run("process_batch", given)
                if self.auto_ack:
                    self._settle(self.ack)
            except Exception as error:
                if not self._failed(error):
                    self._batches = {**waiting, **self._batches}
                    raise
            finally:
                self._open = None

    def process(self, tup: Tuple) -> None:
        """Put ``tup`` into its batch; not meant to be overridden."""
        self._batches.setdefault(self.group_key(tup), []).append(tup)

    def process_tick(self, tup: Tuple) -> None:
        """Count the tick, and process the batches when it is time; not meant to be overridden."""
        self._ticks += 1
        if self._hurried or self._ticks >= self.ticks_between_batches:
            self._ticks, self._hurried = 0, False
            self.process_batches()

    def emit(
        self,
        tup: Sequence[Any],
        stream: str | None = None,
        anchors: Iterable[Tuple | str] | Tuple | None = None,
        direct_task: int | None = None,
        need_task_ids: bool = False,
    ) -> list[int] | None:
        """As ``Bolt.emit``; inside ``process_batch`` anchored to the tuples of the batch."""
        return super().emit(tup, stream, self._anchors(anchors), direct_task, need_task_ids)

    def emit_many(
        self,
        tuples: Iterable[Sequence[Any]],
        stream: str | None = None,
        anchors: Iterable[Tuple | str] | Tuple | None = None,
    ) -> None:
        """As ``Bolt.emit_many``; inside ``process_batch`` anchored to the tuples of the batch."""
        super().emit_many(tuples, stream, self._anchors(anchors))

    def ack(self, tup: Tuple | str) -> None:
        """As ``Bolt.ack``: what was acked by hand is not acked again after the batch."""
        self._forget(tup)
        super().ack(tup)

    def fail(self, tup: Tuple | str) -> None:
        """As ``Bolt.fail``: what was failed by hand is not acked after the batch."""
        self._forget(tup)
        super().fail(tup)

    def _anchors(self, anchors: Any) -> Any:
        if anchors is not None or self._open is None:
            return anchors
        return list(self._open.values()) if self.auto_anchor else []

    def _forget(self, tup: Tuple | str) -> None:
        if not self._open:
            return
        if isinstance(tup, str):
            self._open = {key: one for key, one in self._open.items() if one.id != tup}
        else:
            self._open.pop(id(tup), None)

    def _settle(self, settle: Callable[[Tuple], None]) -> None:
        tuples, self._open = self._open or {}, None
        for tup in tuples.values():
            settle(tup)

    def _failed(self, error: Exception) -> bool:
        """What ``on_error`` says of the batch is done; False if the worker has to hear of it."""
        reporter = getattr(self, "_reporter", None)
        if reporter is None:
            return False
        verdict = reporter.batch_failed(error, list((self._open or {}).values()))
        if verdict == "exit":
            return False
        if verdict == "drop":
            self._settle(self.ack)
        elif self.auto_fail:
            self._settle(self.fail)
        return True

    # What the worker asks ------------------------------------------------------------------------

    @class_or_instance
    def _tick_secs(component: Any, name: str, configured: float | None) -> float | None:  # noqa: N805
        if configured is None:
            text = "bolt '%s' has no tick frequency: its batches are looked at once a second"
            component.logger.warning(text, name)
        return DEFAULT_TICK_S if configured is None else configured

    def _hurry(self) -> bool:
        """Nothing more will come: the next tick is to process the batches, however early it is.
        Whether any tuple waits. From any thread."""
        self._hurried = True
        return bool(self._batches)


class TicklessBatchingBolt(BatchingBolt):
    """A ``BatchingBolt`` that processes its batches every ``secs_between_batches`` seconds.

    It needs no tick frequency and ignores a configured one. ``process_batch`` runs on the
    executor's thread, as all of a bolt's methods do: no lock is needed.
    """

    secs_between_batches: ClassVar[float] = 2

    def process_tick(self, tup: Tuple) -> None:
        """Process the batches; not meant to be overridden."""
        self._hurried = False
        self.process_batches()

    @class_or_instance
    def _tick_secs(component: Any, name: str, configured: float | None) -> float | None:  # noqa: N805
        return float(component.secs_between_batches)


def tick_secs(component: Any, name: str, configured: float | None) -> float | None:
    """How often ``component`` (a bolt's class or instance), called ``name``, is ticked where the
    configuration says ``configured``; None for never."""
    own = getattr(component, "_tick_secs", None)
    return configured if own is None else own(name, configured)


def hurry(component: Any) -> bool:
    """Tell ``component`` that nothing more will come; True if it is a bolt that holds tuples back,
    and should be ticked. From any thread."""
    own = getattr(component, "_hurry", None)
    return own is not None and bool(own())


def hold_acks(component: Any) -> Any:
    """Before the engine takes ``component`` over: if it collects tuples, the engine must not ack
    what its ``process`` has only put away. The result is for ``give_acks_back``."""
    if not isinstance(component, BatchingBolt):
        return None
    before = vars(component).get("auto_ack")
    vars(component)["auto_ack"] = False
    return (before,)


def give_acks_back(component: Any, held: Any) -> None:
    """Once the engine has asked: ``auto_ack`` is again what the author said."""
    if held is None:
        return
    if held[0] is None:
        del vars(component)["auto_ack"]
    else:
        vars(component)["auto_ack"] = held[0]

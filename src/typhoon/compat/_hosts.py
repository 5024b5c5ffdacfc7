"""What the engine runs in a streamparse component's place: a bolt or spout that calls it.

The component itself is no typhoon component. It is made by its class without arguments, one for
each task, and reaches the engine through its host.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

from typhoon.compat._delivered import anchor, delivered, settles
from typhoon.topology import Bolt, Spout, Stream, Tuple

logger = logging.getLogger("typhoon.compat")

SHORTEST_S = 0.001
"""Between two batches of a bolt whose author wrote 0."""


class _Host:
    """What both hosts have; ``component_class`` is the class that the author wrote.

    As declared it has no component: each task gets a copy, which makes one.
    """

    def __init__(self, component_class: type[Any], outputs: Iterable[Stream] = ()) -> None:
        self.component_class = component_class
        self.streams = list(outputs)
        vars(self)["outputs"] = self.streams
        self.component: Any = None

    def __deepcopy__(self, memo: Any) -> Self:
        host = type(self)(self.component_class, self.streams)
        host.component = self.component_class()
        host.component._host = host
        return host

    def __reduce__(self) -> Any:
        return type(self), (self.component_class, self.streams)

    def __repr__(self) -> str:
        return self.component_class.__name__

    def initialize(self, conf: Mapping[str, Any], context: Any) -> None:
        self.component._setup_component(conf, context)
        self.component.initialize(conf, context)

    def metric(self, name: str, value: Any) -> None:
        """There are no custom metrics yet: what is reported goes to the log."""
        logger.debug("%s: metric %s = %r", self.component.component_name, name, value)


class SpoutHost(_Host, Spout):
    """Runs a streamparse spout."""

    def next_tuple(self) -> None:
        self.component.next_tuple()

    def ack(self, tup_id: Any) -> None:
        self.component.ack(tup_id)

    def fail(self, tup_id: Any) -> None:
        self.component.fail(tup_id)

    def activate(self) -> None:
        self.component.activate()

    def deactivate(self) -> None:
        self.component.deactivate()

    def report(self, error: BaseException, _tup: Any) -> None:
        self.report_error(error)

    def send(
        self,
        tup: Sequence[Any],
        tup_id: Any,
        stream: str | None,
        _anchors: Any,
        direct_task: int | None,
        need_task_ids: bool,
    ) -> list[int] | None:
        return self.emit(tup, tup_id, stream, direct_task, need_task_ids)


class BoltHost(_Host, Bolt):
    """Runs a streamparse bolt, which may change its ``auto_ack`` and the like at any time: so the
    engine does nothing by itself."""

    auto_anchor: ClassVar[bool] = False
    auto_ack: ClassVar[bool] = False
    auto_fail: ClassVar[bool] = False

    def process(self, tup: Tuple) -> None:
        try:
            self.component._take(delivered(tup))
        except Exception:
            self.component._give_up()
            raise

    def process_tick(self, tup: Tuple) -> None:
        try:
            self.component._take_tick(delivered(tup))
        except Exception:
            self.component._give_up()
            raise

    def report(self, error: BaseException, tup: Any) -> None:
        original = getattr(tup, "original", None)
        self.raise_exception(error, original if isinstance(original, Tuple) else None)

    def send(
        self,
        tup: Sequence[Any],
        _tup_id: Any,
        stream: str | None,
        anchors: Iterable[Any] | None,
        direct_task: int | None,
        need_task_ids: bool,
    ) -> list[int] | None:
        known = [one for one in map(anchor, anchors or ()) if one is not None]
        return self.emit(tup, stream, known, direct_task, need_task_ids)

    def settle(self, tup: Any, how: str) -> None:
        """Ack or fail ``tup``, a Tuple or its id; a second time does nothing."""
        known = settles(tup, self.component._current_tups)
        if known is not None:
            (self.ack if how == "ack" else self.fail)(known)


class BatchingHost(BoltHost):
    """Runs a streamparse batching bolt; without a tick frequency it is ticked once a second."""

    @property
    def _seconds(self) -> float | None:
        return getattr(self.component_class, "secs_between_batches", None)

    def _tick_secs(self, name: str, configured: float | None) -> float | None:
        if self._seconds is not None:
            return max(float(self._seconds), SHORTEST_S)
        if configured is None:
            text = "bolt '%s' has no tick frequency: it is ticked once a second"
            logger.warning(text, name)
        return 1.0 if configured is None else configured

    def _hurry(self) -> bool:
        self.component._make_due()
        return bool(self.component._holds())

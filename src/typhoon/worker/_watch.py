"""``Watch``: what the engine tells of one task, where hooks or copies of values ask for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from typhoon._core import Tuple
from typhoon.topology import (
    BoltAckInfo,
    BoltExecuteInfo,
    BoltFailInfo,
    EmitInfo,
    SpoutAckInfo,
    SpoutFailInfo,
)
from typhoon.worker._context import Context
from typhoon.worker._copies import Copies
from typhoon.worker._errors import ErrorBook


class Watch:
    """Given to a task's ``Handle.watch`` while the task is opened; without one the engine calls
    none of this. Called on the task's thread, ``settled`` on that of who acks or fails."""

    def __init__(
        self,
        conf: Mapping[str, Any],
        context: Context,
        errors: ErrorBook,
        copies: Copies | None,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._conf = conf
        self._context = context
        self._errors = errors
        self._copies = copies
        self._now = now
        self._hooks: list[Any] = []
        self._born: dict[Any, float] = {}
        self._began: dict[int, float] = {}

    def add(self, hook: Any) -> None:
        """Prepare ``hook`` and tell it from now on. Raises what its ``prepare`` raises."""
        prepare = getattr(hook, "prepare", None)
        if prepare is not None:
            prepare(dict(self._conf), self._context)
        self._hooks.append(hook)

    def close(self) -> None:
        """The task has been closed."""
        self._tell("cleanup")

    # What the engine calls ---------------------------------------------------------------------

    def emitting(self, stream: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """A tuple is about to be sent; gives the values to send."""
        return values if self._copies is None else self._copies.take(stream, values)

    def emitted(
        self,
        stream: str,
        values: tuple[Any, ...],
        tasks: Sequence[int],
        trees: Sequence[int],
        tup_id: Any,
    ) -> None:
        if tup_id is not None and trees:
            self._born[tup_id] = self._now()
        self._tell("emit", EmitInfo(values, stream, self._context.task_id, tasks, tup_id, trees))

    def settled(self, tup: Tuple, failed: bool) -> None:
        self._check(tup, "before '{}' settled it")
        spent = self._since(self._began.pop(id(tup), None))
        if failed:
            self._tell("bolt_fail", BoltFailInfo(tup, self._context.task_id, spent))
        else:
            self._tell("bolt_ack", BoltAckInfo(tup, self._context.task_id, spent))

    def acked_at_once(self, tup_id: Any) -> None:
        """Without acking ``ack`` is called inside emit."""
        self._tell("spout_ack", SpoutAckInfo(tup_id, self._context.task_id, 0.0))

    def around(self, name: str, method: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
        """What the engine is to call in place of ``method``; None for one that is not written."""
        wrap = {
            "process": self._around_process,
            "process_many": self._around_many,
            "ack": self._around_ack,
            "fail": self._around_fail,
        }[name]
        return wrap(method or _nothing)

    # -------------------------------------------------------------------------------------------

    def _around_process(self, method: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def process(tup: Tuple) -> Any:
            began = self._begin([tup])
            try:
                return method(tup)
            finally:
                self._end([tup], began)

        return process

    def _around_many(self, method: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def process_many(tups: list[Tuple]) -> Any:
            began, given = self._begin(tups), list(tups)
            try:
                return method(tups)
            finally:
                self._end(given, began)

        return process_many

    def _begin(self, tups: Sequence[Tuple]) -> float:
        for tup in tups:
            self._check(tup, "before '{}' got it")
        began = self._now()
        self._began.update((id(tup), began) for tup in tups)
        return began

    def _end(self, tups: Sequence[Tuple], began: float) -> None:
        spent = (self._now() - began) * 1000.0 / max(1, len(tups))
        for tup in tups:
            self._check(tup, "while '{}' processed it")
            self._tell("bolt_execute", BoltExecuteInfo(tup, self._context.task_id, spent))

    def _around_ack(self, method: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def ack(tup_id: Any) -> Any:
            spent = self._since(self._born.pop(tup_id, None))
            try:
                return method(tup_id)
            finally:
                self._tell("spout_ack", SpoutAckInfo(tup_id, self._context.task_id, spent))

        return ack

    def _around_fail(self, method: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def fail(tup_id: Any) -> Any:
            spent = self._since(self._born.pop(tup_id, None))  # before it is emitted again
            try:
                return method(tup_id)
            finally:
                self._tell("spout_fail", SpoutFailInfo(tup_id, self._context.task_id, spent))

        return fail

    def _since(self, began: float | None) -> float | None:
        return None if began is None else (self._now() - began) * 1000.0

    def _check(self, tup: Tuple, when: str) -> None:
        if self._copies is not None:
            for difference in self._copies.compare(tup, when):
                self._errors.add("topology.debug.copy.values", difference)

    def _tell(self, event: str, *info: Any) -> None:
        for hook in self._hooks:
            method = getattr(hook, event, None)
            if method is None:
                continue
            try:
                method(*info)
            except Exception as error:
                self._errors.add(f"hook {type(hook).__name__}.{event}", error)


def _nothing(_: Any) -> None:
    """A method that the spout's author has not written."""
